"""An event loop whose time is virtual and whose order is a seed's: years pass as fast as there is work in them.

Owns time, order and who runs. When nothing is ready, time jumps to the next timer. When there is no timer either,
everything waits for nothing, and that is an error (`Stalled`); so is work that never lets time pass (`Spinning`).

What is ready of one life (tests/years/lives.py) keeps its order, as asyncio promises; between lives the seed decides.

Own code and no library: async-solipsism (Apache-2.0, kept up) makes time jump in the same way, and knows neither lives
nor an order by a seed (docs/adr/0032).
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import random
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from tests.years.lives import LIFE, Callback, Life

AT_ONCE: Final = 200_000
"""So many rounds of the loop without a step of time are no progress."""

SHORT: Final = 60.0
"""Seconds: a timer of more is a matter of hours and days (upkeep, a head that is published again)."""

TICK: Final = 1e-6
"""Seconds: the shortest wait. A shorter one than a float can add would be none, and be waited for without end."""

_CANCELLED_AT_MOST: Final = 200


class Stalled(RuntimeError):
    """Every task waits, and nothing will ever wake one."""


class Spinning(RuntimeError):
    """Something runs again and again, and time stands still."""


class NumberedFuture(asyncio.Future):  # type: ignore[type-arg]
    """A future whose place in a set is by its number, not by its address: sets of them are gone through in one order."""

    number: int

    def __hash__(self) -> int:
        return self.number


class NumberedTask(asyncio.Task):  # type: ignore[type-arg]
    """The same of a task: asyncio itself waits for sets of them, and cancels them in the order of a set."""

    life: Life | None = None
    """Whose it is."""

    def __init__(
        self, work: Coroutine[Any, Any, Any], *, loop: VirtualLoop, context: contextvars.Context | None
    ) -> None:
        self.number = loop.numbered()
        super().__init__(work, loop=loop, context=context)

    def __hash__(self) -> int:
        return self.number


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. Sockets, threads and child processes do not exist in it."""

    def __init__(self, seed: int | str = 0) -> None:
        super().__init__(selectors.SelectSelector())
        self.set_task_factory(_task)
        self._now = 0.0
        self._order = random.Random(f"order {seed}")
        self._numbers = itertools.count()
        self._still = 0
        self._last: list[str] = []
        self.steps = 0
        """Callbacks that have run."""

    def numbered(self) -> int:
        """The number of a new task or future."""
        return next(self._numbers)

    def create_future(self) -> NumberedFuture:
        """One with a number."""
        future = NumberedFuture(loop=self)
        future.number = next(self._numbers)
        return future

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now

    def leap(self, seconds: float) -> None:
        """Let time pass at once.

        What was due within a minute is due as long after the leap: it did not happen meanwhile. What was to happen
        later, and before the end of the leap, is due now, once.
        """
        soon = self._now + SHORT
        self._now += seconds
        self._scheduled[:] = [
            (when + seconds if when <= soon else when, number, one) for when, number, one in self._scheduled
        ]
        heapq.heapify(self._scheduled)

    # The base class's three ways to call something, without what debugging and threads need.

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> Callback:
        """Call this in the next round."""
        made = Callback(callback, args, self, context)
        self._ready.append(made)
        return made

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Callback:
        """Call this at a moment; of one moment, what was asked for first is called first."""
        made = Callback(callback, args, self, context)
        made._scheduled = True
        heapq.heappush(self._scheduled, (when, next(self._numbers), made))
        return made

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Callback:
        """Call this so much later: a moment later, however short the time, since no clock here goes on by itself."""
        when = self._now + (max(delay, TICK) if delay > 0 else 0.0)
        return self.call_at(when, callback, *args, context=context)

    def run_in_executor(self, executor: object, func: Callable[..., Any], *arguments: Any) -> Any:
        """There are no threads: the work is done here, and whoever waits hears of it a turn later."""
        future = self.create_future()
        try:
            result = func(*arguments)
        except BaseException as error:
            self.call_soon(_fail, future, error)
        else:
            self.call_soon(_succeed, future, result)
        return future

    def add_signal_handler(self, sig: int, callback: Callable[..., Any], *arguments: Any) -> None:
        """Signals are told to lives (`Life.tell`)."""
        life = LIFE.get()
        if life is not None:
            life.signals[sig] = lambda: callback(*arguments)

    def remove_signal_handler(self, sig: int) -> bool:
        """See `add_signal_handler`."""
        life = LIFE.get()
        return life is not None and life.signals.pop(sig, None) is not None

    # The one method of the base class that is replaced: it waits for sockets, which there are none of here.

    def _run_once(self) -> None:
        ready: deque[Callback] = self._ready
        scheduled: list[tuple[float, int, Callback]] = self._scheduled
        if not ready and not self._stopping:
            self._go_on()
        self._still += 1
        if self._still > AT_ONCE:
            raise Spinning(f"{AT_ONCE} rounds at {self._now:.3f} s: {_names(ready) or self._last}")
        while scheduled and scheduled[0][0] <= self._now:
            _, _, handle = heapq.heappop(scheduled)
            handle._scheduled = False
            if handle._cancelled:
                self._timer_cancelled_count -= 1
            else:
                ready.append(handle)
        batch = list(ready)
        ready.clear()
        if self._still > AT_ONCE - 20:
            self._last += _names(batch)
        for handle in batch if len(batch) == 1 else self._ordered(batch):
            if handle._cancelled:
                continue
            life = handle.life
            if life is not None and (life.dead or life.paused):
                if not life.dead:
                    life.held.append(handle)
                continue
            self.steps += 1
            try:
                handle._context.run(handle._callback, *handle._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self.call_exception_handler({"message": f"in {_names([handle])}", "exception": error})

    def _go_on(self) -> None:
        """Nothing is ready: time goes on to the next timer."""
        self._drop_cancelled()
        if not self._scheduled:
            raise Stalled("every task waits, and there is no timer")
        when = self._scheduled[0][0]
        if when > self._now:
            self._now, self._still = when, 0

    def _ordered(self, batch: list[Callback]) -> list[Callback]:
        """Each life's in its order, and the lives in the seed's."""
        first = batch[0].life
        if all(handle.life is first for handle in batch):
            return batch
        queues: dict[Life | None, deque[Callback]] = {}
        for handle in batch:
            queue = queues.get(handle.life)
            if queue is None:
                queue = queues[handle.life] = deque()
            queue.append(handle)
        left, found = list(queues.values()), []
        while left:
            number = int(self._order.random() * len(left))
            found.append(left[number].popleft())
            if not left[number]:
                left.pop(number)
        return found

    def _drop_cancelled(self) -> None:
        scheduled = self._scheduled
        while scheduled and scheduled[0][2]._cancelled:
            heapq.heappop(scheduled)[2]._scheduled = False
            self._timer_cancelled_count -= 1
        if self._timer_cancelled_count > max(_CANCELLED_AT_MOST, len(scheduled) // 2):
            for _, _, handle in scheduled:
                handle._scheduled = handle._scheduled and not handle._cancelled
            scheduled[:] = [each for each in scheduled if not each[2]._cancelled]
            heapq.heapify(scheduled)
            self._timer_cancelled_count = 0


def _task(
    loop: VirtualLoop,
    work: Coroutine[Any, Any, Any],
    *,
    context: contextvars.Context | None = None,
) -> asyncio.Task[Any]:
    task = NumberedTask(work, loop=loop, context=context)
    life = LIFE.get() if context is None else context.get(LIFE)
    if life is not None:
        # A process that was killed leaves tasks behind that nobody waits for: that is no fault to log.
        task._log_destroy_pending = False
        task.life = life
    return task


def _names(handles: Iterable[Callback]) -> list[str]:
    """Who is to run, for whoever has to find out why nothing moves."""
    names = []
    for handle in handles:
        life, callback = handle.life, handle._callback
        owner = getattr(callback, "__self__", None)
        what = owner.get_coro() if isinstance(owner, asyncio.Task) else callback
        names.append(f"{'' if life is None else life.name} {getattr(what, '__qualname__', what)}")
    return names


def _succeed(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


class InlineWorker:
    """A worker without a thread: `runtime.process.worker.Worker` for a loop in which nothing may wait outside."""

    def __init__(self, _name: str = "") -> None:
        self._closed = False

    async def do(self, job: Callable[[], Any]) -> Any:
        """Run a job; whoever waits hears of it a turn later."""
        if self._closed:
            raise RuntimeError("the worker has been closed")
        return await asyncio.get_running_loop().run_in_executor(None, job)

    async def do_briefly(self, job: Callable[[], Any]) -> Any:
        """The same."""
        return await self.do(job)

    def close(self) -> None:
        """Take no more jobs."""
        self._closed = True
