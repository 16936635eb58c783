"""The jobs around the directory: statements in, the unit's own keys out.

Owns what a statement about our own unit means to us, and the upkeep of the unit's keys. Runs in the
worker's thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from clients.daemon import inbox
from clients.daemon.office import Office
from clients.ports import Fetched
from keys.directory import Applied
from keys.errors import KeyStoreError
from keys.statement_types import Appointment, EpochPublication, Revocation, StatementType
from protocol.epochs import is_to_be_destroyed
from protocol.errors import Rejected
from protocol.identifiers import KeyId, UnitId

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
            if applied.statement.subject == office.unit:
                _watch(office, applied)
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
    return statements + office.keys.ensure_epochs(now, parties=office.directory)


def _adopt(office: Office) -> None:
    """Sign with the next identity, if the directory has just got it. The upkeep tries again."""
    try:
        office.keys.adopt_rotation(office.clock(), parties=office.directory)
    except KeyStoreError as error:
        log.error("identity_not_adopted", code=error.code)  # noqa: TRY400 - no traceback in our logs


def remember_own_key(office: Office) -> None:
    """Note the identity that we sign with. Inside a transaction."""
    kid = office.keys.signer.public.kid.hex()
    office.store.write("INSERT OR IGNORE INTO meta VALUES (?, '1')", f"own-identity:{kid}")


def _is_our_identity(office: Office, kid: KeyId) -> bool:
    return office.store.row("SELECT 1 FROM meta WHERE key = ?", f"own-identity:{kid.hex()}") is not None


def _is_enrolled(office: Office, unit: UnitId) -> bool:
    # A statement of a unit that nobody knows is refused by every replica; it would only litter the topic.
    known = office.directory.identity(unit, office.keys.signer.public.kid)
    return known is not None and not known.revoked


def _watch(office: Office, applied: Applied) -> None:
    """Look at a new statement about our own unit: we made it, or somebody did in our name."""
    body = applied.statement.body
    name = applied.digest.hex()[:16]
    match body:
        # Keys whose time is over were destroyed here: a replica that is built anew meets them again.
        case EpochPublication() if (
            body.public.kid not in office.keys.opener.kids()
            and not is_to_be_destroyed(body.epoch, office.clock())
        ):
            office.alarm("own_epoch_foreign", detail=f"statement {applied.position} {name}")
        case Appointment(stype=StatementType.IDENTITY) if not _is_our_identity(office, body.public.kid):
            office.alarm("own_identity_foreign", detail=f"statement {applied.position} {name}")
        case Revocation():
            log.warning("own_key_revoked", kid=body.kid, count=applied.position)
        case _:
            log.info("own_entry_changed", count=applied.position)
