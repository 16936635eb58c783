"""Quotas: how much of everybody's work one unit may ask for. Pure.

    Quota    what the registrar allows a unit, or `DEFAULT_QUOTA`
    Use      what one partition of its outbox has asked for lately

Owns the limits, what they may be at the least, and how use is counted. Who is told, and how, is the router's
(broker/router/step.py); who may set a quota is in keys/rules.py. Rules:

- What is used is paid off at the rate of the quota: of each limit it is kept when all of it will be. As long
  as that is at most one window ahead, there is room. So a quota that was not used allows a whole window's
  amount at once, and after that what is paid off meanwhile.
- What a unit submits is counted by the time at which Kafka took it: a router that was down finds a backlog
  that came in hours, and refuses none of it. Refusals are counted by the time at which they are made.
- Nobody's time makes a unit wait for more than one window: what was counted by a wrong clock is cut to that.
- What breaks a rule or comes twice is a leaf for ever, too, and no refusal: a daemon that is not answered
  sends again. As many of these as messages are decided at once; those behind them wait and are not refused.
- Each partition has its part of the quota. One message always fits.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from enum import Enum
from typing import Final

from protocol.exchange.exchange_policy import BOUNDS, DEFAULT_AMOUNTS, QUOTA_ROWS
from protocol.identifiers import Millis
from protocol.limits import HOUR, MAX_UINT, MINUTE, SECOND

_MICROS: Final = 1_000
"""Microseconds in a millisecond: at thousands of messages a second each one's part is less than one."""


class Limit(Enum):
    """What is counted, and the window in which so much is allowed, in milliseconds."""

    MESSAGES = "messages", MINUTE
    """Messages that the router would accept."""

    BYTES = "bytes", MINUTE
    """Their records' sizes."""

    COPIES = "copies", MINUTE
    """Their records' sizes, once for each addressee: what Kafka stores."""

    REFUSALS = "refusals", HOUR
    """What goes to quarantine, and what is refused as over the quota: each is a leaf for ever."""

    @property
    def label(self) -> str:
        """Its name in metrics and tables."""
        return self.value[0]

    @property
    def window(self) -> int:
        """Milliseconds."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a unit may ask for: the amounts in one window each, in the order of `Limit`."""

    messages: int
    bytes: int
    copies: int
    refusals: int

    def amount(self, limit: Limit) -> int:
        """How much of this is allowed in its window."""
        amount: int = getattr(self, limit.label)
        return amount

    def part(self, partitions: int) -> Quota:
        """Of each partition, where the outbox has so many."""
        shares = (amount // partitions for amount in astuple(self))
        return Quota(*map(max, shares, astuple(LEAST_QUOTA)))

    @property
    def is_enough(self) -> bool:
        """Whether one message always fits."""
        return all(
            least <= amount <= MAX_UINT
            for amount, least in zip(astuple(self), astuple(LEAST_QUOTA), strict=True)
        )


LEAST_QUOTA: Final = Quota(*(BOUNDS[name][0] for name in QUOTA_ROWS))
"""With less some message that the rules allow would never be taken."""

DEFAULT_QUOTA: Final = Quota(*DEFAULT_AMOUNTS)
"""Of a unit of which no registrar has said otherwise, where no policy of the exchange does."""


@dataclass(frozen=True, slots=True)
class OverQuota:
    """Why something is not taken now."""

    limit: Limit
    wait: int
    """Seconds, at the least, until there is room for it."""


@dataclass(frozen=True, slots=True)
class Use:
    """When what a partition has asked for will be paid off, of each limit: Unix microseconds."""

    messages: int = 0
    bytes: int = 0
    copies: int = 0
    refusals: int = 0
    answers: int = 0
    """To what broke a rule or came twice: as `messages`, by the time of the decision."""

    def submitted(
        self, *, size: int, addressees: int, taken: Millis, now: Millis, quota: Quota
    ) -> tuple[Use, OverQuota | None]:
        """With one message more, which Kafka took at `taken`; or without it, and why there is no room."""
        at = min(taken, now) * _MICROS
        before = after = self._bounded(at)
        for limit, amount in (
            (Limit.MESSAGES, 1),
            (Limit.BYTES, size),
            (Limit.COPIES, size * addressees),
        ):
            until = _with(before, limit, amount=amount, at=at, quota=quota)
            if (over := until - at - limit.window * _MICROS) > 0:
                return before, OverQuota(limit, _seconds(over - (now * _MICROS - at)))
            after = replace(after, **{limit.label: until})
        return after, None

    def refused(self, *, now: Millis, quota: Quota) -> Use:
        """With one refusal more. There is always room for one that is due; the next one waits for `pause`."""
        at = now * _MICROS
        before = self._bounded(at)
        return replace(before, refusals=_with(before, Limit.REFUSALS, amount=1, at=at, quota=quota))

    def answered(self, *, now: Millis, quota: Quota) -> Use:
        """With one more that broke a rule or came twice."""
        at = now * _MICROS
        before = self._bounded(at)
        return replace(before, answers=max(before.answers, at) + _cost(Limit.MESSAGES, 1, quota))

    def pause(self, *, now: Millis, quota: Quota) -> float:
        """Seconds to wait before the next record is read: 0 while there is room for its refusal.

        At the most what one refusal takes to be paid off, whatever became of the clock.
        """
        waits = (
            min(max(0, until - (now + limit.window) * _MICROS), _cost(limit, 1, quota))
            for until, limit in ((self.refusals, Limit.REFUSALS), (self.answers, Limit.MESSAGES))
        )
        return max(waits) / (_MICROS * SECOND)

    def _bounded(self, at: int) -> Use:
        """With nothing more than a window ahead: some of it may have been counted by a wrong clock."""
        bounded = (min(getattr(self, each.label), at + each.window * _MICROS) for each in Limit)
        answers = min(self.answers, at + Limit.MESSAGES.window * _MICROS)
        return replace(Use(*bounded), answers=answers)


def _with(use: Use, limit: Limit, *, amount: int, at: int, quota: Quota) -> int:
    known: int = getattr(use, limit.label)
    return max(known, at) + _cost(limit, amount, quota)


def _cost(limit: Limit, amount: int, quota: Quota) -> int:
    """Microseconds in which so much is paid off."""
    return -(-amount * limit.window * _MICROS // quota.amount(limit))


def _seconds(micros: int) -> int:
    return max(1, -(-micros // (_MICROS * SECOND)))
