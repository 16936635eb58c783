"""Statements about our own unit: we made it, or somebody spoke in our name or about us. An officer must know.

    own_identity_foreign   a signing key that we did not make
    own_epoch_foreign      an epoch key that we did not make
    own_key_revoked        a key of ours was withdrawn, and not by us
    own_status_changed     we were suspended or resumed
    own_facts_changed      other facts than at our enrolment, such as clearance, basis or purposes

Owns what counts as ours: keys whose private half is or was here, and withdrawals that this daemon wrote.
Each statement is told of once, also where the replica is built anew. Runs in the worker's thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, assert_never

import structlog

from clients.daemon.state.unit_context import UnitContext
from keys.directory import Applied
from keys.statement_types import (
    Appointment,
    EpochPublication,
    Revocation,
    StatementType,
    StatusChange,
    UnitFacts,
)
from protocol.epochs import is_to_be_destroyed
from protocol.identifiers import KeyId, digest

log = structlog.get_logger()

OwnAlarm = Literal[
    "own_identity_foreign",
    "own_epoch_foreign",
    "own_key_revoked",
    "own_status_changed",
    "own_facts_changed",
]


def remember_own_key(context: UnitContext) -> None:
    """Note the identity that we sign with. Inside a transaction."""
    _note(context, f"own-identity:{context.keys.signer.public.kid.hex()}")


def remember_own_statements(context: UnitContext, statements: Iterable[bytes]) -> None:
    """Note what we are about to publish: it is ours when it comes back. Inside a transaction."""
    for statement in statements:
        _note(context, f"own-statement:{digest(statement).hex()}")


def watch(context: UnitContext, applied: Applied) -> None:
    """Look at a new statement about our own unit. Inside a transaction."""
    alarm = _alarm_for(context, applied)
    if alarm is None:
        log.info("own_entry_changed", count=applied.position)
    elif _note(context, f"told:{applied.digest.hex()}"):
        context.alarm(alarm, detail=f"statement {applied.position} {applied.digest.hex()[:16]}")


def _alarm_for(context: UnitContext, applied: Applied) -> OwnAlarm | None:
    match applied.statement.body:
        case EpochPublication() as body:
            # Keys whose time is over were destroyed here: a replica that is built anew meets them again.
            ours = body.public.kid in context.keys.opener.kids() or is_to_be_destroyed(
                body.epoch, context.clock()
            )
            return None if ours else "own_epoch_foreign"
        case Appointment() as body:
            foreign = body.stype is StatementType.IDENTITY and not _is_our_identity(context, body.public.kid)
            return "own_identity_foreign" if foreign else None
        case Revocation():
            ours = _is_noted(context, f"own-statement:{applied.digest.hex()}")
            return None if ours else "own_key_revoked"
        case StatusChange():
            return "own_status_changed"
        case UnitFacts() as body:
            # The first are part of the enrolment that we asked for.
            return "own_facts_changed" if body.version > 1 else None
        case _ as never:
            assert_never(never)


def _is_our_identity(context: UnitContext, kid: KeyId) -> bool:
    return _is_noted(context, f"own-identity:{kid.hex()}")


def _is_noted(context: UnitContext, key: str) -> bool:
    return context.store.row("SELECT 1 FROM meta WHERE key = ?", key) is not None


def _note(context: UnitContext, key: str) -> bool:
    """Whether it was not noted before."""
    return context.store.write("INSERT OR IGNORE INTO meta VALUES (?, '1')", key) == 1
