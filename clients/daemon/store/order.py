"""The order: one message before it is sealed, its form at rest, and its header.

Owns the order, its form at rest, and the choice of keys. An order is sealed once, or again with fresh keys
where the router refused the old ones; id, conversation, times and content stay the same.

    order = [ v: 1, kind, mid, thread, [ * [unit, role] ], handling, h3, classification, data-class,
              purposes, urgency, ground, basis, copy-exemption, [ * [kind, subject] ], expires, review,
              suite, [ * [kind, content] ] ]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from protocol.canonical import decode, encode
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
from protocol.content.parts import Part
from protocol.envelope.core import Addressee, Core, Limits, Position, Reference
from protocol.epochs import epoch_of, is_acceptable
from protocol.errors import Code, DraftError, Rejected
from protocol.exchange_rules import ExchangeCase, reasons_of_header
from protocol.identifiers import Digest, KeyId, MessageId, Millis, StreamId, ThreadId, UnitId
from protocol.limits import MAX_RECORD, MAX_ROW_ITEMS
from protocol.parties import NO_HEAD, Parties, TreeHead
from protocol.public_keys import EpochPublic
from protocol.signatures import Suite
from protocol.trail.batches import Reason
from protocol.trail.reason_words import ReasonContext, found_in

_VERSION: Final = 1
_NO_KEY: Final = KeyId(bytes(16))
_MAX_ORDER: Final = MAX_RECORD + 100_000


@dataclass(frozen=True, slots=True)
class Recipient:
    """A unit that is to get the message, and why."""

    unit: UnitId
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One message, as wanted. Its content never shows in a representation."""

    kind: MessageKind
    message_id: MessageId
    thread: ThreadId
    to: tuple[Recipient, ...]
    handling: frozenset[Handling]
    purposes: frozenset[Purpose]
    data_class: DataClass
    expires: Millis
    review: Millis
    parts: tuple[Part, ...] = field(repr=False)
    h3: Limits | None = None
    classification: Classification = Classification.BPL
    urgency: UrgencyGround | None = None
    ground: RefusalGround | None = None
    basis: LegalBasis | None = None
    copy_exemption: CopyExemption | None = None
    refs: tuple[Reference, ...] = ()
    suite: Suite | None = None


@dataclass(frozen=True, slots=True)
class Unsealable:
    """Why an order cannot be sealed now: addressees without a usable key, or this unit's key not enrolled."""

    code: Code
    units: tuple[UnitId, ...]


def encode_order(order: Order) -> bytes:
    """The form at rest."""
    h3 = None if order.h3 is None else [list(order.h3.only), order.h3.delete_by]
    return encode([
        _VERSION, int(order.kind), order.message_id, order.thread, [[r.unit, int(r.role)] for r in order.to],
        sorted(map(int, order.handling)), h3, int(order.classification), int(order.data_class),
        sorted(map(int, order.purposes)), _number(order.urgency), _number(order.ground), _number(order.basis),
        _number(order.copy_exemption), [[int(r.kind), r.header_digest] for r in order.refs], order.expires,
        order.review, _number(order.suite), [[part.kind, part.content] for part in order.parts],
    ])  # fmt: skip


def decode_order(data: bytes) -> Order:
    """The order behind its form at rest, which only this module has written."""
    row = decode(data, limit=_MAX_ORDER, items=MAX_ROW_ITEMS)
    (
        _, kind, message_id, thread, to, handling, h3, classification, data_class, purposes, urgency, ground,
        basis, exemption, refs, expires, review, suite, parts,
    ) = row  # fmt: skip
    return Order(
        kind=MessageKind(kind),
        message_id=MessageId(message_id),
        thread=ThreadId(thread),
        to=tuple(Recipient(UnitId(unit), Role(role)) for unit, role in to),
        handling=frozenset(map(Handling, handling)),
        h3=None if h3 is None else Limits(tuple(map(UnitId, h3[0])), _millis(h3[1])),
        classification=Classification(classification),
        data_class=DataClass(data_class),
        purposes=frozenset(map(Purpose, purposes)),
        urgency=None if urgency is None else UrgencyGround(urgency),
        ground=None if ground is None else RefusalGround(ground),
        basis=None if basis is None else LegalBasis(basis),
        copy_exemption=None if exemption is None else CopyExemption(exemption),
        refs=tuple(Reference(RefKind(ref), Digest(subject)) for ref, subject in refs),
        expires=Millis(expires),
        review=Millis(review),
        suite=None if suite is None else Suite(suite),
        parts=tuple(Part(part, content) for part, content in parts),
    )


def choose_keys(order: Order, *, parties: Parties, now: Millis) -> tuple[EpochPublic, ...] | Unsealable:
    """One key for each addressee, of the epoch that runs or of one that routers still or already take."""
    chosen: list[EpochPublic] = []
    without: list[UnitId] = []
    epoch = epoch_of(now)
    for recipient in order.to:
        candidates = (epoch, epoch + 1, epoch - 1)
        keys = (parties.epoch_key_for(recipient.unit, e) for e in candidates if is_acceptable(e, now))
        key = next((key for key in keys if key is not None), None)
        if key is None:
            without.append(recipient.unit)
        else:
            chosen.append(key.public)
    return Unsealable(Code.E_RCPT_EPOCH, tuple(without)) if without else tuple(chosen)


def core_from_order(
    order: Order,
    *,
    kids: Sequence[KeyId],
    sender: UnitId,
    position: Position,
    signing_key: KeyId,
    parties: Parties,
    now: Millis,
    ledger_head: TreeHead = NO_HEAD,
) -> Core:
    """The header's core. `created` is the time of sealing: what waited is not stale, and lives no longer."""
    return Core(
        suite=required_suite(order, sender=sender, parties=parties, now=now),
        kind=order.kind,
        message_id=order.message_id,
        thread=order.thread,
        created=now,
        expires=min(order.expires, Millis(now + parties.policy_at(now).lifetime)),
        sender=sender,
        position=position,
        signing_key=signing_key,
        to=tuple(
            Addressee(recipient.unit, kid, recipient.role)
            for recipient, kid in zip(order.to, kids, strict=True)
        ),
        handling=order.handling,
        h3=order.h3,
        classification=order.classification,
        data_class=order.data_class,
        purposes=order.purposes,
        urgency=order.urgency,
        ground=order.ground,
        basis=order.basis,
        copy_exemption=order.copy_exemption,
        refs=order.refs,
        review=order.review,
        directory_head=parties.head,
        ledger_head=ledger_head,
    )


def reasons_against(
    order: Order, *, sender: UnitId, parties: Parties, now: Millis
) -> tuple[tuple[Reason, str], ...]:
    """Why every router would refuse the order, by what its header will say, whatever keys it is sealed to.

    Each reason with what was found, in words.
    """
    core = core_from_order(
        order,
        kids=[_NO_KEY] * len(order.to),
        sender=sender,
        position=Position(StreamId(bytes(8)), 0),
        signing_key=_NO_KEY,
        parties=parties,
        now=now,
    )
    reasons = reasons_of_header(ExchangeCase(core=core, parties=parties, now=now))
    if not reasons:
        return ()
    known = ReasonContext(said=core, parties=parties, created=now, decided=now)
    return tuple((reason, found_in(reason, known)) for reason in reasons)


def required_suite(order: Order, *, sender: UnitId, parties: Parties, now: Millis) -> Suite:
    """The strongest suite that anybody asks for: the order, a party's entry, the policy for the marking."""
    units = (parties.unit(unit) for unit in (sender, *(recipient.unit for recipient in order.to)))
    asked = [unit.min_suite for unit in units if unit is not None]
    asked.append(parties.policy_at(now).least_suite(order.classification))
    return max(asked) if order.suite is None else max([*asked, order.suite])


def check_addressees(order: Order, *, me: UnitId, parties: Parties, echo: bool = False) -> None:
    """Refuse at once what waiting cannot help: an addressee that is unknown, or named twice, or this unit.

    The exchange is between units (DIR Art. 1(1)); a unit keeps what it sent. Only a sender refuses itself: an
    addressee that is the sender can take the message like any other. An `echo` is meant for this unit.
    """
    names = [recipient.unit for recipient in order.to]
    twice = sorted({unit for unit in names if names.count(unit) > 1})
    if twice:
        raise Rejected(Code.E_RCPT_DUP, f"named twice, as addressee or as copy: {', '.join(twice)}")
    if me in names and not echo:
        raise DraftError(
            f"{me} is this unit itself, and a message goes to others",
            hint=f"leave {me} out; what was sent stays here, see 'outbox ls'",
        )
    unknown = [unit for unit in names if parties.unit(unit) is None]
    if unknown:
        raise Rejected(Code.E_RCPT_UNKNOWN, f"the directory has no unit {', '.join(unknown)}")


def _number(code: IntEnum | None) -> int | None:
    return None if code is None else int(code)


def _millis(value: Any) -> Millis | None:
    return None if value is None else Millis(value)
