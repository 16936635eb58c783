"""A unit's real daemon behind its real socket, without Kafka: what a command hands over is read, judged and sealed.

`deliver` is the rest of the exchange in memory, so that what an addressee gets can be looked at.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from clients.daemon.api import views
from clients.daemon.api.routes import LocalApi, application
from clients.daemon.daemon import Daemon
from protocol.identifiers import MessageId, UnitId, read_id
from runtime.process.homes import UnitHome
from runtime.process.http import serve, unix_listener
from runtime.process.worker import Worker
from tests.cli.terminal import Seen, contrada
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import Silent, UnitFixture, pump

T = TypeVar("T")


class ServedUnit:
    """The daemon of es, which serves; and pt, to which it sends."""

    def __init__(self, path: Path) -> None:
        self.home = UnitHome(path / "es")
        self._path = path
        self._worker = Worker()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(60)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def contrada(self, *arguments: str, stdin: str = "") -> Seen:
        """One command line in this home."""
        return contrada("--home", str(self.home.path), *arguments, stdin=stdin)

    def post(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """One request to the API, as its bytes are."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.home.socket))
        connection.request("POST", path, body)
        answer = connection.getresponse()
        found = answer.status, json.loads(answer.read())
        connection.close()
        return found

    def deliver(self, message_id: str) -> dict[str, Any]:
        """The message as its addressee opens it."""

        def work() -> dict[str, Any]:
            pump(self._world, self._es, self._pt)
            return views.open_inbox_item(self._pt.context, MessageId(read_id(message_id)), None)

        return self._do(work)

    def _do(self, work: Callable[[], T]) -> T:
        return asyncio.run_coroutine_threadsafe(self._worker.do(work), self._loop).result(60)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            # Also where it failed: whoever waits learns of that at once, by what it asks next.
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        daemon = await self._worker.do(self._made)
        daemon.directory_read.set()
        with unix_listener(self.home.socket) as listener:
            tasks = [
                asyncio.create_task(serve(application(LocalApi(daemon, self.home)), listener)),
                asyncio.create_task(daemon.intake.run()),
            ]
            self._ready.set()
            await self._stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        daemon.disk.close()
        for unit in (self._es, self._pt):
            await self._worker.do(unit.context.store.close)
        self._worker.close()

    def _made(self) -> Daemon:
        self._world = World()
        self._es = UnitFixture(self._world, UnitId("es"), self.home.path)
        self._pt = UnitFixture(self._world, UnitId("pt"), self._path / "pt")
        self._es.learn()
        self.home.root.write_bytes(self._world.directory.root.encoded())
        self.home.root.chmod(0o644)
        self.home.settings.write_text('unit = "es"\nkafka = "127.0.0.1:1"\nkafka_security = "plain"\n')
        return Daemon(self._es.context, self._worker, log_=None, feeds=Silent(), directory=None, marks=None)


@contextmanager
def served_unit(path: Path) -> Iterator[ServedUnit]:
    """Start it, and end it."""
    unit = ServedUnit(path)
    unit.start()
    try:
        yield unit
    finally:
        unit.stop()
