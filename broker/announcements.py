"""Acts that processes of the centre state in the audit topic: that they started, and with what.

Owns making and sending these acts. Rule: a process states under the name that the directory gives to its key,
so it waits for its replica first; and only while that key is valid: what it stated otherwise would be no act
but an unverified record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import structlog

from broker.replica import Replica
from keys.directory import Directory
from keys.errors import KeyAway
from protocol import topics
from protocol.errors import Code, Rejected
from protocol.identifiers import Entropy, KeyId, Millis, UnitId
from protocol.key_validity import check_signing_key
from protocol.signatures import Signer
from protocol.trail.acts import Act, software_start
from protocol.trail.stated_acts import sign_acts
from runtime.errors import Unavailable
from runtime.kafka.ports import OutputRecord, Topics

log = structlog.get_logger()


LOOK_AT_KEY: Final = 1.0
"""Seconds between two looks at whether our own key is valid."""

KEY_HINT: Final = "compare this machine's clock with others; renewal: docs/runbooks/renew-keys.md"


def signing_fault(directory: Directory, kid: KeyId, now: Millis) -> Code | None:
    """Why nobody would take what an operator's key signs at this time; None where everybody would."""
    try:
        known = directory.operator_key(kid)
        check_signing_key(None if known is None else known.identity, signed_at=now, judged_at=now)
    except Rejected as rejected:
        return rejected.reason
    return None


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

    def fault(self) -> Code | None:
        """Why nobody would take what this process states now; None where everybody would."""
        return signing_fault(self.replica.directory, self.signer.public.kid, self.clock())

    async def valid(self) -> None:
        """Return once this process's key is known and valid now."""
        said: Code | None = None
        while (fault := self.fault()) is not None:
            if fault is not said:
                log.error("key_not_valid", code=fault.value, hint=KEY_HINT)
                said = fault
            await asyncio.sleep(LOOK_AT_KEY)

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
    await stating.valid()

    def started(now: Millis, by: UnitId) -> Act:
        return software_start(now, by, program=program, version=version("contrada"))

    while True:
        try:
            async with bus.writing() as writer:
                await writer.write([stating.record(started, actor)])
        except (Unavailable, KeyAway) as error:
            log.warning("start_not_announced", error=str(error))
            await asyncio.sleep(1)
        else:
            log.info("start_announced", program=program)
            return
