"""Units and their keys as the protocol needs them: the values, and the interface to the directory.

The directory of signed statements (keys/directory.py) implements `Parties`; tests may use a small one
of their own. Everything here is already verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from protocol.codes import Classification, LegalBasis, Purpose, UnitKind
from protocol.exchange.exchange_policy import ExchangePolicy
from protocol.identifiers import KeyId, Millis, UnitId
from protocol.merkle import EMPTY_ROOT
from protocol.public_keys import EpochPublic, IdentityPublic
from protocol.signatures import Suite


@dataclass(frozen=True, slots=True)
class TreeHead:
    """How long a log was, and its root then."""

    size: int
    root: bytes


NO_HEAD = TreeHead(0, EMPTY_ROOT)


OUTSIDE_THE_UNION: Final = (UnitKind.THIRD_PARTY, UnitKind.INTERNATIONAL_ORGANISATION)
"""The kinds of party to which a transfer of personal data names the ground that it rests on (ER 25)."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A connected party, as the directory describes it now."""

    unit: UnitId
    kind: UnitKind
    name: str
    clearance: Classification
    basis: LegalBasis
    """The ground on which personal data may go to it (ER 23 to 25); a working arrangement is none (23(4))."""

    purposes: frozenset[Purpose]
    """The purposes for which it may process (ER 18(2))."""

    national_unit: UnitId | None
    """The unit that receives copies of what this authority sends (ER 7(5), DIR 4(1))."""

    waives_copy: bool
    """Of a national unit: it indicated that it needs no copies (ER 7(5))."""

    min_suite: Suite
    suspended: bool


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """A signing identity of a unit, with its validity."""

    unit: UnitId
    public: IdentityPublic
    not_before: Millis
    not_after: Millis
    revoked: bool
    compromised_since: Millis | None
    """What was signed from then on is not trusted; only set when revoked."""


class OperatorRole(Enum):
    """The role in which an act of the centre is stated (protocol/trail/acts.py)."""

    ROUTER = "router"
    REGISTRAR = "registrar"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """A signing key of the centre, and the role that it was appointed to."""

    role: OperatorRole
    identity: IdentityKey


@dataclass(frozen=True, slots=True)
class EpochKey:
    """The key to which content for a unit is sealed during one epoch."""

    unit: UnitId
    epoch: int
    """Unix milliseconds divided by `limits.EPOCH`."""

    public: EpochPublic
    revoked: bool


class Parties(Protocol):
    """The interface to the directory. Lookups only; no time, no I/O."""

    @property
    def agreeing(self) -> int:
        """How many registrars the pinned root asks for where one is not enough."""
        ...

    @property
    def head(self) -> TreeHead:
        """How many statements this replica holds, and their root."""
        ...

    def policy_at(self, moment: Millis) -> ExchangePolicy:
        """The policy of the exchange that is in force then, by what this replica holds."""
        ...

    def root_at(self, size: int) -> bytes | None:
        """The root when the directory had `size` statements; None if this replica is shorter."""
        ...

    def unit(self, unit: UnitId) -> Unit | None:
        """The unit as it is now."""
        ...

    def identity(self, unit: UnitId, kid: KeyId) -> IdentityKey | None:
        """A signing identity that the directory ever bound to this unit."""
        ...

    def epoch_key(self, unit: UnitId, kid: KeyId) -> EpochKey | None:
        """An epoch key that this unit ever published, by its id."""
        ...

    def epoch_key_for(self, unit: UnitId, epoch: int) -> EpochKey | None:
        """The key to seal to in this epoch, if the unit published one and did not revoke it."""
        ...

    def router_key(self, kid: KeyId) -> IdentityKey | None:
        """A key with which routers sign their decisions."""
        ...

    def is_router(self, name: str) -> bool:
        """Whether a router was ever appointed under this name."""
        ...

    def operator_key(self, kid: KeyId) -> OperatorKey | None:
        """A key with which the centre's operators and processes state acts."""
        ...
