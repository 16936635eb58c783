"""What a router decided at a time that has not come here waits for that time, and moves nobody's idea of now."""

from __future__ import annotations

import pytest

from clients.daemon.receiving import deliveries as receiving
from clients.daemon.state.unit_clock import UnitClock
from clients.daemon.store import deferred, inbox
from keys.statement_types import Revocation
from protocol.identifiers import Millis, UnitId
from protocol.limits import CLOCK_TOLERANCE, DAY
from runtime.kafka.ports import Fetched, InputRecord
from runtime.process.clock import KAFKA
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, rewritten
from tests.mutants.promises import assert_missed
from tests.unit.clients.daemon.receiving.test_deliveries import count, delivered, feed
from tests.unit.clients.daemon.unit_contexts import UnitFixture


def compared(unit: UnitFixture, world, off: int = 0) -> UnitClock:
    """The unit compares its clock with others', as it does in a process."""
    times = UnitClock(lambda: Millis(world.now + off), unit.monotonic, unit.context.store)
    unit.context.times, unit.context.clock = times, times.now
    return times


def test_a_clock_that_fell_behind_throws_nothing_away(world, es, pt):
    """Nobody but the router says so: it is kept, an officer is told, and it is taken in once the time has come."""
    delivery = delivered(world, es, "pt")
    pt.context.clock = lambda: Millis(world.now - 30 * DAY)
    assert receiving.take_deliveries(pt.context, feed(pt, delivery), patient=True).messages == 0
    assert receiving.take_deferred(pt.context).messages == 0
    assert (count(pt, "inbox"), count(pt, "deferred"), count(pt, "rejected")) == (0, 1, 0)
    assert pt.rows("SELECT code FROM alarms") == [("clock_behind",)]
    assert pt.context.seen() == 0

    pt.restart()
    taken = receiving.take_deferred(pt.context)
    assert (taken.messages, taken.owed) == (1, True)
    assert (count(pt, "inbox"), count(pt, "deferred")) == (1, 0)


def test_a_router_s_future_moves_nobody_s_now(world, es, pt):
    """A router that is days ahead, and nobody denies it: its delivery is taken in when those days are over."""
    now = world.now
    world.now = Millis(now + 5 * DAY)
    delivery = delivered(world, es, "pt")
    world.now = now
    compared(pt, world)
    receiving.take_deliveries(pt.context, feed(pt, delivery), patient=False)
    assert (count(pt, "inbox"), count(pt, "deferred"), count(pt, "rejected")) == (0, 1, 0)
    assert (pt.context.clock(), pt.context.seen()) == (now, 0)
    world.now = Millis(now + 5 * DAY - CLOCK_TOLERANCE - 1)
    assert receiving.take_deferred(pt.context).messages == 0
    world.now = Millis(now + 5 * DAY)
    assert receiving.take_deferred(pt.context).messages == 1
    assert pt.context.seen() == world.now


def test_a_router_and_kafka_together_are_believed(world, es, pt):
    """A unit that only receives, and whose clock is behind: two others say so, and nothing waits."""
    delivery = delivered(world, es, "pt")
    times = compared(pt, world, off=-3 * DAY)
    times.check.answered(KAFKA, world.now, since=times.check.moment())
    receiving.take_deliveries(pt.context, feed(pt, delivery), patient=True)
    assert (count(pt, "inbox"), count(pt, "deferred")) == (1, 0)
    assert pt.rows("SELECT code FROM alarms") == [("clock_behind",)]


def test_what_no_time_cures_is_not_kept(world, es, pt):
    """Decided in the future and about another header, or for another unit: refused at once, as ever."""
    delivery = delivered(world, es, "pt")
    es.context.clock = lambda: Millis(world.now - 30 * DAY)
    receiving.take_deliveries(es.context, feed(es, delivery), patient=False)
    assert es.rows("SELECT code FROM rejected") == [("E_NOT_FOR_ME",)]
    assert count(es, "deferred") == 0


def test_so_many_are_kept_and_no_more(world, es, pt, monkeypatch):
    """A router that writes its future for ever fills no disk; what finds no place is refused by its code."""
    monkeypatch.setattr(deferred, "MOST_DEFERRED", 2)
    deliveries = [delivered(world, es, "pt") for _ in range(3)]
    pt.context.clock = lambda: Millis(world.now - 30 * DAY)
    for place, delivery in enumerate(deliveries):
        fetched = Fetched("inbox.pt", 0, (InputRecord(place, 0, delivery),), place + 1)
        receiving.take_deliveries(pt.context, fetched, patient=True)
    assert (count(pt, "deferred"), pt.rows("SELECT code FROM rejected")) == (2, [("E_EXPIRED",)])


def test_a_router_that_is_not_trusted_by_then_is_not_believed(world, es, pt):
    """What was kept is judged again from the beginning: its router's key has been withdrawn meanwhile."""
    delivery = delivered(world, es, "pt")
    pt.context.clock = lambda: Millis(world.now - 30 * DAY)
    receiving.take_deliveries(pt.context, feed(pt, delivery), patient=True)
    world.publish(
        Revocation(UnitId("router"), world.router.public.kid, "stolen", Millis(world.now - DAY)),
        by=world.registrar,
    )
    pt.learn()
    pt.context.clock = lambda: world.now
    assert receiving.take_deferred(pt.context).messages == 0
    assert (count(pt, "inbox"), count(pt, "deferred"), count(pt, "rejected")) == (0, 0, 1)


def test_garbage_in_an_inbox_fills_no_disk_with_its_places(world, es, pt, monkeypatch):
    """Of what was rejected the newest places are kept; the topic itself keeps the bytes for thirty days."""
    monkeypatch.setattr(inbox, "REJECTED_WITHIN", 10)
    for start in range(0, 40, 4):
        receiving.take_deliveries(pt.context, feed(pt, *[b"junk"] * 4, start=start), patient=False)
    kept = [place for (place,) in pt.rows("SELECT position FROM rejected ORDER BY position")]
    assert kept == list(range(30, 40))


MUTANTS = [
    (Mutant(receiving._open, rewritten("_Came.BY_OTHERS if has_come else _Came.NOT_YET", "_Came.BY_OTHERS")),
     test_a_router_s_future_moves_nobody_s_now),
    (Mutant(receiving._open, dropped("context.times.check.heard")), test_a_router_and_kafka_together_are_believed),
    (Mutant(receiving._open, rewritten("opened = _verify(context, delivery, decided.t)",
                                       "opened = _verify(context, delivery, now)")),
     test_a_clock_that_fell_behind_throws_nothing_away),
    (Mutant(receiving._see_latest, rewritten("isinstance(each, VerifiedDelivery) and not each.is_ahead",
                                             "isinstance(each, VerifiedDelivery)")),
     test_a_clock_that_fell_behind_throws_nothing_away),
    (Mutant(deferred.defer, forced(False, "MOST_DEFERRED")), test_so_many_are_kept_and_no_more),
    (Mutant(receiving._put_away, dropped("_reject(context, source, Rejected(Code.E_EXPIRED, ...), now)")),
     test_so_many_are_kept_and_no_more),
    (Mutant(inbox.reject, dropped("REJECTED_WITHIN")), test_garbage_in_an_inbox_fills_no_disk_with_its_places),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), MUTANTS)
async def test_without_the_safeguard_it_is_noticed(
    mutant: Mutant, promise, world, es, pt, monkeypatch
) -> None:
    await assert_missed(mutant, promise, world=world, es=es, pt=pt, monkeypatch=monkeypatch)
