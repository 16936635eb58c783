"""The directory jobs: taking statements in, and the upkeep of the unit's own keys.

Alarms about statements on this unit are in `own_entry`. Runs in the worker's thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from clients.daemon.directory.certificate_end import alarm_of_certificates
from clients.daemon.directory.key_end import alarm_of_end
from clients.daemon.directory.own_entry import (
    OwnChange,
    remember_own_key,
    remember_own_statements,
    watch,
)
from clients.daemon.state.feeds_read import note_read
from clients.daemon.state.losses import (
    is_directory_behind,
    remember_directory,
    remember_reading,
    was_read_by_others,
)
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.noted import is_noted, own_identity
from clients.daemon.store.positions import position
from keys.errors import KeyStoreError
from keys.statement_types import Unread
from protocol.errors import Rejected
from protocol.identifiers import Millis
from protocol.key_validity import check_signing_key
from protocol.limits import SECOND
from runtime.kafka.ports import Fetched

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Learned:
    """What the caller has to know of a batch of statements."""

    size: int
    changed: bool


def take_statements(context: UnitContext, fetched: Fetched) -> Learned:
    """Apply statements, put them on disk, and then remember how far was read."""
    news: list[OwnChange] = []
    for record in fetched.records:
        before = context.directory.unit(context.unit)
        try:
            applied = context.replica.apply(record.value)
        except Rejected as rejected:
            context.metrics.statements_refused.inc()
            log.warning("statement_refused", topic=fetched.topic, offset=record.offset, code=rejected.code)
            continue
        if applied.new:
            news.append(OwnChange(applied, before, context.directory.unit(context.unit)))
            if isinstance(applied.statement.body, Unread):
                log.warning("statement_unread", count=applied.position, kind=applied.statement.body.stype)
    context.replica.flush()
    if news:
        _adopt(context)
    with context.transaction():
        remember_own_key(context)
        remember_directory(context)
        for change in news:
            if change.concerns(context.unit):
                watch(context, change)
        note_read(context, fetched)
        remember_reading(context, position(context.store, fetched.topic, fetched.partition))
    size = context.directory.head.size
    context.metrics.directory_size.set(size)
    return Learned(size, bool(news))


def start_of_feed(context: UnitContext, topic: str) -> int:
    """Where to read the directory from: its beginning, if the stored file lacks anything that is there."""
    if was_read_by_others(context, position(context.store, topic, 0)):
        log.warning("directory_read_again", size=context.directory.head.size)
        context.replica.begin_again()
    if context.replica.damaged or is_directory_behind(context) or context.directory.head.size == 0:
        return 0
    return position(context.store, topic, 0)


def upkeep(context: UnitContext) -> list[bytes]:
    """Make the keys of the coming epochs and the next identity, destroy expired ones.

    Returns what is to be published.
    """
    fault = None if context.times is None else context.times.fault()
    if fault is not None and fault.ahead > 0:
        # A statement from the future would stand in the directory for ever, with keys that nobody uses.
        log.error("clock_wrong", hint=fault.sentence)
        return []
    # By this machine's own clock: nobody else's makes or destroys a key.
    now = context.wall()
    context.keys.adopt_rotation(now, directory=context.directory)
    gone = context.keys.destroy_expired(now, seen=context.seen())
    for epoch in gone:
        log.info("epoch_key_destroyed", epoch=epoch)
    with context.transaction():
        alarm_of_end(context)
        alarm_of_certificates(context)
    if not _may_state(context, now):
        return []
    statements = _withdrawals(context, now)
    if statements:
        with context.transaction():
            remember_own_statements(context, statements)
    following = context.keys.succession(now, directory=context.directory) if context.renews_key else None
    if following is not None:
        log.info("identity_succession", kid=context.keys.signer.public.kid)
        statements.append(following)
    return statements + context.keys.ensure_epochs(now, parties=context.directory)


def seconds_to_upkeep(context: UnitContext, longest: float) -> float:
    """How long the upkeep waits: no longer than until an identity counts that rests yet."""
    rests = context.rests_until
    return longest if rests is None else min(longest, max(0, rests - context.wall()) / SECOND + 1)


def _withdrawals(context: UnitContext, now: Millis) -> list[bytes]:
    """Of our own keys: those that are lost, and identities whose overlap with the present one is over."""
    keys, directory = context.keys, context.directory
    lost = keys.lost_epochs(now, parties=directory)
    # One that this daemon never signed with is not ours to judge: it was told of when it was appointed.
    over = keys.rotated_away(now, directory=directory)
    ours = [kid for kid in over if is_noted(context.store, own_identity(kid))]
    return [
        *(keys.revoke(kid, reason="the private key is not here any more", now=now) for kid in lost),
        *(keys.revoke(kid, reason="rotated, and its overlap is over", now=now) for kid in ours),
    ]


def _adopt(context: UnitContext) -> None:
    """Sign with the next identity, if the directory has just got it. The upkeep tries again."""
    try:
        context.keys.adopt_rotation(context.clock(), directory=context.directory)
    except KeyStoreError as error:
        log.error("identity_not_adopted", code=error.code)  # noqa: TRY400 - no traceback in our logs


def _may_state(context: UnitContext, now: Millis) -> bool:
    # What an unknown, revoked or ended key states is refused by every replica; it would only fill the topic.
    known = context.directory.identity(context.unit, context.keys.signer.public.kid)
    try:
        check_signing_key(known, signed_at=now, judged_at=now)
    except Rejected:
        return False
    return True
