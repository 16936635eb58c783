"""The codec's vectors: CBOR of the profile and CBOR that is refused.

Owns the list; the words say what is special about each. Rule: E_CBOR where a decoder stops, E_NONDET where only the
comparison with the one encoding tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from protocol.canonical import decode
from protocol.errors import Rejected
from tests.vectors.notation import shown

GOOD = {
    "zero": "00", "the largest one-byte integer": "17", "24": "1818", "256": "190100", "2^32": "1b0000000100000000",
    "2^64 - 1": "1bffffffffffffffff", "-1": "20", "-2^64": "3bffffffffffffffff", "no bytes": "40", "bytes": "43010203",
    "24 bytes": "5818" + "00" * 24, "no text": "60", "text": "63c3a961", "false": "f4", "true": "f5", "null": "f6",
    "an empty list": "80", "a list": "83010203", "an empty map": "a0", "a map": "a3010017002000",
    "eight lists": "81" * 8 + "00",
}  # fmt: skip
BAD = {
    "nothing": ("", "E_CBOR"), "a longer integer": ("1817", "E_NONDET"), "a longer length": ("580100", "E_NONDET"),
    "a longer list length": ("980100", "E_NONDET"), "an indefinite list": ("9f00ff", "E_CBOR"),
    "indefinite bytes": ("5f4100ff", "E_CBOR"), "indefinite text": ("7f6161ff", "E_CBOR"), "an indefinite map": ("bf0000ff", "E_CBOR"),
    "a half float": ("f93c00", "E_CBOR"), "a float": ("fa3f800000", "E_CBOR"), "a double": ("fb3ff0000000000000", "E_CBOR"),
    "undefined": ("f7", "E_CBOR"), "a simple value": ("f0", "E_CBOR"), "a bignum": ("c249010000000000000000", "E_CBOR"),
    "a date": ("c074323032362d31312d32325430303a30303a30305a", "E_CBOR"), "an unknown tag": ("d9ffff00", "E_CBOR"),
    "a list inside itself": ("d81c81d81d00", "E_CBOR"), "a shared list": ("82d81c80d81d00", "E_CBOR"),
    "map keys out of order": ("a201000000", "E_NONDET"), "negative keys before others": ("a220000000", "E_NONDET"),
    "a key twice": ("a200000000", "E_CBOR"), "a key of text": ("a1616100", "E_CBOR"), "a key of 24": ("a1181800", "E_CBOR"),
    "a key of -25": ("a1381800", "E_CBOR"), "a key that is true": ("a1f500", "E_CBOR"), "two items": ("0000", "E_NONDET"),
    "a cut-off list": ("8200", "E_CBOR"), "text that is not UTF-8": ("61ff", "E_CBOR"), "nine lists": ("81" * 9 + "00", "E_CBOR"),
    "a list of 2^64 - 1 items": ("9bffffffffffffffff", "E_CBOR"), "a lonely break": ("ff", "E_CBOR"),
}  # fmt: skip


def cases() -> Iterator[dict[str, Any]]:
    """All of them, run."""
    for name, data in GOOD.items():
        yield {"name": name, "bytes": data, "item": shown(decode(bytes.fromhex(data))), "expect": "ok"}
    for name, (data, code) in BAD.items():
        try:
            decode(bytes.fromhex(data))
        except Rejected as rejected:
            if rejected.code != code:
                raise SystemExit(f"codec: {name}: expected {code}, found {rejected.code}") from None
            yield {"name": name, "bytes": data, "expect": code}
        else:
            raise SystemExit(f"codec: {name}: expected {code}, was accepted")
