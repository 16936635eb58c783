"""Alarms: one for all that has one cause, open until somebody has looked, and open again with the next occurrence."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.daemon.api.alarm_views import AlarmAckRequest, alarm_page, newest_alarms, record_alarm_ack
from clients.daemon.api.lists import ListQuery
from clients.daemon.api.status import count_waiting
from clients.daemon.store import alarms
from runtime.errors import NotFound
from tests.mutants.engine import Mutant
from tests.mutants.operations import returning, rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture


def occur(unit: UnitFixture, code: str = "clock_behind", times: int = 1, *, apart: bool = False) -> None:
    """So often, of one cause, or `apart` of as many."""
    with unit.context.transaction():
        for number in range(times):
            unit.context.alarm(code, detail=f"place {number}", cause=f"cause {number}" if apart else "")


def ack(unit: UnitFixture, *numbers: int, by: str = "J. Martin", note: str | None = None) -> list[int]:
    return record_alarm_ack(unit.context, AlarmAckRequest(alarms=numbers, by=by, note=note))["acknowledged"]


def listed(unit: UnitFixture, **query: object) -> list[int]:
    return [item["id"] for item in alarm_page(unit.context, ListQuery(**query))["items"]]


def open_now(unit: UnitFixture) -> int:
    return count_waiting(unit.context)["open_alarms"]


def test_who_when_and_why_stay_beside_the_alarm_over_a_restart(world: World, es: UnitFixture) -> None:
    """The history is whole: nothing of an alarm goes by its acknowledgement."""
    occur(es)
    world.now = type(world.now)(world.now + 1000)
    assert ack(es, 1, note="clock set") == [1]
    es.restart()
    (item,) = newest_alarms(es.context)

    assert (item["raised"], item["code"], item["detail"]) == (world.now - 1000, "clock_behind", "place 0")
    assert (item["state"], item["acknowledged"]) == ("acknowledged", world.now)
    assert (item["by"], item["note"]) == ("J. Martin", "clock set")
    assert open_now(es) == 0


def test_the_next_occurrence_is_open_again(es: UnitFixture) -> None:
    """That the first was looked at says nothing about the second."""
    occur(es)
    ack(es, 1)
    occur(es)
    assert (listed(es, state="open"), listed(es, state="acknowledged")) == ([2], [1])
    assert alarms.alarms_by_code(es.context.store) == {"clock_behind": (1, 1)}


def test_the_first_acknowledgement_counts(es: UnitFixture) -> None:
    """A second one changes nothing, and is told that it did not."""
    occur(es, times=2, apart=True)
    ack(es, 1, by="first")
    assert ack(es, 1, 2, 2, by="second") == [2]
    assert es.rows("SELECT by FROM alarm_acknowledgements ORDER BY alarm") == [("first",), ("second",)]


def test_an_alarm_that_is_not_here_acknowledges_none(es: UnitFixture) -> None:
    """All of them or none: a slip of a digit is told."""
    occur(es)
    with pytest.raises(NotFound, match="no alarm 17"):
        ack(es, 1, 17)
    assert open_now(es) == 1


def test_a_flood_of_one_kind_takes_no_other_s_place(es: UnitFixture) -> None:
    """Whoever can write to a topic can raise alarms without end, and hides no other by it."""
    occur(es, "own_identity_foreign")
    occur(es, "decision_unverified", times=alarms.KEPT + 60, apart=True)
    assert alarms.alarms_by_code(es.context.store) == {
        "own_identity_foreign": (1, 0), "decision_unverified": (alarms.KEPT, 0),
    }  # fmt: skip


def test_what_has_one_cause_is_one_alarm_with_how_often_and_when(world: World, es: UnitFixture) -> None:
    """A restored unit meets a thousand messages that it does not remember: one line, the first and the last of them."""
    began = world.now
    for number in range(1_000):
        world.now = type(world.now)(began + number)
        with es.context.transaction():
            es.context.alarm("submission_unknown", detail=f"outbox 0@{number}")
    occur(es, "own_identity_foreign")
    items = newest_alarms(es.context)
    assert [item["code"] for item in items] == ["own_identity_foreign", "submission_unknown"]
    item = items[-1]
    assert (item["count"], item["raised"], item["last"]) == (1_000, began, began + 999)
    assert (item["detail"], item["last_detail"]) == ("outbox 0@0", "outbox 0@999")
    assert es.context.metrics.alarms.labels("submission_unknown")._value.get() == 1_000


def test_each_cause_is_an_alarm_of_its_own(es: UnitFixture) -> None:
    """Two units that acknowledge what was never sent to them are two findings."""
    occur(es, "acknowledgement_unknown", times=2, apart=True)
    occur(es, "acknowledgement_unknown", times=2, apart=True)
    assert [item["count"] for item in newest_alarms(es.context)] == [2, 2]


def test_at_a_glance_a_flood_hides_no_other_code(es: UnitFixture) -> None:
    """The newest few of each code, whatever came after them."""
    occur(es, "own_identity_foreign")
    occur(es, "decision_unverified", times=60, apart=True)
    codes = [item["code"] for item in newest_alarms(es.context)]
    assert codes == ["decision_unverified"] * alarms.AT_A_GLANCE + ["own_identity_foreign"]


@given(st.lists(st.sampled_from(["a", "b", "ack oldest", "ack newest"]), max_size=30))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_open_is_what_was_raised_and_not_acknowledged(es: UnitFixture, events: list[str]) -> None:
    """By a model: whatever happens in whatever order, every page and count says the same."""
    with es.context.transaction():
        es.context.store.write("DELETE FROM alarms")
    model: dict[int, bool] = {}
    counts: dict[int, int] = {}
    for event in events:
        unread = [number for number, done in model.items() if not done]
        if event in ("a", "b"):
            occur(es, event)
            (number,) = es.rows("SELECT max(id) FROM alarms WHERE code = ?", event)[0]
            again = counts.get(number)
            counts[number] = 1 if again is None else again + 1
            assert again is None or model[number] is False
            model[number] = False
        elif unread:
            number = unread[0] if event == "ack oldest" else unread[-1]
            assert ack(es, number) == [number]
            model[number] = True
    unread = [number for number, done in model.items() if not done]
    assert (listed(es, state="open"), open_now(es)) == (unread, len(unread))
    assert listed(es, order="newest") == list(reversed(model))
    assert sum(still for still, _ in alarms.alarms_by_code(es.context.store).values()) == len(unread)
    assert {item["id"]: item["count"] for item in alarm_page(es.context, ListQuery())["items"]} == counts
    pages, after = [], 0
    while (page := alarm_page(es.context, ListQuery(limit=2, after=after)))["items"]:
        pages += [item["id"] for item in page["items"]]
        after = int(page["cursor"])
        assert (page["next"] is None) == (pages == list(model))
    assert pages == list(model)


MUTANTS = [
    (Mutant(alarms._occurs_again, returning("False")), test_what_has_one_cause_is_one_alarm_with_how_often_and_when),
    (Mutant(alarms._occurs_again, rewritten("now", "0")), test_what_has_one_cause_is_one_alarm_with_how_often_and_when),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(
    mutant: Mutant, promise, world: World, es: UnitFixture
) -> None:
    """Without it a restored unit has an alarm for each message."""
    await assert_missed(mutant, promise, world=world, es=es)
