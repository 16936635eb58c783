"""A relay before a witness, which hands answers on as they come or, while it drips, one byte at a time.

What passes through it is the real witness's. A connection that drips is never silent, so no timeout of a socket ends
it: only a bound on the whole answer does.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

HOST: Final = "127.0.0.1"
DRIP_S: Final = 0.2
"""Between two bytes: an answer with a post-quantum cosignature would take a quarter of an hour."""

MUCH: Final = 65_536


class DrippingRelay:
    """Listens on one port of loopback, and asks the witness on another one."""

    def __init__(self, port: int, witness: int) -> None:
        self.dripped = 0
        """Bytes that went alone."""

        self._port = port
        self._witness = witness
        self._whole = asyncio.Event()
        self._whole.set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Serve until `close`."""
        self._server = await asyncio.start_server(self._serve, HOST, self._port)

    def close(self) -> None:
        """Take no more connections."""
        if self._server is not None:
            self._server.close()

    def drip(self) -> None:
        """From now on, what is answered drips."""
        self._whole.clear()

    def flow(self) -> None:
        """From now on it flows; the rest of what drips comes at once."""
        self._whole.set()

    async def _serve(self, asked: asyncio.StreamReader, answering: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # a witness that is killed, or a ledger
            answer, asking = await asyncio.open_connection(HOST, self._witness)
            try:
                await self._both_ways((asked, asking), (answer, answering))
            finally:
                asking.close()
        answering.close()

    async def _both_ways(
        self,
        question: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        answer: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        tasks = [asyncio.create_task(self._pass(*question)), asyncio.create_task(self._drip(*answer))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @staticmethod
    async def _pass(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await source.read(MUCH):
            to.write(data)
            await to.drain()

    async def _drip(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await source.read(MUCH):
            while data and not self._whole.is_set():
                to.write(data[:1])
                data = data[1:]
                self.dripped += 1
                await to.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._whole.wait(), DRIP_S)
            to.write(data)
            await to.drain()
