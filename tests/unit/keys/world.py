"""A small exchange in memory for the tests of keys/: a root, a registrar, a router and units, all real.

Keys are derived from names, so that a failure is the same the next time.
"""

from __future__ import annotations

from functools import cache
from hashlib import shake_256

from keys.directory import Applied, Directory
from keys.possession import appoint
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import SoftEpochKey, SoftIdentity
from keys.statement_types import Body, EpochPublication, Revocation, StatementType, StatusChange, UnitFacts
from keys.statements import issue
from protocol.codes import Classification, LegalBasis, Purpose, UnitKind
from protocol.epochs import epoch_of
from protocol.identifiers import Entropy, KeyId, Millis, UnitId, parse_unit_id
from protocol.limits import DAY
from protocol.signatures import Suite

NOW = Millis(1_800_000_000_000)
YEAR = 365 * DAY


def entropy_of(text: str) -> Entropy:
    """Bytes that follow from a text; different at each call."""
    calls = 0

    def entropy(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return shake_256(f"{text}/{calls}".encode()).digest(size)

    return entropy


@cache
def identity(name: str, generation: int = 1) -> SoftIdentity:
    """The n-th identity of this name."""
    return SoftIdentity.generate(parse_unit_id(name), entropy_of(f"identity/{name}/{generation}"))


@cache
def epoch_key(name: str, epoch: int, generation: int = 1) -> SoftEpochKey:
    """The n-th key of a unit for this epoch."""
    return SoftEpochKey.generate(parse_unit_id(name), epoch, entropy_of(f"epoch/{name}/{epoch}/{generation}"))


def facts(unit: str, *, version: int = 1, **changes: object) -> UnitFacts:
    """Plausible facts about a unit."""
    fields: dict[str, object] = {
        "unit": parse_unit_id(unit),
        "version": version,
        "kind": UnitKind.NATIONAL_UNIT,
        "name": unit.upper(),
        "clearance": Classification.EU_RESTRICTED,
        "basis": LegalBasis.UNION_LAW,
        "purposes": frozenset({Purpose.CROSS_CHECK, Purpose.OPERATIONAL}),
        "national_unit": None,
        "waives_copy": False,
        "min_suite": Suite.CLASSICAL,
    }
    return UnitFacts(**(fields | changes))  # type: ignore[arg-type]


def appointment(
    stype: StatementType,
    key: SoftIdentity,
    *,
    name: str | None = None,
    not_before: int = NOW,
    not_after: int = NOW + YEAR,
) -> Body:
    """An appointment with its proof of possession."""
    return appoint(
        stype,
        key.name if name is None else parse_unit_id(name),
        signer=key,
        not_before=Millis(not_before),
        not_after=Millis(not_after),
    )


def publication(unit: str, epoch: int, generation: int = 1) -> EpochPublication:
    """A unit's key for an epoch."""
    return EpochPublication(parse_unit_id(unit), epoch, epoch_key(unit, epoch, generation).public)


def status(unit: str, *, suspended: bool, reason: str = "a test") -> StatusChange:
    """A unit is suspended or resumed."""
    return StatusChange(parse_unit_id(unit), suspended, reason)


def revocation(unit: str, kid: KeyId, *, since: int | None = None) -> Revocation:
    """A key is withdrawn."""
    return Revocation(parse_unit_id(unit), kid, "a test", None if since is None else Millis(since))


def stated(body: Body, *, by: SoftIdentity, at: int = NOW) -> bytes:
    """A signed statement."""
    return issue(body, signer=by, issued=Millis(at))


class World:
    """A directory with a root and a registrar, and short ways to go on from there."""

    def __init__(
        self, *, roots: int = 1, threshold: int = 1, registrars: int = 1, cooling_off: int = 0
    ) -> None:
        self.root_keys = [identity("root", n + 1) for n in range(roots)]
        keys = tuple(key.public for key in self.root_keys)
        self.root = RootOfTrust(keys, threshold, registrars=registrars, cooling_off=cooling_off)
        self.registrar = identity("registrar")
        self.registrars = [self.registrar, *(identity(f"registrar-{n + 1}") for n in range(1, registrars))]
        self.directory = Directory(self.root)
        for registrar in self.registrars:
            made = appointment(StatementType.REGISTRAR, registrar)
            for root_key in self.root_keys[:threshold]:
                self.apply(made, by=root_key)

    def apply(self, body: Body, *, by: SoftIdentity, at: int = NOW) -> Applied:
        """State and take in."""
        return self.directory.apply(stated(body, by=by, at=at))

    def agreed(self, body: Body, *, at: int = NOW) -> Applied:
        """Stated by all registrars."""
        return [self.apply(body, by=registrar, at=at) for registrar in self.registrars][-1]

    def enrol(self, unit: str, *, at: int = NOW, epochs: bool = True) -> SoftIdentity:
        """A unit with an identity and, on request, its three epoch keys."""
        key = identity(unit)
        self.agreed(facts(unit), at=at)
        self.agreed(appointment(StatementType.IDENTITY, key, not_before=at, not_after=at + YEAR), at=at)
        if epochs:
            for epoch in range(epoch_of(Millis(at)), epoch_of(Millis(at)) + 3):
                self.apply(publication(unit, epoch), by=key, at=at)
        return key


FR, IT, DE = UnitId("fr"), UnitId("it"), UnitId("de")
EPOCH_NOW = epoch_of(NOW)
