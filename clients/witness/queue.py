"""The queue of requests: from the event loop to the witness's one thread.

Owns the threads and the order of steps: prepare, copy the tree where the witness keeps one, answer. What
computes or writes runs in the witness's thread, one request after the other; copying has a thread of its own,
so that a log whose tiles come slowly does not hold up the others.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final

from clients.witness.errors import SourceUnavailable, StateUnavailable, WitnessError
from clients.witness.evidence import EvidenceKind
from clients.witness.mirror import Mirror
from clients.witness.service import HttpAnswer, WitnessService
from protocol.errors import Code, Rejected
from protocol.limits import SECOND
from protocol.tlog.witnessing import AddCheckpoint
from runtime.process.clock import now
from runtime.process.health import Checks, policy_lasts
from runtime.process.worker import Worker

PATIENCE: Final = 60.0
"""Seconds for which a log may ask for a cosignature without showing its tiles."""


class WitnessQueue:
    """One witness, and where its work is done."""

    __slots__ = ("_copying", "_mirror", "_mirrors", "_missing", "_monotonic", "_worker", "witness")

    def __init__(
        self,
        witness: WitnessService,
        worker: Worker,
        mirror: Mirror | None = None,
        *,
        copying: Worker | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.witness = witness
        self._worker = worker
        self._mirror = mirror
        self._monotonic = monotonic
        self._missing: dict[str, float] = {}
        """Logs that have asked for a cosignature and do not show their tiles, and since when."""
        self._mirrors = True
        self._copying = copying or Worker()

    async def add_checkpoint(self, data: bytes) -> HttpAnswer:
        """Answer one request; `WitnessError` where no answer is possible now."""
        prepared = await self._worker.do(lambda: self.witness.prepare(data))
        if isinstance(prepared, HttpAnswer):
            return prepared
        if self._mirror is not None:
            try:
                await self._copy(self._mirror, prepared)
            except Rejected as rejected:
                if rejected.reason is not Code.E_CONSISTENCY:
                    # Nothing contradicts the signature: the log's tiles may not be stored yet. For how long?
                    await self._note_missing(prepared)
                    raise SourceUnavailable(rejected.sentence) from None
                contradiction = rejected
                return await self._worker.do(lambda: self.witness.contradicted(prepared, contradiction))
        # Its state is written even if the request was cancelled.
        return await asyncio.shield(self._worker.do(lambda: self.witness.answer(prepared)))

    async def newest(self, origin_hash: str) -> bytes | None:
        """The newest note that was cosigned, by the hash of its origin."""
        return await self._worker.do(lambda: self.witness.newest(origin_hash))

    async def checks(self) -> Checks:
        """The readiness checks of this witness."""
        try:
            await self._worker.do(self.witness.heads.try_write)
            writable = True
        except StateUnavailable:
            writable = False
        forks = self.witness.folder.count(EvidenceKind.FORK)
        return {
            "state": {"ok": writable},
            "clock": {"ok": not self.witness.behind, "behind_seconds": self.witness.behind // SECOND},
            "policy": {
                "ok": bool(self.witness.policy.logs),
                "logs": len(self.witness.policy.origins),
                **policy_lasts(self.witness.policy, now()),
            },
            # A witness that has caught a log still does its work: it is the log that is not ready.
            "evidence": {"ok": True, "forks": forks},
            # Without the log's tiles a witness that mirrors signs nothing.
            **({} if self._mirror is None else {"mirror": {"ok": self._mirrors}}),
        }

    async def close(self) -> None:
        """Finish the requests in hand."""
        self._copying.close()
        await self._worker.do(self.witness.heads.close)
        self._worker.close()

    async def _copy(self, mirror: Mirror, request: AddCheckpoint) -> None:
        signed = request.signed
        try:
            await self._copying.do(lambda: mirror.follow(signed))
        except (Rejected, WitnessError):
            self._mirrors = False
            raise
        self._mirrors = True
        self._missing.pop(signed.checkpoint.origin, None)
        self.witness.metrics.mirrored.labels(signed.checkpoint.origin).set(signed.checkpoint.size)

    async def _note_missing(self, request: AddCheckpoint) -> None:
        """A ledger stores its tiles before it asks; what does not come in time is not on its way."""
        checkpoint = request.signed.checkpoint
        since = self._missing.setdefault(checkpoint.origin, self._monotonic())
        if self._monotonic() - since >= PATIENCE:
            self._missing[checkpoint.origin] = math.inf  # once, until it shows them
            await self._worker.do(lambda: self.witness.withheld(checkpoint))
