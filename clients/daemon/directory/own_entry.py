"""Alarms about statements on this unit that its daemon did not make. An officer must look at each.

    own_identity_foreign   a signing key that this daemon did not make
    own_epoch_foreign      an epoch key that this daemon did not make
    own_key_revoked        a key of this unit was withdrawn, and not by this daemon
    own_status_changed     the unit was suspended or resumed
    own_facts_changed      other facts than at enrolment, such as clearance or purposes, or another quota;
                           also where what a stolen registrar's key had stated has fallen

Owns which statements are the daemon's own: keys whose private half is or was here, and withdrawals that it
wrote. There is one alarm for each statement, also where the replica is built anew. Runs in the worker's
thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, assert_never

import structlog

from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import deletions, inbox
from clients.daemon.store.noted import is_noted, note, own_identity, own_statement, told
from keys.directory import Applied
from keys.statement_types import (
    Appointment,
    EpochPublication,
    PolicyVersion,
    QuotaChange,
    Revocation,
    StatusChange,
    UnitFacts,
    Unread,
)
from protocol.epochs import is_to_be_destroyed
from protocol.identifiers import KeyId, UnitId, digest
from protocol.parties import Unit

log = structlog.get_logger()

OwnAlarm = Literal[
    "own_identity_foreign",
    "own_epoch_foreign",
    "own_key_revoked",
    "own_status_changed",
    "own_facts_changed",
]


def remember_own_key(context: UnitContext) -> None:
    """Note the identity that this unit signs with. Inside a transaction."""
    note(context.store, own_identity(context.keys.signer.public.kid))


def remember_own_statements(context: UnitContext, statements: Iterable[bytes]) -> None:
    """Note statements before they are published: read back, they are the daemon's own.

    Inside a transaction.
    """
    for statement in statements:
        note(context.store, own_statement(digest(statement)))


@dataclass(frozen=True, slots=True)
class OwnChange:
    """A new statement, and what the directory said of this unit before it and says now."""

    applied: Applied
    before: Unit | None
    after: Unit | None

    @property
    def resumes(self) -> bool:
        """Whether a suspension ends with it: by a status, or since the one that began it has fallen."""
        was = self.before is not None and self.before.suspended
        return was and self.after is not None and not self.after.suspended

    def concerns(self, unit: UnitId) -> bool:
        """Whether it is about this unit, or changes what counts of it."""
        return self.applied.statement.about == unit or self.before != self.after


def watch(context: UnitContext, change: OwnChange) -> None:
    """Check a new statement that concerns this unit. Inside a transaction."""
    applied = change.applied
    if change.resumes:
        inbox.owe_what_was_refused(context.store)
        deletions.tell_what_was_refused(context.store)
    about_us = applied.statement.about == context.unit
    # What waits for another registrar has changed nothing; with the last of them it is told.
    about = None if applied.waits else _alarm_for(context, applied)
    alarm = about if about_us else "own_facts_changed"
    if alarm is None:
        log.info("own_entry_changed", count=applied.position)
    elif note(context.store, told(applied.digest)):
        statement = f"statement {applied.position} {applied.digest.hex()[:16]}"
        context.alarm(alarm, cause=statement, detail=statement)


def _alarm_for(context: UnitContext, applied: Applied) -> OwnAlarm | None:
    match applied.statement.body:
        case EpochPublication() as body:
            # Expired keys were destroyed here: a replica that is built anew reads their statements again.
            ours = body.public.kid in context.keys.opener.kids() or is_to_be_destroyed(
                body.epoch, context.clock()
            )
            return None if ours else "own_epoch_foreign"
        case Appointment() as body:
            # A router may have the same name, and name its successor.
            is_unit = context.directory.identity(context.unit, body.public.kid) is not None
            foreign = is_unit and not _is_our_identity(context, body.public.kid)
            return "own_identity_foreign" if foreign else None
        case Revocation():
            ours = is_noted(context.store, own_statement(applied.digest))
            return None if ours else "own_key_revoked"
        case StatusChange():
            return "own_status_changed"
        case UnitFacts() | QuotaChange() as body:
            # The first facts are part of the enrolment that this unit asked for.
            asked = isinstance(body, UnitFacts) and body.version == 1
            return None if asked else "own_facts_changed"
        case PolicyVersion() | Unread():
            return None
        case _ as never:
            assert_never(never)


def _is_our_identity(context: UnitContext, kid: KeyId) -> bool:
    return is_noted(context.store, own_identity(kid))
