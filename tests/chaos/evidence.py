"""What is left when a run is over: the committed logs in Kafka and the daemons' databases, as a history."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from protocol import topics
from protocol.codes import MessageKind
from protocol.envelope.wire import parse_delivery
from protocol.identifiers import UnitId
from runtime.kafka.client import connection_settings
from runtime.kafka.security.access import KafkaAddress
from tests.chaos.exchange import HOSTILE, OUTSIDER, Exchange
from tests.chaos.history import AUTOMATIC, Arrival, Decision, History, Message, Source, Watch
from tests.chaos.ledger_evidence import collect_ledger, trail_of


async def collect(exchange: Exchange, messages: Iterable[Message], *, watches: dict[str, Watch]) -> History:
    """The history of a run whose processes have ended; only the brokers still serve."""
    units = exchange.units
    senders, addressees = (*units, HOSTILE), (*units, OUTSIDER, HOSTILE)
    logs = await read_topics(
        exchange.cluster.bootstrap,
        [
            topics.AUDIT,
            topics.LEDGER,
            *(topics.receipts(UnitId(unit)) for unit in senders),
            *(topics.inbox(UnitId(unit)) for unit in addressees),
            *(topics.outbox(UnitId(unit)) for unit in senders),
        ],
    )
    told, received, outcomes = _at_daemons(exchange, messages)

    def told_to(unit: str) -> list[Decision]:
        return trail_of(logs[topics.receipts(UnitId(unit))], exchange.directory).decisions

    trail, site = trail_of(logs[topics.AUDIT], exchange.directory), exchange.ledger
    return History(
        messages=told,
        inputs=[
            Source(unit, 0, record.offset) for unit in senders for record in logs[topics.outbox(UnitId(unit))]
        ],
        delivered=[
            _delivered(unit, record) for unit in addressees for record in logs[topics.inbox(UnitId(unit))]
        ],
        received=received,
        audit=trail.decisions,
        receipts={unit: told_to(unit) for unit in senders},
        outcomes=outcomes,
        ledger=None
        if site is None
        else await collect_ledger(site, published=logs[topics.LEDGER], trail=trail, watches=watches),
    )


def _at_daemons(
    exchange: Exchange, messages: Iterable[Message]
) -> tuple[list[Message], list[Arrival], dict[tuple[str, bytes], str]]:
    """What the daemons have: these messages and those that they made by themselves, arrivals, and outcomes."""
    told = list(messages)
    by_name = {(m.sender, m.message_id): m for m in told}
    received: list[Arrival] = []
    outcomes: dict[tuple[str, bytes], str] = {}
    for unit in exchange.units:
        database = exchange.home(unit).database
        told += [m for m in own_messages(unit, database) if (m.sender, m.message_id) not in by_name]
        received += inbox_rows(unit, database)
        outcomes.update(states(unit, database))
    return told, received, outcomes


async def read_topics(bootstrap: KafkaAddress, names: Iterable[str]) -> dict[str, list[ConsumerRecord]]:
    """All committed records of these topics of one partition."""
    consumer = AIOKafkaConsumer(**connection_settings(bootstrap), isolation_level="read_committed")
    every = AIOKafkaConsumer(**connection_settings(bootstrap), isolation_level="read_uncommitted")
    await consumer.start()
    await every.start()
    try:
        return {name: await _read(consumer, every, TopicPartition(name, 0)) for name in names}
    finally:
        await consumer.stop()
        await every.stop()


async def last_offset(bootstrap: KafkaAddress, topic: str) -> int:
    """Of the last committed record; -1 where there is none."""
    records = (await read_topics(bootstrap, [topic]))[topic]
    return records[-1].offset if records else -1


async def _read(
    consumer: AIOKafkaConsumer, every: AIOKafkaConsumer, source: TopicPartition
) -> list[ConsumerRecord]:
    consumer.assign([source])
    await consumer.seek_to_beginning(source)
    records: list[ConsumerRecord] = []
    # The end with open transactions counted: what a killed router left open is aborted within its timeout.
    async with asyncio.timeout(60):
        while await consumer.position(source) < (await every.end_offsets([source]))[source]:
            found = await consumer.getmany(source, timeout_ms=200)
            records += found.get(source, ())
    return records


def _delivered(unit: str, record: ConsumerRecord) -> Arrival:
    core = parse_delivery(record.value).header.core
    return Arrival(unit, core.sender, core.message_id, core.thread)


def connect(database: Path) -> sqlite3.Connection:
    """A daemon's database, for reading; the daemon may be at work on it."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    connection.row_factory = sqlite3.Row
    return connection


def own_messages(unit: str, database: Path) -> list[Message]:
    """What a daemon has in its outbox, ranked by its rows; acknowledgements that it made by itself among it."""
    with connect(database) as rows:
        return [
            Message(
                sender=unit,
                message_id=row["mid"],
                thread=row["thread"],
                to=frozenset(name for name, _ in json.loads(row["recipients"])),
                place=row["id"],
                lane=AUTOMATIC if row["kind"] == MessageKind.ACKNOWLEDGEMENT else "unexpected",
            )
            for row in rows.execute("SELECT * FROM outbox ORDER BY id")
        ]


def inbox_rows(unit: str, database: Path) -> list[Arrival]:
    """What a daemon has in its inbox, in the order of arrival."""
    with connect(database) as rows:
        return [
            Arrival(unit, row["sender"], row["mid"], row["thread"])
            for row in rows.execute("SELECT * FROM inbox ORDER BY id")
        ]


def states(unit: str, database: Path) -> dict[tuple[str, bytes], str]:
    """What became of each message, as its sender's daemon has it."""
    with connect(database) as rows:
        return {(unit, row["mid"]): row["state"] for row in rows.execute("SELECT mid, state FROM outbox")}


def unfinished(exchange: Exchange, messages: Iterable[Message], *, proofs: bool = True) -> Counter[str]:
    """What is still on its way, by unit: nothing, once everything has drained.

    `proofs`: a promise of the ledger that is not kept yet counts.
    """
    waiting: Counter[str] = Counter()
    owed: Counter[str] = Counter(unit for m in messages if not m.denied for unit in m.to)
    for unit in exchange.units:
        with connect(exchange.home(unit).database) as rows:
            open_, unacknowledged = rows.execute(
                """SELECT (SELECT count(*) FROM outbox WHERE state NOT IN ('accepted', 'refused')),
                          (SELECT count(*) FROM inbox WHERE receipt_owed = 1)"""
            ).fetchone()
            (came,) = rows.execute(
                "SELECT count(*) FROM inbox WHERE kind <> ?", (int(MessageKind.ACKNOWLEDGEMENT),)
            ).fetchone()
            (missing,) = rows.execute(
                """SELECT count(*) FROM outbox o, json_each(o.recipients) r
                   WHERE o.state = 'accepted' AND o.kind <> ? AND NOT EXISTS (
                     SELECT 1 FROM acknowledgements a
                     WHERE a.message = o.id AND a.unit = json_extract(r.value, '$[0]'))""",
                (int(MessageKind.ACKNOWLEDGEMENT),),
            ).fetchone()
            (unproved,) = rows.execute("SELECT count(*) FROM promises").fetchone()
        waiting[unit] = open_ + unacknowledged + missing + unproved * proofs + max(0, owed[unit] - came)
    return +waiting
