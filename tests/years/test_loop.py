"""Virtual time, lives, and an order by a seed."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from tests.years.clocks import BEGIN_MS, Clocks, virtual_world
from tests.years.lives import Life
from tests.years.loop import Spinning, Stalled, VirtualLoop

WEEK = 7 * 86_400


@pytest.fixture
def loop():
    made = VirtualLoop(1)
    yield made
    made.close()


def test_a_week_of_sleep_takes_no_time(loop):
    async def sleep():
        await asyncio.sleep(WEEK)
        return loop.time()

    assert loop.run_until_complete(sleep()) == WEEK


def test_waiting_for_nothing_is_an_error(loop):
    with pytest.raises(Stalled):
        loop.run_until_complete(asyncio.Event().wait())


def test_a_loop_without_end_is_an_error(loop, monkeypatch):
    monkeypatch.setattr("tests.years.loop.AT_ONCE", 100)

    async def spin():
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Spinning):
        loop.run_until_complete(spin())


def test_a_paused_life_goes_on_where_it_was_and_knows_nothing(loop):
    said = []

    async def count():
        while True:
            await asyncio.sleep(1)
            said.append(loop.time())

    life = Life("fr", loop)
    life.start(count())

    async def script():
        await asyncio.sleep(2.5)
        life.pause()
        await asyncio.sleep(10)
        assert said == [1, 2]
        life.resume()
        await asyncio.sleep(1.7)

    loop.run_until_complete(script())
    assert said == [1, 2, 12.5, 13.5]
    life.kill()


def test_a_killed_life_does_nothing_more_not_even_its_finally(loop):
    said = []

    async def work():
        try:
            await asyncio.sleep(5)
        finally:
            said.append("tidied up")

    life = Life("fr", loop)
    task = life.start(work())

    async def script():
        await asyncio.sleep(1)
        life.kill()
        task.cancel()
        await asyncio.sleep(10)

    loop.run_until_complete(script())
    assert said == []
    assert task is not None  # kept until here: a task that is collected runs its `finally`


def test_a_signal_goes_to_the_life_that_handles_it(loop):
    stopped = []

    async def main():
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(15, stop.set)
        await stop.wait()
        stopped.append(loop.time())

    life = Life("fr", loop)
    life.start(main())

    async def script():
        await asyncio.sleep(3)
        life.tell(15)
        await asyncio.sleep(1)

    loop.run_until_complete(script())
    assert stopped == [3]


def test_what_waits_shortly_goes_on_after_a_leap_and_what_was_due_meanwhile_is_due_once(loop):
    said = []

    async def script():
        loop.call_later(5, said.append, "a request's timeout")
        loop.call_later(3600, said.append, "upkeep")
        loop.leap(WEEK)
        await asyncio.sleep(1)
        assert said == ["upkeep"]
        await asyncio.sleep(4.5)

    loop.run_until_complete(script())
    assert said == ["upkeep", "a request's timeout"]


def _order(seed):
    loop, said = VirtualLoop(seed), []

    async def step(name):
        for number in range(3):
            said.append((name, number))
            await asyncio.sleep(0)

    lives = [Life(name, loop) for name in ("fr", "it", "de")]

    async def script():
        for life in lives:
            life.start(step(life.name))
        await asyncio.sleep(1)

    loop.run_until_complete(script())
    loop.close()
    return said


def test_the_order_between_lives_is_the_seeds_and_within_one_its_own():
    assert _order(1) == _order(1)
    assert len({tuple(_order(seed)) for seed in range(8)}) > 1
    for seed in range(8):
        for name in ("fr", "it", "de"):
            assert [number for who, number in _order(seed) if who == name] == [0, 1, 2]


def test_a_clock_drifts_from_when_it_begins_to_and_is_never_set_back_that_nobody_sets(loop):
    clock = Clocks(loop).of("it")
    year, hour = 31_557_600.0, 3600.0
    clock.drift(1e-3, year)
    assert clock.wall(year + hour) == pytest.approx(year + hour + 3.6)
    before = clock.monotonic(year + hour)
    clock.right(year + hour)
    assert clock.wall(year + hour) == year + hour
    assert clock.monotonic(year + hour) == before
    assert clock.monotonic(year + 2 * hour) == pytest.approx(before + hour)


def test_each_party_has_clocks_of_its_own(loop):
    clocks = Clocks(loop)
    clocks.of("fr").off = -3600
    clocks.of("it").drift(1e-3, loop.time())
    seen = {}

    async def look(name):
        seen[name] = time.time_ns() // 1_000_000 - BEGIN_MS, time.monotonic()

    with virtual_world(clocks, seed=1):

        async def script():
            begun = time.monotonic()
            await asyncio.sleep(1000)
            assert time.monotonic() - begun == pytest.approx(1000)
            for name in ("fr", "it", "de"):
                Life(name, loop).start(look(name))
            await asyncio.sleep(0.1)

        loop.run_until_complete(script())
    assert seen["de"][0] == 1_000_000
    assert seen["fr"][0] == 1_000_000 - 3_600_000
    assert seen["it"][0] == pytest.approx(1_001_000)
    assert seen["it"][1] - seen["de"][1] == pytest.approx(1)


def test_entropy_is_the_seeds(loop):
    def drawn(seed):
        with virtual_world(Clocks(loop), seed=seed):
            return os.urandom(8)

    assert drawn(1) == drawn(1) != drawn(2)


def test_the_shortest_wait_lets_time_pass(loop):
    async def wait_for_a_moment_that_a_float_cannot_add():
        await asyncio.sleep(WEEK * 52)
        begun = loop.time()
        await asyncio.sleep(1e-12)
        return loop.time() > begun

    assert loop.run_until_complete(wait_for_a_moment_that_a_float_cannot_add())
