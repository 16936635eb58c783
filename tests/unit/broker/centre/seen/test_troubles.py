"""What is wrong in a status: each thing has its code, names itself, and says since when where that is known."""

from __future__ import annotations

from typing import Any

import pytest

from broker.centre.seen import troubles
from broker.centre.seen.alarm_book import AlarmBook
from broker.centre.seen.sight import with_troubles
from broker.centre.seen.troubles import CODES, LONGEST, MOST, age_words, troubles_in
from broker.centre.status import exchange_is_well
from protocol.identifiers import Millis
from protocol.limits import DAY, HOUR, MINUTE
from tests.docs.pages import ROOT
from tests.mutants.engine import Mutant
from tests.mutants.operations import returning
from tests.mutants.promises import assert_missed
from tests.unit.broker.centre.seen.statuses import HELD, NOW, process, standing, well

KEY = {"kind": "unit", "name": "it", "state": "ending", "until": NOW + 10 * DAY, "days_left": 10}
CERTIFICATE = {
    "party": "router",
    "place": "here",
    "until": NOW - DAY,
    "state": "ended",
    "when": "has ended",
    "days_left": 0,
}

CASES: tuple[tuple[dict[str, Any], tuple[str, str], int | None], ...] = (
    ({"kafka": {"reachable": False, "error": "gone"}}, ("kafka_unreachable", "kafka"), None),
    ({"topics": {"missing": ["inbox.it"], "hanging": []}}, ("topic_missing", "inbox.it"), None),
    (
        {"topics": {"missing": [], "hanging": [{"topic": "inbox.it", "partition": 2, "offset": 40, "t": 7}]}},
        ("transaction_hangs", "inbox.it 2"),
        7,
    ),
    (
        {"topics": {"missing": [], "hanging": None, "hanging_error": "no right"}},
        ("hanging_not_told", "kafka"),
        None,
    ),
    ({"routers": [process("u", ready=False, kafka={"ok": False})]}, ("router_not_ready", "u"), None),
    ({"routers": [process("u", clock={"ok": False})]}, ("clock_off", "u"), None),
    ({"routers": [process("u", ledger={"ok": True, "accused": ["it"]})]}, ("another_ledger", "it"), None),
    ({"ledgers": [process("u", ready=False)]}, ("ledger_not_ready", "u"), None),
    (
        {"ledgers": [process("u", witnesses={"ok": True, "failing": ["it.example/w"]})]},
        ("witness_fails", "it.example/w"),
        None,
    ),
    ({"standing": [standing("outbox.it", "routers")]}, ("outbox_undecided", "outbox.it 0"), None),
    ({"standing": [standing("inbox.it", "unit it")]}, ("inbox_unread", "inbox.it 0"), NOW - 120_000),
    ({"standing": [standing("inbox.it", "unit it", lag=0)]}, ("unit_silent", "unit it"), NOW - 90_000),
    ({"standing": [standing("audit", "the ledger")]}, ("ledger_stands", "the ledger"), NOW - 120_000),
    ({"quarantine": HELD}, ("quarantined", "quarantine"), NOW - 1000),
    ({"keys": [KEY]}, ("key_ending", "unit it"), NOW - 50 * DAY),
    ({"keys": [KEY | {"state": "ended", "until": NOW - DAY}]}, ("key_ended", "unit it"), NOW - DAY),
    ({"certificates": [CERTIFICATE | {"state": "ending"}]}, ("certificate_ending", "router here"), None),
    ({"certificates": [CERTIFICATE]}, ("certificate_ended", "router here"), NOW - DAY),
    ({"clock": {"ahead": -200_000, "error": None}}, ("clock_off", "centre"), None),
    ({"disk": {"free": 4, "of": 100}}, ("disk_full", "centre"), None),
)


@pytest.mark.parametrize(
    ("change", "expected", "since"), CASES, ids=[f"{code} {about}" for _, (code, about), _ in CASES]
)
def test_each_thing_that_is_wrong_is_told(
    change: dict[str, Any], expected: tuple[str, str], since: int | None
) -> None:
    """Alone, and with its time; nothing is wrong where nothing is."""
    assert troubles_in(well()) == ()
    (found,) = troubles_in(well(**change))
    assert ((found.code, found.about), found.since) == (expected, since)


def test_every_code_has_a_case_and_a_page() -> None:
    """A new code is tried, and leads somewhere."""
    assert {code for _, (code, _), _ in CASES} == set(CODES)
    assert all((ROOT / "docs" / "runbooks" / page).is_file() for _, page in CODES.values())


def test_what_answers_as_it_likes_is_cut_and_bounded() -> None:
    """A process that is none of ours has a name as long as it likes, with what a terminal acts on, or thousands of them."""
    hostile = ["\x1b[2J" + "x" * 10_000, *(f"unit{number}" for number in range(5_000))]
    found = troubles_in(well(routers=[process("u", ledger={"ok": True, "accused": hostile})]))
    assert len(found) == MOST
    assert all(len(one.about) <= LONGEST and "\x1b" not in one.about for one in found)
    assert troubles_in(well(routers=[process("u", ledger={"ok": True, "accused": "all"})])) == ()


def test_what_is_to_be_looked_at_leaves_the_exchange_well() -> None:
    """A record in quarantine is told; an exchange with a silent unit is not well."""
    status = with_troubles(well(quarantine=HELD), AlarmBook())
    assert exchange_is_well(status)
    assert not exchange_is_well(with_troubles(well(disk={"free": 1, "of": 100}), AlarmBook()))


def test_the_age_is_in_words() -> None:
    assert [age_words(None if since is None else Millis(NOW - since), Millis(NOW)) for since in (None, 5 * MINUTE, 4 * HOUR + 12 * MINUTE, 9 * DAY)] == [
        "", "5 min", "4 h 12 min", "9 days",
    ]  # fmt: skip


async def test_without_the_cut_a_name_fills_the_screen() -> None:
    """The test above would notice."""
    await assert_missed(
        Mutant(troubles._cut, returning("str(value)")), test_what_answers_as_it_likes_is_cut_and_bounded
    )
