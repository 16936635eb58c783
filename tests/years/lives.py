"""Lives of simulated processes: what of a loop's work is whose, and what SIGSTOP and SIGKILL do to it.

A party (a process of the exchange) is a `Life`: the tasks that were started in its context. A life can be paused, as by
SIGSTOP: its callbacks are kept until it goes on. It can be ended, as by SIGKILL: they are dropped, and no `finally` of it runs.
"""

from __future__ import annotations

import asyncio
import contextvars
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.years.loop import VirtualLoop


@dataclass(eq=False)
class Life:
    """One run of one process: from its start to its end or its death."""

    name: str
    loop: VirtualLoop
    paused: bool = False
    dead: bool = False
    held: list[Callback] = field(default_factory=list)
    signals: dict[int, Callable[[], object]] = field(default_factory=dict)
    remains: list[asyncio.Task[Any]] = field(default_factory=list)
    """What ran when it was killed. It is kept: a task that is collected runs its `finally`, and the dead must not."""

    _context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def __post_init__(self) -> None:
        self._context.run(LIFE.set, self)

    def set(self, variable: contextvars.ContextVar[Any], value: Any) -> None:
        """Give all that this life does from now on a variable of its context."""
        self._context.run(variable.set, value)

    def start(self, work: Coroutine[Any, Any, Any], *, name: str | None = None) -> asyncio.Task[Any]:
        """Run this as a task of the life."""
        return self.loop.create_task(work, name=name, context=self._context.copy())

    def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Call this as if a task of the life did."""
        return self._context.copy().run(work, *arguments)

    def pause(self) -> None:
        """SIGSTOP."""
        self.paused = True

    def resume(self) -> None:
        """SIGCONT: what has become due meanwhile runs, in its order."""
        self.paused = False
        held, self.held = self.held, []
        self.loop._ready.extend(held)

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        self.dead = True
        self.held.clear()
        self.remains = [task for task in asyncio.all_tasks(self.loop) if getattr(task, "life", None) is self]

    def tell(self, number: int = signal.SIGTERM) -> None:
        """Send a signal that the program handles; one that it does not handle (yet) ends it."""
        handler = self.signals.get(number)
        if handler is None:
            self.kill()
        else:
            self.loop.call_soon(handler, context=self._context.copy())


LIFE: contextvars.ContextVar[Life | None] = contextvars.ContextVar("LIFE", default=None)
"""Whose code runs; None for the campaign itself and for what stands for the world outside."""


class Callback(asyncio.TimerHandle):
    """What is to run, at once or at a moment, and whose it is."""

    __slots__ = ("life",)

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: VirtualLoop,
        context: contextvars.Context | None,
    ) -> None:
        # Not the base class's: it asks each time whether the loop is in debug mode, which this one never is.
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = self._scheduled = False
        self._repr = self._source_traceback = None
        self.life = self._context.get(LIFE)

    def cancel(self) -> None:
        """Do not run it."""
        if not self._cancelled:
            self._loop._timer_handle_cancelled(self)
            self._cancelled = True
            self._callback = self._args = None
