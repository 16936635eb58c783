"""The parties of the vectors: fixed seeds, and the directory that follows from them.

Owns who they are (`PARTIES`, written to parties.json) and how a reader rebuilds them from that file alone. The
seeds are public and for tests only.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from keys.soft_keys import SoftEpochKey, SoftIdentity, SoftOpener
from protocol.codes import Classification, LegalBasis, Purpose, UnitKind
from protocol.exchange.exchange_policy import PROTOCOL_POLICY, ExchangePolicy
from protocol.identifiers import KeyId, Millis, UnitId
from protocol.limits import DAY
from protocol.merkle import EMPTY_ROOT
from protocol.parties import EpochKey, IdentityKey, OperatorKey, OperatorRole, TreeHead, Unit
from protocol.public_keys import EpochPublic, IdentityPublic
from protocol.signatures import Suite

NOW = 1_795_000_000_000
EPOCH = NOW // (7 * DAY)
HEAD = TreeHead(7, sha256(b"the directory of the vectors").digest())

_UNITS: dict[str, dict[str, Any]] = {
    "fr": {},
    "it": {},
    "centre": {"kind": 3},
    "nz": {"kind": 5, "basis": 10, "clearance": 0, "purposes": [2]},
    "ch": {"kind": 5, "basis": 4},
    "es": {"min_suite": 2},
    "fr-customs": {"kind": 2, "national_unit": "fr"},
    "suspended": {"suspended": True},
}
# name of the identity: whose it is, and what the directory says of it
_IDENTITIES: dict[str, dict[str, Any]] = {
    **{unit: {"unit": unit} for unit in _UNITS},
    "fr-revoked": {"unit": "fr", "revoked": True},
    "fr-stolen": {"unit": "fr", "revoked": True, "compromised_since": NOW - DAY},
    "fr-expired": {"unit": "fr", "not_after": NOW - 1},
    "fr-later": {"unit": "fr", "not_before": NOW + DAY},
    "router": {"unit": "router", "router": True},
    "router-stolen": {"unit": "router", "router": True, "revoked": True, "compromised_since": NOW - DAY},
    "stranger": {"unit": "stranger", "unknown": True},
}


def seed(what: str) -> bytes:
    """32 bytes for this name."""
    return sha256(f"contrada test vectors: {what}".encode()).digest()


def identity(name: str) -> SoftIdentity:
    """The private side of an identity."""
    whose = _IDENTITIES[name]["unit"]
    return SoftIdentity(
        UnitId(whose), ed25519_seed=seed(f"{name} ed25519"), ml_dsa_65_seed=seed(f"{name} ml-dsa-65")
    )


def epoch_key(unit: str) -> SoftEpochKey:
    """A unit's epoch key."""
    return SoftEpochKey(UnitId(unit), epoch=EPOCH, seed=seed(f"{unit} epoch {EPOCH}"))


def described() -> dict[str, Any]:
    """The content of parties.json."""
    return {
        "what": "The parties of all vectors. Seeds are public: never use them for anything else.",
        "now": NOW,
        "directory": {"size": HEAD.size, "root": HEAD.root.hex()},
        "units": [_unit(name, changes) for name, changes in _UNITS.items()],
        "identities": [_identity(name, changes) for name, changes in _IDENTITIES.items()],
        "epoch_keys": [_epoch(unit) for unit in _UNITS],
    }


def _unit(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    base = {
        "unit": name, "kind": 1, "name": name.upper(), "clearance": 1, "basis": 1, "purposes": [1, 2, 3, 4, 5, 6],
        "national_unit": None, "waives_copy": False, "min_suite": 1, "suspended": False,
    }  # fmt: skip
    return {**base, **changes}


def _identity(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    public = identity(name).public
    base = {
        "identity": name,
        "unit": name,
        "ed25519_seed": seed(f"{name} ed25519").hex(),
        "ml_dsa_65_seed": seed(f"{name} ml-dsa-65").hex(),
        "ed25519": public.ed25519.hex(),
        "ml_dsa_65": public.ml_dsa_65.hex(),
        "kid": public.kid.hex(),
        "pq_kid": public.pq_kid.hex(),
        "not_before": NOW - 30 * DAY,
        "not_after": NOW + 300 * DAY,
        "revoked": False,
        "compromised_since": None,
        "router": False,
        "unknown": False,
    }
    return {**base, **changes}


def _epoch(unit: str) -> dict[str, Any]:
    key = epoch_key(unit)
    made = {"unit": unit, "epoch": EPOCH, "seed": seed(f"{unit} epoch {EPOCH}").hex()}
    return {**made, "x_wing": key.public.x_wing.hex(), "kid": key.kid.hex()}


@dataclass(frozen=True)
class Directory:
    """`protocol.parties.Parties` from parties.json alone."""

    units: dict[UnitId, Unit]
    identities: dict[tuple[str, KeyId], IdentityKey]
    epochs: dict[tuple[str, KeyId], EpochKey]
    routers: dict[KeyId, IdentityKey]
    head: TreeHead

    @classmethod
    def of(cls, written: dict[str, Any]) -> Directory:
        """The directory that the file describes."""
        keys = [(entry, _identity_key(entry)) for entry in written["identities"] if not entry["unknown"]]
        return cls(
            {entry["unit"]: _unit_of(entry) for entry in written["units"]},
            {(e["unit"], key.public.kid): key for e, key in keys if not e["router"]},
            {(e["unit"], bytes.fromhex(e["kid"])): _epoch_of(e) for e in written["epoch_keys"]},
            {key.public.kid: key for e, key in keys if e["router"]},
            TreeHead(written["directory"]["size"], bytes.fromhex(written["directory"]["root"])),
        )

    @property
    def agreeing(self) -> int:
        """One registrar is enough where nothing else is written."""
        return 1

    def policy_at(self, moment: Millis) -> ExchangePolicy:
        """The protocol's own: no registrar has stated another."""
        return PROTOCOL_POLICY

    def root_at(self, size: int) -> bytes | None:
        """The two heads that this directory ever had."""
        return {0: EMPTY_ROOT, self.head.size: self.head.root}.get(size)

    def unit(self, unit: UnitId) -> Unit | None:
        """A unit."""
        return self.units.get(unit)

    def identity(self, unit: UnitId, kid: KeyId) -> IdentityKey | None:
        """A unit's identity."""
        return self.identities.get((unit, kid))

    def epoch_key(self, unit: UnitId, kid: KeyId) -> EpochKey | None:
        """A unit's epoch key."""
        return self.epochs.get((unit, kid))

    def epoch_key_for(self, unit: UnitId, epoch: int) -> EpochKey | None:
        """The unit's one epoch key, in its epoch."""
        return next(
            (key for (whose, _), key in self.epochs.items() if whose == unit and key.epoch == epoch), None
        )

    def router_key(self, kid: KeyId) -> IdentityKey | None:
        """A router's key."""
        return self.routers.get(kid)

    def is_router(self, name: str) -> bool:
        """Whether a router has this name."""
        return any(key.unit == name for key in self.routers.values())

    def operator_key(self, kid: KeyId) -> OperatorKey | None:
        """A router's key: the only operators of these vectors."""
        key = self.routers.get(kid)
        return None if key is None else OperatorKey(OperatorRole.ROUTER, key)


def opener_of(written: dict[str, Any], unit: str) -> SoftOpener:
    """A unit's private epoch keys, from the file."""
    opener = SoftOpener()
    for entry in written["epoch_keys"]:
        if entry["unit"] == unit:
            opener.put(SoftEpochKey(UnitId(unit), epoch=entry["epoch"], seed=bytes.fromhex(entry["seed"])))
    return opener


def _unit_of(entry: dict[str, Any]) -> Unit:
    return Unit(
        unit=entry["unit"],
        kind=UnitKind(entry["kind"]),
        name=entry["name"],
        clearance=Classification(entry["clearance"]),
        basis=LegalBasis(entry["basis"]),
        purposes=frozenset(map(Purpose, entry["purposes"])),
        national_unit=entry["national_unit"],
        waives_copy=entry["waives_copy"],
        min_suite=Suite(entry["min_suite"]),
        suspended=entry["suspended"],
    )


def _identity_key(entry: dict[str, Any]) -> IdentityKey:
    public = IdentityPublic(bytes.fromhex(entry["ed25519"]), bytes.fromhex(entry["ml_dsa_65"]))
    times = {name: entry[name] for name in ("not_before", "not_after", "revoked", "compromised_since")}
    return IdentityKey(entry["unit"], public, **times)


def _epoch_of(entry: dict[str, Any]) -> EpochKey:
    return EpochKey(entry["unit"], entry["epoch"], EpochPublic(bytes.fromhex(entry["x_wing"])), revoked=False)
