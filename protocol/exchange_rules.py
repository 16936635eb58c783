"""The rules of the exchange: may this message go to these units, and if not, why not.

A pure function from header, directory and consents to a decision with every reason, not only the
first. `RULES` is complete: one row per rule, with its article. The router decides by this table, and
`contrada route explain` reads the same one.

How far a rule goes within what the protocol allows is said by the policy of the exchange: the one in force at
the decision's time, by the directory that the decision names the size of. So both, which are signed, say by
which policy it was made (protocol/exchange/exchange_policy.py).

A rule sees the header, not the content. A sender that misstates its content is detected by the addressees,
who check content against header (protocol/verification.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from protocol.codes import DataClass, Handling, MessageKind, Purpose, RefKind, Role, UnitKind
from protocol.envelope.core import Core
from protocol.epochs import is_acceptable
from protocol.errors import Code
from protocol.exchange.exchange_policy import ExchangePolicy
from protocol.identifiers import Digest, Millis, UnitId
from protocol.parties import OUTSIDE_THE_UNION, Parties, Unit
from protocol.trail.batches import Reason


@dataclass(frozen=True, slots=True)
class Consent:
    """An originator's permission to pass one message on (ER 19(2), 23(7))."""

    original: Digest
    holder: UnitId
    targets: frozenset[UnitId]
    purposes: frozenset[Purpose]
    not_before: Millis
    expires: Millis


Consents = Mapping[Digest, tuple[Consent, ...]]
"""Permissions, by the digest of the original message's signed header."""

NO_CONSENTS: Consents = {}
"""The consents of a router until originators can grant permissions: passing on is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeCase:
    """Asks whether this message may be delivered now."""

    core: Core
    parties: Parties
    now: Millis
    fresh: bool = True
    """Whether the sender's stream has not come to this message before (protocol/envelope/replay.py)."""

    consents: Consents = field(default_factory=dict)

    trial: ExchangePolicy | None = None
    """A policy to be tried, in place of the one in force."""

    @property
    def policy(self) -> ExchangePolicy:
        """What it is judged by."""
        return self.parties.policy_at(self.now) if self.trial is None else self.trial

    def addressees(self) -> Iterator[Unit]:
        """The addressees that the directory knows."""
        for addressee in self.core.to:
            unit = self.parties.unit(addressee.unit)
            if unit is not None:
                yield unit

    def everyone(self) -> Iterator[Unit]:
        """The sender and the addressees that the directory knows."""
        sender = self.parties.unit(self.core.sender)
        if sender is not None:
            yield sender
        yield from self.addressees()


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of the rules. Accepted when there is no reason against."""

    reasons: tuple[Reason, ...]

    @property
    def accepted(self) -> bool:
        """Whether the message may be delivered."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table."""

    name: str
    article: str
    text: str
    check: Callable[[ExchangeCase], Iterator[Reason]]


def decide_exchange(question: ExchangeCase) -> Decision:
    """Every rule, every reason, in the order of the table."""
    return Decision(tuple(reason for rule in RULES for reason in rule.check(question)))


def reasons_of_header(question: ExchangeCase) -> tuple[Reason, ...]:
    """The reasons that header and clock give, so that a sender knows of them before any router."""
    return tuple(reason for rule in RULES if rule.check in _BY_HEADER for reason in rule.check(question))


def explain_exchange(question: ExchangeCase) -> list[tuple[Rule, tuple[Reason, ...]]]:
    """Each rule with the reasons that it found: none means that it holds."""
    return [(rule, tuple(rule.check(question))) for rule in RULES]


def _replays(q: ExchangeCase) -> Iterator[Reason]:
    if not q.fresh:
        yield Reason(Code.E_REPLAY)


def _time(q: ExchangeCase) -> Iterator[Reason]:
    core, policy = q.core, q.policy
    if core.created > q.now + policy.ahead:
        yield Reason(Code.E_TIME_FUTURE)
    if q.now - core.created > policy.age:
        yield Reason(Code.E_TIME_STALE)
    if core.expires <= q.now:
        yield Reason(Code.E_EXPIRED)
    if not 0 < core.expires - core.created <= policy.lifetime:
        yield Reason(Code.E_LIFETIME)


def _parties_known(q: ExchangeCase) -> Iterator[Reason]:
    sender = q.parties.unit(q.core.sender)
    if sender is None:
        yield Reason(Code.E_SENDER_UNKNOWN, q.core.sender)
    elif sender.suspended:
        yield Reason(Code.E_SENDER_SUSPENDED, sender.unit)
    for addressee in q.core.to:
        unit = q.parties.unit(addressee.unit)
        if unit is None:
            yield Reason(Code.E_RCPT_UNKNOWN, addressee.unit)
        elif unit.suspended:
            yield Reason(Code.E_RCPT_SUSPENDED, unit.unit)


def _suites(q: ExchangeCase) -> Iterator[Reason]:
    for unit in q.everyone():
        if q.core.suite < unit.min_suite:
            yield Reason(Code.E_SUITE_BELOW_MIN, unit.unit)
    if q.core.suite < q.policy.least_suite(q.core.classification):
        yield Reason(Code.E_SUITE_BELOW_MIN)


def _epochs(q: ExchangeCase) -> Iterator[Reason]:
    for addressee in q.core.to:
        key = q.parties.epoch_key(addressee.unit, addressee.key)
        known = q.parties.unit(addressee.unit) is not None
        if known and (key is None or key.revoked or not is_acceptable(key.epoch, q.now)):
            yield Reason(Code.E_RCPT_EPOCH, addressee.unit)


def _clearance(q: ExchangeCase) -> Iterator[Reason]:
    may_see = q.policy.may_see(q.core.classification)
    for unit in q.everyone():
        if unit.clearance < q.core.classification or unit.basis not in may_see:
            yield Reason(Code.E_CLASS_CLEARANCE, unit.unit)


def _data_basis(q: ExchangeCase) -> Iterator[Reason]:
    if q.core.data_class is DataClass.NON_PERSONAL:
        return
    may_have = q.policy.may_have(q.core.data_class)
    for unit in q.addressees():
        # No policy has a working arrangement among these; a transfer must name the ground it rests on.
        unnamed = unit.kind in OUTSIDE_THE_UNION and q.core.basis is not unit.basis
        if unit.basis not in may_have or unnamed:
            yield Reason(Code.E_DATA_BASIS, unit.unit)


def _purposes(q: ExchangeCase) -> Iterator[Reason]:
    if not q.core.purposes:
        yield Reason(Code.E_PURPOSE)
    for unit in q.addressees():
        # Undetermined purposes are for the centre alone, which then has six months to find one (18(6)).
        undetermined = Purpose.UNDETERMINED in q.core.purposes and unit.kind is not UnitKind.CENTRE
        if undetermined or not q.core.purposes - {Purpose.UNDETERMINED} <= unit.purposes:
            yield Reason(Code.E_PURPOSE, unit.unit)


def _copy(q: ExchangeCase) -> Iterator[Reason]:
    sender = q.parties.unit(q.core.sender)
    if sender is None or sender.kind is not UnitKind.COMPETENT_AUTHORITY or sender.national_unit is None:
        return
    if q.core.kind is MessageKind.ACKNOWLEDGEMENT or q.core.copy_exemption is not None:
        return
    national = q.parties.unit(sender.national_unit)
    waived = national is not None and national.waives_copy
    if not waived and sender.national_unit not in {addressee.unit for addressee in q.core.to}:
        yield Reason(Code.E_COPY_MISSING, sender.national_unit)


def _handling(q: ExchangeCase) -> Iterator[Reason]:
    if (Handling.H3 in q.core.handling) != (q.core.h3 is not None):
        yield Reason(Code.E_HANDLING_INVALID)


def _h3_limits(q: ExchangeCase) -> Iterator[Reason]:
    if q.core.h3 is None:
        return
    if q.core.h3.only:
        for addressee in q.core.to:
            if addressee.unit not in q.core.h3.only:
                yield Reason(Code.E_H3_LIMIT, addressee.unit)
    if q.core.h3.delete_by is not None and max(q.core.expires, q.core.review) > q.core.h3.delete_by:
        yield Reason(Code.E_H3_LIMIT)


def _onward(q: ExchangeCase) -> Iterator[Reason]:
    for ref in q.core.refs:
        if ref.kind is not RefKind.ONWARD:
            continue
        held = [c for c in q.consents.get(ref.header_digest, ()) if c.holder == q.core.sender]
        if not held:
            yield Reason(Code.E_H2_NO_CONSENT)
        elif not (live := [c for c in held if c.not_before <= q.now < c.expires]):
            yield Reason(Code.E_CONSENT_EXPIRED)
        else:
            yield from _covered(q.core, live)


def _covered(core: Core, consents: list[Consent]) -> Iterator[Reason]:
    for addressee in core.to:
        if not any(addressee.unit in c.targets and core.purposes <= c.purposes for c in consents):
            yield Reason(Code.E_CONSENT_SCOPE, addressee.unit)


_REPLIES = (MessageKind.ANSWER, MessageKind.REFUSAL, MessageKind.ACKNOWLEDGEMENT)


def _kind_fields(q: ExchangeCase) -> Iterator[Reason]:
    core = q.core
    if core.urgency is not None and core.kind is not MessageKind.REQUEST:
        yield Reason(Code.E_KIND_FIELDS)
    if (core.ground is not None) != (core.kind is MessageKind.REFUSAL):
        yield Reason(Code.E_KIND_FIELDS)
    if core.kind in _REPLIES and not any(ref.kind is RefKind.REPLY_TO for ref in core.refs):
        yield Reason(Code.E_REF_MISSING)
    if core.attachments:
        yield Reason(Code.E_ATT_MISSING)
    crowded = len(core.to) > q.policy.addressees
    if crowded or all(addressee.role is not Role.TO for addressee in core.to):
        yield Reason(Code.E_RCPT_COUNT)


def _gossip(q: ExchangeCase) -> Iterator[Reason]:
    seen = q.core.directory_head
    ours = q.parties.root_at(seen.size)
    if ours is not None and ours != seen.root:
        yield Reason(Code.E_GOSSIP_DIR)


RULES: tuple[Rule, ...] = (
    Rule("replay", "docs/adr/0006", "a message is decided once", _replays),
    Rule("time", "docs/spec, Times", "made within the times of the policy, and not expired", _time),
    Rule(
        "parties", "ER 7, 23; DIR 14", "sender and addressees are enrolled and not suspended", _parties_known
    ),
    Rule("suite", "docs/adr/0001", "the suite is one that every party's directory entry allows", _suites),
    Rule(
        "epoch",
        "docs/spec, Times",
        "every addressee's key is of the current, next or just ended epoch",
        _epochs,
    ),
    Rule("clearance", "2013/488/EU", "sender and addressees are cleared for the classification", _clearance),
    Rule(
        "data basis", "ER 23(4), 25", "personal data only to a party whose legal basis allows it", _data_basis
    ),
    Rule(
        "purpose", "ER 18(2), 18(6), 19(1)", "a purpose is stated, and each addressee may have it", _purposes
    ),
    Rule("national copy", "ER 7(5); DIR 4(1), 4(2)", "the sender's national unit receives a copy", _copy),
    Rule("handling", "ER 19(2); Council 6243/18", "H3 and its limits come together", _handling),
    Rule("H3 limits", "ER 19(2)", "nobody outside the H3 list, nothing past its deletion date", _h3_limits),
    Rule("H2 onward", "ER 19(2), 23(7)", "passed on only with the originator's permission", _onward),
    Rule("kind", "DIR 4(4), 6(1), 18", "the fields of the header fit the kind of message", _kind_fields),
    Rule("directory head", "docs/adr/0007", "sender and router see one and the same directory", _gossip),
)

_BY_HEADER = frozenset({_time, _handling, _h3_limits, _kind_fields})
"""The rules that look at header and clock alone."""
