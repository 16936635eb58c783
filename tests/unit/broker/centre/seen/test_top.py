"""`centre top`: counts of what was decided, requests without a reply, and a table whose names are only text."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from broker.centre.commands.seeing import TOP
from broker.centre.progress import Reader
from broker.centre.seen import top_rows as counting
from broker.centre.seen import top_view
from broker.centre.seen.top_rows import MOST_REQUESTS, SORTS, TrailCount, sorted_rows, top_rows
from broker.centre.seen.top_view import drawn_table
from protocol.codes import MessageKind
from protocol.conversation.deadlines import ANSWER_WITHIN, URGENT_WITHIN
from protocol.identifiers import Digest, Millis, UnitId
from protocol.limits import MINUTE
from protocol.trail.batches import RecordType
from protocol.trail.records import SUMMARY_FIELDS, OutboxPlace, Record
from runtime.kafka.ports import ReadingMark
from tests.mutants.engine import Mutant
from tests.mutants.operations import returning
from tests.mutants.promises import assert_missed
from tests.sim.world import World

NOW = Millis(1_796_140_000_000)


def record(
    sender: str, kind: MessageKind, to: Sequence[str], *, name: int, refs: Sequence[int] = (), t: int = NOW,
    urgency: int | None = None, type_: RecordType = RecordType.ACCEPTED,
) -> Record:  # fmt: skip
    """A decision; its header's digest is a number here."""
    said = dict.fromkeys(SUMMARY_FIELDS) | {
        "sender": sender, "kind": int(kind), "to": [[unit, 1] for unit in to], "urgency": urgency,
        "refs": [[1, bytes([ref]) * 32] for ref in refs],
    }  # fmt: skip
    return Record(
        type_, Millis(t), OutboxPlace(UnitId(sender), 0, 1), Digest(bytes(32)), (), 1,
        Digest(bytes([name]) * 32), [said[field] for field in SUMMARY_FIELDS],
    )  # fmt: skip


def test_a_request_is_open_until_its_addressee_replies() -> None:
    """To each addressee by itself; nobody else's reply counts, and a refused one was not given."""
    count = TrailCount()
    count.take(record("fr", MessageKind.REQUEST, ["it", "de"], name=1, urgency=2))
    count.take(record("es", MessageKind.ANSWER, ["fr"], name=2, refs=[1]))
    count.take(record("it", MessageKind.ANSWER, ["fr"], name=3, refs=[1], type_=RecordType.REJECTED))
    assert {unit: due - NOW for (_, unit), due in count.open.items()} == {
        "it": URGENT_WITHIN,
        "de": URGENT_WITHIN,
    }
    count.take(record("it", MessageKind.REFUSAL, ["fr"], name=4, refs=[1]))
    assert [unit for _, unit in count.open] == ["de"]
    count.take(record("fr", MessageKind.REQUEST, ["it"], name=5))
    assert max(count.open.values()) == NOW + ANSWER_WITHIN


def test_what_is_remembered_is_bounded() -> None:
    """Of too many requests the oldest go; decisions count for a minute."""
    count = TrailCount()
    for number in range(MOST_REQUESTS + 10):
        made = record("fr", MessageKind.REQUEST, ["it"], name=1)
        count.open[number.to_bytes(32, "big"), "it"] = Millis(number)
        if number > MOST_REQUESTS:
            count.take(made)
    assert len(count.open) == MOST_REQUESTS
    count.forget(Millis(NOW + MINUTE + 1))
    assert not count.recent


def rows_of(world: World) -> list[dict[str, object]]:
    """Two decisions of fr, one refused; it has not read three records."""
    count = TrailCount()
    count.take(record("fr", MessageKind.REQUEST, ["it"], name=1))
    count.take(record("fr", MessageKind.REQUEST, ["it"], name=2, type_=RecordType.REJECTED))
    count.take(
        record("fr", MessageKind.REQUEST, ["it"], name=3, t=NOW - 2 * MINUTE, type_=RecordType.DUPLICATE)
    )
    readers = {
        ("inbox.it", 0): Reader(
            "unit it", ("inbox.it", 0), 7, 4, ReadingMark(4, Millis(NOW - 5_000), Millis(NOW - 5_000))
        ),
        ("outbox.fr", 0): Reader("routers", ("outbox.fr", 0), 9, 9),
    }
    count.recent = type(count.recent)(sorted(count.recent), count.recent.maxlen)
    return top_rows(world.directory.units(), readers, count, now=NOW)


def test_a_row_says_what_a_unit_does(world: World) -> None:
    """By its own decisions of the last minute, what waits for it, and the request that it has not answered."""
    rows = {row["unit"]: row for row in rows_of(world)}
    assert (rows["fr"]["rate"], rows["fr"]["refused"], rows["fr"]["heard"]) == (2, 1, None)
    assert (rows["it"]["inbox_lag"], rows["it"]["open"], rows["it"]["heard"]) == (3, 1, NOW - 5_000)
    assert rows["it"]["deadline"] == NOW + ANSWER_WITHIN
    assert {column.key for column in TOP} <= set(rows["it"])


@pytest.mark.parametrize(
    ("by", "first"), [("lag", "it"), ("rate", "fr"), ("refused", "fr"), ("deadline", "it")]
)
def test_the_worst_stands_first(world: World, by: str, first: str) -> None:
    assert by in SORTS
    assert sorted_rows(rows_of(world), by)[0]["unit"] == first


def drawn(name: str) -> str:
    row = {"unit": name, "suspended": True, "outbox_lag": 0, "inbox_lag": 0, "rate": 0, "refused": 0, "heard": NOW - 90_000,
           "open": 1, "deadline": NOW - 1}  # fmt: skip
    console = Console(file=io.StringIO(), width=300, force_terminal=False)
    console.print(drawn_table([row], by="lag", now=NOW, unverified=2))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_name_is_text_and_not_a_command() -> None:
    """Nothing of it is markup, moves the cursor or fills the screen."""
    text = drawn("[bold red]x[/]\x1b[2J\u202e" + "y" * 5_000)
    assert "[bold red]x[/]" in text.replace("\n", "")
    assert "\x1b" not in text and "\u202e" not in text
    assert len(text.splitlines()) < 12
    assert "over since" in text and "2 batches do not verify" in text


async def test_without_its_bounds_a_name_does_as_it_likes() -> None:
    """The test above would notice; so would the other where a refused reply counts."""
    await assert_missed(Mutant(top_view.printable, returning("text")), test_a_name_is_text_and_not_a_command)
    assert counting
