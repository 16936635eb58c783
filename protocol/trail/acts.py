"""Acts of the centre as records of the ledger: their fields and encoding.

    act  = [ 1, type, t, actor, subject / null, detail ]       a record, as a decision is one (CDDL: `action`)

    act                  subject              detail
    directory statement  the statement        position, type, about, issuer, root
    policy change        the new policy       what and why
    deletion             null                 log, indexes, ground
    break-glass          the message or null  who, why
    auditor access       null                 who, what was asked
    quarantine release   the submission       unit, partition, offset, by, second
    software start       the program or null  program, version
    unverified           the record           offset in the audit topic, code
    audit gap            null                 log, first offset, the one behind the last, why, by, second
    audit rewound        null                 offset come to, offset gone on at, log and leaf undone
    Kafka put back       null                 log and leaf of the way back, copied, restored, why, by, second

Owns the layout and what each act is made of. Who may state it, and the signature, are stated_acts.py's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocol import limits
from protocol.canonical import Item, decode, encode
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest, KeyId, Millis, UnitId, parse_unit_id
from protocol.item_forms import uint
from protocol.trail.act_forms import DETAILS, check_detail
from protocol.trail.batches import Leaf
from protocol.trail.records import (
    DECISIONS,
    VERSION,
    Delivered,
    Record,
    RecordType,
    entry_of,
    parse_delivered,
    parse_record,
)


@dataclass(frozen=True, slots=True)
class Act:
    """One act. `detail` has the fields of its type, in their order: see act_forms."""

    type: RecordType
    t: Millis
    actor: UnitId
    subject: Digest | None
    detail: tuple[Item, ...]


def directory_statement(
    t: Millis,
    actor: UnitId,
    *,
    position: int,
    statement: Digest,
    stype: int,
    about: UnitId,
    issuer: KeyId,
    root: bytes,
) -> Act:
    """The directory has a statement more. `root` is the directory's root with it."""
    detail = (position, stype, about, issuer, root)
    return Act(RecordType.DIRECTORY_STATEMENT, t, actor, statement, detail)


def deletion(t: Millis, actor: UnitId, *, origin: str, indexes: Sequence[int], ground: str) -> Act:
    """The records of these leaves are to be deleted. The leaves stay."""
    return Act(RecordType.DELETION, t, actor, None, (origin, sorted(set(indexes)), ground))


def software_start(
    t: Millis, actor: UnitId, *, program: str, version: str, digest: Digest | None = None
) -> Act:
    """A process of the centre has started."""
    return Act(RecordType.SOFTWARE_START, t, actor, digest, (program, version))


def unverified(t: Millis, actor: UnitId, *, offset: int, record: Digest, code: Code) -> Act:
    """A record of the audit topic does not verify; `record` is its SHA-256."""
    return Act(RecordType.UNVERIFIED, t, actor, record, (offset, code.value))


@dataclass(frozen=True, slots=True)
class AuditGap:
    """Records of the audit topic that were deleted before the ledger had read them."""

    log: str
    """The log that goes on behind them."""

    first: int
    """The first offset that is missing."""

    end: int
    """The first one behind it that there is."""


def audit_gap(t: Millis, actor: UnitId, gap: AuditGap, *, why: str, by: str, second: str) -> Act:
    """Two people state that records are gone for good. The log goes on behind this leaf, at `end`."""
    detail = (gap.log, gap.first, gap.end, why, by, second)
    return Act(RecordType.AUDIT_GAP, t, actor, None, detail)


def gap_of(act: Act) -> AuditGap | None:
    """The gap that an act states; None for any other act."""
    return AuditGap(*act.detail[:3]) if act.type is RecordType.AUDIT_GAP else None


@dataclass(frozen=True, slots=True)
class Rewinding:
    """The ledger's way back, where the audit topic came back from an older copy."""

    position: int
    """The offset that the ledger had come to in the topic that is lost."""

    beginning: int
    """The offset at which it goes on."""

    log: str
    first: int
    """Log and index of the first leaf that is undone. What was decided from there on, up to the leaf that
    says this, the topic has not any more: its places may be decided again, behind that leaf."""


def audit_rewound(t: Millis, actor: UnitId, way: Rewinding) -> Act:
    """The ledger goes back. Its leaf stands between what was read of the lost topic and of this one."""
    detail = (way.position, way.beginning, way.log, way.first)
    return Act(RecordType.AUDIT_REWOUND, t, actor, None, detail)


def rewinding_of(act: Act) -> Rewinding | None:
    """The way back that an act tells; None for any other act."""
    return Rewinding(*act.detail) if act.type is RecordType.AUDIT_REWOUND else None


@dataclass(frozen=True, slots=True)
class PutBack:
    """Kafka was put back to an older copy."""

    log: str
    leaf: int
    """The leaf at which the ledger says that it went back."""

    copied: Millis
    """Of which time the copy is."""

    restored: Millis
    """When it was put back."""


def kafka_put_back(t: Millis, actor: UnitId, back: PutBack, *, why: str, by: str, second: str) -> Act:
    """Two people state why the ledger went back at this leaf."""
    detail = (back.log, back.leaf, back.copied, back.restored, why, by, second)
    return Act(RecordType.KAFKA_PUT_BACK, t, actor, None, detail)


def put_back_of(act: Act) -> PutBack | None:
    """What an act states of a Kafka that was put back; None for any other act."""
    return PutBack(*act.detail[:4]) if act.type is RecordType.KAFKA_PUT_BACK else None


def unit_named(act: Act) -> UnitId | None:
    """The unit or operator that the act is about, where one is named."""
    at = {RecordType.DIRECTORY_STATEMENT: 2, RecordType.QUARANTINE_RELEASE: 0}.get(act.type)
    return None if at is None else act.detail[at]


def encode_act(act: Act) -> bytes:
    """The one encoding of an act."""
    return encode([
        VERSION, int(act.type), act.t, act.actor, act.subject, list(act.detail),
    ])  # fmt: skip


def parse_act(data: bytes) -> Act:
    """An act, checked in form."""
    match decode(data, limit=limits.MAX_DECISION, items=limits.MAX_RECORD_ITEMS):
        case [version, number, t, actor, subject, [*detail]]:
            if uint(version) != VERSION:
                raise Rejected(Code.E_VER, f"version {version}, known is {VERSION}")
            kind = _type(uint(number))
            check_detail(kind, subject, detail)
            return Act(kind, Millis(uint(t)), parse_unit_id(actor), subject, tuple(detail))
        case _:
            raise Rejected(Code.E_SCHEMA, "not an act of version 1")


def parse_any_record(raw: bytes) -> Record | Delivered | Act:
    """The record behind a leaf of the audit log, of any type."""
    match decode(raw, limit=limits.MAX_DECISION, items=limits.MAX_RECORD_ITEMS):
        case [_, kind, *_] if uint(kind) in DECISIONS:
            return parse_record(raw)
        case [_, RecordType.DELIVERED, *_]:
            return parse_delivered(raw)
        case _:
            return parse_act(raw)


def act_leaf(act: Act, salt: bytes) -> Leaf:
    """The ledger's leaf of an act."""
    raw = encode_act(act)
    return Leaf(raw, salt, entry_of(act.type, act.t, salt, raw))


def _type(number: int) -> RecordType:
    kind = next((kind for kind in DETAILS if kind == number), None)
    if kind is None:
        raise Rejected(Code.E_SCHEMA, "not the type of an act")
    return kind
