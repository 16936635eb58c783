"""When the unit's identity ends, and what an officer has to do about it. Runs in the worker's thread.

Owns what is told of it: by /readyz, `unit status`, the gauge, and one alarm for each key. The daemon names
the next identity by itself long before (upkeep in statements.py). Where it could not, somebody has time to.
"""

from __future__ import annotations

from dataclasses import dataclass

from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.noted import note, told_end
from keys.lifecycle import ENDING, followed_by
from protocol.identifiers import Millis
from protocol.limits import DAY
from protocol.times import show_time

RENEW = "'contrada keys rotate', and bring the request to the centre (docs/runbooks/rotate-a-unit.md)"


@dataclass(frozen=True, slots=True)
class KeyEnd:
    """The end of the identity that the unit signs with, or of the one that follows it."""

    until: Millis
    left: int
    """Milliseconds; negative where it has ended."""

    @property
    def is_near(self) -> bool:
        """Whether somebody has to do something now."""
        return self.left <= ENDING

    def advice(self) -> str:
        """What is wrong, and what to do; empty where nothing is."""
        if not self.is_near:
            return ""
        when = f"ends in {self.left // DAY} days" if self.left > 0 else "has ended: nothing is sent"
        return f"this unit's identity {when}; renew it: {RENEW}"


def key_end(context: UnitContext) -> KeyEnd | None:
    """The end of the identity; None for a unit that is not enrolled."""
    kid = context.keys.signer.public.kid
    known = context.directory.identity(context.unit, kid)
    if known is None or known.revoked:
        return None
    following = followed_by(known, context.directory.party(kid)) if context.keys.has_successor else None
    until = (following or known).not_after
    return KeyEnd(until, until - context.clock())


def alarm_of_end(context: UnitContext) -> None:
    """Raise an alarm once for each identity that is about to end and has no next. Inside a transaction."""
    end = key_end(context)
    if end is None or not end.is_near:
        return
    if note(context.store, told_end(context.keys.signer.public.kid)):
        context.alarm("own_key_ending", detail=f"valid until {show_time(end.until)}")
