"""Membership: who takes part, and what the registrar states about those that do.

How units are taken in is broker/centre/enrolments.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from broker.centre.registry import Registry, read_directory_topic, warn_of_refused
from broker.centre.root_renewal import root_signer
from keys.directory import Directory
from keys.lifecycle import epoch_state, key_state
from keys.registrars.waiting import about_whom, waiting_of
from keys.root_of_trust import fingerprint
from protocol.content.unit_text import unit_in_words
from protocol.epochs import bounds
from protocol.identifiers import IdPrefix, KeyId, Millis, UnitId
from runtime.cli.command import Invocation
from runtime.cli.home import bootstrap, centre_home
from runtime.cli.render import say
from runtime.errors import Ambiguous, NotFound
from runtime.process.clock import now


async def change_status(invocation: Invocation, unit: str, *, suspended: bool, reason: str) -> dict[str, Any]:
    """Suspend or resume."""
    async with Registry.open(invocation) as registry:
        await registry.state([registry.status_change(UnitId(unit), suspended=suspended, reason=reason)])
        size = registry.directory.head.size
        return {"unit": unit, "suspended": suspended, "directory_size": size, "waits": registry.waits}


async def named_key(invocation: Invocation, unit: str, wanted: bytes | IdPrefix) -> KeyId:
    """The key that is meant, before anybody is asked whether it is to go. A whole id is taken as it is."""
    if not isinstance(wanted, IdPrefix):
        return KeyId(wanted)
    home = centre_home(invocation)
    directory, _ = await read_directory_topic(home, bootstrap(invocation, home))
    return find_key(directory, UnitId(unit), wanted)


def find_key(directory: Directory, unit: UnitId, wanted: IdPrefix) -> KeyId:
    """The one key of this unit, or of a party of the centre, that begins so; `NotFound` or `Ambiguous`."""
    signing = (
        *directory.identities(unit),
        *directory.routers(),
        *directory.ledgers(),
        *directory.registrars(),
    )
    own = {key.public.kid for key in signing} | {key.public.kid for key in directory.epochs(unit)}
    found = sorted(kid for kid in own if wanted.begins(kid))
    if not found:
        raise NotFound(
            f"no key of {unit} begins with {wanted.digits}", hint=f"see 'contrada units show {unit} --json'"
        )
    if len(found) > 1:
        raise Ambiguous(wanted.digits, [kid.hex() for kid in found])
    return KeyId(found[0])


async def revoke_key(
    invocation: Invocation,
    unit: str,
    kid: KeyId,
    *,
    reason: str,
    since: int | None,
    roots: Sequence[Path] = (),
    root_secret: Path | None = None,
) -> dict[str, Any]:
    """Withdraw a key: a registrar's with root keys, any other with the registrar's."""
    async with Registry.open(invocation) as registry:
        moment, before = None if since is None else Millis(since), registry.directory.units()
        signers = [root_signer(registry.home, path, root_secret) for path in roots]
        made = [
            registry.revocation(UnitId(unit), kid, reason=reason, since=moment, root=signer)
            for signer in signers or (None,)
        ]
        await registry.state(made)
        # With a registrar's stolen key falls what it stated: whoever revokes it states anew what was right.
        changed = [each.unit for each in before if registry.directory.unit(each.unit) != each]
        size = registry.directory.head.size
        done = {"unit": unit, "kid": kid.hex(), "changed_units": changed, "directory_size": size}
        return done | {"waits": registry.waits}


async def revoke_all_keys(
    invocation: Invocation, unit: str, *, reason: str, since: int | None
) -> dict[str, Any]:
    """Withdraw every identity of a unit that is left, as compromised: so its epoch keys fall, too."""
    async with Registry.open(invocation) as registry:
        name, moment = UnitId(unit), Millis(now() if since is None else since)
        registry.known(name)
        left = [key.public.kid for key in registry.directory.identities(name) if not key.revoked]
        if not left:
            raise NotFound(f"{unit} has no key that is not revoked", hint="see 'contrada centre units'")
        await registry.state(
            [registry.revocation(name, kid, reason=reason, since=moment) for kid in left],
        )
        return {
            "unit": unit,
            "kids": [kid.hex() for kid in left],
            "directory_size": registry.directory.head.size,
        }


async def list_units(invocation: Invocation) -> list[dict[str, Any]]:
    """All units, with the states of their keys now, and what waits for another registrar's agreement."""
    registry = await Registry.read(invocation)
    warn_of_refused(registry.refused, unread=registry.directory.unread)
    directory, ballots = registry.directory, registry.directory.ballots(now())
    rows = [
        _row(directory, each.unit) | {"waits": waiting_of(each.unit, ballots)} for each in directory.units()
    ]
    others = sorted(about_whom(ballots) - {row["unit"] for row in rows})
    if others:
        say(f"hint: {', '.join(others)}: not in yet, or no unit; see contrada centre agree ls")
    return rows


def _row(directory: Directory, name: UnitId) -> dict[str, Any]:
    unit = directory.unit(name)
    if unit is None:
        raise NotFound(f"the directory knows no unit {name}")
    moment = now()
    identity = directory.current_identity(name, moment)
    live = [key for key in directory.epochs(name) if not key.revoked and bounds(key.epoch)[1] > moment]
    return {
        **unit_in_words(unit),
        "identity": None if identity is None else key_state(identity, moment).value,
        "identity_kid": None if identity is None else identity.public.kid.hex(),
        "identity_until": None if identity is None else identity.not_after,
        "fingerprint": None if identity is None else fingerprint(identity.public),
        "epochs": [f"{key.epoch} {epoch_state(key, moment).value}" for key in live],
    }
