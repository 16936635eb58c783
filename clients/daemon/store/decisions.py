"""The consequence of a router's decision for a sent message, as a table. Pure.

    verdict on the sealing      the row is             what follows
    accepted                    any                    Settle: it is delivered, nothing is sent any more
    rejected, fresh keys help   undecided, the latest  SealAgain: same message, current keys, new number
    rejected, over the quota    undecided, the latest  SealAgain, after the time that the router names
    rejected otherwise          undecided, the latest  Refuse: final, with every reason
    duplicate                   decided                Nothing: a record that was sent twice, as it must be
    duplicate                   undecided              SealAgain and an alarm: its decision was lost
    anything                    accepted, sent again   VerdictOnly: the message stays what it is
    anything                    decided earlier        Nothing
    anything                    unknown                Foreign: another writer, or a restored home

Sealing again is safe whatever happened to the first sealing: addressees know the message by its id and
take it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from protocol.errors import Code
from protocol.trail.batches import Reason, Record, RecordType

MOST_SEALINGS: Final = 8
"""How often one message is sealed before a recoverable refusal becomes final."""

RECOVERABLE: Final = frozenset({
    Code.E_RCPT_EPOCH, Code.E_KEY_EXPIRED, Code.E_KEY_REVOKED, Code.E_KEY_NOT_YET, Code.E_KEY_UNKNOWN,
    Code.E_TIME_STALE, Code.E_TIME_FUTURE, Code.E_SUITE_BELOW_MIN, Code.E_REPLAY, Code.E_QUOTA,
})  # fmt: skip
"""Refusals that another sealing can cure: other keys, another time, another number, a moment's wait."""

OUT_OF_TIME: Final = frozenset({Code.E_EXPIRED, Code.E_LIFETIME})
"""Refusals that say nothing of the message where its sender's clock, or the router's, was wrong."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """What the store knows of a sealing that a decision names."""

    id: int
    message: int
    latest: bool
    decided: bool
    message_settled: bool
    """Accepted or refused for good."""

    sealed_times: int


@dataclass(frozen=True, slots=True)
class Settle:
    """The message was accepted."""


@dataclass(frozen=True, slots=True)
class RefuseForGood:
    """The message was refused for good."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class SealAgain:
    """The message is to be sealed anew."""

    reasons: tuple[Reason, ...]
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Foreign:
    """This unit never sent it."""


@dataclass(frozen=True, slots=True)
class VerdictOnly:
    """The message was decided before, and is sent again: the verdict is of this sealing alone."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """It was known already."""


Consequence = Settle | RefuseForGood | SealAgain | Foreign | VerdictOnly | Nothing


def consequence_of(record: Record, sealing: Sealing | None, *, clocks_differ: bool = False) -> Consequence:
    """The consequence of one decision; `clocks_differ`: it bears a time that has not come here."""
    if sealing is None:
        return Foreign()
    match record.type:
        case RecordType.ACCEPTED:
            # Even for an older sealing: the addressees have it.
            return Nothing() if sealing.decided else Settle()
        case _ if sealing.message_settled and not sealing.decided:
            return VerdictOnly()
        case _ if not _is_open(sealing):
            return Nothing()
        case RecordType.REJECTED:
            return _refused(record.reasons, sealing, clocks_differ=clocks_differ)
        case RecordType.DUPLICATE:
            # Another number cures it, and an addressee that has the message already takes it once.
            return _refused((Reason(Code.E_REPLAY),), sealing)
        case _:
            assert_never(record.type)


def _is_open(sealing: Sealing) -> bool:
    return sealing.latest and not sealing.decided and not sealing.message_settled


def _refused(reasons: tuple[Reason, ...], sealing: Sealing, *, clocks_differ: bool = False) -> Consequence:
    codes = {reason.code for reason in reasons}
    # Sealed a moment ago and stale again: not the message is old, this clock is a week behind.
    stale_again = Code.E_TIME_STALE in codes and sealing.sealed_times > 1
    of_time = bool(codes & (OUT_OF_TIME | {Code.E_TIME_STALE}))
    by_a_clock = Code.E_TIME_FUTURE in codes or stale_again or (clocks_differ and of_time)
    curable = bool(codes) and codes <= (RECOVERABLE | OUT_OF_TIME if by_a_clock else RECOVERABLE)
    # A clock that is wrong will be corrected, and a quota paid off; until then the message waits, however
    # often it was tried.
    waits = by_a_clock or Code.E_QUOTA in codes
    if curable and (waits or sealing.sealed_times < MOST_SEALINGS):
        return SealAgain(reasons, alarm=any(reason.code is Code.E_REPLAY for reason in reasons))
    return RefuseForGood(reasons)
