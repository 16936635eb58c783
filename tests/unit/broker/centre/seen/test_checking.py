"""`centre check`: what is not known is unknown, what is wrong is told before that, and a plugin's line stays a line."""

from __future__ import annotations

import re
from typing import Any

import pytest

from broker.centre.commands.seeing import ASKED
from broker.centre.seen import check_forms, checking
from broker.centre.seen.check_forms import check_rows, metric_lines, plugin_lines
from broker.centre.seen.checking import (
    QUESTIONS,
    Answered,
    Bounds,
    CheckVerdict,
    Thresholds,
    answers,
    worst_of,
)
from protocol.limits import DAY
from tests.mutants.engine import Mutant
from tests.mutants.operations import returning, rewritten
from tests.mutants.promises import assert_missed
from tests.unit.broker.centre.seen.statuses import HELD, NOW, process, standing, unit, well
from tests.unit.broker.metric_pages import check_with_promtool

OK, WARNING, CRITICAL, UNKNOWN = CheckVerdict


def verdict(what: str, **change: Any) -> CheckVerdict:
    (found,) = answers(well(**change), (what,), Thresholds())
    return found.verdict


CASES: tuple[tuple[str, dict[str, Any], CheckVerdict], ...] = (
    ("kafka", {"topics": {"declared": 9, "missing": ["inbox.it"], "hanging": []}}, CRITICAL),
    ("kafka", {"topics": {"declared": 9, "missing": [], "hanging": None, "hanging_error": "no right"}}, WARNING),
    ("routers", {"routers": [process("u", ready=False)]}, CRITICAL),
    ("routers", {"routers": []}, UNKNOWN),
    ("lag", {"units": [unit("it", inbox_lag=1_000)]}, WARNING),
    ("lag", {"units": [unit("it", outbox_lag=10_000)]}, CRITICAL),
    ("lag", {"units": [unit("it", outbox_lag=None)]}, UNKNOWN),
    ("lag", {"standing": [standing("outbox.it", "routers")]}, CRITICAL),
    ("units", {"units": [unit("it", heard=NOW - 120_000)]}, WARNING),
    ("units", {"units": [unit("it", heard=NOW - 900_000)]}, CRITICAL),
    ("units", {"units": [unit("it", heard=None, inbox_lag=2)]}, WARNING),
    ("units", {"units": [unit("it", heard=None)]}, OK),
    ("units", {"units": [unit("it", heard=NOW - 900_000, suspended=True)]}, OK),
    ("checkpoint", {"ledgers": [process("u", ready=False)]}, CRITICAL),
    ("checkpoint", {"ledgers": []}, UNKNOWN),
    ("witnesses", {"ledgers": [process("u", witnesses={"ok": True, "failing": ["w"]})]}, WARNING),
    ("witnesses", {"ledgers": [process("u")]}, UNKNOWN),
    ("keys", {"ends": [{"kind": "unit", "name": "it", "left": 59 * DAY}]}, WARNING),
    ("keys", {"ends": [{"kind": "unit", "name": "it", "left": -DAY}]}, CRITICAL),
    ("keys", {"certificates": [{"party": "it", "place": "", "state": "ended", "when": "", "until": 0}]}, CRITICAL),
    ("clock", {"clock": {"ahead": -61_000, "error": None}}, WARNING),
    ("clock", {"clock": {"ahead": 120_000, "error": None}}, CRITICAL),
    ("clock", {"clock": {"ahead": None, "error": "too old"}}, UNKNOWN),
    ("clock", {"routers": [process("u", clock={"ok": False})]}, CRITICAL),
    ("quarantine", {"quarantine": HELD}, WARNING),
    ("quarantine", {"quarantine": HELD | {"unseen": 100}}, CRITICAL),
    ("alarms", {"alarms": [{"id": 1, "code": "c", "about": "a", "state": "open", "over": None, "severity": "warning"}]}, WARNING),
    ("alarms", {"alarms": [{"id": 1, "code": "c", "about": "a", "state": "open", "over": None, "severity": "critical"}]}, CRITICAL),
    ("alarms", {"alarms": [{"id": 1, "code": "c", "about": "a", "state": "acknowledged", "over": None, "severity": "critical"}]}, OK),
    ("disk", {"disk": {"free": 9, "of": 100}}, WARNING),
    ("disk", {"disk": {"free": 5, "of": 100}}, CRITICAL),
)  # fmt: skip


@pytest.mark.parametrize(("what", "change", "expected"), CASES)
def test_each_question_is_answered(what: str, change: dict[str, Any], expected: CheckVerdict) -> None:
    """At its bounds, and where nobody knows."""
    assert verdict(what) is OK
    assert verdict(what, **change) is expected


def test_every_question_is_offered_and_tried() -> None:
    assert tuple(QUESTIONS) == ASKED
    assert {what for what, _, _ in CASES} == set(QUESTIONS)


def test_without_kafka_nothing_is_well() -> None:
    """Kafka is critical, what rests on it unknown; what the book has is told all the same."""
    gone = {"kafka": {"reachable": False, "error": "gone"}, "alarms": []}
    found = {one.what: one.verdict for one in answers(gone, ASKED, Thresholds())}
    assert found.pop("kafka") is CRITICAL
    assert found.pop("alarms") is OK
    assert set(found.values()) == {UNKNOWN}


def test_what_is_wrong_goes_before_what_is_not_known() -> None:
    """And nothing asked is nothing known."""
    found = [Answered("a", one, "") for one in (OK, UNKNOWN, WARNING, CRITICAL)]
    assert [worst_of(found[:count]) for count in range(5)] == [UNKNOWN, OK, UNKNOWN, WARNING, CRITICAL]


def test_a_plugins_answer_is_lines_with_one_bar() -> None:
    """Whatever a name is: it ends neither the line nor the field."""
    hostile = "x|rm -rf\n/=1;'\x1b[2J\u202e" + "y" * 2_000
    lines = plugin_lines(answers(well(routers=[process(hostile, ready=False)]), ASKED, Thresholds()))
    assert len(lines) == 1 + len(ASKED)
    assert lines[0].startswith("CONTRADA CRITICAL - routers: ")
    assert lines[0].count("|") == 1 and all("|" not in line for line in lines[1:])
    assert all(line.isprintable() and line.isascii() and len(line) < 2_500 for line in lines)
    data = lines[0].partition(" | ")[2].split(" ")
    assert all(re.fullmatch(r"[a-z]+=[-0-9.e+]+[s%]?;[0-9]+:?;[0-9]+:?", each) for each in data), data


def test_the_page_of_metrics_is_one() -> None:
    """As promtool says."""
    page = "\n".join(metric_lines(answers(well(), ASKED, Thresholds()))) + "\n"
    check_with_promtool(page.encode())
    assert 'contrada_check_verdict{what="lag"} 0' in page


def test_rows_are_for_programs() -> None:
    (row,) = check_rows(answers(well(quarantine=HELD), ("quarantine",), Thresholds()))
    assert (row["verdict"], row["measures"], row["worst"]) == ("warning", {"quarantine": 2.0}, ["quarantine"])


def test_a_bound_is_reached_from_its_side() -> None:
    assert [Bounds(3, 5).judged(value) for value in (2, 3, 5)] == [OK, WARNING, CRITICAL]
    assert [Bounds(5, 3, below=True).judged(value) for value in (6, 5, 3)] == [OK, WARNING, CRITICAL]


async def test_without_its_safeguards_a_check_lies() -> None:
    """A name that goes through as it is, what is unknown as well, a verdict that is the first one."""
    await assert_missed(
        Mutant(check_forms._safe, returning("text")), test_a_plugins_answer_is_lines_with_one_bar
    )
    await assert_missed(
        Mutant(checking.worst_of, rewritten("_WORST.index", "int")),
        test_what_is_wrong_goes_before_what_is_not_known,
    )
    await assert_missed(
        Mutant(checking.answers, rewritten("CheckVerdict.UNKNOWN", "CheckVerdict.OK")),
        test_without_kafka_nothing_is_well,
    )
