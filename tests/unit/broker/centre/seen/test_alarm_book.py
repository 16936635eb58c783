"""The centre's alarms: one for each thing until somebody closes it, with who and when; on disk, whole, for two writers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from broker.centre.seen import alarm_book, alarm_file, sight
from broker.centre.seen.alarm_book import KEPT, AlarmBook
from broker.centre.seen.alarm_file import change_alarms, read_alarms
from broker.centre.seen.troubles import Trouble
from protocol.identifiers import Millis
from runtime.cli.errors import BadInput
from runtime.errors import Conflict, NotFound
from runtime.kafka.feeds import KafkaFeeds
from runtime.process.homes import CentreHome
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, rewritten
from tests.mutants.promises import assert_missed

SILENT = Trouble("unit_silent", "unit it", "not heard for 90 s")
HELD = Trouble("quarantined", "quarantine", "2 records", Millis(5), mark=17)


def at(t: int) -> Millis:
    return Millis(t)


def test_one_thing_is_one_alarm_until_it_is_closed() -> None:
    """It is seen again and again, is over, comes back, and is closed; what comes then is another."""
    book = AlarmBook().noted([SILENT], now=at(10)).noted([SILENT], now=at(20))
    (alarm,) = book.alarms.values()
    assert (alarm.raised, alarm.since, alarm.last, alarm.over, alarm.count) == (10, 10, 20, None, 1)

    book = book.noted([], now=at(30))
    assert (book.alarms[1].over, book.since(SILENT)) == (30, None)
    book = book.noted([SILENT], now=at(40))
    assert (book.alarms[1].over, book.alarms[1].count, book.since(SILENT)) == (None, 2, 40)

    book = book.moved([1], "closed", by="A", note="", now=at(50)).noted([SILENT], now=at(60))
    assert [(one.number, one.state, one.since) for one in book.alarms.values()] == [
        (1, "closed", 40),
        (2, "open", 60),
    ]


def test_who_has_it_and_since_when_is_kept() -> None:
    """Who acknowledged it last has it; the facts' own time goes before that of the first look."""
    book = AlarmBook().noted([HELD], now=at(10))
    book = book.moved([1], "acknowledged", by="A", note="look", now=at(20))
    book = book.moved([1], "acknowledged", by="B", note="mine", now=at(30))
    row = book.alarms[1].row()
    assert (row["state"], row["by"], row["note"], row["since"]) == ("acknowledged", "B", "mine", 5)
    assert book.counted() == {("quarantined", "acknowledged"): 1}


def test_closing_the_quarantine_marks_what_was_looked_at() -> None:
    """What came later is not looked at by that."""
    book = AlarmBook().noted([HELD], now=at(10)).moved([1], "closed", by="A", note="", now=at(20))
    assert book.looked == {"quarantined": 17}
    first = Trouble("quarantined", "quarantine", "1 record", mark=0)
    book = AlarmBook().noted([first, SILENT], now=at(10)).moved([1, 2], "closed", by="A", note="", now=at(20))
    assert book.looked == {"quarantined": 0}


@pytest.mark.parametrize(
    ("looked", "unseen"),
    [(-1, 3), (0, 2), (2, 1), (4, 0), (17, 3)],
    ids=["never", "the first", "some", "all", "another topic"],
)
def test_what_came_since_somebody_looked_is_unseen(looked: int, unseen: int) -> None:
    """By offset; where the topic was made anew, what was looked at is no measure."""
    told = sight._told_of([(0, 100), (2, 200), (4, 300)], more=False, looked=looked)
    assert (told["depth"], told["unseen"], told["newest"], told["newest_t"]) == (3, unseen, 4, 300)
    assert told["since"] == (None if not unseen else [100, 200, 300][3 - unseen])


def test_a_look_without_kafka_ends_no_alarm() -> None:
    """Nothing else was looked at."""
    book = AlarmBook().noted([SILENT], now=at(10))
    blind = book.noted([Trouble("kafka_unreachable", "kafka", "gone")], now=at(20), whole=False)
    assert (blind.alarms[1].over, blind.alarms[1].last, len(blind.alarms)) == (None, 10, 2)


def test_what_is_not_there_or_closed_is_refused_and_nothing_changes() -> None:
    """All of the named ones, or none."""
    book = AlarmBook().noted([SILENT], now=at(10))
    with pytest.raises(NotFound):
        book.moved([1, 7], "acknowledged", by="A", note="", now=at(20))
    assert book.alarms[1].state == "open"
    closed = book.moved([1], "closed", by="A", note="", now=at(20))
    with pytest.raises(Conflict):
        closed.moved([1], "acknowledged", by="A", note="", now=at(30))


def test_a_flood_puts_out_no_open_alarm_of_another_code() -> None:
    """Of each code so many stay, open ones first."""
    book = AlarmBook().noted([SILENT], now=at(1))
    many = [Trouble("topic_missing", f"inbox.u{number}", "") for number in range(3 * KEPT)]
    book = book.noted([SILENT, *many], now=at(2))
    assert len(book.alarms) == KEPT + 1
    assert book.alarms[1].code == "unit_silent"


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    """All fields, for the owner alone; an empty home has an empty book."""
    home = CentreHome(tmp_path)
    assert read_alarms(home) == AlarmBook()
    made = change_alarms(home, lambda book: book.noted([SILENT, HELD], now=at(10)))
    made = change_alarms(home, lambda book: book.moved([2], "closed", by="Ä", note="n", now=at(20)))
    assert read_alarms(home) == made
    assert home.alarms.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept | {"version": 2},
        lambda kept: kept | {"following": 1},
        lambda kept: {**kept, "alarms": [kept["alarms"][0] | {"raised": -1}]},
        lambda kept: {**kept, "alarms": [kept["alarms"][0] | {"code": "made_up"}]},
        lambda kept: {**kept, "alarms": [kept["alarms"][0] | {"number": True}]},
        lambda kept: {**kept, "alarms": 7},
        lambda _: [],
    ],
)
def test_what_is_no_book_is_refused_and_left(tmp_path: Path, change) -> None:
    """Nobody's note is lost by a reader that does not understand it."""
    home = CentreHome(tmp_path)
    change_alarms(home, lambda book: book.noted([SILENT], now=at(10)))
    other = json.dumps(change(json.loads(home.alarms.read_text())))
    home.alarms.write_text(other)
    for use in (read_alarms, lambda where: change_alarms(where, lambda book: book)):
        with pytest.raises(BadInput, match="no alarm book"):
            use(home)
    assert home.alarms.read_text() == other


def test_two_that_write_lose_nothing(tmp_path: Path) -> None:
    """The watch and a person's command: each change is there in the end."""
    home = CentreHome(tmp_path)

    def note(number: int) -> None:
        trouble = Trouble("topic_missing", f"inbox.u{number}", "")
        change_alarms(home, lambda book: book.noted([trouble], now=at(number), whole=False))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(note, range(40)))
    assert len(read_alarms(home).alarms) == 40


async def test_without_its_rules_the_book_forgets(tmp_path: Path) -> None:
    """Without the lock a change is lost; without `whole` a blind look ends every alarm; without marks nothing was seen."""
    await assert_missed(
        Mutant(alarm_file._alone, dropped("flock")), test_two_that_write_lose_nothing, tmp_path=tmp_path
    )
    noted = rewritten(
        "whole and key not in seen and known.over is None", "key not in seen and known.over is None"
    )
    await assert_missed(Mutant(AlarmBook.noted, noted), test_a_look_without_kafka_ends_no_alarm)
    await assert_missed(
        Mutant(AlarmBook.moved, forced(False, "alarm.state == 'closed'")),
        test_what_is_not_there_or_closed_is_refused_and_nothing_changes,
    )
    assert alarm_book


async def test_a_quarantine_that_is_missing_is_told_of_topics_alone() -> None:
    """Nobody waits for a topic that is not there: the rest of the status is told."""
    told = await sight.quarantine_depth(KafkaFeeds("127.0.0.1:1"), {"audit"}, looked=-1)
    assert (told["depth"], told["unseen"], told["newest"]) == (0, 0, None)
