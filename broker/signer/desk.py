"""The signer's desk: who may ask, how often, and one answer to each request.

    a connection    of the one user who may ask, by the kernel's word (SO_PEERCRED); a few at once
    a request       whole within seconds, bounded; what is malformed ends its connection
    a signature     within the rate, counted before it is made

Nothing here waits for anything but a token, where the key is in one: one request is answered after the other.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from broker.signer.signature_count import SignatureCount
from keys.custody.frames import HEAD, Answer, AskWho, NotMade, encode_answer, length_of, parse_ask
from keys.custody.held_keys import HeldKeys
from keys.errors import KeyAway, KeyStoreError
from protocol.errors import Rejected

log = structlog.get_logger()

MOST_CONNECTIONS: Final = 16
WHOLE_WITHIN: Final = 5.0
"""Seconds in which a request that has begun comes to its end."""

_CREDENTIALS: Final = struct.Struct("3i")


@dataclass(slots=True)
class Rate:
    """So many signatures in a second, and as many at once."""

    per_second: int
    monotonic: Callable[[], float]
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at = float(self.per_second), self.monotonic()

    def take(self) -> bool:
        """Whether there is one now; it is taken."""
        now = self.monotonic()
        self._left = min(self.per_second, self._left + (now - self._at) * self.per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(slots=True, kw_only=True)
class SignerDesk:
    """What answers on the socket."""

    keys: HeldKeys
    count: SignatureCount
    rate: Rate
    user: int
    _open: dict[asyncio.StreamWriter, asyncio.Task[Any]] = field(default_factory=dict)

    async def close(self) -> None:
        """End every connection: what is asked from now on is asked of the next process."""
        tasks = list(self._open.values())
        for writer in list(self._open):
            writer.close()
        if tasks:
            await asyncio.wait(tasks, timeout=WHOLE_WITHIN)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""
        peer = _user_of(writer)
        task = asyncio.current_task()
        if peer != self.user or len(self._open) >= MOST_CONNECTIONS or task is None:
            log.warning("connection_refused", uid=peer, count=len(self._open))
            writer.close()
            return
        self._open[writer] = task
        try:
            await self._answer_all(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # its end
        except (Rejected, TimeoutError) as error:
            log.warning("request_malformed", error=type(error).__name__)
        finally:
            del self._open[writer]
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            first = await reader.readexactly(1)
            async with asyncio.timeout(WHOLE_WITHIN):
                length = length_of(first + await reader.readexactly(HEAD - 1))
                data = await reader.readexactly(length)
            writer.write(encode_answer(self._answer(data)))
            async with asyncio.timeout(WHOLE_WITHIN):
                await writer.drain()

    def _answer(self, data: bytes) -> Answer:
        ask = parse_ask(data)
        if not self.rate.take():
            log.warning("too_many", count=self.rate.per_second)
            return NotMade("more signatures than its settings allow", later=True)
        if not isinstance(ask, AskWho):
            self.count.next()
        try:
            return self.keys.answer(ask)
        except KeyStoreError as error:
            log.warning("not_signed", code=error.code, error=str(error))
            return NotMade(str(error)[:200], later=isinstance(error, KeyAway))


def _user_of(writer: asyncio.StreamWriter) -> int:
    """Whose process connected, as the kernel says."""
    found = writer.get_extra_info("socket")
    credentials = found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])
