"""The sealer: seals an order and writes its row. The one place in which a message is sealed.

Owns the choice between sealed, waiting and refused. Inside a transaction of its caller, in the worker's
thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import outbox, sealings
from clients.daemon.store.message_states import OutboxState
from clients.daemon.store.order import Order, Unsealable, choose_keys, core_from_order
from clients.daemon.store.request_keys import RequestKey, remember
from keys.errors import KeyStoreError
from protocol.envelope.core import Position
from protocol.envelope.sealing import Sealed, seal
from protocol.errors import Code, ContradaError, Rejected
from protocol.identifiers import Millis
from protocol.key_validity import check_signing_key
from protocol.trail.batches import Reason

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Made:
    """A sealing that is to be written down with its row."""

    sealed: Sealed
    position: Position
    partition: int


def take_in(
    context: UnitContext, order: Order, *, now: Millis, once: RequestKey | None = None
) -> OutboxState:
    """A new row for an order, sealed at once if that is possible; its state. Inside a transaction."""
    state = _take_in(context, order, now=now)
    remember(context.store, once, message_id=order.message_id, state=state, now=now)
    return state


def _take_in(context: UnitContext, order: Order, *, now: Millis) -> OutboxState:
    if outbox.is_conversation_undecided(context.store, order.thread):
        context.conversation_waits = True
        outbox.insert_order(context.store, context.vault, order, now=now)
        return OutboxState.QUEUED
    made = _seal(context, order, now=now)
    sealed = isinstance(made, _Made)
    # Sealed already, it is written once and not twice.
    row = outbox.insert_order(context.store, context.vault, order, now=now, sealed=sealed)
    return _write(context, row, order, made, now=now, anew=sealed)


def seal_row(context: UnitContext, row: int, order: Order, *, now: Millis) -> OutboxState:
    """Seal a queued row if that is possible now; its state afterwards. Inside a transaction.

    One message of a conversation is under way at a time. A message that a router refuses for want of a
    fresh key is sealed again, behind all that was sent meanwhile: a later one of the same conversation
    must not be among that (docs/adr/0008).
    """
    if outbox.is_conversation_undecided(context.store, order.thread, before=row):
        return OutboxState.QUEUED
    return _write(context, row, order, _seal(context, order, now=now), now=now)


def seal_once_more(context: UnitContext, row: int, order: Order, *, now: Millis) -> tuple[str, ...]:
    """Seal an accepted message again, which stays accepted; the units whose keys are missing for it.

    Inside a transaction.
    """
    match _seal(context, order, now=now):
        case Unsealable(_, units):
            return units
        case Code() as code:
            raise Rejected(code, "the message cannot be sealed any more")
        case _Made(sealed, position, partition):
            outbox.count_sealing(context.store, row)
            _put(context, row, order, sealed, position=position, partition=partition)
            return ()


def _put(
    context: UnitContext, row: int, order: Order, sealed: Sealed, *, position: Position, partition: int
) -> None:
    sealing = sealings.put_sealing(context.store, row, sealed, position=position, partition=partition)
    context.recent_sealings.put(partition, sealings.ToSend(sealing, order.thread, sealed.submission))
    context.metrics.sealed.inc()


def _seal(context: UnitContext, order: Order, *, now: Millis) -> _Made | Unsealable | Code:
    """The order sealed; or why it has to wait; or why it never can be."""
    try:
        signer = context.keys.signer
        own = context.directory.identity(context.unit, signer.public.kid)
        check_signing_key(own, signed_at=now, judged_at=now)
    except Rejected as rejected:
        # The key may be enrolled or renewed at any moment; the message waits for that.
        return Unsealable(rejected.reason, (context.unit,))
    keys = choose_keys(order, parties=context.directory, now=now)
    if isinstance(keys, Unsealable):
        return keys
    partition = context.partition_of(order.thread)
    position = context.stream.take(partition)
    core = core_from_order(
        order,
        kids=[key.kid for key in keys],
        sender=context.unit,
        position=position,
        signing_key=signer.public.kid,
        parties=context.directory,
        now=now,
        ledger_head=context.ledger_head,
    )
    try:
        sealed = seal(core, order.parts, keys=keys, signer=signer, entropy=context.entropy)
    except KeyStoreError:
        # Of the message nothing is known: the token does not sign now. Whoever runs the job tries it again.
        raise
    except ContradaError as error:
        # Only its size can be wrong with an order that was composed here. It must not hold up the others.
        return error.reason if isinstance(error, Rejected) else Code.E_SCHEMA
    return _Made(sealed, position, partition)


def _write(
    context: UnitContext,
    row: int,
    order: Order,
    made: _Made | Unsealable | Code,
    *,
    now: Millis,
    anew: bool = False,
) -> OutboxState:
    """Write the result of sealing a row; its state. `anew`: the row was inserted as sealed."""
    match made:
        case Unsealable(code, units):
            return _wait(context, row, tuple(Reason(code, unit) for unit in units))
        case Code():
            outbox.refuse_unsealed(context.store, row, (Reason(made),), now=now)
            context.metrics.refusals.labels(made.value).inc()
            return OutboxState.REFUSED
        case _Made(sealed, position, partition):
            if not anew:
                outbox.mark_sealed(context.store, row, now=now)
            _put(context, row, order, sealed, position=position, partition=partition)
            return OutboxState.SEALED


def _wait(context: UnitContext, row: int, reasons: tuple[Reason, ...]) -> OutboxState:
    outbox.note_waiting(context.store, row, reasons)
    log.info("waiting", rowid=row, reasons=[reason.code.value for reason in reasons])
    return OutboxState.QUEUED
