"""The values of directory statements. Pure.

Owns the list of statement types that this program reads, and their fields. Their wire format is in
`statements`, who may issue them and to what effect in `rules`. What has a later number is `Unread`: it has
its place in the directory, so that programs of different versions have the same one (docs/adr/0031).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocol.codes import Classification, LegalBasis, Purpose, UnitKind
from protocol.envelope.quotas import Quota
from protocol.exchange.exchange_policy import ExchangePolicy
from protocol.identifiers import KeyId, Millis, UnitId
from protocol.parties import Unit
from protocol.public_keys import EpochPublic, IdentityPublic
from protocol.signatures import Suite

MAX_NAME = 200
MAX_REASON = 200
MAX_PARTITIONS = 64
MAX_TYPE = 65_535


class StatementType(IntEnum):
    """The statements that this program reads."""

    REGISTRAR = 1
    UNIT = 2
    IDENTITY = 3
    EPOCH = 4
    STATUS = 5
    REVOCATION = 6
    ROUTER = 7
    LEDGER = 8
    SUCCESSION = 9
    QUOTA = 10
    POLICY = 11


LAST_FOUNDING_TYPE = StatementType.SUCCESSION
"""Statements up to this number have their place by their bodies too: whoever does not read one refuses it.
What has a later number is kept unread. For ever the same, or two programs have two directories."""

READING: Final = f"later-kept,undone,agreed,counted,{max(StatementType)}"
"""By which rules statements have their place, and which types are read. Another program's may have left out
what this one has: it is read again."""

APPOINTMENTS = frozenset({
    StatementType.REGISTRAR, StatementType.IDENTITY, StatementType.ROUTER, StatementType.LEDGER,
    StatementType.SUCCESSION,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Appointment:
    """A signing identity is bound to a registrar's, a unit's, a router's or a ledger's name.

    In a succession the issuer's own name: the role is the issuer's.
    """

    stype: StatementType
    name: UnitId
    public: IdentityPublic
    not_before: Millis
    not_after: Millis
    proof: bytes
    """The appointed key signs its own name and validity: no party gets another's key appointed."""


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """The registrar's facts about a unit. A higher version replaces the whole of a lower one."""

    unit: UnitId
    version: int
    kind: UnitKind
    name: str
    clearance: Classification
    basis: LegalBasis
    purposes: frozenset[Purpose]
    national_unit: UnitId | None
    waives_copy: bool
    min_suite: Suite
    outbox_partitions: int = 1
    inbox_partitions: int = 1

    def as_unit(self, *, suspended: bool) -> Unit:
        """The unit in the form in which the protocol asks for it."""
        return Unit(
            unit=self.unit,
            kind=self.kind,
            name=self.name,
            clearance=self.clearance,
            basis=self.basis,
            purposes=self.purposes,
            national_unit=self.national_unit,
            waives_copy=self.waives_copy,
            min_suite=self.min_suite,
            suspended=suspended,
        )


@dataclass(frozen=True, slots=True)
class EpochPublication:
    """A unit publishes the key to which others seal during one epoch."""

    unit: UnitId
    epoch: int
    public: EpochPublic


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A unit is suspended or resumed."""

    unit: UnitId
    suspended: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key is withdrawn for good. `unit` is the name that it was appointed to."""

    unit: UnitId
    kid: KeyId
    reason: str
    compromised_since: Millis | None
    """Null: withdrawn in good order. Otherwise nothing that it signed from then on is trusted."""


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """How much a unit may ask for, from now on."""

    unit: UnitId
    quota: Quota


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """By what the rules of the exchange judge, from a time on. Each version is one more than the last."""

    version: int
    since: Millis
    """It is in force no sooner: registrars/policies.py."""

    policy: ExchangePolicy


@dataclass(frozen=True, slots=True)
class Unread:
    """What a statement of a later type says: kept as it is, and read by programs that know the type."""

    stype: int
    item: bytes
    """The body, encoded."""


Body = (
    Appointment
    | UnitFacts
    | EpochPublication
    | StatusChange
    | Revocation
    | QuotaChange
    | PolicyVersion
    | Unread
)


@dataclass(frozen=True, slots=True)
class Statement:
    """Issuer, body, and the time by the issuer's clock."""

    issued: Millis
    issuer: KeyId
    body: Body

    @property
    def about(self) -> UnitId | None:
        """Whom it is about: a unit, registrar, router or ledger; None where that is all, or unreadable."""
        match self.body:
            case Appointment():
                return self.body.name
            case PolicyVersion() | Unread():
                return None
            case _:
                return self.body.unit


_TYPES: Final[dict[type[Body], StatementType]] = {
    UnitFacts: StatementType.UNIT,
    EpochPublication: StatementType.EPOCH,
    StatusChange: StatementType.STATUS,
    Revocation: StatementType.REVOCATION,
    QuotaChange: StatementType.QUOTA,
    PolicyVersion: StatementType.POLICY,
}


def body_type(body: Body) -> int:
    """The type under which this body is stated."""
    return body.stype if isinstance(body, Appointment | Unread) else _TYPES[type(body)]
