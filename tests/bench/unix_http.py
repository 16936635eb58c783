"""A keep-alive HTTP client over a unix socket, as small as a load generator needs it."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any, Final

IDLE: Final = 2.0
"""Seconds after which a connection is not used again: a daemon hangs up after five, perhaps in this moment."""


class Connection:
    """One connection, one request at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def ask(self, method: str, target: str, body: bytes = b"") -> Any:
        """Send a request, return the decoded answer; an error status raises."""
        if self._streams is None or time.monotonic() - self._used > IDLE:
            self.close()
            self._streams = await asyncio.open_unix_connection(str(self._path), limit=2**24)
        reader, writer = self._streams
        writer.write(
            f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(None, 2)[1])
        size = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        answer = json.loads(await reader.readexactly(size))
        self._used = time.monotonic()
        if status >= 400:
            raise RuntimeError(f"{method} {target}: {status} {answer}")
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
