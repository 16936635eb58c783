"""The local API's JSON for units and keys: the directory's entries and the unit's own keys.

Runs in the worker's thread.
"""

from __future__ import annotations

from clients.daemon.api.views import Shown
from clients.daemon.state.unit_context import UnitContext
from keys.lifecycle import epoch_state, key_state
from keys.registrars.waiting import waiting_of
from keys.root_of_trust import fingerprint
from protocol.content.unit_text import unit_in_words
from protocol.epochs import bounds
from protocol.identifiers import UnitId
from protocol.parties import IdentityKey
from protocol.public_keys import IdentityPublic
from runtime.errors import NotFound


def unit_list(context: UnitContext) -> Shown:
    """Every unit of the directory."""
    return {"items": [unit_in_words(unit) for unit in context.directory.units()]}


def unit_item(context: UnitContext, name: UnitId) -> Shown:
    """One unit with its keys."""
    unit = context.directory.unit(name)
    if unit is None:
        raise NotFound(f"the directory has no unit {name}", hint="see 'units ls'")
    now = context.clock()
    current = context.directory.current_identity(name, now)
    return {
        **unit_in_words(unit),
        "fingerprint": None if current is None else fingerprint(current.public),
        "identities": [_identity(key, context) for key in context.directory.identities(name)],
        "epochs": [
            key.epoch
            for key in context.directory.epochs(name)
            if not key.revoked and bounds(key.epoch)[1] > now
        ],
        "waits": waiting_of(name, context.directory.ballots(now)),
    }


def own_keys(context: UnitContext) -> Shown:
    """The unit's own keys and their states."""
    now = context.clock()
    public = context.keys.signer.public
    known = context.directory.identity(context.unit, public.kid)
    return {
        "identity": _own_identity(context.unit, public) if known is None else _identity(known, context),
        "epochs": [
            {
                "epoch": key.epoch,
                "kid": key.public.kid.hex(),
                "state": epoch_state(key, now).value,
                "held": key.public.kid in context.keys.opener.kids(),
                "starts": bounds(key.epoch)[0],
                "ends": bounds(key.epoch)[1],
            }
            for key in context.directory.epochs(context.unit)
        ],
    }


def rotation(context: UnitContext, path: str) -> Shown:
    """Where the request for the next identity was written."""
    return {**own_keys(context)["identity"], "request": path}


def _own_identity(unit: UnitId, public: IdentityPublic) -> Shown:
    return {
        "unit": unit,
        "kid": public.kid.hex(),
        "state": "not-enrolled",
        "fingerprint": fingerprint(public),
        "not_before": None,
        "not_after": None,
    }


def _identity(key: IdentityKey, context: UnitContext) -> Shown:
    return {
        **_own_identity(key.unit, key.public),
        "state": key_state(key, context.clock()).value,
        "not_before": key.not_before,
        "not_after": key.not_after,
    }
