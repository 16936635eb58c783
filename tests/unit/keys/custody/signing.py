"""A signer on a socket of its own, in a thread: what the tests of both sides share."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from broker.signer.app import _bound
from broker.signer.desk import Rate, SignerDesk
from broker.signer.signature_count import SignatureCount
from keys.custody.held_keys import HeldKeys
from keys.key_files import write_identity
from keys.soft_keys import SoftIdentity
from keys.store import prepare_directory
from keys.unlock import Credential
from protocol.identifiers import Millis
from runtime.process.clock import now
from tests.unit.keys.world import identity

SECRET = Credential(bytes(32))


class Desk:
    """A signer that is started, stopped and started again, with its keys in `directory`."""

    def __init__(self, directory: Path, *, key: SoftIdentity | None = None) -> None:
        prepare_directory(directory)
        self.directory = directory
        self.socket = directory / "socket"
        self.key = directory / "identity.key"
        self.ahead = 0
        write_identity(self.key, key or identity("router"), secret=SECRET, entropy=os.urandom)

    def clock(self) -> Millis:
        return Millis(now() + self.ahead)

    def held(self) -> HeldKeys:
        return HeldKeys(self.key, secret=SECRET, router=None, clock=self.clock, entropy=os.urandom)

    @contextmanager
    def running(self, *, user: int | None = None, per_second: int = 200) -> Iterator[SignerDesk]:
        """While it runs."""
        desk = SignerDesk(
            keys=self.held(),
            count=SignatureCount(self.directory / "count", self.clock),
            rate=Rate(per_second, time.monotonic),
            user=os.getuid() if user is None else user,
        )
        listener, ready = _bound(self.socket), threading.Event()
        ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

        async def serve() -> None:
            ends.append((asyncio.get_running_loop(), asyncio.Event()))
            server = await asyncio.start_unix_server(desk.serve, sock=listener)
            ready.set()
            await ends[0][1].wait()
            server.close()
            await desk.close()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        ready.wait()
        try:
            yield desk
        finally:
            (loop, stop) = ends[0]
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            desk.count.close()
