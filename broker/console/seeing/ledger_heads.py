"""How the ledger grows, and who cosigns it: from the topic `ledger`, by the policy that was given.

Owns what is kept of publications. Rules: what is shown as a log's head is what the quorum of the policy
cosigned; whatever else the log's own keys signed is told beside it, and two trees of one size are told as
such. Only the newest publications of a look are verified, so that a busy ledger costs no more than a calm
one: a fork that stood among others is found by units, witnesses and routers, which look at all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from protocol.limits import SECOND
from protocol.tlog.checkpoints import Seconds, SignedCheckpoint, parse_checkpoint
from protocol.tlog.policy import NO_QUORUM, Policy
from protocol.tlog.publication import parse_publication
from protocol.trail.stated_acts import is_notice
from runtime.kafka.ports import Fetched

NEWEST: Final = 8
"""Publications of one look: of each log some, first alone and then with all cosignatures."""

POINTS: Final = 360
ROOTS: Final = 64
"""Sizes of a log whose roots are remembered."""


@dataclass(frozen=True, slots=True)
class WitnessSeen:
    """One witness of the policy, and when it cosigned last with all its keys; None where it never did."""

    name: str
    cosigned: Millis | None


@dataclass(frozen=True, slots=True)
class ShownLog:
    """What is known of one log."""

    origin: str
    size: int
    """Of the newest head that the quorum cosigned; 0 before one was seen."""

    signed: Millis | None
    witnesses: tuple[WitnessSeen, ...]
    ahead: int
    """So many leaves more the log's own keys have signed, and the quorum has not."""

    ahead_since: Millis | None
    forked: bool
    """Whether the log's keys signed two trees of one size."""


@dataclass(slots=True)
class _KnownLog:
    size: int = 0
    signed: Millis | None = None
    largest: int = 0
    ahead_since: Millis | None = None
    forked: bool = False
    roots: dict[int, bytes] = field(default_factory=dict)
    seen: dict[str, Millis] = field(default_factory=dict)
    """By the name of each key of a witness."""


class LedgerHeads:
    """The heads that were seen."""

    def __init__(self, policy: Policy | None) -> None:
        self._policy = policy
        self._newest: deque[bytes] = deque(maxlen=NEWEST)
        self._logs: dict[str, _KnownLog] = {}
        self._grown: deque[tuple[Millis, int]] = deque(maxlen=POINTS)
        self.refused: Code | None = None

    @property
    def is_followed(self) -> bool:
        """Whether there is a policy to judge by."""
        return self._policy is not None

    async def take(self, fetched: Fetched) -> None:
        """Records of the topic. They are looked at with the next look."""
        self._newest.extend(record.value for record in fetched.records)

    def look(self, moment: Millis) -> tuple[ShownLog, ...]:
        """What is known of each log that the policy names and that has published."""
        if self._policy is None:
            return ()
        waiting, self.refused = list(self._newest), None
        self._newest.clear()
        for value in waiting:
            try:
                self._take(value, self._policy, moment)
            except Rejected as rejected:
                self.refused = rejected.reason
        heads = tuple(_head(origin, log, self._policy) for origin, log in sorted(self._logs.items()))
        if heads:
            self._grown.append((moment, sum(head.size for head in heads if "/audit/" in head.origin)))
        return heads

    def growth(self) -> tuple[tuple[Millis, int], ...]:
        """How many leaves the logs of decisions had at each look."""
        return tuple(self._grown)

    def _take(self, value: bytes, policy: Policy, moment: Millis) -> None:
        note = None if is_notice(value) else parse_publication(value).note
        if note is None:
            return
        signed = parse_checkpoint(note)
        checkpoint = policy.signed_by_log(signed)
        log = self._logs.setdefault(checkpoint.origin, _KnownLog())
        if log.roots.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            log.forked = True
            return
        while len(log.roots) > ROOTS:
            del log.roots[min(log.roots)]
        log.largest = max(log.largest, checkpoint.size)
        cosigned = policy.cosigned(signed)
        for name, time in cosigned.items():
            log.seen[name] = max(Millis(time * SECOND), log.seen.get(name, Millis(0)))
        if _is_quorum(policy, cosigned) and checkpoint.size >= log.size:
            log.size, log.signed = checkpoint.size, _signed_at(policy, signed)
        if log.largest > log.size:
            log.ahead_since = log.ahead_since or moment
        else:
            log.ahead_since = None


def _is_quorum(policy: Policy, cosigned: Mapping[str, Seconds]) -> bool:
    return policy.quorum in (NO_QUORUM, *cosigned, *policy.complete(cosigned))


def _signed_at(policy: Policy, signed: SignedCheckpoint) -> Millis | None:
    time = policy.times(signed).get("ledger")
    return None if time is None else Millis(time * SECOND)


def _head(origin: str, log: _KnownLog, policy: Policy) -> ShownLog:
    keys: dict[str, list[str]] = {}
    for witness in policy.witnesses:
        keys.setdefault(witness.key.name, []).append(witness.name)
    seen = []
    for name, own in keys.items():
        times = [log.seen[key] for key in own if key in log.seen]
        seen.append(WitnessSeen(name, min(times) if len(times) == len(own) else None))
    ahead = max(0, log.largest - log.size)
    return ShownLog(origin, log.size, log.signed, tuple(seen), ahead, log.ahead_since, log.forked)
