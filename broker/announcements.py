"""Acts that processes of the centre state in the audit topic: that they started, and with what.

Owns making and sending these acts. Rule: a process states under the name that the directory gives to its key,
so it waits for its replica first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import structlog

from broker.replica import Replica
from protocol import topics
from protocol.identifiers import Entropy, Millis, UnitId
from protocol.signatures import Signer
from protocol.trail.acts import Act, software_start
from protocol.trail.stated_acts import sign_acts
from runtime.errors import Unavailable
from runtime.kafka.ports import OutputRecord, Topics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stating:
    """A process that can state something."""

    replica: Replica
    signer: Signer
    clock: Callable[[], Millis]
    entropy: Entropy

    def name(self) -> UnitId | None:
        """This process's name in the directory; None while it knows no such key."""
        known = self.replica.directory.operator_key(self.signer.public.kid)
        return None if known is None else known.identity.unit

    def record(self, make: Callable[[Millis, UnitId], Act], actor: UnitId) -> OutputRecord:
        """An act as a record of the audit topic."""
        now = self.clock()
        act = make(now, actor)
        value = sign_acts([act], actor=actor, now=now, signer=self.signer, entropy=self.entropy)
        return OutputRecord(topics.AUDIT, b"", value)


async def announce_start(stating: Stating, bus: Topics, program: str) -> None:
    """State once that this program started, as soon as that can be stated."""
    await stating.replica.usable()
    while (actor := stating.name()) is None:
        await stating.replica.refreshed()

    def started(now: Millis, by: UnitId) -> Act:
        return software_start(now, by, program=program, version=version("contrada"))

    while True:
        try:
            async with bus.writing() as writer:
                await writer.write([stating.record(started, actor)])
        except Unavailable as error:
            log.warning("start_not_announced", error=str(error))
            await asyncio.sleep(1)
        else:
            log.info("start_announced", program=program)
            return
