"""One Kafka transaction for what many claims commit at the same time.

Owns which parts go together and what a failure costs whom. What a transaction is made of is
runtime/kafka/transactions.py, in what distance they follow each other broker/router/pace.py. Rules:

1. A part is committed whole or not at all, with the position of its own input partition. The parts of a
   transaction are those that wait when it begins, in the order in which they came. While nothing else is
   under way a part waits for nothing.
2. Each transaction is bound to the generation of the group under which the claims are held (KIP-447): once
   another router may hold one of them, Kafka refuses the positions, and so the whole.
3. After any failure the transactional id is opened anew, which ends what was left open, and all parts of
   the failed transaction are lost: their claims are given up, and read their positions again.
4. A part that was in a failed transaction goes alone the next time, until it has succeeded: so one sender's
   records that Kafka does not take cannot fail the others' for long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import structlog

from protocol.errors import ContradaError
from runtime.errors import Unavailable
from runtime.kafka.client import COMMIT_TIMEOUT
from runtime.kafka.closing import CLOSE_TIMEOUT, close, is_task_cancelled
from runtime.kafka.ports import OutputRecord, Place
from runtime.kafka.transactions import Transactions

log = structlog.get_logger()

MOST_BYTES: Final = 8_000_000
MOST_PARTS: Final = 500
"""The limits of one transaction; one part always fits. All parts' positions travel in one record batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionPart:
    """What one claim commits."""

    source: Place
    outputs: Mapping[Place, Sequence[OutputRecord]]
    position: int
    state: str
    size: int
    done: asyncio.Future[None]


class SharedTransactions:
    """Commits the parts that are given to it, one transaction after another, under one transactional id."""

    def __init__(
        self,
        open_one: Callable[[], Transactions],
        *,
        under_way: Callable[[], AbstractContextManager[None]] = nullcontext,
        alone: set[Place] | None = None,
    ) -> None:
        """`under_way` is entered for as long as a transaction takes; `alone` is whose parts go alone."""
        self._open_one = open_one
        self._entering = under_way
        self._queue: deque[TransactionPart] = deque()
        self._arrived = asyncio.Event()
        self._alone: set[Place] = set() if alone is None else alone
        self.current: Transactions | None = None
        """What commits now."""
        self._under_way: tuple[TransactionPart, ...] = ()
        self._closing: set[asyncio.Task[None]] = set()

    async def commit(
        self, source: Place, outputs: Mapping[Place, Sequence[OutputRecord]], *, position: int, state: str
    ) -> None:
        """Commit a part. After any exception, a cancellation included, its claim must not be used again.

        A cancellation lets a transaction that is under way end first: left open, it would hold up every
        reader of the topics that it touched.
        """
        size = sum(len(one.value) for records in outputs.values() for one in records)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        part = TransactionPart(
            source=source, outputs=outputs, position=position, state=state, size=size, done=done
        )
        self._queue.append(part)
        self._arrived.set()
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            if part in self._queue:
                self._queue.remove(part)
            elif not done.done():
                await asyncio.wait({done}, timeout=CLOSE_TIMEOUT)
            if done.done() and not done.cancelled():
                done.exception()
            raise

    async def run(self) -> None:
        """Commit what comes, until cancelled; a failure ends no more than its transaction."""
        pause = 0.0
        try:
            while True:
                await asyncio.sleep(pause)
                pause = min(pause * 2 + 0.05, 2.0)
                transactions = self.current = self._open_one()
                try:
                    await transactions.open()
                    pause = 0.0
                    await self._commit_all(transactions)
                except (asyncio.CancelledError, Exception) as error:  # rule 3: whatever it is
                    if isinstance(error, asyncio.CancelledError) and is_task_cancelled():
                        raise
                    log.warning(
                        "transaction_lost",
                        error=type(error).__name__,
                        hint=error.hint if isinstance(error, ContradaError) else "",
                    )
                finally:
                    self._close_behind(transactions)
        finally:
            self._fail_all(Unavailable("the claims were given up"))
            if self._closing:
                await asyncio.wait(self._closing, timeout=CLOSE_TIMEOUT)

    async def _commit_all(self, transactions: Transactions) -> None:
        while True:
            while not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
            with self._entering():
                await self._commit_group(transactions, self._next_group())

    async def _commit_group(self, transactions: Transactions, group: tuple[TransactionPart, ...]) -> None:
        outputs: dict[Place, list[OutputRecord]] = {}
        for part in group:
            for place, records in part.outputs.items():
                outputs.setdefault(place, []).extend(records)
        progress = {part.source: (part.position, part.state) for part in group}
        self._under_way = group
        # In a task of its own, so that a cancellation lets it end.
        committing = asyncio.create_task(self._commit(transactions, outputs, progress))
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            if not is_task_cancelled():  # one of the library's own tasks
                self._lose(group, Unavailable("a call was cancelled"))
                raise
            await asyncio.wait({committing}, timeout=CLOSE_TIMEOUT)
            self._settle(committing)
            committing.cancel()
            raise
        except Exception as error:
            self._lose(group, error)
            raise
        self._settle(committing)

    @staticmethod
    async def _commit(
        transactions: Transactions,
        outputs: Mapping[Place, Sequence[OutputRecord]],
        progress: Mapping[Place, tuple[int, str]],
    ) -> None:
        async with asyncio.timeout(COMMIT_TIMEOUT):
            await transactions.commit(outputs, progress)

    def _next_group(self) -> tuple[TransactionPart, ...]:
        first = self._queue.popleft()
        if first.source in self._alone:
            return (first,)
        group, size = [first], first.size
        while self._queue and len(group) < MOST_PARTS:
            following = self._queue[0]
            if following.source in self._alone or size + following.size > MOST_BYTES:
                break
            group.append(self._queue.popleft())
            size += following.size
        return tuple(group)

    def _settle(self, committing: asyncio.Task[None]) -> None:
        """Tell the claims how the transaction ended."""
        if not committing.done() or committing.cancelled() or committing.exception() is not None:
            self._lose(self._under_way, Unavailable("the transaction did not end"))
            return
        for part in self._under_way:
            self._alone.discard(part.source)
            if not part.done.done():
                part.done.set_result(None)
        self._under_way = ()

    def _lose(self, group: tuple[TransactionPart, ...], error: Exception) -> None:
        self._under_way = ()
        for part in group:
            self._alone.add(part.source)
            _fail(part, error)

    def _fail_all(self, error: Exception) -> None:
        for part in (*self._under_way, *self._queue):
            _fail(part, error)
        self._under_way = ()
        self._queue.clear()

    def _close_behind(self, transactions: Transactions) -> None:
        task = asyncio.create_task(close(transactions.close()))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _fail(part: TransactionPart, error: Exception) -> None:
    if not part.done.done():
        part.done.set_exception(error)
        part.done.exception()  # its claim may be gone by now
