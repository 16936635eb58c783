"""The tables of the directory: verified facts, and the only way to change them. Pure.

Owns the tables. Which changes follow from a statement is said in `rules`, when they happen in
`directory`. A change is a value (`Put`) that cannot fail: so a statement that is refused half-way through
its checks has changed nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from keys.statement_types import Body, PolicyVersion, QuotaChange, StatusChange, UnitFacts
from protocol.identifiers import Digest, KeyId, Millis, UnitId
from protocol.parties import EpochKey, IdentityKey, OperatorRole, Unit

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class KeyRole(Enum):
    """What a signing key is for. One key, one role, for life."""

    ROOT = "root"
    REGISTRAR = "registrar"
    UNIT = "unit"
    ROUTER = "router"
    LEDGER = "ledger"


OPERATORS: Final = {
    KeyRole.REGISTRAR: OperatorRole.REGISTRAR,
    KeyRole.ROUTER: OperatorRole.ROUTER,
    KeyRole.LEDGER: OperatorRole.LEDGER,
}
"""The roles of the centre, as the protocol names them."""


@dataclass(frozen=True, slots=True)
class Vote:
    """That a key stated something."""

    by: KeyId
    issued: Millis
    """The claimed time."""

    at: Millis
    """The later one of the claimed time and the log's, so that nobody dates back."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """An appointed signing key: its party, its role, and the issuer that is responsible."""

    role: KeyRole
    identity: IdentityKey
    appointed_by: KeyId
    appointed_at: Millis
    """The later of the claimed time and the log's: it cannot be dated back before what the log had seen."""

    line_ends: Millis
    """When the key ends that a registrar, or the root, appointed in its line: its own, or an earlier one."""

    successor: KeyId | None = None
    """The key that this one has named as the next of its party, if it has."""

    agreed: tuple[Vote, ...] = ()
    """Where several had to agree: all of them."""

    line: KeyId | None = None
    """The first key of its line, which a registrar appointed; None where it is that one itself."""


@dataclass(frozen=True, slots=True)
class KnownEpoch:
    """A published epoch key, and the identity that signed for it."""

    key: EpochKey
    vouched_by: KeyId


@dataclass(frozen=True, slots=True)
class Put(Generic[_Key, _Value]):
    """One table gets one value."""

    table: dict[_Key, _Value]
    key: _Key
    value: _Value

    def write(self) -> None:
        """Do it; this cannot fail."""
        self.table[self.key] = self.value


@dataclass(frozen=True, slots=True)
class Drop(Generic[_Key]):
    """One table has nothing at this key."""

    table: dict[_Key, Any]
    key: _Key

    def write(self) -> None:
        """Do it; this cannot fail."""
        self.table.pop(self.key, None)


Change = Put[Any, Any] | Drop[Any]


@dataclass(frozen=True, slots=True)
class StatedFact(Generic[_Value]):
    """What was stated about a unit, by whom and when."""

    value: _Value
    votes: tuple[Vote, ...]
    """One, or where several had to agree, all of them."""

    lowers: bool = False
    """One stated it where several agree on more: it takes something away, whatever it rested on."""

    @property
    def issued(self) -> Millis:
        """The claimed time; of several the earliest, so that nothing newer of one of them is passed over."""
        return min(vote.issued for vote in self.votes)


@dataclass(frozen=True, slots=True)
class UnitStatements:
    """All that was stated about one unit, in the order of the log."""

    facts: tuple[StatedFact[UnitFacts], ...] = ()
    statuses: tuple[StatedFact[StatusChange], ...] = ()
    quotas: tuple[StatedFact[QuotaChange], ...] = ()

    @property
    def by(self) -> set[KeyId]:
        """The keys that stated anything of it."""
        every: tuple[StatedFact[Any], ...] = (*self.facts, *self.statuses, *self.quotas)
        return {vote.by for each in every for vote in each.votes}


@dataclass(frozen=True, slots=True)
class KnownPolicy:
    """A policy of the exchange that enough registrars have stated."""

    body: PolicyVersion
    votes: tuple[Vote, ...]
    holds_from: Millis
    """When it comes into force, if no later version does before."""

    stands: bool = True
    """Whether it has not fallen with a key that it was agreed with."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """What several must agree on, and have not yet."""

    body: Body
    role: KeyRole
    """Whose agreement it takes."""

    votes: Mapping[bytes | str, Vote]
    """Of each registrar, by its name, or of each root key the newest."""


@dataclass(slots=True)
class Tables:
    """The state of a directory. Read freely; written by `Put` alone."""

    stated: dict[UnitId, UnitStatements] = field(default_factory=dict)
    facts: dict[UnitId, UnitFacts] = field(default_factory=dict)
    units: dict[UnitId, Unit] = field(default_factory=dict)
    quotas: dict[UnitId, StatedFact[QuotaChange]] = field(default_factory=dict)
    """Of these three, what counts of what was stated."""

    policies: dict[int, KnownPolicy] = field(default_factory=dict)
    """By their versions, in their order: registrars/policies.py."""

    keys: dict[KeyId, KnownKey] = field(default_factory=dict)
    key_names: dict[KeyId, UnitId] = field(default_factory=dict)
    """Every classical and post-quantum key id ever appointed: none is appointed twice."""

    epochs: dict[KeyId, KnownEpoch] = field(default_factory=dict)
    live_epochs: dict[tuple[UnitId, int], EpochKey | None] = field(default_factory=dict)
    votes: dict[bytes, Mapping[KeyId, Millis]] = field(default_factory=dict)
    """Which root keys have named a registrar that does not have enough of them yet."""

    counts: dict[tuple[KeyId, int], int] = field(default_factory=dict)
    """How many statements the keys of a line made in a week: appointments/statement_quota.py."""

    heard: dict[str, Millis] = field(default_factory=dict)
    """The latest times that two parties claimed, those that claimed the latest."""

    ballots: dict[Digest, Ballot] = field(default_factory=dict)
    """What else waits for others who agree, in the order of the log: registrars/agreement.py."""
