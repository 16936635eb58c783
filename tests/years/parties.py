"""The parties of a simulated exchange: the programs as they are, each in a life of its own.

    Router, Ledger    `run_router`, `run_ledger`: the whole process but its HTTP page
    Unit              `open_context` and `Daemon`; a request comes to the intake, as the local API would give it
    Witness           the service behind its HTTP API
    Centre            one command after another, as an operator types them

Owns starting, stopping, killing and pausing them, and the service manager: what ends by itself is started again after
some seconds, unless its error says that this would not help. That it ended is noted in `fallen`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from broker.ledger.app import run_ledger
from broker.ledger.settings import LedgerSettings
from broker.router.app import run_router
from broker.router.settings import RouterSettings
from clients.daemon.app import open_context
from clients.daemon.daemon import Daemon
from clients.daemon.sending.composing import Submitted
from clients.daemon.sending.kafka_outbox import KafkaOutbox
from clients.daemon.sending.requests import SendRequest
from clients.daemon.settings import UnitSettings
from clients.daemon.store.disk import Disk
from clients.witness.app import _signers, read_cosigned_logs
from clients.witness.evidence import EvidenceFolder
from clients.witness.head_store import HeadStore
from clients.witness.home import witness_home
from clients.witness.metrics import WitnessMetrics
from clients.witness.queue import WitnessQueue
from clients.witness.service import WitnessService
from clients.witness.settings import WitnessSettings, witness_secret
from clients.witness.witness_api import witness_api
from protocol.errors import ContradaError
from runtime.cli.exits import Exit, of_code
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.marks import KafkaMarks
from runtime.kafka.partition_log import KafkaDirectory
from runtime.process.clock import now
from runtime.process.homes import UnitHome
from tests.years.kafka.connection import PARTY
from tests.years.lives import Life
from tests.years.loop import InlineWorker

if TYPE_CHECKING:
    from tests.years.exchange import Exchange

AGAIN_AFTER: Final = 2.0
"""Seconds until the service manager starts again what ended."""

FOR_GOOD: Final = frozenset({Exit.USAGE, Exit.NOT_AUTHORISED, Exit.NOT_FOUND, Exit.VERIFICATION})
"""How a program ends that is not to be started again (deploy/systemd)."""

ANSWERED_WITHIN: Final = 60.0
"""Seconds that a user waits for the daemon's answer."""


class NoAnswer(Exception):
    """The daemon is not there, or did not answer in time."""


@dataclass
class Party:
    """A process of the exchange, running or not."""

    name: str
    exchange: Exchange
    life: Life | None = None
    wanted: bool = False
    """Whether the service manager keeps it running."""

    fallen: list[str] = field(default_factory=list)
    """Ends that nobody asked for, as codes and words."""

    held: bool = False
    """Whether people keep it switched off, whoever starts it."""

    lives: int = 0
    began: float = 0.0
    """When its life began."""

    async def main(self) -> None:
        """The program, in its life; returns when told to stop."""
        raise NotImplementedError

    def left(self) -> None:
        """Close what the operating system would close after a kill."""

    @property
    def runs(self) -> bool:
        """Whether its process is there, paused or not."""
        return self.life is not None

    def start(self) -> None:
        """Start it, and keep it running."""
        self.wanted = True
        self._again()

    async def hold(self) -> None:
        """Stop it, and keep it switched off until `release`."""
        self.held = True
        await self.stop()

    def release(self, *, start: bool = True) -> None:
        """It may run again, and does, if it is wanted."""
        self.held = False
        if start or self.wanted:
            self.start()

    def _begin(self) -> None:
        self.lives += 1
        self.began = self.exchange.loop.time()
        self.life = Life(self.name, self.exchange.loop)
        self.life.set(PARTY, self.name)
        task = self.life.start(self.main(), name=self.name)
        task.add_done_callback(lambda done, life=self.life: self._ended(life, done))

    def _ended(self, life: Life, done: asyncio.Task[Any]) -> None:
        if life is not self.life:
            return
        error = None if done.cancelled() else done.exception()
        self._gone()
        if error is None:
            return
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        code = error.code if isinstance(error, ContradaError) else type(error).__name__
        self.fallen.append(f"{code}: {error}")
        self.exchange.note(f"{self.name} ended: {code}: {error}")
        if isinstance(error, ContradaError) and of_code(code) in FOR_GOOD:
            self.wanted = False
        elif self.wanted:
            self.exchange.loop.call_later(AGAIN_AFTER, self._again)

    def _again(self) -> None:
        if self.wanted and not self.held and self.life is None:
            self._begin()

    def _gone(self) -> None:
        life, self.life = self.life, None
        if life is not None:
            life.kill()
            self.exchange.graves.append(life)
        self.left()
        self.exchange.model.kill(self.name)

    def kill(self) -> None:
        """SIGKILL. It is not started again by itself."""
        self.wanted = False
        if self.life is not None:
            self._gone()

    async def stop(self) -> None:
        """SIGTERM, and wait until it is gone; SIGKILL if it takes too long."""
        self.wanted = False
        life = self.life
        if life is None:
            return
        self.resume()
        life.tell()
        if life.dead:  # it had just begun, and handled no signal yet
            self._gone()
            return
        for _ in range(120):
            if self.life is not life:
                return
            await asyncio.sleep(0.25)
        self.fallen.append("it did not stop within 30 s")
        self.kill()

    def pause(self) -> None:
        """SIGSTOP."""
        if self.life is not None:
            self.life.pause()
            self.exchange.model.pause(self.name)

    def resume(self) -> None:
        """SIGCONT."""
        if self.life is not None and self.life.paused:
            self.exchange.model.resume(self.name)
            self.life.resume()

    async def call(self, work: Callable[[], Awaitable[Any]], *, within: float = ANSWERED_WITHIN) -> Any:
        """Have the party do something, and wait for its answer as somebody outside does."""
        life = self.life
        if life is None:
            raise NoAnswer(f"{self.name} does not run")
        task = life.start(_awaited(work))
        done, _ = await asyncio.wait({task}, timeout=within)
        if not done:
            raise NoAnswer(f"{self.name} did not answer")
        return task.result()


async def _awaited(work: Callable[[], Awaitable[Any]]) -> Any:
    return await work()


@dataclass
class Router(Party):
    """A router process."""

    settings: RouterSettings = field(kw_only=True)

    async def main(self) -> None:
        """As `contrada router run`."""
        await run_router(self.settings)


@dataclass
class Ledger(Party):
    """A ledger process."""

    settings: LedgerSettings = field(kw_only=True)

    async def main(self) -> None:
        """As `contrada ledger run`."""
        await run_ledger(self.settings)


@dataclass
class Unit(Party):
    """A unit's daemon."""

    home: UnitHome = field(kw_only=True)
    daemon: Daemon | None = None

    async def main(self) -> None:
        """As `contrada unit run`, without its sockets."""
        settings = UnitSettings.load(self.home.settings)
        context = open_context(self.home, settings)
        outbox, marks = KafkaOutbox(settings.kafka, settings.unit), KafkaMarks(settings.kafka)
        self.daemon = daemon = Daemon(
            context,
            InlineWorker(),
            log_=outbox,
            feeds=KafkaFeeds(settings.kafka),
            directory=KafkaDirectory(settings.kafka),
            marks=marks,
            disk=Disk(context.store, InlineWorker()),
        )
        running = asyncio.create_task(daemon.run())
        asyncio.get_running_loop().add_signal_handler(15, running.cancel)
        try:
            await running
        except asyncio.CancelledError:
            await outbox.close()
            await marks.close()

    def left(self) -> None:
        """The database's connection ends; what was committed stays."""
        daemon, self.daemon = self.daemon, None
        if daemon is not None:
            with suppress(Exception):
                daemon.disk.close()
            with suppress(Exception):
                daemon.context.store.close()
            with suppress(Exception):
                daemon.context.replica.close()

    async def submit(self, request: SendRequest) -> Submitted:
        """POST /v1/messages."""
        return await self.call(lambda: self.running.intake.submit(request))

    @property
    def running(self) -> Daemon:
        """The daemon; `NoAnswer` where there is none."""
        if self.daemon is None:
            raise NoAnswer(f"{self.name} has just begun to start")
        return self.daemon


@dataclass
class Witness(Party):
    """A witness process."""

    path: Path = field(kw_only=True)
    heads: HeadStore | None = None

    async def main(self) -> None:
        """As `contrada witness run`, its API on the simulated network."""
        home = witness_home(self.path)
        settings = WitnessSettings.load(home.settings)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(15, stop.set)
        self.heads = HeadStore(home.heads)
        service = WitnessService(
            signers=_signers(home, settings, witness_secret(settings, home)),
            policy=read_cosigned_logs(home),
            heads=self.heads,
            folder=EvidenceFolder(home.evidence),
            metrics=WitnessMetrics.create(),
            clock=now,
        )
        queue = WitnessQueue(service, InlineWorker(), copying=InlineWorker())
        assert self.life is not None
        self.exchange.network.serve(settings.port, self.life, witness_api(queue))
        await stop.wait()

    def left(self) -> None:
        """The database's connection ends."""
        heads, self.heads = self.heads, None
        if heads is not None:
            with suppress(Exception):
                heads.close()


@dataclass
class Centre(Party):
    """Where the operator types commands."""

    async def main(self) -> None:
        """Nothing runs between commands."""
        await asyncio.Event().wait()

    def command(self, work: Coroutine[Any, Any, Any], *, within: float = 600.0) -> Awaitable[Any]:
        """Run one command to its end."""
        return self.call(lambda: work, within=within)
