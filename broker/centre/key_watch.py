"""Which keys of the exchange end when: every party's in the directory, and the half-years of the policy.

Owns what `centre keys` and `centre status` tell of them. A party's keys end with the last one that is not
revoked: what was renewed is told of by its newest key. A party whose keys are all revoked has left.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from broker.ledger.trust import read_policy_file
from keys.directory import Directory
from keys.lifecycle import ENDING, KeyState, key_state
from protocol.identifiers import Millis
from protocol.limits import DAY
from protocol.parties import IdentityKey
from protocol.tlog.shards import named_until
from runtime.cli.home import read_settings
from runtime.process.homes import CentreHome

Row = dict[str, Any]


def key_rows(directory: Directory, *, moment: Millis, policy: Path | None = None) -> list[Row]:
    """One row for each party with keys in use, those of the centre first, and one for the policy file."""
    rows = [_root(directory)]
    for kind, keys in (
        ("registrar", directory.registrars()),
        ("router", directory.routers()),
        ("ledger", directory.ledgers()),
    ):
        by_name = sorted(keys, key=lambda key: key.unit)
        for _, own in groupby(by_name, key=lambda key: key.unit):
            rows += _party(kind, list(own), moment)
    for unit in directory.units():
        found = _party("unit", directory.identities(unit.unit), moment)
        # A suspended unit's key may well end: that it is looked at is known.
        rows += [row | {"state": "suspended"} if unit.suspended else row for row in found]
    if policy is not None and policy.exists():
        rows.append(_policy(policy, moment))
    return rows


def own_policy_file(home: CentreHome) -> Path | None:
    """The policy of the ledger of this home; None where it has none."""
    if not home.ledger_settings.exists():
        return None
    directory = read_settings(home.ledger_settings).get("directory")
    return Path(directory) / "policy" if isinstance(directory, str) else None


def ending(rows: Iterable[Row]) -> list[Row]:
    """Those for which somebody has to do something now."""
    return [row for row in rows if row["state"] in ("ending", "ended")]


def _party(kind: str, keys: Iterable[IdentityKey], moment: Millis) -> list[Row]:
    last = max((key for key in keys if not key.revoked), key=lambda key: key.not_after, default=None)
    if last is None:
        return []
    due = key_state(last, moment) is KeyState.DUE
    return [
        {
            "kind": kind,
            "name": last.unit,
            "kid": last.public.kid.hex(),
            "state": _state(last.not_after, moment, otherwise="due" if due else "lasting"),
            "until": last.not_after,
            "days_left": (last.not_after - moment) // DAY,
        }
    ]


def _policy(path: Path, moment: Millis) -> Row:
    until = named_until(log.key.name for log in read_policy_file(path).logs)
    return {
        "kind": "policy",
        "name": str(path.name),
        "kid": None,
        "state": "lasting" if until is None else _state(until, moment, otherwise="lasting"),
        "until": until,
        "days_left": None if until is None else (until - moment) // DAY,
    }


def _root(directory: Directory) -> Row:
    keys = directory.root.keys
    kid = keys[0].kid.hex()
    return {"kind": "root", "name": "root", "kid": kid, "state": "pinned", "until": None, "days_left": None}


def _state(until: Millis, moment: Millis, *, otherwise: str) -> str:
    if until < moment:
        return "ended"
    return "ending" if until - moment <= ENDING else otherwise
