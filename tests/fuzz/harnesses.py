"""What is fuzzed: for each parser a function that takes bytes, its seeds, and what it may say.

Rule: a parser gives a value or `Rejected`, or the documented error of its own package. Where it gives a value, the
harness checks that the value encodes to the very bytes that came in. Anything else is a crash.
"""

from __future__ import annotations

from base64 import b85encode
from functools import cache
from pathlib import Path
from typing import Any

from keys.enrolment import parse_enrolment
from keys.errors import KeyStoreError
from keys.root_of_trust import RootOfTrust
from keys.sealed_file import open_sealed, seal_file
from keys.statements import parse_statement
from keys.unlock import Credential
from protocol.canonical import decode, encode
from protocol.codes import MessageKind
from protocol.content.body_parts import body_from_parts, body_to_parts
from protocol.content.drafts import parse_draft
from protocol.content.parts import Part
from protocol.envelope.commitment import commit
from protocol.envelope.core import encode_core, parse_core
from protocol.envelope.header import encode_header, parse_header
from protocol.envelope.replay import ReplayState
from protocol.envelope.wire import (
    encode_submission,
    encode_wrap,
    parse_delivery,
    parse_submission,
    parse_wrap,
)
from protocol.errors import DraftError, Rejected
from protocol.exchange_rules import ExchangeCase, decide_exchange
from protocol.signatures import parse_signed
from protocol.trail.batches import encode_record, parse_record, verify_decisions, verify_receipt
from tests.fuzz.following_harnesses import FOLLOWING
from tests.fuzz.harness import Harness, expect
from tests.fuzz.joining_harnesses import JOINING
from tests.fuzz.ledger_harnesses import LEDGER
from tests.fuzz.note_harnesses import NOTES
from tests.fuzz.signer_harnesses import SIGNER
from tests.fuzz.tree_harnesses import TREES
from tests.vectors import parties
from tests.vectors.notation import read
from tests.vectors.parties import Directory

EXAMPLES = Path(__file__).parents[2] / "examples"


@cache
def _directory() -> Directory:
    return Directory.of(read("parties"))


# The parsers.


def canonical(data: bytes) -> None:
    """One item, one encoding."""
    expect(encode(decode(data)), data)


def submission(data: bytes) -> None:
    """A submission, and what the rules say to it."""
    parsed = parse_submission(data)
    expect(encode_submission(parsed.signed_header, parsed.ciphertext, parsed.wraps), data)
    decide_exchange(ExchangeCase(core=parsed.header.core, parties=_directory(), now=parties.NOW))


def delivery(data: bytes) -> None:
    """A delivery; its receipt and wrap are parsed by others."""
    parsed = parse_delivery(data)
    row = [1, parsed.signed_header, parsed.ciphertext, parsed.index, parsed.wrap, parsed.receipt]
    expect(encode(row), data)


def wrap(data: bytes) -> None:
    """A key wrap."""
    parsed = parse_wrap(data)
    expect(encode_wrap(parsed.kid, parsed.enc, parsed.wrapped), data)


def signed(data: bytes) -> None:
    """A signed structure."""
    parse_signed(data)


def header(data: bytes) -> None:
    """Core and seal."""
    parsed = parse_header(data)
    expect(encode_header(parsed.core_bytes, parsed.seal), data)


def core(data: bytes) -> None:
    """The core."""
    expect(encode_core(parse_core(data)), data)


def record(data: bytes) -> None:
    """A record of a decision."""
    expect(encode_record(parse_record(data)), data)


def receipt(data: bytes) -> None:
    """A receipt, with the router's signature."""
    verify_receipt(data, parties=_directory())


def decisions(data: bytes) -> None:
    """A transaction's decisions, with the router's signature."""
    verify_decisions(data, parties=_directory())


def statement(data: bytes) -> None:
    """A statement of the directory."""
    parse_statement(data)


def enrolment(data: bytes) -> None:
    """A request to be taken in, with all signatures."""
    parse_enrolment(data)


def root(data: bytes) -> None:
    """A pinned root of trust."""
    expect(RootOfTrust.parse(data).encoded(), data)


def body(data: bytes) -> None:
    """The parts of a message's content: a byte for the kind, then [ [ kind, content ], ... ]."""
    kind = MessageKind(1 + (data[0] if data else 0) % 5)
    rows = decode(data[1:])
    if type(rows) is not list or not all(_is_part(row) for row in rows):
        return
    parts = tuple(Part(*row) for row in rows)
    commit(bytes(32), parts[:200])
    found, attachments = body_from_parts(kind, parts)
    expect(body_to_parts(found, attachments), parts)


def _is_part(row: Any) -> bool:
    return (
        type(row) is list
        and len(row) == 2
        and type(row[0]) is int
        and 0 <= row[0] < 256
        and type(row[1]) is bytes
    )


def draft(data: bytes) -> None:
    """A draft as people write it: a byte for the kind, then JSON."""
    parse_draft(MessageKind(1 + (data[0] if data else 0) % 5), data[1:])


def replay(data: bytes) -> None:
    """A router's state; bytes that are no text are written as base 85 first, so that all reach the parser."""
    try:
        text = data.decode("ascii")
        ReplayState.from_text(text)
    except (UnicodeDecodeError, Rejected):
        text = b85encode(data).decode("ascii")
        expect(ReplayState.from_text(text).to_text(), text)


_CREDENTIAL = Credential(bytes(32))


def key_file(data: bytes) -> None:
    """A sealed key file."""
    open_sealed(data, purpose="identity", secret=_CREDENTIAL, name="identity.key")


# Their seeds.


def _vectors(name: str, *fields: str) -> list[bytes]:
    found = []
    for case in read(name)["cases"]:
        for field in fields:
            value = case.get(field, case.get("decision", {}).get(field, []))
            found += [bytes.fromhex(one) for one in ([value] if isinstance(value, str) else value)]
    return found


def _cases(name: str, step: str) -> list[bytes]:
    return [bytes.fromhex(case["bytes"]) for case in read(name)["cases"] if case.get("step", step) == step]


@cache
def _statements() -> list[bytes]:
    from tests.sim.world import World

    world = World()
    world.suspend("nz")
    world.revoke_identity("it", compromised_since=5)
    return world.directory.snapshot()


def _requests() -> list[bytes]:
    from keys.enrolment import request_enrolment, request_rotation
    from keys.possession import appoint
    from keys.statement_types import StatementType
    from protocol.identifiers import Millis

    one, two = parties.identity("fr"), parties.identity("fr-later")
    made = [
        appoint(StatementType.IDENTITY, who.name, signer=who, not_before=Millis(1), not_after=Millis(9))
        for who in (one, two)
    ]
    enrol = request_enrolment(made[0], signer=one, contact="duty officer", epochs=())
    return [enrol, request_rotation(made[1], successor=two, predecessor=one)]


def _drafts() -> list[bytes]:
    """Every example, under every kind: most are of another kind, which is the point."""
    texts = [path.read_bytes() for path in sorted(EXAMPLES.rglob("*.json"))]
    return [bytes([kind]) + text for text in texts for kind in range(5)]


def _bodies() -> list[bytes]:
    found = []
    for seed in _drafts():
        try:
            parts = body_to_parts(parse_draft(MessageKind(1 + seed[0]), seed[1:]))
        except DraftError:
            continue
        found.append(seed[:1] + encode([[part.kind, part.content] for part in parts]))
    return found or [b"\x00" + encode([[0, b"{}"]])]


def _states() -> list[bytes]:
    from protocol.envelope.core import Position

    state = ReplayState()
    for number in range(3):
        state.advance(Position(bytes([number]) * 8, number), created=parties.NOW + number, now=parties.NOW)
    return [b"", state.to_text().encode(), encode([1, 5, [[bytes(8), 1, 2]]]), encode([1, 0, []])]


def _key_files() -> list[bytes]:
    return [
        seal_file(parties.identity("fr").secret_bytes(), purpose=purpose, secret=_CREDENTIAL, entropy=bytes)
        for purpose in ("identity", "storage")
    ]


def _root() -> list[bytes]:
    keys = (parties.identity("fr").public, parties.identity("it").public)
    return [
        RootOfTrust(keys, 2).encoded(),
        RootOfTrust(keys, 2, registrars=2).encoded(),
        RootOfTrust(keys, cooling_off=7).encoded(),
    ]


HARNESSES = (
    Harness("canonical", canonical, lambda: _cases("codec", "") + _vectors("messages", "core_bytes", "seal")),
    Harness(
        "submission",
        submission,
        lambda: _cases("submissions", "submission") + _vectors("messages", "submission"),
    ),
    Harness(
        "delivery", delivery, lambda: _cases("deliveries", "delivery") + _vectors("messages", "deliveries")
    ),
    Harness("wrap", wrap, lambda: _vectors("messages", "wraps")),
    Harness("signed", signed, lambda: _vectors("messages", "signed_header", "signed_batch")),
    Harness("header", header, lambda: _vectors("messages", "payload")),
    Harness("core", core, lambda: _vectors("messages", "core_bytes")),
    Harness("record", record, lambda: _vectors("messages", "record_bytes")),
    Harness("receipt", receipt, lambda: _cases("decisions", "receipt")),
    Harness("decisions", decisions, lambda: _cases("decisions", "decisions")),
    Harness("statement", statement, _statements),
    Harness("enrolment", enrolment, _requests),
    Harness("root", root, _root),
    Harness("body", body, _bodies),
    Harness("draft", draft, _drafts, (DraftError,)),
    Harness("replay", replay, _states),
    Harness("key-file", key_file, _key_files, (KeyStoreError,)),
    *JOINING,
    *LEDGER,
    *FOLLOWING,
    *SIGNER,
    *NOTES,
    *TREES,
)
