"""The jobs around the directory: statements in, the unit's own keys out.

Owns the upkeep of the unit's keys; what a statement about our own unit means to us stands in `own_entry`.
Runs in the worker's thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from clients.daemon.directory.own_entry import remember_own_key, remember_own_statements, watch
from clients.daemon.state.unit_context import Office
from clients.daemon.store import inbox
from keys.directory import Applied
from keys.errors import KeyStoreError
from protocol.errors import Rejected
from protocol.identifiers import UnitId
from runtime.kafka.feed_ports import Fetched

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Learned:
    """What the caller has to know of a batch of statements."""

    size: int
    changed: bool


def take_statements(office: Office, fetched: Fetched) -> Learned:
    """Apply statements, put them on disk, and then remember how far was read."""
    news: list[Applied] = []
    for record in fetched.records:
        try:
            applied = office.replica.apply(record.value)
        except Rejected as rejected:
            office.metrics.statements_refused.inc()
            log.warning("statement_refused", topic=fetched.topic, offset=record.offset, code=rejected.code)
            continue
        if applied.new:
            news.append(applied)
    office.replica.flush()
    if news:
        _adopt(office)
    with office.transaction():
        remember_own_key(office)
        for applied in news:
            if applied.statement.about == office.unit:
                watch(office, applied)
        inbox.set_position(office.store, fetched.topic, fetched.partition, fetched.position)
    size = office.directory.head.size
    office.metrics.directory_size.set(size)
    return Learned(size, bool(news))


def start_of_feed(office: Office, topic: str) -> int:
    """Where to read the directory from: its beginning, if our file has lost anything."""
    if office.replica.damaged or office.directory.head.size == 0:
        return 0
    return inbox.position(office.store, topic, 0)


def upkeep(office: Office) -> list[bytes]:
    """Make the keys of the coming epochs, destroy those whose time is over; what is to be published."""
    now = office.clock()
    office.keys.adopt_rotation(now, parties=office.directory)
    gone = office.keys.destroy_expired(now, seen=office.seen())
    for epoch in gone:
        log.info("epoch_key_destroyed", epoch=epoch)
    if not _is_enrolled(office, office.unit):
        return []
    lost = office.keys.lost_epochs(now, parties=office.directory)
    statements = [
        office.keys.revoke(kid, reason="the private key is not here any more", now=now) for kid in lost
    ]
    if statements:
        with office.transaction():
            remember_own_statements(office, statements)
    return statements + office.keys.ensure_epochs(now, parties=office.directory)


def _adopt(office: Office) -> None:
    """Sign with the next identity, if the directory has just got it. The upkeep tries again."""
    try:
        office.keys.adopt_rotation(office.clock(), parties=office.directory)
    except KeyStoreError as error:
        log.error("identity_not_adopted", code=error.code)  # noqa: TRY400 - no traceback in our logs


def _is_enrolled(office: Office, unit: UnitId) -> bool:
    # A statement of a unit that nobody knows is refused by every replica; it would only litter the topic.
    known = office.directory.identity(unit, office.keys.signer.public.kid)
    return known is not None and not known.revoked
