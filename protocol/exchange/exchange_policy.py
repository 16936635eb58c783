"""The policy of an exchange: what its rules judge by, and how far each of it may be set. Pure.

    policy = [ ahead, age, lifetime, addressees, [ 2* suite ], [ 4* [ * basis ] ], [ * basis ],
               [ messages, bytes, copies, refusals ] ]

Owns the values, their bounds, and the one item that they are stated as. Which of them is in force, and when,
is in keys/registrars/policies.py; what follows from them in protocol/exchange_rules.py. A ledger's policy,
the list of keys that a log is believed by, is another thing: protocol/tlog/policy.py.

Rules:
- A policy narrows what the protocol allows, and never widens it. So whoever does not know of it takes
  whatever was decided by it.
- No policy exists that is out of bounds: it is `Rejected` where it is made. So none switches off what the
  exchange rests on: that replays are found, that national units can have their copies, that a working
  arrangement carries no personal data, that units under Union law reach each other.
- Of a stricter class or marking it asks for no less than of a less strict one.
- The quota, of units of which no registrar has stated another, is no invariant: it may also be more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from protocol import limits
from protocol.canonical import Item
from protocol.codes import Classification, DataClass, LegalBasis
from protocol.errors import Code, Rejected
from protocol.item_forms import member, uint
from protocol.signatures import Suite

Bases = frozenset[LegalBasis]

EVERY_BASIS: Final[Bases] = frozenset(LegalBasis)
PERSONAL: Final = tuple(each for each in DataClass if each is not DataClass.NON_PERSONAL)
"""The classes of data for which a policy names bases. What is not personal may go to any party."""

MAY_CARRY: Final[Bases] = EVERY_BASIS - {LegalBasis.WORKING_ARRANGEMENT}
"""No policy gives personal data to a party under a working arrangement (ER 23(4))."""

ALWAYS: Final[Bases] = frozenset({LegalBasis.UNION_LAW})
"""Units under Union law exchange with each other under every policy (ER 7; DIR 4, 7)."""

BOUNDS: Final[dict[str, tuple[int, int]]] = {
    # A router that is further off decides nothing: so nobody whose clock is right is refused by another's.
    "ahead": (limits.CLOCK_OFF, limits.CLOCK_TOLERANCE),
    # Kafka keeps outboxes no longer than the most; the replay state counts on it (ADR 0006).
    "age": (limits.HOUR, limits.MAX_AGE),
    "lifetime": (limits.DAY, limits.MAX_LIFETIME),
    # An addressee, and the national unit that has its copy (ER 7(5)).
    "addressees": (2, limits.MAX_RECIPIENTS),
    # With less of a quota some message that the rules allow would never be taken.
    "quota.messages": (1, limits.MAX_UINT),
    "quota.bytes": (limits.MAX_RECORD, limits.MAX_UINT),
    "quota.copies": (limits.MAX_RECORD * limits.MAX_RECIPIENTS, limits.MAX_UINT),
    "quota.refusals": (1, limits.MAX_UINT),
}
"""The least and the most of each number; times in milliseconds."""

QUOTA_ROWS: Final = ("quota.messages", "quota.bytes", "quota.copies", "quota.refusals")

DEFAULT_AMOUNTS: Final = (6_000, 240_000_000, 960_000_000, 3_600)
"""A hundred messages a second, which no unit sends, and what one broker's disk bears beside others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangePolicy:
    """What the rules judge by. Made without arguments it is the protocol's own, which narrows nothing."""

    ahead: int = limits.CLOCK_TOLERANCE
    """How far ahead of the router's clock a message may have been made."""

    age: int = limits.MAX_AGE
    """How long ago it may have been made when it is decided."""

    lifetime: int = limits.MAX_LIFETIME
    """How long after that it may expire."""

    addressees: int = limits.MAX_RECIPIENTS
    """How many units one message may address."""

    suites: tuple[Suite, ...] = (Suite.CLASSICAL,) * len(Classification)
    """The least suite, by the marking."""

    data: tuple[Bases, ...] = (MAY_CARRY,) * len(PERSONAL)
    """The legal bases of parties to which data of each class of `PERSONAL` may go."""

    restricted: Bases = EVERY_BASIS
    """The legal bases of the parties to a message marked EU RESTRICTED, its sender too."""

    quota: tuple[int, int, int, int] = DEFAULT_AMOUNTS
    """Of a unit of which no registrar has stated another: the amounts of protocol/envelope/quotas.py."""

    def __post_init__(self) -> None:
        fault = next(policy_faults(self), None)
        if fault is not None:
            raise Rejected(Code.E_SCHEMA, f"no policy of an exchange: {fault[0]}", hint=fault[1])

    def least_suite(self, marking: Classification) -> Suite:
        """The least suite of a message that is marked so."""
        return self.suites[marking]

    def may_have(self, data: DataClass) -> Bases:
        """The bases of parties to which data of this class may go."""
        return EVERY_BASIS if data is DataClass.NON_PERSONAL else self.data[PERSONAL.index(data)]

    def may_see(self, marking: Classification) -> Bases:
        """The bases of the parties to a message that is marked so."""
        return EVERY_BASIS if marking is Classification.BPL else self.restricted

    def numbers(self) -> dict[str, int]:
        """Its numbers by the names of `BOUNDS`."""
        own = (self.ahead, self.age, self.lifetime, self.addressees, *self.quota)
        return dict(zip(BOUNDS, own, strict=True))


def policy_faults(policy: ExchangePolicy) -> Iterator[tuple[str, str]]:
    """What is out of bounds: the name of the row, and what would be right."""
    if len(policy.quota) != len(QUOTA_ROWS):
        yield "quota", f"{len(QUOTA_ROWS)} amounts"
        return
    for name, value in policy.numbers().items():
        least, most = BOUNDS[name]
        if not least <= value <= most:
            yield name, f"{least} to {most}"
    if len(policy.suites) != len(Classification) or any(a > b for a, b in pairwise(policy.suites)):
        yield "suite", "for a stricter marking no lesser suite than for a less strict one"
    if len(policy.data) != len(PERSONAL) or any(not a >= b for a, b in pairwise(policy.data)):
        yield "data", "for a stricter class of data no basis that a less strict one does not have"
    if any(not ALWAYS <= bases <= MAY_CARRY for bases in policy.data):
        yield "data", "bases with Union law among them, and no working arrangement"
    if not policy.restricted >= ALWAYS:
        yield "restricted", "bases with Union law among them"


PROTOCOL_POLICY: Final = ExchangePolicy()
"""Until registrars state one: what the protocol itself allows."""


def policy_item(policy: ExchangePolicy) -> list[Item]:
    """The one item of a policy."""
    return [
        policy.ahead, policy.age, policy.lifetime, policy.addressees, [int(suite) for suite in policy.suites],
        [sorted(map(int, bases)) for bases in policy.data], sorted(map(int, policy.restricted)),
        list(policy.quota),
    ]  # fmt: skip


def parse_policy_item(item: Item) -> ExchangePolicy:
    """The policy in this item, within bounds, or `Rejected`."""
    match item:
        case [ahead, age, lifetime, addressees, [*suites], [*data], [*restricted], [a, b, c, d]]:
            policy = ExchangePolicy(
                ahead=uint(ahead),
                age=uint(age),
                lifetime=uint(lifetime),
                addressees=uint(addressees),
                suites=tuple(member(Suite, each) for each in suites),
                data=tuple(_bases(each) for each in data),
                restricted=_bases(restricted),
                quota=(uint(a), uint(b), uint(c), uint(d)),
            )
        case _:
            raise Rejected(Code.E_SCHEMA, "not a policy of an exchange")
    if policy_item(policy) != item:
        raise Rejected(Code.E_SCHEMA, "a policy that we would not write")
    return policy


def _bases(item: Item) -> Bases:
    if type(item) is not list:
        raise Rejected(Code.E_SCHEMA, "not a list of legal bases")
    return frozenset(member(LegalBasis, each) for each in item)
