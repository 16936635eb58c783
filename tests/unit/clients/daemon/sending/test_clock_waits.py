"""A wrong clock: what waits for it is counted, by how much it is wrong is said, and nothing is refused for it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.daemon.sending import clock_waits, waiting
from clients.daemon.sending.clock_waits import clock_state
from clients.daemon.store import decisions
from clients.daemon.store.decisions import MOST_SEALINGS
from protocol.identifiers import Millis
from protocol.limits import CLOCK_TOLERANCE, DAY, EPOCH, EPOCH_AHEAD, HOUR, MAX_LIFETIME, MINUTE, SECOND
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, returning
from tests.unit.clients.daemon.unit_contexts import pump


def wrong_by(unit, world, offset: int) -> None:
    unit.context.clock = lambda: Millis(world.now + offset)


def try_for_long(world, unit, times: int = MOST_SEALINGS + 4) -> None:
    """Sealed again and again, as in hours."""
    for _ in range(times):
        unit.monotonic.seconds += 400
        waiting.seal_queued(unit.context)
        pump(world, unit, rounds=2)


def alarms(unit) -> list[str]:
    return [code for (code,) in unit.rows("SELECT code FROM alarms ORDER BY id")]


def test_a_right_clock_is_right(world, es) -> None:
    es.submit("it")
    pump(world, es)
    assert clock_state(es.context).is_right
    assert clock_state(es.context).advice() == ""


def test_a_clock_that_is_ahead_is_told_with_all_that_waits(world, es) -> None:
    """The message that the router refused, and the one behind it in its conversation."""
    wrong_by(es, world, 2 * HOUR)
    first = es.submit("it")
    es.submit("de", thread=first.thread)
    try_for_long(world, es)
    state = clock_state(es.context)
    assert (state.waiting, state.behind) == (2, None)
    assert 2 * HOUR - MINUTE <= state.ahead <= 2 * HOUR
    assert "2 messages wait; this clock is 7200 s ahead of the router's: set it" in state.advice()
    assert alarms(es) == ["clock_ahead"]

    wrong_by(es, world, 0)
    try_for_long(world, es, times=3)
    assert clock_state(es.context).is_right
    assert {state for (state,) in es.rows("SELECT state FROM outbox")} == {"accepted"}
    wrong_by(es, world, 2 * HOUR)
    es.submit("it")
    try_for_long(world, es, times=2)
    assert alarms(es) == ["clock_ahead"]
    assert es.rows("SELECT count FROM alarm_occurrences") == [(2,)]  # a new occurrence


def test_a_clock_that_is_set_back_refuses_no_message_of_the_longest_life(world, es) -> None:
    """Found by `make years`: seed 3, a clock that is set right while a message waits for the one before it."""
    wrong_by(es, world, 4 * MINUTE)
    first = es.submit("it", expires_in_s=MAX_LIFETIME // SECOND)
    behind = es.submit("it", thread=first.thread, expires_in_s=MAX_LIFETIME // SECOND)
    wrong_by(es, world, 0)
    pump(world, es)
    assert {state for (state,) in es.rows("SELECT state FROM outbox")} == {"accepted"}, behind


def test_a_clock_that_is_weeks_behind_refuses_nothing_for_good(world, es) -> None:
    """A machine that slept: stale again and again, and sent when its clock is set."""
    world.now = Millis(world.now + 8 * DAY)
    wrong_by(es, world, -8 * DAY)
    world.publish_epochs("it")
    sent = es.submit("it", expires_in_s=25 * DAY // 1000)
    try_for_long(world, es)
    state = clock_state(es.context)
    assert es.state(sent.id) == "queued"
    assert (state.waiting, state.ahead) == (1, None)
    assert state.behind is not None
    assert abs(state.behind - 8 * DAY) < MINUTE
    assert "behind the router's" in state.advice()
    assert alarms(es) == ["clock_behind"]

    wrong_by(es, world, 0)
    try_for_long(world, es, times=3)
    assert es.state(sent.id) == "accepted"
    assert clock_state(es.context).is_right


def test_a_clock_that_is_ahead_of_every_key_is_told_without_a_router(world, es) -> None:
    """Nobody has keys for such a week: nothing is sealed, and no router says what time it is."""
    wrong_by(es, world, 60 * DAY)
    es.submit("it")
    state = clock_state(es.context)
    assert (state.waiting, state.behind) == (1, None)
    assert state.ahead is not None
    assert 60 * DAY - (EPOCH_AHEAD + 1) * EPOCH <= state.ahead < 60 * DAY
    assert "ahead of the router's" in state.advice()


def test_a_unit_without_keys_is_not_taken_for_a_clock(world, es) -> None:
    """It was off for two months; another one was not."""
    world.now = Millis(world.now + 60 * DAY)
    world.publish_epochs("de")
    es.learn()
    es.submit("it")
    assert clock_state(es.context).is_right


@given(st.integers(-40 * DAY, 40 * DAY))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_behind_is_what_a_decision_contradicts(world, es, offset: int) -> None:
    """By as much as the newest decision is later, if that is more than clocks may differ; nothing else says so."""
    with es.context.transaction():
        es.context.see(world.now)
    wrong_by(es, world, offset)
    behind = clock_state(es.context).behind
    assert behind == (-offset if -offset > CLOCK_TOLERANCE else None)
    wrong_by(es, world, 0)


MUTANTS = {
    "what waits is not counted": Mutant(clock_waits._waiting, returning("0")),
    "stale is stale, whoever's clock": Mutant(
        decisions._refused,
        forced(False, "sealing.sealed_times > 1"),
        forced(False, "clocks_differ and of_time"),
    ),
}


def test_what_waits_is_missed_where_nobody_counts_it(world, es) -> None:
    wrong_by(es, world, 2 * HOUR)
    es.submit("it")
    try_for_long(world, es, times=2)
    assert not clock_state(es.context).is_right
    with mutated(MUTANTS["what waits is not counted"]):
        assert clock_state(es.context).is_right


def test_a_message_is_lost_where_a_week_behind_is_the_message_s_age(world, es) -> None:
    with mutated(MUTANTS["stale is stale, whoever's clock"]), pytest.raises(AssertionError):
        test_a_clock_that_is_weeks_behind_refuses_nothing_for_good(world, es)
