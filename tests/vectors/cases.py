"""The messages of the vectors: good ones, and what becomes of them when one thing is wrong.

Owns the cases and their expected outcomes. An outcome is written down here, never taken from a run: the generator
runs every case and stops where the program says something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocol.canonical import decode, encode
from protocol.limits import DAY, MINUTE
from tests.vectors import parties
from tests.vectors.build import Builder, delivery_of, record_of, sha
from tests.vectors.parties import HEAD, NOW

MAX = 2**53 - 1
FIELDS = (
    "v", "suite", "kind", "mid", "thread", "created", "expires", "sender", "skey", "to", "handling", "h3", "class",
    "data", "purposes", "urgency", "ground", "basis", "exempt", "refs", "review", "att", "dir", "log",
)  # fmt: skip
EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
Case = dict[str, Any]


def core(
    name: str, units: list[str], *, sender: str = "fr", signer: str = "", seq: int = 0, **changes: Any
) -> list[Any]:
    """A core as a list, own-initiative information but for `changes`."""
    row = [
        1, 1, 1, _uuid(name), parties.seed(f"{name} thread")[:16], NOW, NOW + 7 * DAY,
        [sender, parties.seed("stream")[:8], seq], parties.identity(signer or sender).public.kid,
        [[unit, parties.epoch_key(unit).kid, 0] for unit in units], [0], None, 0, 1, [3], None, None, None, None, [],
        NOW + 365 * DAY, [], [HEAD.size, HEAD.root], [0, EMPTY],
    ]  # fmt: skip
    for field, value in changes.items():
        row[FIELDS.index("class" if field == "classification" else field)] = value
    return row


def _uuid(name: str) -> bytes:
    raw = bytearray(NOW.to_bytes(6, "big") + parties.seed(f"{name} mid")[:10])
    raw[6], raw[8] = 0x70 | raw[6] & 0x0F, 0x80 | raw[8] & 0x3F
    return bytes(raw)


FRAME = [0, b'{"crime_areas":["migrant-smuggling"],"language":"en","subject":"A vessel"}']
REPLY = [[1, sha(b"the message that is answered")]]


def messages(build: Builder) -> Iterator[dict[str, Any]]:
    """Good messages: both suites, every kind, all fields in use, the bounds."""
    copy = [["it", parties.epoch_key("it").kid, 0], ["centre", parties.epoch_key("centre").kid, 1]]
    yield build.message(core("one addressee", ["it"]), [FRAME], name="one addressee")
    yield build.message(
        core("both signatures", [], suite=2, to=copy, kind=2, urgency=2, handling=[1, 3], classification=1, data=4,
             h3=[["centre", "it"], NOW + 400 * DAY], purposes=[2, 3]),
        [FRAME, [1, b'{"type":"vessel"}'], [2, bytes(range(256)) * 3]],
        name="both signatures",
    )  # fmt: skip
    yield build.message(
        core("a refusal", ["it"], kind=4, ground=10, refs=REPLY), [[0, b"{}"]], name="a refusal"
    )
    yield build.message(
        core("an acknowledgement", ["centre"], kind=5, refs=REPLY, data=0),
        [[0, b"{}"]],
        name="an acknowledgement",
    )
    yield build.message(
        core("a transfer", ["ch"], kind=3, basis=4, refs=REPLY, purposes=[1, 2, 3, 4, 5, 6], handling=[1, 2]),
        [FRAME],
        name="a transfer",
    )
    yield build.message(
        core("an authority", ["it"], sender="fr-customs", exempt=1), [FRAME], name="an authority"
    )
    yield build.message(
        core("largest numbers", ["it"], seq=MAX, review=MAX, log=[MAX, bytes(32)]),
        [[255, b""]] * 256,
        name="largest numbers",
    )
    yield build.message(core("an empty part", ["it"]), [[0, b""]], name="an empty part")


def submissions(build: Builder) -> Iterator[Case]:
    """Submissions with one thing wrong, and what a router says to them."""
    one = build.message(core("one addressee", ["it"]), [FRAME], name="one addressee")
    two = build.message(core("two addressees", ["it", "centre"]), [FRAME], name="two addressees")
    other = build.message(core("another", ["it"]), [FRAME], name="another")
    both = build.message(core("hybrid", ["it"], suite=2), [FRAME], name="hybrid")
    raw = one["submission"]

    def case(name: str, expect: str, data: bytes, **more: Any) -> Case:
        return {
            "name": name,
            "step": "submission",
            "owner": "fr",
            "now": NOW,
            **more,
            "bytes": data,
            "expect": expect,
        }

    def row(made: dict[str, Any], at: int, value: Any) -> bytes:
        item = decode(made["submission"])
        item[at] = value
        return encode(item)

    def signed(made: dict[str, Any], change: Callable[[list[Any]], None]) -> bytes:
        item = decode(made["signed_header"])
        change(item)
        return row(made, 1, encode(item))

    def put(*path_and_value: Any) -> Callable[[list[Any]], None]:
        *path, last, value = path_and_value

        def change(item: list[Any]) -> None:
            for step in path:
                item = item[step]
            item[last] = value

        return change

    def said(
        name: str, expect: str, *, signer: str = "", forged: dict[str, Any] | None = None, **changes: Any
    ) -> Case:
        made = build.message(
            core(name, ["it"], signer=signer, **changes), [FRAME], name=name, **(forged or {})
        )
        return case(name, expect, made["submission"])

    kid = parties.identity("fr").public.kid
    wrap = decode(one["wraps"][0])
    # The bytes.
    yield case("nothing", "E_CBOR", b"")
    yield case("cut off", "E_CBOR", raw[:-1])
    yield case("a byte behind", "E_NONDET", raw + b"\x00")
    yield case("a longer integer", "E_NONDET", raw[:1] + b"\x18\x01" + raw[2:])
    yield case("an indefinite list", "E_CBOR", b"\x9f" + raw[1:] + b"\xff")
    yield case("a tag", "E_CBOR", b"\xd9\xd9\xf7" + raw)
    yield case("shared references", "E_CBOR", bytes.fromhex("84d81c81d81d00d81d00d81d00d81d00"))
    yield case("a float", "E_CBOR", b"\x84\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00" + raw[2:])
    yield case("another version", "E_VER", row(one, 0, 2))
    yield case("true for a version", "E_SCHEMA", row(one, 0, True))
    yield case("three fields", "E_SCHEMA", encode(decode(raw)[:3]))
    yield case("a field more", "E_SCHEMA", encode([*decode(raw), None]))
    yield case("a short ciphertext", "E_SIZE", row(one, 2, bytes(63)))
    yield case(
        "a delivery",
        "E_SCHEMA",
        encode([1, one["signed_header"], one["ciphertext"], 0, one["wraps"][0], b""]),
    )
    # The signed structure.
    yield case("unprotected bytes", "E_UNPROTECTED", signed(one, put(1, {1: b"x"})))
    yield case("unprotected bytes at a signature", "E_UNPROTECTED", signed(both, put(3, 1, 1, {1: b"x"})))
    yield case("another algorithm", "E_ALG_MIX", signed(one, put(0, encode({1: -8, 4: kid}))))
    yield case("swapped signatures", "E_ALG_MIX", signed(both, lambda item: item[3].reverse()))
    yield case("one signature of two", "E_SCHEMA", signed(both, lambda item: item[3].pop()))
    yield case("a short signature", "E_SCHEMA", signed(one, put(3, one["signatures"][0][:-1])))
    yield case("a protected header of the whole", "E_SCHEMA", signed(both, put(0, encode({1: -19}))))
    # The core.
    yield said("a core of version 2", "E_VER", v=2)
    yield said("suite 3", "E_SUITE_UNKNOWN", suite=3, forged={"suite": 1})
    yield said("kind 6", "E_TYPE", kind=6)
    yield said("no addressee", "E_RCPT_COUNT", to=[])
    yield said("an addressee twice", "E_RCPT_DUP", to=[["it", parties.epoch_key("it").kid, 0]] * 2)
    yield said("no handling code", "E_SCHEMA", handling=[])
    yield said("handling codes descending", "E_SCHEMA", handling=[1, 0])
    yield said("a purpose twice", "E_SCHEMA", purposes=[3, 3])
    yield said("true for a time", "E_SCHEMA", created=True)
    yield said("a negative time", "E_SCHEMA", expires=-1)
    yield said("a time beyond 2^53", "E_SCHEMA", review=2**53)
    yield said("a short message id", "E_SCHEMA", mid=bytes(15))
    yield said("an addressee in capitals", "E_SCHEMA", h3=[["IT"], None])
    yield said("a core with a field more", "E_SCHEMA", log=[0, EMPTY, 0])
    # The sender.
    yield case("another's outbox", "E_PRINCIPAL", raw, owner="it")
    unknown = build.message(
        core("not enrolled", ["it"], sender="stranger"), [FRAME], name="not enrolled", by="stranger"
    )
    yield case("a sender that is not enrolled", "E_SENDER_UNKNOWN", unknown["submission"], owner="stranger")
    yield said("a key that is not enrolled", "E_KEY_UNKNOWN", signer="stranger", forged={"by": "stranger"})
    yield said("a key of another unit", "E_KEY_UNKNOWN", signer="it", forged={"by": "it"})
    yield said("signed with another key than named", "E_KEY_UNKNOWN", forged={"by": "it"})
    yield said("a revoked key", "E_KEY_REVOKED", signer="fr-revoked", forged={"by": "fr-revoked"})
    yield said("a stolen key", "E_KEY_REVOKED", signer="fr-stolen", forged={"by": "fr-stolen"})
    yield said("an expired key", "E_KEY_EXPIRED", signer="fr-expired", forged={"by": "fr-expired"})
    yield said("a key of tomorrow", "E_KEY_NOT_YET", signer="fr-later", forged={"by": "fr-later"})
    yield said("H0 beside a restriction", "E_HANDLING_INVALID", handling=[0, 2])
    yield said("the second signature cut off", "E_ALG_MIX", suite=2, forged={"suite": 1})
    yield said("a signature for statements", "E_SIG_CLASSICAL", forged={"context": "contrada/statement/1"})
    yield case("a flipped signature", "E_SIG_CLASSICAL", signed(one, put(3, bytes(64))))
    yield case("a flipped post-quantum signature", "E_SIG_PQ", signed(both, put(3, 1, 2, bytes(3309))))
    yield case("the header of another message", "E_CT_HASH", row(one, 1, other["signed_header"]))
    lowered = encode([encode(core("one addressee", ["it"], handling=[1])), one["seal"]])
    yield case("an altered header", "E_SIG_CLASSICAL", signed(one, put(2, lowered)))
    # Wraps and ciphertext.
    yield case("no wrap", "E_WRAP_COUNT", row(one, 3, []))
    yield case("a wrap too many", "E_WRAP_COUNT", row(one, 3, one["wraps"] * 2))
    yield case("swapped wraps", "E_WRAP_KID", row(two, 3, two["wraps"][::-1]))
    yield case("the wrap of another message", "E_WRAP_HASH", row(one, 3, other["wraps"]))
    yield case(
        "a wrap of another algorithm",
        "E_ALG_MIX",
        row(one, 3, [encode([encode({1: 3, 4: decode(wrap[0])[4]}), *wrap[1:]])]),
    )
    yield case("a short wrap", "E_WRAP_LEN", row(one, 3, [encode([*wrap[:2], wrap[2][:-1]])]))
    yield case(
        "unprotected bytes in a wrap",
        "E_UNPROTECTED",
        row(one, 3, [encode([wrap[0], {**wrap[1], 1: b""}, wrap[2]])]),
    )
    yield case("another ciphertext", "E_CT_HASH", row(one, 2, other["ciphertext"]))
    yield case("a longer ciphertext", "E_CT_LEN", row(one, 2, one["ciphertext"] + b"\x00"))


def deliveries(build: Builder) -> Iterator[Case]:
    """Deliveries with one thing wrong, and what an addressee says to them."""
    one = build.message(core("one addressee", ["it"]), [FRAME], name="one addressee")
    two = build.message(core("two addressees", ["it", "centre"]), [FRAME], name="two addressees")
    batch = build.batch([record_of(one), record_of(two, offset=1)], name="deliveries")
    good = delivery_of(two, 0, batch["receipts"][1])

    def case(name: str, expect: str, data: bytes, **more: Any) -> Case:
        return {
            "name": name,
            "step": "delivery",
            "me": "it",
            "now": NOW,
            **more,
            "bytes": data,
            "expect": expect,
        }

    def row(at: int, value: Any) -> bytes:
        item = decode(good)
        item[at] = value
        return encode(item)

    def decided(name: str, expect: str, made: dict[str, Any], *, by: str = "router", **changes: Any) -> Case:
        t = changes.get("t", NOW)
        receipt = build.batch([record_of(made, **changes)], name=name, by=by, t=t)["receipts"][0]
        return case(name, expect, delivery_of(made, 0, receipt))

    def made(
        name: str, *, signer: str = "", forged: dict[str, Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        return build.message(
            core(name, ["it"], signer=signer, **changes), [FRAME], name=name, **(forged or {})
        )

    yield case("delivered to the first", "ok", good)
    yield case("delivered to the second", "ok", delivery_of(two, 1, batch["receipts"][1]), me="centre")
    yield case("read a year later", "ok", good, now=NOW + 365 * DAY)
    yield case("in another inbox", "E_NOT_FOR_ME", good, me="fr")
    yield case("in the other addressee's inbox", "E_NOT_FOR_ME", good, me="centre")
    yield case("the other addressee's index", "E_NOT_FOR_ME", row(3, 1))
    yield case("the other addressee's wrap", "E_WRAP_HASH", row(4, two["wraps"][1]))
    yield case("the wrap of another message", "E_WRAP_HASH", row(4, one["wraps"][0]))
    yield case("an index from the end", "E_SCHEMA", row(3, -2))
    yield case("an index outside", "E_SCHEMA", row(3, 2))
    yield case("true for an index", "E_SCHEMA", row(3, True))
    yield case("the receipt of another message", "E_RECEIPT", row(5, batch["receipts"][0]))
    yield case("no receipt", "E_CBOR", row(5, b""))
    yield case("another ciphertext", "E_CT_LEN", row(2, two["ciphertext"] + b"\x00"))
    yield decided("a refusal for a receipt", "E_RECEIPT", one, rtype=2, reasons=[["E_PURPOSE", "it"]])
    yield decided("a duplicate for a receipt", "E_RECEIPT", one, rtype=17, reasons=[["E_REPLAY", None]])
    yield decided("a record of another header", "E_RECEIPT", one, said=record_of(two)[6])
    yield decided("a receipt by a unit", "E_RECEIPT", one, by="fr")
    yield decided("a receipt by a stolen router key", "E_RECEIPT", one, by="router-stolen")
    yield decided("decided at the expiry", "E_EXPIRED", one, t=NOW + 7 * DAY) | {"now": NOW + 7 * DAY}
    yield decided("decided in the future", "E_EXPIRED", one, t=NOW + 5 * MINUTE + 1)
    revoked = made("by a key revoked in good order", signer="fr-revoked", forged={"by": "fr-revoked"})
    yield decided("by a key revoked in good order", "ok", revoked)
    stolen = made("by a stolen key", signer="fr-stolen", forged={"by": "fr-stolen"})
    yield decided("by a stolen key", "E_KEY_REVOKED", stolen)
    before = made("before the theft", signer="fr-stolen", forged={"by": "fr-stolen"}, created=NOW - 2 * DAY)
    yield decided("accepted before the theft", "ok", before, t=NOW - 2 * DAY)
    yield decided("dated before the theft", "E_KEY_REVOKED", before)
    yield decided(
        "signed by another unit", "E_KEY_UNKNOWN", made("signed by another unit", forged={"by": "it"})
    )
    yield decided("another directory", "E_GOSSIP_DIR", made("another directory", dir=[HEAD.size, bytes(32)]))
    yield decided(
        "a directory not reached yet",
        "ok",
        made("a directory not reached yet", dir=[HEAD.size + 1, bytes(32)]),
    )
    # Content.
    yield decided(
        "another content than committed to",
        "E_COMMIT",
        made("another content", forged={"commitment": bytes(32)}),
    )
    resigned = build.message(
        core("resigned", ["it"], sender="es", suite=1), [FRAME], name="one addressee",
        hcore=one["hcore"], ciphertext=one["ciphertext"], wraps=one["wraps"],
    )  # fmt: skip
    yield decided("another's content under an own header", "E_OPEN", resigned)
    salt, parts, pad = decode(one["plaintext"])
    hidden = encode([salt, parts, b"\x01" + pad[1:]])
    yield decided("bytes in the pad", "E_OPEN", made("bytes in the pad", forged={"plaintext": hidden}))
    yield decided(
        "a longer pad",
        "E_OPEN",
        made("a longer pad", forged={"plaintext": encode([salt, parts, pad + b"\x00"])}),
    )
    junk = encode([encode({1: 57, 4: parties.epoch_key("it").kid}), {-4: bytes(1120)}, bytes(48)])
    yield decided("a junk wrap", "E_OPEN", made("a junk wrap", forged={"wraps": [junk]}))
    elsewhere = AESGCM(bytes(32)).encrypt(bytes(12), bytes(100), b"")
    yield decided(
        "a ciphertext under another key", "E_OPEN", made("another key", forged={"ciphertext": elsewhere})
    )


def decisions(build: Builder) -> Iterator[Case]:
    """Decisions of routers, whole and altered."""
    one = build.message(core("one addressee", ["it"]), [FRAME], name="one addressee")
    refused = record_of(one, offset=1, rtype=2, reasons=[["E_PURPOSE", "nz"], ["E_COPY_MISSING", "fr"]])
    unread = record_of(one, offset=2, rtype=2, reasons=[["E_CBOR", None]], subject=None, said=None)
    records = [
        record_of(one),
        refused,
        unread,
        record_of(one, offset=3, rtype=17, reasons=[["E_REPLAY", None]]),
    ]
    batch = build.batch(records, name="decisions")
    version, rows, signed = decode(batch["decisions"])

    def case(name: str, expect: str, item: Any, step: str = "decisions") -> Case:
        return {
            "name": name,
            "step": step,
            "bytes": item if isinstance(item, bytes) else encode(item),
            "expect": expect,
        }

    def other(record: list[Any], at: int, value: Any) -> list[Any]:
        return [*record[:at], value, *record[at + 1 :]]

    yield case("four decisions", "ok", batch["decisions"])
    for name, expect, reason in (
        ("over the quota, with the time to wait", "ok", ["E_QUOTA", "fr", 30]),
        ("over the quota, without it", "E_SCHEMA", ["E_QUOTA", "fr"]),
        ("over the quota, a wait that is true", "E_SCHEMA", ["E_QUOTA", "fr", True]),
        ("a time to wait for another reason", "E_SCHEMA", ["E_PURPOSE", "fr", 30]),
    ):
        over = record_of(one, offset=4, rtype=2, reasons=[reason])
        yield case(name, expect, build.batch([over], name=name)["decisions"])
    for at in range(4):
        yield case(f"receipt {at}", "ok", batch["receipts"][at], "receipt")
    yield case("a decision left out", "E_RECEIPT", [version, rows[1:], signed])
    yield case("a decision twice", "E_RECEIPT", [version, [*rows, rows[0]], signed])
    yield case("decisions in another order", "E_RECEIPT", [version, rows[::-1], signed])
    yield case("true for the version", "E_SCHEMA", [True, rows, signed])
    yield case("version 2", "E_VER", [2, rows, signed])
    receipt = decode(batch["receipts"][2])
    yield case("a receipt at another place", "E_RECEIPT", other(receipt, 3, 1), "receipt")
    yield case("a receipt with another salt", "E_RECEIPT", other(receipt, 2, bytes(16)), "receipt")
    yield case("a receipt with a shorter path", "E_RECEIPT", other(receipt, 4, receipt[4][:-1]), "receipt")
    yield case("a receipt with another record", "E_RECEIPT", other(receipt, 1, rows[0][0]), "receipt")
    yield case("true for a place", "E_SCHEMA", other(receipt, 3, True), "receipt")
    for name, at, value in (
        ("a record of another type", 1, 3), ("true for the time of a record", 2, True), ("an unknown reason", 7, [["E_NEW", None]]),
        ("a short subject", 5, bytes(31)), ("a summary of another size", 6, [0]), ("a summary of nothing", 6, [0] * 19),
    ):  # fmt: skip
        made = build.batch([other(records[0], at, value)], name=name)
        yield case(name, "E_SCHEMA", made["receipts"][0], "receipt")
    for name, by, t in (
        ("a batch by a unit", "fr", NOW),
        ("a batch of next year", "router", NOW + 365 * DAY),
    ):
        yield case(name, "E_RECEIPT", build.batch(records, name=name, by=by, t=t)["decisions"])
