"""Kafka's disks are lost, and an older copy of them comes back: docs/runbooks/kafka-put-back.md.

Owns the fault, and what is noted of what it loses (tests/years/losses.py) for whoever judges the run.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from broker.ledger.settings import LedgerSettings
from broker.ledger.store.record_store import RecordStore
from tests.chaos.evidence import connect
from tests.years.acts import typed
from tests.years.duties import write_statements_again
from tests.years.losses import Logged
from tests.years.strike import Strike

if TYPE_CHECKING:
    from tests.years.exchange import Exchange
    from tests.years.kafka.cluster import Copy


async def older_copy(at: Strike) -> None:
    """The brokers' disks are lost, and a copy of them that was made a while ago is put in their place.

    The ledger is off from the copy on, and has read nothing of what is undone; or it is stopped when the copy is put in the
    place of the disks, or runs all the time: then it goes back, and two people state why. In two of three cases a unit is off
    from the copy on, and has not read what is lost.
    """
    exchange, model = at.exchange, at.exchange.model
    if exchange.copied.locked():
        return
    async with exchange.copied:
        ledger_stops = at.chance.choice(("before", "between", "never"))
        if ledger_stops == "before":
            await _hold_ledgers(exchange)
        copy, copied = model.copy(), exchange.clocks.millis()
        exchange.note("Kafka's disks are copied")
        off = at.party("unit") if at.chance.random() < 0.67 else None
        if off is not None:
            await off.stop()
        await at.last()
        if ledger_stops == "between":
            await _hold_ledgers(exchange)
        model.stop()
        await asyncio.sleep(at.chance.uniform(1, 20))
        _note_losses(exchange, copy)
        model.restore(copy)
        model.start()
        exchange.note("Kafka is put back")
        exchange.losses.unstated.append((copied, exchange.clocks.millis()))
        await typed(at, lambda: write_statements_again(exchange))
        if ledger_stops != "never":
            exchange.ledger.release()
            exchange.second.release(start=False)
        if off is not None:
            await asyncio.sleep(at.chance.uniform(0, 40))
            off.start()


async def _hold_ledgers(exchange: Exchange) -> None:
    for ledger in (exchange.ledger, exchange.second):
        await ledger.hold()


def _note_losses(exchange: Exchange, copy: Copy) -> None:
    # By the keys that everybody knew: what appointed them may be lost with it.
    exchange.harvest.take()
    directory, undone = exchange.harvest.directory(), exchange.harvest.set_back(copy)
    settings = LedgerSettings.load(exchange.home.ledger_settings)
    with closing(RecordStore(settings.records_url, read_only=True)) as records:
        exchange.losses.note(undone, directory, Logged(records), now=exchange.clocks.millis())
    exchange.note(f"the ledger had logged {sum(exchange.losses.undone.values())} leaves of what is lost")
    lost = {name: len(records) for name, records in sorted(undone.items()) if records}
    exchange.note(f"Kafka loses {lost}")
    unread = Counter[str]()
    for name, unit in exchange.units.items():
        with connect(unit.home.database) as rows:
            known = {(row["sender"], row["mid"]) for row in rows.execute("SELECT sender, mid FROM inbox")}
            read = rows.execute("SELECT topic, position FROM positions WHERE partition = 0").fetchall()
        unread[name] = sum(
            unit == name and (*each,) not in known for unit, *each in exchange.losses.delivered
        )
        for topic, position in read:
            end = copy.topics[topic].logs[0].end if topic in copy.topics else 0
            if any(end <= record.offset < position for record in undone.get(topic, ())):
                exchange.losses.due.add((name, f"{topic}/0"))
    exchange.note(
        f"of that nobody had read {dict(+unread)}; who had read more: {sorted(exchange.losses.due)}"
    )
