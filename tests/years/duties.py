"""What people do in an exchange that works, as the runbooks say: look at what ends, and renew it.

    registrar            `centre renew registrar`, with the root key       docs/runbooks/renew-keys.md
    router, ledger       `centre renew NAME`, where their line is over
    a unit               `keys rotate` there, and `centre enrol` of what it gives
    Kafka put back       the directory's missing statements written again; `outbox again` at units; `ledger put-back`,
                         by two people                                      docs/runbooks/kafka-put-back.md
    audit topic cut      `ledger gap`, by two people          docs/runbooks/ledger-does-not-start.md
    policy               `ledger policy`, handed to everybody; each program is started again   docs/runbooks/half-year.md

Owns that alone. What renews itself is nobody's duty, and so a program that does not is found.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from broker.centre.enrolments import enrol_units, read_request
from broker.centre.key_renewal import list_keys, renew_process, renew_registrar
from broker.centre.key_watch import ending
from broker.ledger.admin import gap_stating
from broker.ledger.admin.gap_stating import GapStatement, find_gap
from broker.ledger.admin.policy_renewal import PolicyChanges, renew_policy
from broker.ledger.admin.put_back_stating import PutBackStatement, find_way_back, state_put_back
from broker.ledger.settings import LedgerSettings
from clients.daemon.sending import awaiting
from clients.witness.home import witness_home
from clients.witness.settings import WitnessSettings
from keys.store import write_private
from protocol import topics
from protocol.errors import ContradaError, Rejected
from protocol.identifiers import Entropy, MessageId, Millis, show_id
from protocol.tlog.shards import parse_shard
from runtime.errors import Conflict
from runtime.kafka.partition_log import KafkaDirectory
from runtime.process.clock import now
from runtime.process.directory_file import read_statements
from tests.years.parties import NoAnswer, Party, Unit

if TYPE_CHECKING:
    from tests.years.exchange import Exchange
    from tests.years.losses import Losses

EVERY: Final = 45 * 86_400.0
"""Seconds between two looks: what ends is said 60 days before."""

UNREACHABLE: Final = (ContradaError, NoAnswer)
"""What keeps a duty from being done today: it is done at the next look, some days later."""


async def done(exchange: Exchange) -> None:
    """Look at what ends, and do what is to be done about it."""
    for row in await _looked(exchange):
        duty = _DUTIES.get(row["kind"])
        if duty is None:
            continue
        exchange.note(f"people renew {row['kind']} {row['name']}, which has {row['days_left']} days left")
        try:
            await duty(exchange, str(row["name"]))
        except UNREACHABLE as error:
            exchange.note(f"and could not: {error}")


async def _looked(exchange: Exchange) -> list[dict[str, Any]]:
    try:
        return ending(await exchange.centre.command(list_keys(exchange.invocation)))
    except UNREACHABLE:
        return []


async def _registrar(exchange: Exchange, _: str) -> None:
    await exchange.centre.command(renew_registrar(exchange.invocation, (), root_secret=None))


async def _process(exchange: Exchange, name: str) -> None:
    await exchange.centre.command(renew_process(exchange.invocation, name))


async def _unit(exchange: Exchange, name: str) -> None:
    unit = exchange.units[name]
    await ask_rotation(unit, exchange.chance.randbytes)
    request = read_request(unit.home.rotation)
    await exchange.centre.command(enrol_units(exchange.invocation, [request], {}))


async def ask_rotation(unit: Unit, entropy: Entropy) -> None:
    """`keys rotate`: the unit's request for its next identity, as a file; `NoAnswer` where its daemon does not run."""

    async def ask() -> bytes:
        context = unit.running.context
        return context.keys.rotation_request(context.clock())

    write_private(unit.home.rotation, await unit.call(ask), entropy=entropy, replace=True)


async def renew_everybodys_policy(exchange: Exchange, _: str = "") -> None:
    """`ledger policy`, handed to everybody."""
    async with exchange.agreed:
        await _hand_over(exchange, PolicyChanges())


async def exchange_witness(exchange: Exchange, leaving: str) -> None:
    """A new witness joins, everybody has the policy that names it, and then another one leaves."""
    async with exchange.agreed:
        if leaving not in exchange.witnesses:
            return
        joining = exchange.add_witness()
        await _hand_over(exchange, PolicyChanges(joining=[witness_home(joining.path).public]))
        joining.start()
        gone = exchange.witnesses.pop(leaving)
        name = WitnessSettings.load(witness_home(gone.path).settings).name
        await _hand_over(exchange, PolicyChanges(leaving=[name]))
        await gone.stop()


async def _hand_over(exchange: Exchange, changes: PolicyChanges) -> None:
    """A new policy file, to everybody. Witnesses first: a log that they do not know gets no cosignatures."""
    settings = LedgerSettings.load(exchange.home.ledger_settings)
    made = _next_file(exchange)
    renew_policy(settings, changes, made, now=now())
    await _installed(exchange, settings, made)


async def cut_policy(exchange: Exchange) -> None:
    """Everybody gets a policy file that names no coming half-year: it ends with this one."""
    async with exchange.agreed:
        settings, made = LedgerSettings.load(exchange.home.ledger_settings), _next_file(exchange)
        text = settings.policy.read_text()
        made.write_text("".join(line for line in text.splitlines(keepends=True) if not _is_to_come(line)))
        await _installed(exchange, settings, made)


def _is_to_come(line: str) -> bool:
    word, _, key = line.partition(" ")
    try:
        return word == "log" and parse_shard(key.partition("+")[0]).start > now()
    except Rejected:
        return False


def _next_file(exchange: Exchange) -> Path:
    return exchange.place / f"policy-{len(list(exchange.place.glob('policy-*')))}"


async def _installed(exchange: Exchange, settings: LedgerSettings, made: Path) -> None:
    for witness in list(exchange.witnesses.values()):
        _put(made, witness_home(witness.path).policy)
        await _again(witness)
    _put(made, settings.policy)
    for party in (exchange.ledger, *exchange.routers):
        await _again(party)
    for unit in exchange.units.values():
        _put(made, unit.home.ledger_policy)
        await _again(unit)


def _put(made: Path, place: Path) -> None:
    """Copied, and brought to the disk: a power cut leaves no part of it."""
    shutil.copyfile(made, place)
    with place.open("rb") as file, suppress(OSError):  # a disk that is read-only has it all the same
        os.fsync(file.fileno())


async def _again(party: Party) -> None:
    """`systemctl restart`; who is away has the new file at the next start."""
    if party.runs:
        await party.stop()
        party.start()


async def write_statements_again(exchange: Exchange) -> None:
    """Kafka's topic lacks statements that the centre or units have read: write them there again, in their order."""
    there = {record.value for record in exchange.model.records(topics.DIRECTORY)}
    files = [exchange.home.replica, *(unit.home.replica for unit in exchange.units.values())]
    kept = sorted((read_statements(path) for path in files if path.exists()), key=len, reverse=True)
    missing = [each for each in dict.fromkeys(itertools.chain(*kept)) if each not in there]
    if missing:
        await KafkaDirectory(exchange.model.bootstrap).publish(missing)
        exchange.note(f"people wrote {len(missing)} statements again")


async def state_gap(exchange: Exchange) -> None:
    """`ledger gap`: two people state that the records before which the ledger stands are gone."""
    settings = LedgerSettings.load(exchange.home.ledger_settings)
    said = GapStatement(why="somebody deleted them", by="A. Costa", second="M. Smit")
    gap = await find_gap(settings, said)
    await gap_stating.state_gap(settings, exchange.home.path, gap, said)
    exchange.note(f"people state that {gap.end - gap.first} offsets of the audit topic are gone")


async def state_put_backs(exchange: Exchange, *, is_over: bool = False) -> None:
    """`ledger put-back`: two people state that Kafka was put back, as soon as the ledger has gone back.

    That it does with the next record that comes, or at its next start. Where it had read nothing of what is lost it goes
    nowhere, and there is nothing to state; that is known when all `is_over`.
    """
    losses = exchange.losses
    for times in list(losses.unstated):
        try:
            leaf = await exchange.centre.command(_put_back_stated(exchange, *times))
        except Conflict as none:
            if is_over:
                losses.unstated.remove(times)
                exchange.note(f"people state nothing of a Kafka that was put back: {none} ({none.hint})")
        except UNREACHABLE as error:
            exchange.note(f"people could not state that Kafka was put back: {error}")
        else:
            losses.unstated.remove(times)
            losses.must.add("kafka_put_back")
            exchange.note(f"people state that Kafka was put back, at leaf {leaf}")


async def _put_back_stated(exchange: Exchange, copied: int, restored: int) -> int:
    settings = LedgerSettings.load(exchange.home.ledger_settings)
    said = PutBackStatement(
        copied=Millis(copied),
        restored=Millis(restored),
        why="disks were lost",
        by="A. Costa",
        second="M. Smit",
    )
    back = find_way_back(settings, said)
    await state_put_back(settings, exchange.home.path, back, said)
    return back.leaf


async def send_again(exchange: Exchange) -> bool:
    """Where Kafka was put back: `outbox again`, once, for what `outbox ls --state unacknowledged` shows.

    Whether anything was sent.
    """
    again = exchange.losses.sent_again
    before = len(again)
    for unit in exchange.units.values() if exchange.losses.times else ():
        with suppress(NoAnswer):
            for message_id in await unit.call(partial(_send_again, unit, exchange.losses)):
                exchange.note(f"{unit.name} sends {show_id(message_id)} again")
                again.add((unit.name, message_id))
    return len(again) > before


async def _send_again(unit: Unit, losses: Losses) -> list[MessageId]:
    """POST /v1/outbox/{id}/again for each of them that Kafka had accepted and lost."""
    daemon = unit.running
    sent: list[MessageId] = []
    for row in daemon.context.store.rows(_UNACKNOWLEDGED):
        message_id = MessageId(row["mid"])
        if (unit.name, message_id) in losses.sent_again:
            continue
        with suppress(Conflict):
            await daemon.job("again", partial(awaiting.send_again, daemon.context, message_id))
            sent.append(message_id)
    if sent:
        daemon.lanes.wake()
        await daemon.disk.flushed()
    return sent


_UNACKNOWLEDGED: Final = """SELECT DISTINCT o.mid FROM unacknowledged u JOIN outbox o ON o.id = u.message
                            WHERE u.told = 1 AND o.state = 'accepted' ORDER BY o.id"""

_DUTIES: Final[dict[str, Callable[[Exchange, str], Coroutine[Any, Any, None]]]] = {
    "registrar": _registrar,
    "router": _process,
    "ledger": _process,
    "unit": _unit,
    "policy": renew_everybodys_policy,
}
