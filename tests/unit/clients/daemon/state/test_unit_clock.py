"""A unit whose clock is behind uses what at least two others have shown; nobody sets its clock alone."""

from __future__ import annotations

import asyncio

import pytest

from clients.daemon import daemon as daemon_module
from clients.daemon.directory.statements import upkeep
from clients.daemon.receiving import deciding
from clients.daemon.sending import waiting
from clients.daemon.sending.clock_waits import clock_state
from clients.daemon.state.unit_clock import UnitClock
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import decisions, outbox
from protocol.epochs import epoch_of
from protocol.identifiers import Millis
from protocol.limits import DAY, HOUR, MINUTE, SECOND
from runtime.process.clock import KAFKA
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, rewritten
from tests.mutants.promises import assert_missed
from tests.unit.clients.daemon.sending.test_clock_waits import alarms
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump
from tests.waiting import until_async


def with_clock(unit: UnitFixture, world, off: int = 0) -> UnitClock:
    """The unit compares its clock, as it does in a process; it is so far ahead of the world's."""
    times = UnitClock(lambda: Millis(world.now + off), unit.monotonic, unit.context.store)
    unit.context.times, unit.context.clock = times, times.now
    return times


def goes_on(world, unit: UnitFixture, times: int) -> None:
    """Minutes pass for everybody, and what waits is tried again."""
    for _ in range(times):
        unit.monotonic.seconds += 400
        world.now = Millis(world.now + 400 * SECOND)
        waiting.seal_queued(unit.context)
        pump(world, unit, rounds=2)


def kafka_says(times: UnitClock, t: int) -> None:
    """It has just taken a batch."""
    times.check.answered(KAFKA, t, since=times.check.moment())


def test_ten_days_behind_a_message_is_sent_with_the_others_time(world, es) -> None:
    """A router and Kafka have shown what time it is: nothing waits, and nothing is refused."""
    world.now = Millis(world.now + 10 * DAY)
    world.publish_epochs("it")
    es.learn()
    times = with_clock(es, world, -10 * DAY)
    with es.context.transaction():
        times.heard("router router", world.now)
    kafka_says(times, world.now)
    sent = es.submit("it")
    pump(world, es)
    assert es.state(sent.id) == "accepted"
    state = clock_state(es.context)
    assert state.waiting == 0
    assert state.behind is not None
    assert abs(state.behind - 10 * DAY) < MINUTE


def test_the_first_message_of_a_clock_that_is_behind_is_not_refused_for_good(world, es) -> None:
    """Nobody has told the time yet. The router calls it stale and expired; sealed again it lives as long as was asked."""
    world.now = Millis(world.now + 10 * DAY)
    world.publish_epochs("it")
    es.learn()
    times = with_clock(es, world, -10 * DAY)
    sent = es.submit("it", expires_in_s=5 * DAY // 1000)
    kafka_says(times, world.now)
    goes_on(world, es, 3)
    assert es.state(sent.id) == "accepted"
    opened = world.open("it")
    core = opened.delivery.header.core
    assert abs(core.created - world.now) < HOUR
    assert abs(core.expires - core.created - 5 * DAY) < HOUR


def test_where_one_speaks_alone_it_waits(world, es) -> None:
    """A single router's word moves no clock; the message is sent when the clock is set, and lives as long as was asked."""
    world.now = Millis(world.now + 10 * DAY)
    world.publish_epochs("it")
    es.learn()
    off = [-10 * DAY]
    times = UnitClock(lambda: Millis(world.now + off[0]), es.monotonic, es.context.store)
    es.context.times, es.context.clock = times, times.now
    sent = es.submit("it", expires_in_s=5 * DAY // 1000)
    goes_on(world, es, 12)
    assert es.state(sent.id) == "queued"
    assert alarms(es) == ["clock_behind"]
    off[0] = 0
    goes_on(world, es, 3)
    assert es.state(sent.id) == "accepted"


def test_an_originator_s_date_of_deletion_stays(world, es) -> None:
    """However long a message waited for a clock, it does not live past the day on which it must be gone."""
    delete_by = Millis(world.now + 3 * DAY)
    es.submit("it", handling="H3", h3={"only": ["it"], "delete_by": delete_by})
    row = es.context.store.row("SELECT id FROM outbox")["id"]
    with es.context.transaction():
        outbox.begin_life_anew(es.context.store, es.context.vault, row, at=Millis(world.now + 2 * DAY))
    assert outbox.read_order(es.context.store, es.context.vault, row).expires <= delete_by


def test_a_router_that_is_a_year_ahead_moves_nothing(world, es) -> None:
    """Neither the time of a message nor what is remembered of decisions: with it every later one would look late."""
    times = with_clock(es, world)
    kafka_says(times, world.now)
    with es.context.transaction():
        times.heard("router a", world.now + 365 * DAY)
        es.context.see(Millis(world.now + 365 * DAY))
        times.heard("router b", world.now)
        es.context.see(world.now)
    assert es.context.clock() == world.now
    assert es.context.seen() == world.now
    assert clock_state(es.context).behind is None


def test_a_clock_that_is_right_stays_as_it_is(world, es) -> None:
    """And one that others call ahead: what others say never makes it go back."""
    times = with_clock(es, world)
    for off in (0, -HOUR):
        with es.context.transaction():
            times.heard("router a", world.now + off, world.now + off)
        kafka_says(times, world.now + off)
        assert es.context.clock() == world.now


def test_what_was_heard_is_known_after_a_restart(world, es) -> None:
    """A machine that comes up with the clock of a week ago knows that it is behind before it hears anybody."""
    times = with_clock(es, world)
    with es.context.transaction():
        times.heard("router a", world.now)
        times.heard("ledger", world.now)
    es.restart()
    times = with_clock(es, world, -7 * DAY)
    assert times.fault() is not None
    assert es.context.clock() == world.now


def test_keys_follow_this_machine_s_clock_alone(world, es) -> None:
    """Two that lie together about the time make this unit destroy no key, and publish none for years to come."""
    times = with_clock(es, world)
    far = world.now + 300 * DAY
    with es.context.transaction():
        times.heard("router a", far)
        times.heard("ledger", far)
    assert es.context.clock() == far
    held = set(es.keys.opener.kids())
    assert upkeep(es.context) == []
    assert set(es.keys.opener.kids()) == held


def test_a_clock_that_is_ahead_publishes_no_keys(world, es) -> None:
    """They would stand in the directory for ever, stated at a time that has not come."""
    times = with_clock(es, world, 60 * DAY)
    kafka_says(times, world.now)
    assert upkeep(es.context) == []
    assert not any(key.epoch > epoch_of(world.now) + 3 for key in es.context.directory.epochs(es.unit))


@pytest.mark.parametrize("ahead", [40 * DAY, 300 * DAY])
def test_what_a_router_from_the_future_refuses_is_decided_again(world, es, ahead: int) -> None:
    """Stale and expired by its clock, which is wrong: the next one accepts the message."""
    times = with_clock(es, world)
    kafka_says(times, world.now)
    sent = es.submit("it")
    right = world.now
    es.post()
    world.now = Millis(right + ahead)  # the router's alone: it is put back before the unit looks
    done = world.route("es")
    assert {"E_TIME_STALE", "E_EXPIRED"} <= set(world.codes(done))
    world.now = right
    es.decisions()
    assert es.state(sent.id) in ("queued", "sealed")
    goes_on(world, es, 3)
    assert es.state(sent.id) == "accepted"


def test_what_waited_for_a_clock_does_not_wait_on(world, es) -> None:
    """As soon as a router takes one message, those that were held back for minutes are tried again."""
    wrong = [2 * HOUR]
    times = UnitClock(lambda: Millis(world.now + wrong[0]), es.monotonic, es.context.store)
    es.context.times, es.context.clock = times, times.now
    es.submit("it")
    goes_on(world, es, 6)
    assert es.context.held
    wrong[0] = 0
    es.submit("de")
    pump(world, es)
    assert not es.context.held


async def test_a_jump_of_all_clocks_makes_keys_at_once(daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other weeks run now, for which nobody has keys: the upkeep does not wait for another hour."""
    monkeypatch.setattr(daemon_module, "QUEUED_EVERY", 0.01)
    moment = [1_795_000_000_000]
    daemon.context.clock = lambda: Millis(moment[0])
    looking = asyncio.create_task(daemon._seal_what_waited())
    woken = asyncio.create_task(daemon._upkeep_wakeup.wait())
    daemon.context.held[1] = 1e9
    try:
        await asyncio.sleep(0)
        moment[0] += 32 * DAY
        await until_async(woken.done, what="the upkeep", alive=lambda: looking.done() and looking.result())
        assert not daemon.context.held
    finally:
        for task in (looking, woken):
            task.cancel()
        await asyncio.wait([looking, woken])


MUTANTS = {
    "a refusal from the future is the last word": (
        Mutant(decisions._refused, forced(False, "clocks_differ and of_time")),
        test_what_a_router_from_the_future_refuses_is_decided_again,
        (40 * DAY,),
    ),
    "the life of a message is not begun anew": (
        Mutant(waiting.order_of, dropped(outbox.begin_life_anew)),
        test_the_first_message_of_a_clock_that_is_behind_is_not_refused_for_good,
        (),
    ),
    "one alone sets the clock": (
        Mutant(UnitClock.now, rewritten("self.check.at_least(parties=TWO)", "self.check.at_least(parties=1)")),
        test_where_one_speaks_alone_it_waits,
        (),
    ),
    "a year ahead is remembered": (
        Mutant(UnitContext.see, forced(False, "self.times is not None and moment > self.clock() + CLOCK_TOLERANCE")),
        test_a_router_that_is_a_year_ahead_moves_nothing,
        (),
    ),
    "nothing is kept": (
        Mutant(UnitClock.heard, dropped("self._store")),
        test_what_was_heard_is_known_after_a_restart,
        (),
    ),
    "what waits, waits on": (
        Mutant(deciding._clocks_agree, dropped("context.held.clear()")),
        test_what_waited_for_a_clock_does_not_wait_on,
        (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_without_its_rule_a_promise_is_broken(mutant: str, world, es) -> None:
    """The promise's own test fails on the mutant."""
    changed, promise, given = MUTANTS[mutant]
    await assert_missed(changed, promise, given, world=world, es=es)
