"""Records: the ledger's data on one event, and the log entry that commits to it.

    record    = what a router decided of one submission, all that may be known without reading content
    delivered = that an accepted message went to one of its addressees
    entry     = [ 1, type, t, c ]       c = HMAC-SHA256(salt, record): the leaf of the log, salted so that
                                        a record can be deleted and not be guessed from its leaf

Owns these layouts. Acts of the centre are records too: protocol/trail/acts.py. What a router signs over its
records is protocol/trail/batches.py.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Literal

from protocol import limits
from protocol.canonical import Item, decode, encode
from protocol.envelope.core import Core
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest, Millis, UnitId, parse_unit_id
from protocol.item_forms import number_of, uint
from protocol.trail.summary import check_summary

VERSION = 1
RECORD_SALT = 16


class RecordType(IntEnum):
    """The event that a record is about. Numbers of the ledger's closed list."""

    ACCEPTED = 1
    REJECTED = 2
    DELIVERED = 3
    DIRECTORY_STATEMENT = 10
    POLICY_CHANGE = 11
    DELETION = 12
    BREAK_GLASS = 13
    AUDITOR_ACCESS = 14
    QUARANTINE_RELEASE = 15
    SOFTWARE_START = 16
    DUPLICATE = 17
    UNVERIFIED = 18
    AUDIT_GAP = 19
    AUDIT_REWOUND = 20
    KAFKA_PUT_BACK = 21


NEVER_DELETED = frozenset(
    {RecordType.DELETION, RecordType.AUDIT_GAP, RecordType.AUDIT_REWOUND, RecordType.KAFKA_PUT_BACK}
)
"""What says why a record is not there any more, or never was, or counts no more, is not deleted itself."""

DecisionType = Literal[RecordType.ACCEPTED, RecordType.REJECTED, RecordType.DUPLICATE]
"""What a router decides. The other types follow from a decision, or are acts of the centre."""

DECISIONS: tuple[DecisionType, ...] = (RecordType.ACCEPTED, RecordType.REJECTED, RecordType.DUPLICATE)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a decision: the code, and the unit that it concerns, if one."""

    code: Code
    unit: UnitId | None = None
    wait: int | None = None
    """Seconds until it is to be tried again: of E_QUOTA, and of no other."""


@dataclass(frozen=True, slots=True)
class OutboxPlace:
    """The place of a submission in Kafka."""

    unit: UnitId
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Record:
    """One decision."""

    type: DecisionType
    t: Millis
    source: OutboxPlace
    submission: Digest
    """SHA-256 of the submission as received: it names even what could not be parsed."""

    reasons: tuple[Reason, ...]
    directory_size: int
    """How many statements of the directory the router had read: the state it decided by."""

    header_digest: Digest | None = None
    header: Item = None
    """A summary of the header, as `summarize` lays it out; None when nothing could be parsed."""


def summarize(core: Core) -> Item:
    """The header's part of a record: ids, codes and times, in a fixed order."""
    return [
        core.message_id, core.thread, core.sender, core.position.stream, core.position.seq, int(core.kind),
        [[a.unit, int(a.role)] for a in core.to], sorted(map(int, core.handling)), int(core.classification),
        int(core.data_class), sorted(map(int, core.purposes)), number_of(core.urgency),
        number_of(core.ground), number_of(core.basis), [[int(r.kind), r.header_digest] for r in core.refs],
        core.created, core.expires, core.review, number_of(core.copy_exemption),
    ]  # fmt: skip


SUMMARY_FIELDS = (
    "mid", "thread", "sender", "stream", "seq", "kind", "to", "handling", "classification", "data_class",
    "purposes", "urgency", "ground", "basis", "refs", "created", "expires", "review", "copy_exemption",
)  # fmt: skip


def encode_record(record: Record) -> bytes:
    """The one encoding of a record."""
    source = record.source
    return encode([
        VERSION, int(record.type), record.t, [source.unit, source.partition, source.offset],
        record.submission, record.header_digest, record.header,
        [_reason_item(reason) for reason in record.reasons], record.directory_size,
    ])  # fmt: skip


def parse_record(data: bytes) -> Record:
    """A record, checked in form."""
    row = decode(data, limit=limits.MAX_DECISION, items=limits.MAX_RECORD_ITEMS)
    match row:
        case [1, kind, t, [unit, partition, offset], bytes(submission), *rest]:
            source = OutboxPlace(parse_unit_id(unit), uint(partition), uint(offset))
        case _:
            raise Rejected(Code.E_SCHEMA, "not an audit record of version 1")
    match rest:
        case [header_digest, header, [*reasons], size] if len(reasons) <= limits.MAX_REASONS:
            record = Record(
                type=_type(uint(kind)),
                t=Millis(uint(t)),
                source=source,
                submission=Digest(_hash(submission)),
                reasons=tuple(_reason(reason) for reason in reasons),
                directory_size=uint(size),
                header_digest=None if header_digest is None else Digest(_hash(header_digest)),
                header=_header(header),
            )
        case _:
            raise Rejected(Code.E_SCHEMA, "not an audit record of version 1")
    if encode_record(record) != data:
        raise Rejected(Code.E_SCHEMA, "a record that we would not write")
    return record


@dataclass(frozen=True, slots=True)
class Delivered:
    """An accepted message went to one of its addressees. Follows from the decision, so nobody signs it."""

    t: Millis
    decision: Digest
    """SHA-256 of the decision's record."""

    header_digest: Digest
    index: int
    """Which addressee, in the order of the header."""

    unit: UnitId


def encode_delivered(made: Delivered) -> bytes:
    """The one encoding of a delivery's record."""
    return encode([
        VERSION, int(RecordType.DELIVERED), made.t, made.decision, made.header_digest, made.index, made.unit,
    ])  # fmt: skip


def parse_delivered(data: bytes) -> Delivered:
    """A delivery's record, checked in form."""
    match decode(data, limit=limits.MAX_DECISION, items=limits.MAX_RECORD_ITEMS):
        case [1, 3, t, decision, header_digest, index, unit]:
            made = Delivered(
                Millis(uint(t)),
                Digest(_hash(decision)),
                Digest(_hash(header_digest)),
                uint(index),
                parse_unit_id(unit),
            )
        case _:
            raise Rejected(Code.E_SCHEMA, "not a delivery's record of version 1")
    if made.index >= limits.MAX_RECIPIENTS or encode_delivered(made) != data:
        raise Rejected(Code.E_SCHEMA, "a record that we would not write")
    return made


def entry_of(kind: int, t: int, salt: bytes, record: bytes) -> bytes:
    """The log entry of a record: the data of its leaf."""
    return entry_head(kind, t) + hmac.digest(salt, record, "sha256")


# All of an entry but its last 32 bytes. A transaction's records have one time and few types: the ledger
# makes an entry in two microseconds instead of five.
@lru_cache(maxsize=1024)
def entry_head(kind: int, t: int) -> bytes:
    """How each entry of this type and time begins."""
    return encode([VERSION, int(kind), t, bytes(32)])[:-32]


def _hash(value: Item) -> bytes:
    if type(value) is not bytes or len(value) != 32:
        raise Rejected(Code.E_SCHEMA, "a hash does not have 32 bytes")
    return value


def _type(number: int) -> DecisionType:
    for kind in DECISIONS:
        if number == kind:
            return kind
    raise Rejected(Code.E_SCHEMA, "not the type of a decision")


def _header(value: Item) -> Item:
    if value is not None:
        check_summary(value)
    return value


def _reason_item(reason: Reason) -> list[Item]:
    waits = () if reason.wait is None else (reason.wait,)
    return [reason.code.value, reason.unit, *waits]


def _reason(value: Item) -> Reason:
    match value:
        case [Code.E_QUOTA.value, unit, wait]:
            return Reason(Code.E_QUOTA, None if unit is None else parse_unit_id(unit), uint(wait))
        case [str(code), unit] if code in Code.__members__ and code != Code.E_QUOTA:
            return Reason(Code(code), None if unit is None else parse_unit_id(unit))
        case _:
            raise Rejected(Code.E_SCHEMA, "a reason is not [code, unit], with the time to wait for E_QUOTA")
