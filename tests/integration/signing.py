"""A router's signer as a process, for integration tests."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.integration.exchange import Exchange
from tests.waiting import GENEROUS, until, until_async


async def until_checks(
    port: int, good: Callable[[dict[str, dict[str, Any]]], object], *, what: str
) -> dict[str, dict[str, Any]]:
    """Wait for what a router says of itself behind /readyz."""

    def look() -> dict[str, dict[str, Any]]:
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=GENEROUS) as answer:
                return json.load(answer)["checks"]
        except HTTPError as error:
            return json.load(error)["checks"]

    return await until_async(
        lambda: asyncio.to_thread(look), good, what=what, despite=(URLError, OSError, KeyError)
    )


class SignerProcess:
    """The process that holds the key of an exchange's routers; started, killed, and started again."""

    def __init__(self, exchange: Exchange, *, router: str = "router-0", **settings: object) -> None:
        self.directory = exchange.directory
        self.socket = self.directory / "signer.socket"
        self.count = self.directory / "signatures.count"
        self.config = self.directory / "signer.toml"
        # The router's own user has no such file: it is moved away from where routers of other tests find it.
        key = (self.directory / "router.key").rename(self.directory / "held.key")
        values = {
            "key": str(key),
            "secret": str(self.directory / "router.secret"),
            "socket": str(self.socket),
            "user": str(os.getuid()),
            "router": router,
            "count": str(self.count),
            **settings,
        }
        self.config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
        self.process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = (self.directory / "signer.log").open("ab")

    @property
    def uri(self) -> str:
        """The router's setting."""
        return f"signer:{self.socket}"

    def start(self) -> None:
        """Start it, and wait until it listens. Its log begins anew."""
        (self.directory / "signer.log").write_bytes(b"")
        command = [sys.executable, "-P", "-m", "broker.signer", str(self.config)]
        self.process = subprocess.Popen(command, stderr=self._log, stdout=self._log, cwd=Path.cwd())
        until(lambda: b'"started"' in self.log(), what="the signer listens", alive=self._check_runs)

    def kill(self) -> None:
        """kill -9: it has no chance to say goodbye."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log(self) -> bytes:
        """What it logged since it was started."""
        return (self.directory / "signer.log").read_bytes()

    def _check_runs(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
