"""The job that follows the ledger: publications in, proofs and alarms out.

Owns the consequences of a publication: trees advance, promises are kept, or an alarm is raised. Rules:
- Only what the policy file trusts is accepted, and only roots that were recomputed here.
- An alarm is raised once, when it begins, with both notes kept as evidence; it stops nothing else.
- What a log holds moves together with the position in the feed, in one transaction.
Runs in the worker's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from clients.daemon.alarms import ALARMS, DAMAGED, UNKNOWN_LOG, UNTRUSTED, raise_once
from clients.daemon.errors import DirectoryBehind
from clients.daemon.ledger import gossip, promises
from clients.daemon.ledger.earlier_heads import is_shown_again
from clients.daemon.ledger.foreign_bytes import guarded
from clients.daemon.ledger.joining import begin, check_beginning, join
from clients.daemon.state.feeds_read import note_read
from clients.daemon.state.ledger_state import FollowedLog, Ledger
from clients.daemon.store import ledger_tables as ledger_store
from clients.daemon.store.ledger_tables import Tiles
from clients.daemon.store.noted import note, told
from protocol.errors import Code, Rejected
from protocol.identifiers import digest
from protocol.limits import SECOND
from protocol.times import show_time
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.following import Advance, Follower
from protocol.tlog.publication import Publication, parse_publication
from protocol.tlog.tiles import TreeWriter, parse_path
from protocol.trail.acts import gap_of, put_back_of
from protocol.trail.stated_acts import StatedActs, is_notice, verify_acts
from runtime.kafka.ports import Fetched, InputRecord

if TYPE_CHECKING:
    from clients.daemon.state.unit_context import UnitContext

log = structlog.get_logger()

_LACKS_STATEMENTS: Final = frozenset({Code.E_ISSUER})

HEAR_EVERY: Final = 30.0
"""Seconds between two times that the signed times of a publication are looked at."""


def take_publications(context: UnitContext, ledger: Ledger, fetched: Fetched, *, patient: bool) -> None:
    """Go on to what is published and remember how far was read, in one transaction.

    While `patient`, a notice by an operator whose key is not here is `DirectoryBehind`.
    """
    notices = {
        record.offset: _judge(context, record.value, patient=patient)
        for record in fetched.records
        if is_notice(record.value)
    }
    open_ledger(context, ledger)
    promises.load_promises(context, ledger.book)
    try:
        with context.transaction():
            if fetched.rewound_from is not None:
                _begin_again(context, ledger, fetched.position)
            for record in fetched.records:
                if record.offset in notices:
                    take_notice(context, ledger, record, notices[record.offset])
                else:
                    _take(context, ledger, record.value, record.offset)
            for held in ledger.logs.values():
                _settle(context, ledger, held)
            note_read(context, fetched, position=min(ledger.waits_from(), default=fetched.position))
    except BaseException:
        ledger.forget()
        raise


def _begin_again(context: UnitContext, ledger: Ledger, position: int) -> None:
    """The topic is another one from this place on: there every publication counts. Inside a transaction.

    Also after a kill: what is kept of a log may not say that they were taken in.
    """
    ledger.begin_again(position)
    ledger_store.take_again(context.store, position)


def open_ledger(context: UnitContext, ledger: Ledger) -> None:
    """Read the held logs from disk, if that was not done yet."""
    if ledger.opened:
        return
    for row in ledger_store.logs(context.store):
        tiles = Tiles(context.store, row["id"])
        try:
            follower = Follower.resume(row["note"], row["nodes"])
            writer = TreeWriter.resume(follower.head.size, tiles.read, with_entries=False)
        except Rejected as rejected:
            # The unit's disk is at fault: the log is joined anew, and an alarm says that its state was lost.
            with context.transaction():
                raise_once(context, ledger, DAMAGED, row["origin"], f"on our own disk: {rejected}")
            continue
        ledger.put(FollowedLog(follower, writer, tiles, row["next_offset"]))
    ledger.opened = True


def _take(context: UnitContext, ledger: Ledger, value: bytes, offset: int) -> None:
    try:
        publication = guarded(lambda: parse_publication(value))
    except Rejected as rejected:
        raise_once(context, ledger, DAMAGED, "", f"record {offset}: {rejected.code}")
        return
    ledger.clear("")
    held = ledger.logs.get(publication.origin)
    # After a restart, what one log waits for is read again, and with it what others have taken already.
    if held is not None and offset < held.next_offset:
        return
    try:
        if held is not None:
            _go_on(context, ledger, held, publication, offset)
        elif publication.note is not None:
            _join(context, ledger, publication, offset)
            # Only what kept it from being followed is over: what it begins with may be wrong now.
            ledger.wrong.pop((UNTRUSTED, publication.origin), None)
        elif publication.origin in ledger.policy.origins:
            begin(ledger, publication)
    except Rejected as rejected:
        _accuse(context, ledger, publication, offset, rejected)


def _judge(context: UnitContext, value: bytes, *, patient: bool) -> StatedActs | Rejected:
    try:
        return guarded(lambda: verify_acts(value, parties=context.directory))
    except Rejected as rejected:
        if patient and rejected.reason in _LACKS_STATEMENTS:
            raise DirectoryBehind(context.directory.head.size + 1) from None
        return rejected


def take_notice(
    context: UnitContext, ledger: Ledger, record: InputRecord, stated: StatedActs | Rejected
) -> None:
    """What two people state, of records of the audit topic that are gone or of a Kafka that was put back.

    One alarm for each such statement.
    """
    if isinstance(stated, Rejected):
        raise_once(context, ledger, DAMAGED, "", f"record {record.offset}: {stated.code}")
        return
    ledger.clear("")
    for act in stated.acts:
        gap, back = gap_of(act), put_back_of(act)
        if (gap is None and back is None) or not note(context.store, told(digest(record.value))):
            continue
        by = f"signed by {stated.by.names}"
        if gap is not None:
            detail = f"{gap.log}: {gap.end - gap.first} offsets of the audit topic, from {gap.first} on; {by}"
            context.alarm("ledger_audit_gap", cause=f"{gap.log} {gap.first}", detail=detail)
        if back is not None:
            detail = f"to a copy of {show_time(back.copied)}, on {show_time(back.restored)}; {by}"
            context.alarm("kafka_put_back", cause=f"{back.log} {back.leaf}", detail=detail)


def _go_on(
    context: UnitContext, ledger: Ledger, held: FollowedLog, publication: Publication, offset: int
) -> None:
    try:
        advance = guarded(lambda: held.follower.take(publication, ledger.policy))
    except Rejected as rejected:
        if rejected.reason is not Code.E_LOG_ROLLBACK:
            raise
        _settle(context, ledger, held)  # the tree that it is held against is the one on disk
        if not is_shown_again(ledger, held, publication):
            raise
        advance = None
    finally:
        held.read(offset)
    if publication.note is not None:
        ledger.clear(publication.origin)
    if advance is not None:
        _hear(context, ledger, advance.note)
        if advance.before.size == 0:
            check_beginning(context, ledger, held, advance)
        _grow(ledger, held, advance)


def _hear(context: UnitContext, ledger: Ledger, note: bytes) -> None:
    """What the clocks of a log and its witnesses have shown; now and then, since each word is a signature."""
    moment = context.monotonic()
    if context.times is None or moment - ledger.heard_at < HEAR_EVERY:
        return
    ledger.heard_at = moment
    for name, time in ledger.policy.borne_out(parse_checkpoint(note)).items():
        context.times.heard(name, time * SECOND)


def _join(context: UnitContext, ledger: Ledger, publication: Publication, offset: int) -> None:
    """Begin to follow a log, or begin again behind what was not seen."""
    known = publication.origin in ledger.logs
    held, advance = join(context, ledger, publication, offset)
    if not known:
        check_beginning(context, ledger, held, advance)
    _grow(ledger, held, advance)


def _grow(ledger: Ledger, held: FollowedLog, advance: Advance) -> None:
    for leaf in advance.leaves:
        held.writer.append_leaf(leaf)
    held.grown = True
    ledger.note_root(held)
    if held.shard is not None:
        ledger.book.look_for(held.origin, advance.leaves, first=advance.before.size)


def _settle(context: UnitContext, ledger: Ledger, held: FollowedLog) -> None:
    """Write the new state of a log, and the promises that it keeps."""
    if not held.grown:
        return
    follower = held.follower
    held.tiles.put((parse_path(path), data) for path, data in held.writer.take().items())
    held.tiles.forget_old(follower.head.size)
    # What waits for its witnesses is in memory alone: after a restart it is read again, and must count then.
    taken = held.next_offset if held.waits_from is None else held.waits_from
    ledger_store.put_log(context.store, follower, next_offset=taken, now=context.clock())
    held.grown = False
    promises.keep(context, ledger.book, held)
    if held is ledger.audit:
        gossip.catch_up(context, ledger, held)


def _accuse(
    context: UnitContext, ledger: Ledger, publication: Publication, offset: int, rejected: Rejected
) -> None:
    held = ledger.logs.get(publication.origin)
    note = None if held is None else held.follower.note
    alarm = ALARMS.get(rejected.reason, DAMAGED)
    about = publication.origin
    if about not in ledger.policy.origins:
        about, ledger.unknown_log_seen = UNKNOWN_LOG, context.monotonic()
    raise_once(
        context, ledger, alarm, about, f"record {offset}: {rejected}", held=note, shown=publication.note
    )
    if rejected.reason is Code.E_LOG_GAP and held is not None:
        try:
            _join(context, ledger, publication, offset)
        except Rejected as also:
            raise_once(context, ledger, DAMAGED, publication.origin, f"record {offset}: {also}")
