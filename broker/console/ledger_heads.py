"""How the ledger grows, and who cosigns it: from the topic `ledger`, by the policy that was given.

Owns what is kept of publications. Rules: a head counts by the keys of its log and the policy's witnesses,
whatever the topic has; only the newest ones of a look are verified, so that a busy ledger costs no more than
a calm one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from protocol.limits import SECOND
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.policy import NO_QUORUM, Policy
from protocol.tlog.publication import parse_publication
from protocol.trail.stated_acts import is_notice
from runtime.kafka.ports import Fetched

NEWEST: Final = 6
"""Publications that are looked at in one look: of each log some, first alone and then with all
cosignatures."""

POINTS: Final = 360


@dataclass(frozen=True, slots=True)
class WitnessSeen:
    """One witness of the policy, and when it cosigned last; None where it never did while this ran."""

    name: str
    cosigned: Millis | None


@dataclass(frozen=True, slots=True)
class LogHead:
    """The newest head of one log."""

    origin: str
    size: int
    signed: Millis
    witnesses: tuple[WitnessSeen, ...]
    trusted: bool
    """Whether the quorum of the policy cosigned it."""


class LedgerHeads:
    """The heads that were seen."""

    def __init__(self, policy: Policy | None) -> None:
        self._policy = policy
        self._newest: deque[bytes] = deque(maxlen=NEWEST)
        self._heads: dict[str, LogHead] = {}
        self._grown: deque[tuple[Millis, int]] = deque(maxlen=POINTS)
        self.refused: Code | None = None

    @property
    def is_followed(self) -> bool:
        """Whether there is a policy to judge by."""
        return self._policy is not None

    async def take(self, fetched: Fetched) -> None:
        """Records of the topic. They are looked at with the next look."""
        self._newest.extend(record.value for record in fetched.records)

    def look(self, moment: Millis) -> tuple[LogHead, ...]:
        """The newest head of each log that the policy names."""
        if self._policy is None:
            return ()
        waiting, self.refused = list(self._newest), None
        self._newest.clear()
        for value in waiting:
            try:
                self._take(value, self._policy)
            except Rejected as rejected:
                self.refused = rejected.reason
        heads = tuple(sorted(self._heads.values(), key=lambda head: head.origin))
        leaves = sum(head.size for head in heads if "/audit/" in head.origin)
        if heads:
            self._grown.append((moment, leaves))
        return heads

    def growth(self) -> tuple[tuple[Millis, int], ...]:
        """How many leaves the logs of decisions had at each look."""
        return tuple(self._grown)

    def _take(self, value: bytes, policy: Policy) -> None:
        if is_notice(value):
            return
        publication = parse_publication(value)
        if publication.note is None:
            return
        signed = parse_checkpoint(publication.note)
        checkpoint = policy.signed_by_log(signed)
        before = self._heads.get(checkpoint.origin)
        if before is not None and checkpoint.size < before.size:
            return
        cosigned = policy.cosigned(signed)
        groups = policy.complete(cosigned)
        names = dict.fromkeys(witness.name for witness in policy.witnesses)
        known = {} if before is None else {seen.name: seen.cosigned for seen in before.witnesses}
        told = {name: Millis(time * SECOND) for name, time in cosigned.items()}
        seen = tuple(WitnessSeen(name, told.get(name, known.get(name))) for name in names)
        times = policy.times(signed)
        self._heads[checkpoint.origin] = LogHead(
            checkpoint.origin,
            checkpoint.size,
            Millis(times.get("ledger", 0) * SECOND),
            seen,
            policy.quorum in (NO_QUORUM, *cosigned, *groups),
        )
