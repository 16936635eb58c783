"""A router's key that is not in this process: in a token, or at the process that signs.

Owns that no call to it keeps the event loop, and what is made of its silence. Rules:
- A signature is made in a thread of its own. The heartbeats of the group go on, however long it takes.
- While the key is away the router is not ready, and nothing is committed: what was read is decided again once
  it is back, by the time of then. So a signer that is started again costs its own time and no message.
- Where it stays away, or refuses, the router leaves the group, so that others decide.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog

from keys.errors import KeyAway, KeyStoreError
from keys.signer import KeptIdentity
from runtime.process.worker import Worker

T = TypeVar("T")

log = structlog.get_logger()

LOOK_EVERY: Final = 1.0
"""Seconds between two looks while it is there."""

LOOK_SOON: Final = 0.1
"""Seconds between two looks while it is away."""

REFUSED_FOR: Final = 60.0
"""Seconds after which a key that refused is tried again: a person may have mended what it refused."""

STAY: Final = 10.0
"""Seconds for which this router keeps its claims without its key."""


class KeyApart:
    """One key that is elsewhere."""

    def __init__(
        self, identity: KeptIdentity, monotonic: Callable[[], float] = time.monotonic, *, stay: float = STAY
    ) -> None:
        self._identity = identity
        self._monotonic = monotonic
        self._stay = stay
        self._worker = Worker("contrada-key")
        self._since: float | None = None
        self._back = asyncio.Event()
        self.fault: KeyStoreError | None = None

    @property
    def is_lost(self) -> bool:
        """Whether it is away for so long that others should decide."""
        return self._since is not None and self._monotonic() - self._since > self._stay

    async def use(self, work: Callable[[], T]) -> T:
        """Do what needs the key. `KeyStoreError` where it does not do it now."""
        try:
            return await self._worker.do(work)
        except KeyStoreError as error:
            self._note(error)
            raise

    async def back(self) -> None:
        """Return once it answers."""
        await self._back.wait()

    async def watch(self) -> None:
        """Look whether it answers, until cancelled."""
        while True:
            try:
                await self._worker.do(self._identity.reach)
            except KeyStoreError as error:
                self._note(error)
            else:
                if not self._was_refused_lately():
                    self._note(None)
            await asyncio.sleep(LOOK_EVERY if self.fault is None else LOOK_SOON)

    def _was_refused_lately(self) -> bool:
        """Whether it is there and does not sign: that it answers a question is no cure for that."""
        if self._since is None or isinstance(self.fault, KeyAway):
            return False
        return self._monotonic() - self._since <= REFUSED_FOR

    def check(self) -> dict[str, object]:
        """For /readyz."""
        if self.fault is None:
            return {"ok": True}
        return {"ok": False, "code": self.fault.code, "hint": self.fault.hint}

    def _note(self, fault: KeyStoreError | None) -> None:
        if fault is None:
            if self.fault is not None:
                log.info("key_back")
            self.fault = self._since = None
            self._back.set()
            return
        if self.fault is None or self.fault.code != fault.code:
            log.error("key_away", code=fault.code, error=str(fault), hint=fault.hint)
        self.fault = fault
        self._back.clear()
        if self._since is None:
            self._since = self._monotonic()
