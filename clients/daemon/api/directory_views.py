"""What the local API shows of units and keys: the directory's entries and the unit's own keys as JSON.

Runs in the worker's thread.
"""

from __future__ import annotations

from clients.daemon.api.views import Shown
from clients.daemon.state.unit_context import Office
from keys.lifecycle import epoch_state, key_state
from keys.root_of_trust import fingerprint
from protocol.content.code_forms import show_code
from protocol.epochs import bounds
from protocol.identifiers import UnitId
from protocol.parties import IdentityKey, Unit
from protocol.public_keys import IdentityPublic
from runtime.errors import NotFound


def units(office: Office) -> Shown:
    """Every unit of the directory."""
    return {"items": [_unit(unit) for unit in office.directory.units()]}


def unit_item(office: Office, name: UnitId) -> Shown:
    """One unit with its keys."""
    unit = office.directory.unit(name)
    if unit is None:
        raise NotFound(f"the directory has no unit {name}", hint="see 'units ls'")
    now = office.clock()
    current = office.directory.current_identity(name, now)
    return {
        **_unit(unit),
        "fingerprint": None if current is None else fingerprint(current.public),
        "identities": [_identity(key, office) for key in office.directory.identities(name)],
        "epochs": [
            key.epoch
            for key in office.directory.epochs(name)
            if not key.revoked and bounds(key.epoch)[1] > now
        ],
    }


def own_keys(office: Office) -> Shown:
    """The unit's own keys and their states."""
    now = office.clock()
    public = office.keys.signer.public
    known = office.directory.identity(office.unit, public.kid)
    return {
        "identity": _own_identity(office.unit, public) if known is None else _identity(known, office),
        "epochs": [
            {
                "epoch": key.epoch,
                "kid": key.public.kid.hex(),
                "state": epoch_state(key, now).value,
                "held": key.public.kid in office.keys.opener.kids(),
                "starts": bounds(key.epoch)[0],
                "ends": bounds(key.epoch)[1],
            }
            for key in office.directory.epochs(office.unit)
        ],
    }


def rotation(office: Office, path: str) -> Shown:
    """Where the request for the next identity was written."""
    return {**own_keys(office)["identity"], "request": path}


def _unit(unit: Unit) -> Shown:
    return {
        "unit": unit.unit,
        "kind": show_code(unit.kind),
        "name": unit.name,
        "clearance": show_code(unit.clearance),
        "basis": show_code(unit.basis),
        "purposes": [show_code(purpose) for purpose in sorted(unit.purposes)],
        "national_unit": unit.national_unit,
        "waives_copy": unit.waives_copy,
        "min_suite": int(unit.min_suite),
        "suspended": unit.suspended,
    }


def _own_identity(unit: UnitId, public: IdentityPublic) -> Shown:
    return {
        "unit": unit,
        "kid": public.kid.hex(),
        "state": "not-enrolled",
        "fingerprint": fingerprint(public),
        "not_before": None,
        "not_after": None,
    }


def _identity(key: IdentityKey, office: Office) -> Shown:
    return {
        **_own_identity(key.unit, key.public),
        "state": key_state(key, office.clock()).value,
        "not_before": key.not_before,
        "not_after": key.not_after,
    }
