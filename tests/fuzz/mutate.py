"""Mutation that knows CBOR and JSON: changes an item inside the bytes and writes well-formed bytes again.

Flipping bits of an encoding is nearly always refused by the codec, so that what stands behind the codec is never
reached. This opens the nesting (CBOR in byte strings in CBOR), changes one thing, and closes it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import cbor2

Bend = Callable[[bytes], bytes]
"""Changes plain bytes: the fuzzer's own mutator, or the one below."""

_NUMBERS = (
    0,
    1,
    2,
    3,
    17,
    23,
    24,
    255,
    256,
    2**16,
    2**31,
    2**32,
    2**53 - 1,
    2**53,
    2**63,
    2**64 - 1,
    -1,
    -24,
    -25,
    -(2**64),
)
_OTHERS: tuple[Any, ...] = (
    True,
    False,
    None,
    b"",
    "",
    [],
    {},
    1.5,
    b"\x00" * 16,
    b"\x00" * 32,
    "fr",
    [[]],
    {1: 1},
    cbor2.undefined,
)


def mutated(data: bytes, random: Random, bend: Bend) -> bytes:
    """Other bytes, most often well-formed ones."""
    if random.random() < 0.2 or not data:
        return bend(data)
    # A byte in front (a message kind) stays where it is.
    start = random.choice((0, 0, 0, 1))
    for read, write in ((_cbor, _to_cbor), (_json, _to_json)):
        item = read(data[start:])
        if item is not _NOTHING:
            return data[:start] + write(_changed(item, random, bend))
    return bend(data)


def bent(data: bytes, random: Random) -> bytes:
    """A byte changed, inserted, removed or repeated."""
    if not data:
        return bytes([random.randrange(256)])
    at = random.randrange(len(data))
    match random.randrange(5):
        case 0:
            return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]
        case 1:
            return data[:at] + random.randbytes(random.randint(1, 4)) + data[at:]
        case 2:
            return data[:at] + data[at + random.randint(1, 8) :]
        case 3:
            return data[:at] + data[at : at + 16] * 2 + data[at + 16 :]
        case _:
            return (
                data[:at]
                + random.choice((b"\xff", b"\x00", b"\x18", b"\xd8\x1c", b"\xf5", b"\x5f"))
                + data[at + 1 :]
            )


_NOTHING = object()


def _cbor(data: bytes) -> Any:
    if not data or data[0] >> 5 in (0, 1, 3, 7):
        return _NOTHING
    try:
        item = cbor2.loads(data, max_depth=12, semantic_decoders={28: _refuse, 29: _refuse})
    except Exception:
        return _NOTHING
    return item if isinstance(item, list | dict) else _NOTHING


def _refuse(*_: object) -> None:
    raise ValueError("shared")


def _to_cbor(item: Any) -> bytes:
    try:
        return cbor2.dumps(item, canonical=True)
    except Exception:
        return b"\x80"


def _json(data: bytes) -> Any:
    try:
        item = json.loads(data)
    except (ValueError, RecursionError):
        return _NOTHING
    return item if isinstance(item, list | dict) else _NOTHING


def _to_json(item: Any) -> bytes:
    return json.dumps(item, default=str, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def _changed(item: Any, random: Random, bend: Bend) -> Any:
    """The item with one change, here or deeper."""
    if isinstance(item, list) and item and random.random() < 0.75:
        at = random.randrange(len(item))
        return [*item[:at], _changed(item[at], random, bend), *item[at + 1 :]]
    if isinstance(item, dict) and item and random.random() < 0.75:
        key = random.choice(list(item))
        return {**item, key: _changed(item[key], random, bend)}
    if isinstance(item, bytes) and random.random() < 0.7:
        return mutated(item, random, bend)
    return _replaced(item, random, bend)


def _replaced(item: Any, random: Random, bend: Bend) -> Any:
    match item:
        case list() if random.random() < 0.7:
            return _reshaped(item, random)
        case dict() if random.random() < 0.7:
            key = random.choice([0, 1, 4, 5, -4, 23, 24, "extra", True])
            return {**item, key: random.choice(_OTHERS)}
        case bool():
            return random.choice((not item, int(item), None))
        case int() if random.random() < 0.7:
            return random.choice((item + 1, item - 1, random.choice(_NUMBERS), bool(item)))
        case str() if random.random() < 0.7:
            return bend(item.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
        case bytes() if random.random() < 0.7:
            return bend(item)
    return random.choice((*_OTHERS, *_NUMBERS))


def _reshaped(item: list[Any], random: Random) -> list[Any]:
    if not item:
        return [random.choice(_OTHERS)]
    at = random.randrange(len(item))
    match random.randrange(5):
        case 0:
            return item[:at] + item[at + 1 :]
        case 1:
            return [*item[: at + 1], *item[at:]]
        case 2:
            return item[::-1]
        case 3:
            return [*item, random.choice(_OTHERS)]
        case _:
            return item * random.choice((2, 9, 65))
