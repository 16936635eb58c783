"""The core of a header: the sender's fields, which are all that a router may read of a message.

Who sends it, to whom, and under which rules. The core is also the AEAD's additional data and the HPKE info
(protocol/envelope/sealing.py), so that the content cannot be moved under another header.

Owns the fields, their layout (docs/spec/contrada.cddl is the normative text) and the checks of form. Does not
decide whether a message may be delivered: protocol/exchange_rules.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from protocol import limits
from protocol.canonical import Item, decode, encode
from protocol.codes import (
    Classification,
    CopyExemption,
    DataClass,
    Handling,
    LegalBasis,
    MessageKind,
    Purpose,
    RefKind,
    RefusalGround,
    Role,
    UrgencyGround,
)
from protocol.content.code_forms import handling
from protocol.errors import Code, Rejected
from protocol.identifiers import (
    Digest,
    KeyId,
    MessageId,
    Millis,
    StreamId,
    ThreadId,
    UnitId,
    parse_unit_id,
)
from protocol.item_forms import member, number_of, octets, optional_member, rows, set_of, uint
from protocol.parties import NO_HEAD, TreeHead
from protocol.signatures import Suite

VERSION = 1
CORE_FIELDS = 24


@dataclass(frozen=True, slots=True)
class Position:
    """The place of a message in its sender's stream: one stream per start of a daemon, counted from 0."""

    stream: StreamId
    seq: int


@dataclass(frozen=True, slots=True)
class Addressee:
    """A unit that receives the message, and the epoch key that its content key is wrapped to."""

    unit: UnitId
    key: KeyId
    role: Role


@dataclass(frozen=True, slots=True)
class Reference:
    """Another message, named by the SHA-256 of its signed header."""

    kind: RefKind
    header_digest: Digest


@dataclass(frozen=True, slots=True)
class Limits:
    """The part of an H3 restriction that the system itself can enforce (ER 19(2))."""

    only: tuple[UnitId, ...]
    """If any: nobody else may receive it, not even as a copy."""

    delete_by: Millis | None
    """No addressee may keep it longer."""


@dataclass(frozen=True, slots=True)
class AttachmentEntry:
    """An attachment kept outside the envelope."""

    id: bytes
    size: int
    root: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The sender's fields. docs/spec/contrada.cddl has the meaning of each."""

    suite: Suite
    kind: MessageKind
    message_id: MessageId
    thread: ThreadId
    created: Millis
    expires: Millis
    sender: UnitId
    position: Position
    signing_key: KeyId
    to: tuple[Addressee, ...]
    handling: frozenset[Handling]
    h3: Limits | None = None
    classification: Classification = Classification.BPL
    data_class: DataClass = DataClass.PERSONAL
    purposes: frozenset[Purpose]
    urgency: UrgencyGround | None = None
    ground: RefusalGround | None = None
    basis: LegalBasis | None = None
    copy_exemption: CopyExemption | None = None
    refs: tuple[Reference, ...] = ()
    review: Millis
    attachments: tuple[AttachmentEntry, ...] = ()
    directory_head: TreeHead = NO_HEAD
    ledger_head: TreeHead = NO_HEAD


def encode_core(core: Core) -> bytes:
    """The one encoding of a core."""
    h3 = None if core.h3 is None else [list(core.h3.only), core.h3.delete_by]
    return encode([
        VERSION, int(core.suite), int(core.kind), core.message_id, core.thread, core.created, core.expires,
        [core.sender, core.position.stream, core.position.seq], core.signing_key,
        [[a.unit, a.key, int(a.role)] for a in core.to],
        sorted(int(code) for code in core.handling), h3, int(core.classification), int(core.data_class),
        sorted(int(purpose) for purpose in core.purposes),
        number_of(core.urgency), number_of(core.ground), number_of(core.basis),
        number_of(core.copy_exemption), [[int(ref.kind), ref.header_digest] for ref in core.refs],
        core.review, [[entry.id, entry.size, entry.root] for entry in core.attachments],
        [core.directory_head.size, core.directory_head.root], [core.ledger_head.size, core.ledger_head.root],
    ])  # fmt: skip


def parse_core(data: bytes) -> Core:
    """The core, checked in form."""
    return parse_core_items(decode(data, limit=limits.MAX_HEADER))


def parse_core_items(row: Item) -> Core:
    """The core in a decoded item, checked in form."""
    if type(row) is not list or not row or row[0] != VERSION or type(row[0]) is not int:
        raise Rejected(Code.E_VER, "not a core of version 1")
    if len(row) != CORE_FIELDS:
        raise Rejected(Code.E_SCHEMA, f"a core has {CORE_FIELDS} fields, found {len(row)}")
    sender, position = _sender(row[7])
    return Core(
        suite=member(Suite, row[1], Code.E_SUITE_UNKNOWN),
        kind=member(MessageKind, row[2], Code.E_TYPE),
        message_id=MessageId(octets(row[3], 16)),
        thread=ThreadId(octets(row[4], 16)),
        created=Millis(uint(row[5])),
        expires=Millis(uint(row[6])),
        sender=sender,
        position=position,
        signing_key=KeyId(octets(row[8], 16)),
        to=_addressees(row[9]),
        handling=_handling(row[10]),
        h3=_h3(row[11]),
        classification=member(Classification, row[12]),
        data_class=member(DataClass, row[13]),
        purposes=set_of(Purpose, row[14], at_least=0),
        urgency=optional_member(UrgencyGround, row[15]),
        ground=optional_member(RefusalGround, row[16]),
        basis=optional_member(LegalBasis, row[17]),
        copy_exemption=optional_member(CopyExemption, row[18]),
        refs=tuple(_reference(entry) for entry in rows(row[19], limits.MAX_REFERENCES)),
        review=Millis(uint(row[20])),
        attachments=tuple(_attachment(entry) for entry in rows(row[21], limits.MAX_ATTACHMENT_ENTRIES)),
        directory_head=_head(row[22]),
        ledger_head=_head(row[23]),
    )


def _handling(value: Item) -> frozenset[Handling]:
    # H0 says that nothing restricts beyond the law: beside a restriction it would contradict it.
    return handling(set_of(Handling, value, at_least=1))


def _sender(value: Item) -> tuple[UnitId, Position]:
    match value:
        case [unit, stream, seq]:
            return parse_unit_id(unit), Position(StreamId(octets(stream, 8)), uint(seq))
        case _:
            raise Rejected(Code.E_SCHEMA, "the sender is not [unit, stream, seq]")


def _addressees(value: Item) -> tuple[Addressee, ...]:
    if type(value) is not list or not 1 <= len(value) <= limits.MAX_RECIPIENTS:
        raise Rejected(Code.E_RCPT_COUNT, f"not 1 to {limits.MAX_RECIPIENTS} addressees")
    addressees = tuple(_addressee(entry) for entry in value)
    if len({addressee.unit for addressee in addressees}) != len(addressees):
        raise Rejected(Code.E_RCPT_DUP, "an addressee is named twice")
    return addressees


def _addressee(value: Item) -> Addressee:
    match value:
        case [unit, key, role]:
            return Addressee(parse_unit_id(unit), KeyId(octets(key, 16)), member(Role, role))
        case _:
            raise Rejected(Code.E_SCHEMA, "an addressee is not [unit, key, role]")


def _reference(value: Item) -> Reference:
    match value:
        case [kind, header_digest]:
            return Reference(member(RefKind, kind), Digest(octets(header_digest, 32)))
        case _:
            raise Rejected(Code.E_SCHEMA, "a reference is not [kind, hash]")


def _h3(value: Item) -> Limits | None:
    match value:
        case None:
            return None
        case [[*only], delete_by] if len(only) <= limits.MAX_ONLY:
            units = tuple(parse_unit_id(unit) for unit in only)
            if any(a >= b for a, b in pairwise(units)):
                raise Rejected(Code.E_SCHEMA, "the units of the H3 limit are not an ascending list")
            return Limits(units, None if delete_by is None else Millis(uint(delete_by)))
        case _:
            raise Rejected(Code.E_SCHEMA, "the H3 limit is not [units, delete-by]")


def _attachment(value: Item) -> AttachmentEntry:
    match value:
        case [id_, size, root]:
            return AttachmentEntry(octets(id_, 16), uint(size), Digest(octets(root, 32)))
        case _:
            raise Rejected(Code.E_SCHEMA, "an attachment is not [id, size, root]")


def _head(value: Item) -> TreeHead:
    match value:
        case [size, root]:
            return TreeHead(uint(size), octets(root, 32))
        case _:
            raise Rejected(Code.E_SCHEMA, "a log head is not [size, root]")
