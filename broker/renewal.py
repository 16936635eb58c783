"""A process of the centre renews its own key: the present one names the next, and signs until that is known.

    due -> the next key is made, and named to the directory -> a day later it signs, without a restart

Owns when that is looked at, and what is told of it: how long this process can sign, what a person has to do.
When a key is due, and what it may name, is keys/appointments/succession.py; which key signs, own_identity.py.
Rule: nothing waits for this. A key that could not be renewed is looked at again, and told of from 60 days
before its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from broker.replica import Replica
from keys.errors import KeyStoreError
from keys.lifecycle import ENDING, party_end
from keys.signer import KeptIdentity, signer_from_uri
from keys.unlock import Secret
from protocol.identifiers import Millis
from protocol.limits import DAY, SECOND
from runtime.errors import Unavailable
from runtime.kafka.broker_time import TimeFeed
from runtime.kafka.partition_log import KafkaDirectory
from runtime.kafka.ports import DirectoryTopic
from runtime.kafka.security.access import KafkaAccess
from runtime.process.clock import ClockCheck, now

log = structlog.get_logger()

LOOK_EVERY: Final = 60.0
"""Seconds between two looks."""

ELSEWHERE: Final = "the directory names a successor of this key that does not lie here: find out whose it is"
BY_HAND: Final = "renew it: docs/runbooks/renew-keys.md"


class RenewalSettings(Protocol):
    """What a process's settings say of its key."""

    def access(self) -> KafkaAccess:
        """Where the directory is."""
        ...

    @property
    def key(self) -> str:
        """The URI of its signer."""
        ...

    @property
    def renew_key(self) -> bool:
        """Whether the key names its successor by itself."""
        ...


def renewal_of(
    settings: RenewalSettings, replica: Replica, secret: Secret, *, lifetime: int, times: ClockCheck
) -> Renewal:
    """The upkeep of the key that the settings name."""
    return Renewal(
        identity=signer_from_uri(settings.key, secret),
        replica=replica,
        topic=KafkaDirectory(settings.access()),
        lifetime=lifetime,
        by_itself=settings.renew_key,
        times=times,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """The upkeep of one process's key."""

    identity: KeptIdentity
    replica: Replica
    topic: DirectoryTopic
    lifetime: int
    """Of a key that follows, milliseconds."""

    clock: Callable[[], Millis] = now
    times: ClockCheck | None = None
    """What others say of the time: by a clock that most contradict no key is named or taken."""

    by_itself: bool = True
    """Whether the key names its successor; one that a registrar appoints is taken in any case."""

    async def run(self, kafka_time: TimeFeed) -> None:
        """Look after the key until cancelled, once the clock was compared: what it states bears its time."""
        await kafka_time.compared()
        while True:
            await self.replica.usable()
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Sign with the next key if it is time, and name it if it is time for that."""
        moment, directory = self.clock(), self.replica.directory
        if self.times is not None and self.times.fault(moment) is not None:
            return
        try:
            before = self.identity.adopt(moment, directory=directory)
            if before is not None:
                log.info("key_taken_over", kid=self.identity.public.kid)
            statement = self.identity.succession(moment, directory=directory, lifetime=self.lifetime)
            if statement is not None and self.by_itself:
                await self.topic.publish([statement])
                log.info("key_succession", kid=self.identity.public.kid)
        except (KeyStoreError, Unavailable) as error:
            log.warning("key_not_renewed", error=str(error), hint=BY_HAND)

    def end(self) -> Millis | None:
        """When the last key ends with which this process can sign; None while the directory has none."""
        party = self.replica.directory.party(self.identity.public.kid)
        return party_end(key for key in party if self.identity.has(key.public))

    def left_seconds(self) -> float:
        """The same from now, for a gauge: 0 where there is none, or where it is over."""
        end = self.end()
        return 0.0 if end is None else max(0.0, (end - self.clock()) / SECOND)

    def check(self) -> dict[str, object]:
        """For /readyz: ok in any case, since a key that ends in weeks stops nothing; what is to be done."""
        found: dict[str, object] = {"ok": True}
        end, present = self.end(), self.identity.public.kid
        if end is not None:
            found |= {"until": end, "days_left": max(0, (end - self.clock()) // DAY)}
        following = self.replica.directory.successor(present)
        if following is not None and not self.identity.has(following.public):
            return found | {"ending": True, "hint": ELSEWHERE}
        if end is not None and end - self.clock() <= ENDING:
            return found | {"ending": True, "hint": BY_HAND}
        return found
