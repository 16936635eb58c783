"""The reasons of a decision in words: what is wrong, and not the rule that ought to hold.

Owns the sentences with what was found by a rule of the exchange: which unit, which marking, which purpose.
Rules: codes and identifiers only, never content. Where what is known now does not bear a reason out, because
the directory has changed since, the code's own sentence stands alone (code_meanings.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from protocol.codes import (
    Classification,
    DataClass,
    Handling,
    LegalBasis,
    MessageKind,
    Purpose,
    RefusalGround,
    UrgencyGround,
)  # fmt: skip
from protocol.content.code_forms import show_code
from protocol.errors import Code
from protocol.identifiers import Millis
from protocol.limits import SECOND
from protocol.parties import OUTSIDE_THE_UNION, Parties, Unit
from protocol.times import show_duration, show_time
from protocol.trail.code_meanings import reason_in_words

if TYPE_CHECKING:
    from protocol.envelope.core import Limits
    from protocol.exchange.exchange_policy import ExchangePolicy
    from protocol.signatures import Suite
    from protocol.trail.batches import Reason


class SaidOfMessage(Protocol):
    """What a header says, sealed or as it was ordered."""

    @property
    def kind(self) -> MessageKind:
        """Its kind."""

    @property
    def handling(self) -> frozenset[Handling]:
        """Its handling codes."""

    @property
    def h3(self) -> Limits | None:
        """The limits of its H3."""

    @property
    def classification(self) -> Classification:
        """Its marking."""

    @property
    def data_class(self) -> DataClass:
        """The strictest data inside."""

    @property
    def purposes(self) -> frozenset[Purpose]:
        """What it may be used for."""

    @property
    def urgency(self) -> UrgencyGround | None:
        """Why it is urgent."""

    @property
    def ground(self) -> RefusalGround | None:
        """Why it refuses a request."""

    @property
    def basis(self) -> LegalBasis | None:
        """The ground of a transfer outside the Union."""

    @property
    def suite(self) -> Suite | None:
        """Its suite; None before it is sealed."""

    @property
    def to(self) -> Sequence[object]:
        """Its addressees."""

    @property
    def expires(self) -> Millis:
        """Until when it may be delivered."""

    @property
    def review(self) -> Millis:
        """When what it says is to be reviewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonContext:
    """What is known beside a reason: the message, the units, when it was made and when it was decided."""

    said: SaidOfMessage
    parties: Parties
    created: Millis | None
    decided: Millis | None

    @property
    def policy(self) -> ExchangePolicy:
        """The policy of the exchange by which it was decided, or else when it was made."""
        return self.parties.policy_at(self.decided or self.created or Millis(0))

    def unit(self, reason: Reason) -> Unit | None:
        """The unit that the reason is about, as the directory has it now."""
        return None if reason.unit is None else self.parties.unit(reason.unit)


def found_in(reason: Reason, context: ReasonContext) -> str:
    """The same with what was found, where the message and the directory bear it out."""
    found = _FOUND.get(reason.code)
    return (None if found is None else found(reason, context)) or reason_in_words(reason.code, reason.unit)


def _suite(reason: Reason, of: ReasonContext) -> str | None:
    unit, suite = of.unit(reason), of.said.suite
    if reason.unit is None and suite is not None:
        least, marking = of.policy.least_suite(of.said.classification), show_code(of.said.classification)
        asks = f"the policy asks for suite {int(least)} where a message is {marking}"
        return None if suite >= least else f"{asks}, and this one is of suite {int(suite)}"
    if unit is None or suite is None or suite >= unit.min_suite:
        return None
    return f"{unit.unit} asks for suite {int(unit.min_suite)}, and the message is of suite {int(suite)}"


def _future(_: Reason, of: ReasonContext) -> str | None:
    if of.created is None or of.decided is None or of.created <= of.decided:
        return None
    made, decided = show_time(of.created), show_time(of.decided)
    return f"the message was made at {made} by its sender's clock, and decided at {decided} by the router's"


def _stale(_: Reason, of: ReasonContext) -> str | None:
    if of.created is None or of.decided is None or of.decided - of.created <= of.policy.age:
        return None
    later = f"more than {show_duration(of.policy.age)} later"
    return f"the message was made at {show_time(of.created)}, and decided at {show_time(of.decided)}: {later}"


def _expired(_: Reason, of: ReasonContext) -> str | None:
    if of.decided is None or of.said.expires > of.decided:
        return None
    return (
        f"the message had expired at {show_time(of.said.expires)}, and was decided at {show_time(of.decided)}"
    )


def _lifetime(_: Reason, of: ReasonContext) -> str | None:
    if of.created is None:
        return None
    made, expires = show_time(of.created), show_time(of.said.expires)
    if of.said.expires <= of.created:
        return f"the message was made at {made}, and expires at {expires}, which is not later"
    if of.said.expires - of.created <= of.policy.lifetime:
        return None
    later = f"more than {show_duration(of.policy.lifetime)} later"
    return f"the message was made at {made}, and expires at {expires}: {later}"


def _quota(reason: Reason, _: ReasonContext) -> str | None:
    if reason.wait is None:
        return None
    return (
        f"the quota of {reason.unit} is used up; there is room again in {show_duration(reason.wait * SECOND)}"
    )


def _clearance(reason: Reason, of: ReasonContext) -> str | None:
    unit = of.unit(reason)
    if unit is None:
        return None
    marking = show_code(of.said.classification)
    if unit.basis not in of.policy.may_see(of.said.classification):
        return f"the policy keeps what is {marking} from parties under {show_code(unit.basis)}: {unit.unit}"
    if unit.clearance >= of.said.classification:
        return None
    return f"{unit.unit} is cleared for {show_code(unit.clearance)} at most, and the message is {marking}"


def _basis(reason: Reason, of: ReasonContext) -> str | None:
    unit = of.unit(reason)
    if unit is None or of.said.data_class is DataClass.NON_PERSONAL:
        return None
    data = f"the message has {show_code(of.said.data_class)} data"
    if unit.basis is LegalBasis.WORKING_ARRANGEMENT:
        return f"{unit.unit} takes part under a {show_code(unit.basis)}, and {data}"
    if unit.basis not in of.policy.may_have(of.said.data_class):
        return f"the policy keeps such data from parties under {show_code(unit.basis)}: {unit.unit}; {data}"
    if unit.kind not in OUTSIDE_THE_UNION or of.said.basis is unit.basis:
        return None
    named = "none" if of.said.basis is None else show_code(of.said.basis)
    return f"{unit.unit} is outside the Union, its basis is {show_code(unit.basis)}, {data} and names {named}"


def _purpose(reason: Reason, of: ReasonContext) -> str | None:
    if reason.unit is None:
        return None if of.said.purposes else "the message states no purpose"
    unit = of.unit(reason)
    if unit is None:
        return None
    beyond = sorted(of.said.purposes - unit.purposes - {Purpose.UNDETERMINED})
    if beyond:
        return f"{unit.unit} may not process for {', '.join(map(show_code, beyond))}"
    if Purpose.UNDETERMINED in of.said.purposes:
        return f"{unit.unit} is not the centre, and the purpose is undetermined"
    return None


def _handling(_: Reason, of: ReasonContext) -> str | None:
    if (Handling.H3 in of.said.handling) == (of.said.h3 is not None):
        return None
    return "the message says H3 without limits" if of.said.h3 is None else "the message has limits without H3"


def _h3(reason: Reason, of: ReasonContext) -> str | None:
    limits = of.said.h3
    if limits is None:
        return None
    if reason.unit is not None:
        if reason.unit in limits.only or not limits.only:
            return None
        allowed = ", ".join(limits.only)
        return f"{reason.unit} is not among the units that the H3 of the message allows: {allowed}"
    if limits.delete_by is None:
        return None
    by = show_time(limits.delete_by)
    for what, moment in (("expires", of.said.expires), ("is reviewed", of.said.review)):
        if moment > limits.delete_by:
            return f"the message {what} at {show_time(moment)}, and its H3 has it deleted by {by}"
    return None


def _kind_fields(_: Reason, of: ReasonContext) -> str | None:
    kind = show_code(of.said.kind)
    if of.said.urgency is not None and of.said.kind is not MessageKind.REQUEST:
        return f"the message is urgent ({show_code(of.said.urgency)}), and its kind is {kind}"
    if of.said.ground is not None and of.said.kind is not MessageKind.REFUSAL:
        return f"the message has a ground of refusal ({show_code(of.said.ground)}), and its kind is {kind}"
    if of.said.ground is None and of.said.kind is MessageKind.REFUSAL:
        return "the message is a refusal, and has no ground"
    return None


def _reference(_: Reason, of: ReasonContext) -> str:
    return f"the message is of kind {show_code(of.said.kind)}, and does not name the one that it is about"


def _addressed(_: Reason, of: ReasonContext) -> str:
    if len(of.said.to) > of.policy.addressees:
        return f"{len(of.said.to)} units are addressed, and the policy allows {of.policy.addressees}"
    return f"nobody is addressed: all {len(of.said.to)} get copies"


_FOUND: Final[dict[Code, Callable[[Reason, ReasonContext], str | None]]] = {
    Code.E_SUITE_BELOW_MIN: _suite,
    Code.E_TIME_FUTURE: _future,
    Code.E_TIME_STALE: _stale,
    Code.E_QUOTA: _quota,
    Code.E_EXPIRED: _expired,
    Code.E_LIFETIME: _lifetime,
    Code.E_CLASS_CLEARANCE: _clearance,
    Code.E_DATA_BASIS: _basis,
    Code.E_PURPOSE: _purpose,
    Code.E_HANDLING_INVALID: _handling,
    Code.E_H3_LIMIT: _h3,
    Code.E_KIND_FIELDS: _kind_fields,
    Code.E_REF_MISSING: _reference,
    Code.E_RCPT_COUNT: _addressed,
}
