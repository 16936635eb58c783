"""Positions and what they rest on: written together, gone back together, and told once."""

from __future__ import annotations

import pytest

from clients.daemon.api.alarm_views import newest_alarms
from clients.daemon.ledger import earlier_heads
from clients.daemon.ledger import following as ledger
from clients.daemon.receiving import deliveries
from clients.daemon.state import feeds_read
from clients.daemon.state.feeds_read import note_read
from clients.daemon.state.ledger_state import Ledger
from clients.daemon.store import positions
from clients.daemon.store.database import Store
from clients.daemon.store.positions import position, read_records
from protocol import topics
from protocol.tlog.policy import Policy
from runtime.kafka.ports import Fetched, InputRecord
from runtime.read_records import climbed
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.one_log import DIRECTORY, SHARD, SimLog, leaves, policy
from tests.unit.clients.daemon.unit_contexts import UnitFixture

TOPIC = "receipts.es"


def records(*values: bytes, first: int = 0) -> tuple[InputRecord, ...]:
    return tuple(InputRecord(first + number, 0, value) for number, value in enumerate(values))


def note(unit: UnitFixture, fetched: Fetched) -> None:
    with unit.context.transaction():
        note_read(unit.context, fetched)


def test_a_position_and_its_records_are_there_after_a_restart(es: UnitFixture) -> None:
    """Both or neither: a transaction that fails moves nothing."""
    read = records(b"a", b"b", b"c")
    note(es, Fetched(TOPIC, 0, read, 3))
    with pytest.raises(ZeroDivisionError), es.context.transaction():
        note_read(es.context, Fetched(TOPIC, 0, records(b"d", first=3), 4))
        raise ZeroDivisionError
    es.restart()
    store = es.context.store
    assert (position(store, TOPIC, 0), read_records(store, TOPIC, 0)) == (3, climbed((), read))


def test_a_rewind_takes_back_what_was_read_of_the_other_log(es: UnitFixture) -> None:
    """After a kill in the middle of it reading goes on in the log that there is now."""
    for number in range(6):
        note(es, Fetched(TOPIC, 0, records(b"%d" % number, first=number), number + 1))
    note(es, Fetched(TOPIC, 0, (), 2, rewound_from=6))
    es.restart()
    store = es.context.store
    assert position(store, TOPIC, 0) == 2
    assert {step.offset for step in read_records(store, TOPIC, 0)} in ({0}, {0, 1})


def test_one_place_is_one_alarm_however_often_it_goes_back(es: UnitFixture) -> None:
    """A Kafka that changes its logs to and fro gets one line of an officer's list."""
    for _ in range(50):
        note(es, Fetched(TOPIC, 0, (), 2, rewound_from=6))
    note(es, Fetched("inbox.es", 0, (), 0, rewound_from=6))
    told = [(alarm["code"], alarm["count"], alarm["detail"]) for alarm in newest_alarms(es.context)]
    assert told == [
        ("feed_rewound", 1, "inbox.es/0: read to 6, other records from 0 on"),
        ("feed_rewound", 50, "receipts.es/0: read to 6, other records from 2 on"),
    ]
    assert es.context.metrics.feeds_rewound._value.get() == 51


def test_a_store_of_an_earlier_version_goes_on_and_back(es: UnitFixture) -> None:
    """What it lacks is made, with what it had; and the earlier program works on it again."""
    note(es, Fetched(TOPIC, 0, records(b"a"), 1))
    with es.context.transaction():
        es.context.alarm("clock_behind", detail="x")
    connection = es.context.store._connection
    for table in ("read_records", "alarm_occurrences", "unacknowledged"):
        connection.execute(f"DROP TABLE {table}")
    es.restart()
    store = es.context.store
    assert (position(store, TOPIC, 0), read_records(store, TOPIC, 0)) == (1, ())
    assert [(alarm["code"], alarm["count"]) for alarm in newest_alarms(es.context)] == [("clock_behind", 1)]
    # What the program of before does, word for word.
    with store.transaction():
        store.write(
            """INSERT INTO positions VALUES (?, ?, ?)
               ON CONFLICT DO UPDATE SET position = excluded.position""",
            TOPIC,
            0,
            9,
        )
        store.write("INSERT INTO alarms (raised, code, detail) VALUES (?, ?, ?)", 1, "clock_behind", "y")
    es.restart()
    assert position(es.context.store, TOPIC, 0) == 9
    assert len(newest_alarms(es.context)) == 2


def test_deliveries_are_taken_in_from_where_reading_went_back_to(es: UnitFixture) -> None:
    """The batch that says so writes the place down, though it has no records."""
    deliveries.take_deliveries(es.context, Fetched("inbox.es", 0, (), 7, rewound_from=9), patient=True)
    assert position(es.context.store, "inbox.es", 0) == 7


def publications(
    unit: UnitFixture, values: list[bytes], *, start: int = 0, rewound_from: int | None = None
) -> None:
    held = unit.context.ledger
    assert held is not None
    read = tuple(InputRecord(start + number, 0, value) for number, value in enumerate(values))
    fetched = Fetched(topics.LEDGER, 0, () if rewound_from else read, start, rewound_from=rewound_from)
    if rewound_from:
        ledger.take_publications(unit.context, held, fetched, patient=False)
    ledger.take_publications(
        unit.context, held, Fetched(topics.LEDGER, 0, read, start + len(read)), patient=False
    )


def codes(unit: UnitFixture) -> list[str]:
    return [code for (code,) in unit.rows("SELECT code FROM alarms ORDER BY id")]


def followed() -> Policy:
    return policy(SHARD, DIRECTORY)


def test_heads_that_are_read_again_accuse_nobody_and_new_ones_count(es: UnitFixture) -> None:
    """A topic that was put back is read from some way back: its old heads are no rollback. Over a kill, too."""
    es.context.ledger = Ledger(followed())
    log = SimLog().add(leaves(5))
    values = log.publish()
    for size in (6, 7, 8):
        values += log.add(leaves(1, first=size - 1)).publish()
    publications(es, values)
    head = es.context.ledger_head
    lost, common = len(values), 2
    publications(es, [], start=common, rewound_from=lost)
    es.restart()
    es.context.ledger = Ledger(followed())
    ledger.open_ledger(es.context, es.context.ledger)
    again = values[common : common + 1]
    log.add(leaves(1, first=8))
    publications(es, again + log.publish(), start=common)
    assert codes(es) == ["feed_rewound"]
    assert (es.context.ledger_head.size, es.context.ledger_head) == (9, log.checkpoint().head)
    assert head.size == 8


def test_a_head_that_the_tree_never_had_is_a_rollback_after_a_rewind_too(es: UnitFixture) -> None:
    """Who puts back a topic cannot put a shorter history into it."""
    es.context.ledger = Ledger(followed())
    log = SimLog().add(leaves(8))
    values = log.publish()
    publications(es, values)
    publications(es, [], start=0, rewound_from=len(values) + 5)
    other = SimLog().add(leaves(4, first=100))
    publications(es, other.publish(), start=0)
    assert "ledger_rollback" in codes(es) or "ledger_fork" in codes(es)


MUTANTS = [
    (Mutant(positions.move_position, rewritten("cut(before, fetched.position)", "before")),
     test_a_rewind_takes_back_what_was_read_of_the_other_log),
    (Mutant(positions.move_position, dropped("set_position")), test_deliveries_are_taken_in_from_where_reading_went_back_to),
    (Mutant(feeds_read.note_read, unchecked("fetched.rewound_from")), test_one_place_is_one_alarm_however_often_it_goes_back),
    (Mutant(ledger._begin_again, dropped("ledger_store.take_again")),
     test_heads_that_are_read_again_accuse_nobody_and_new_ones_count),
    (Mutant(earlier_heads.is_shown_again, forced(False, "root", "earlier.checkpoint.root")),
     test_heads_that_are_read_again_accuse_nobody_and_new_ones_count),
    (Mutant(earlier_heads.is_shown_again, forced(True, "root", "earlier.checkpoint.root")),
     test_a_head_that_the_tree_never_had_is_a_rollback_after_a_rewind_too),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(mutant: Mutant, promise, es: UnitFixture) -> None:
    """Without it a reader skips what is new, or accuses an honest ledger."""
    assert isinstance(es.context.store, Store)
    await assert_missed(mutant, promise, es=es)
