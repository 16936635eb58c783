"""Faults of people: what the centre's operators do to units, and what those write who may write and should not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from broker.centre.enrolments import enrol_units, read_request
from broker.centre.key_renewal import renew_process, renew_registrar
from broker.centre.membership import change_status
from broker.centre.policy.applying import next_version_of
from broker.centre.registry import Registry, registrar_of
from broker.errors import RolledBack
from broker.ledger.sequencer import open_shard
from broker.ledger.settings import LedgerSettings
from broker.ledger.store.record_store import LogState, RecordStore
from keys.key_files import IDENTITY_FILE
from keys.statement_types import LAST_FOUNDING_TYPE, MAX_TYPE, PolicyVersion, Unread
from keys.statements import issue
from protocol import topics
from protocol.canonical import encode
from protocol.exchange.exchange_policy import PROTOCOL_POLICY
from protocol.identifiers import UnitId
from protocol.limits import DAY
from protocol.signatures import Suite
from runtime.errors import Conflict, Unavailable
from runtime.process.clock import now
from tests.years.duties import (
    ask_rotation,
    cut_policy,
    exchange_witness,
    renew_everybodys_policy,
    state_gap,
)
from tests.years.parties import NoAnswer
from tests.years.strike import Strike

if TYPE_CHECKING:
    from tests.years.exchange import Exchange

AGAIN_AFTER: Final = 15.0
"""Seconds until an operator types a command again that did not get through."""

STOPS_WITHIN: Final = 60
"""So many looks of five seconds until a ledger that must not go on has stopped; Kafka may be away at first."""

PATIENT_FOR: Final = 40
"""So often; no outage of Kafka lasts longer."""


async def typed(at: Strike, command: Callable[[], Coroutine[Any, Any, Any]]) -> bool:
    """An operator types this until it is done; False where the centre says at once that there is nothing to do."""
    async with at.exchange.office:
        return await typed_by_whom_holds_the_office(at, command)


async def typed_by_whom_holds_the_office(at: Strike, command: Callable[[], Coroutine[Any, Any, Any]]) -> bool:
    """The same, where several commands belong together."""
    for turn in range(PATIENT_FOR):
        try:
            await at.exchange.centre.command(command())
        except Conflict:
            # After a try that did not get through it may have been done all the same.
            return turn > 0
        except (Unavailable, NoAnswer, RolledBack):
            # RolledBack: Kafka was put back, and the directory's statements are not written again yet.
            await asyncio.sleep(AGAIN_AFTER)
        else:
            return True
    raise RuntimeError("the centre could not reach Kafka for ten minutes")


async def suspended(at: Strike) -> None:
    """`centre suspend`, and `centre resume` some time later."""
    exchange = at.exchange
    unit = at.party("unit").name

    def status(*, suspended: bool, reason: str) -> Callable[[], Coroutine[Any, Any, Any]]:
        return lambda: change_status(exchange.invocation, unit, suspended=suspended, reason=reason)

    if await typed(at, status(suspended=True, reason="by order")):
        await at.last()
        await typed(at, status(suspended=False, reason="lifted"))


async def rotated(at: Strike) -> None:
    """`keys rotate` at a unit, `centre enrol` for what it gives: the next identity."""
    exchange = at.exchange
    unit = exchange.units[at.party("unit").name]
    try:
        await ask_rotation(unit, at.chance.randbytes)
    except NoAnswer:
        return
    await asyncio.sleep(at.seconds)
    request = read_request(unit.home.rotation)
    await typed(at, lambda: enrol_units(exchange.invocation, [request], {}))


async def renewed_early(at: Strike) -> None:
    """People renew a key of the centre's long before its end: the root names another registrar, or that one a router."""
    invocation = at.exchange.invocation
    there = [name for name in ("router", "ledger") if (at.exchange.home.keys / name / IDENTITY_FILE).exists()]
    name = at.chance.choice(("registrar", *there))
    if name == "registrar":
        await typed(at, lambda: renew_registrar(invocation, (), root_secret=None))
    else:
        await typed(at, lambda: renew_process(invocation, name))


async def witness_exchanged(at: Strike) -> None:
    """Another witness takes the place of one: two policy files, each handed to everybody."""
    leaving = at.chance.choice(sorted(at.exchange.witnesses))
    await exchange_witness(at.exchange, leaving)


async def stated_later(at: Strike) -> None:
    """The registrar's program is a later one, and states what none of these programs can read (ADR 0031)."""
    stype = at.chance.randint(LAST_FOUNDING_TYPE + 1, MAX_TYPE)
    item = encode([at.chance.choice(list(at.exchange.units)), at.chance.randrange(1 << 16), None])

    async def state() -> None:
        async with Registry.open(at.exchange.invocation) as registry:
            signer = registrar_of(registry.home, registry.directory)
            await registry.state([issue(Unread(stype, item), signer=signer, issued=now())])

    await typed(at, state)


async def policy_stated(at: Strike) -> None:
    """Registrars state a policy of the exchange, which units seal by once it is in force: shorter lives, other suites."""
    least = at.chance.choice(list(Suite))
    policy = replace(
        PROTOCOL_POLICY,
        lifetime=at.chance.randint(8, 30) * DAY,
        suites=(least, max(least, at.chance.choice(list(Suite)))),
    )

    async def state() -> None:
        async with Registry.open(at.exchange.invocation) as registry:
            signer, version = (
                registrar_of(registry.home, registry.directory),
                next_version_of(registry.directory),
            )
            await registry.state([issue(PolicyVersion(version, now(), policy), signer=signer, issued=now())])

    await typed(at, state)


async def policy_ended(at: Strike) -> None:
    """A policy file ends with the half-year, and nobody looks; then people renew it (docs/runbooks/half-year.md)."""
    exchange = at.exchange
    await cut_policy(exchange)
    open_ = _open_log(exchange).origin
    exchange.note(f"everybody's policy file ends with {open_}")
    await at.last()
    # Another fault may have had it renewed meanwhile.
    after, named = _open_log(exchange).origin, {log.key.name for log in exchange.policy.logs}
    if after not in named:
        exchange.note(f"nobody's policy file names {after}")
        exchange.losses.must.add("ledger_untrusted")
    await renew_everybodys_policy(exchange)


async def audit_deleted(at: Strike) -> None:
    """An operator of Kafka deletes records of the audit topic while the ledger is off and has not read them."""
    exchange, model = at.exchange, at.exchange.model
    ledgers = (exchange.ledger, exchange.second)
    async with exchange.copied:
        for ledger in ledgers:
            await ledger.hold()
        await at.last()
        exchange.harvest.take()
        next_ = _open_log(exchange).position
        first = max(next_, model.beginning(topics.AUDIT))
        unread = [record for record in exchange.harvest.of(topics.AUDIT) if record.offset >= first]
        if unread:
            before = at.chance.choice(unread).offset + 1
            exchange.losses.note_deleted(
                [record for record in unread if record.offset < before], exchange.harvest.directory()
            )
            model.delete_records(topics.AUDIT, 0, before)
            exchange.note(f"audit records {next_} to {before - 1} are deleted")
        for ledger in ledgers:
            ledger.release(start=ledger is exchange.ledger)
        if unread:
            await _gap_stated(at)


async def _gap_stated(at: Strike) -> None:
    """The ledger stops for good; people look why, state it, and start the ledger."""
    exchange = at.exchange
    for _ in range(STOPS_WITHIN):
        await asyncio.sleep(5)
        if not exchange.ledger.wanted:
            break
    else:
        exchange.seen.append(("unheard", "the ledger does not stop where audit records were deleted"))
    await typed(at, lambda: state_gap(exchange))
    exchange.ledger.start()


def _open_log(exchange: Exchange) -> LogState:
    """The audit log that the ledger writes to, and where it goes on in the audit topic."""
    settings = LedgerSettings.load(exchange.home.ledger_settings)
    records = RecordStore(settings.records_url, read_only=True)
    try:
        return open_shard(records.states(), settings.origin)
    finally:
        records.close()


async def lost_epochs(at: Strike) -> None:
    """The files of a unit's epoch keys are gone; what was sealed to them is lost with them, so nothing is on its way."""
    unit = at.exchange.units[at.party("unit").name]
    unit.kill()
    for path in (unit.home.keys / "epochs").glob("*"):
        path.unlink()
    unit.start()
    await at.last()


def hostile(
    make: Callable[[Strike], bytes | None], *places: str, pause: tuple[float, float] = (0.1, 5)
) -> Callable[[Strike], Awaitable[None]]:
    """Somebody who can write to these topics does, whatever this makes; one that ends in a point is any unit's."""

    async def strike(at: Strike) -> None:
        until = at.exchange.loop.time() + at.seconds
        while at.exchange.loop.time() < until:
            place = at.chance.choice(places)
            if place.endswith("."):
                place += at.chance.choice(list(at.exchange.units))
            value = make(at)
            if value is not None:
                at.exchange.forged.add((place, at.exchange.model.write(place, value)))
            await asyncio.sleep(at.chance.uniform(*pause))

    return strike


def garbage(at: Strike) -> bytes:
    return at.chance.randbytes(at.chance.choice((0, 1, 300, 3000)))


def seen_before(at: Strike) -> bytes | None:
    """Some record of some outbox: as it is, damaged, or cut off."""
    name = topics.outbox(UnitId(at.chance.choice(list(at.exchange.units))))
    found = at.exchange.model.records(name)
    if not found:
        return None
    value = at.chance.choice(found).value
    if not value:
        return value  # garbage of no length, which somebody has written before
    damaged = bytearray(value)
    damaged[at.chance.randrange(len(damaged))] ^= 1 << at.chance.randrange(8)
    return at.chance.choice((value, bytes(damaged), value[: len(value) // 2]))


def of_any(prefix: str) -> Callable[[Strike], bytes | None]:
    """Some record of some unit's topic of this kind, as it is: written to another's, it is somebody else's."""

    def make(at: Strike) -> bytes | None:
        return of_topic(prefix + at.chance.choice(list(at.exchange.units)))(at)

    return make


def of_topic(*names: str) -> Callable[[Strike], bytes | None]:
    def make(at: Strike) -> bytes | None:
        found = at.exchange.model.records(at.chance.choice(names))
        return at.chance.choice(found).value if found else None

    return make
