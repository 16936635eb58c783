"""When a request is to be answered, and when that is near.

Owns the two terms of the law and the judgement by them. Time counts from the router's signed decision, which
is when the request lay before the unit that was asked: no clock of that unit moves it. Rules:
- An urgent request has eight hours. The law gives three days where the information is not directly
  accessible; that is said by nobody yet, so the shorter term is kept.
- Near is the last quarter of a term: two hours of eight, and not quite two days of seven.
"""

from __future__ import annotations

from typing import Final

from protocol.identifiers import Millis
from protocol.limits import DAY, HOUR

URGENT_WITHIN: Final = 8 * HOUR
"""DIR Art. 5(1)(a)."""

ANSWER_WITHIN: Final = 7 * DAY
"""DIR Art. 5(1)(c)."""

_NEAR: Final = 4


def answer_due(decided: Millis, *, urgent: bool) -> Millis:
    """Until when a request is to be answered that a router accepted then."""
    return Millis(decided + (URGENT_WITHIN if urgent else ANSWER_WITHIN))


def near_from(due: Millis, *, urgent: bool) -> Millis:
    """From when on this deadline is near."""
    return Millis(due - (URGENT_WITHIN if urgent else ANSWER_WITHIN) // _NEAR)
