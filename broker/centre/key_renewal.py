"""The next keys of the centre's parties: the registrar's, and those that the registrar appoints.

    centre renew NAME        of a router or ledger whose keys are in this home: made here, and appointed
    centre renew registrar   of a registrar whose keys are in this home, appointed with the root key
    centre appoint FILE      made elsewhere: of a further router, or the next one of any

Rules: a key is made and written before it is appointed; asked again, it is the same key. None is withdrawn:
the key of today lasts to its end, and so what is under way is finished with it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from broker.centre.agreements import secret_beside
from broker.centre.key_watch import key_rows, own_policy_file
from broker.centre.registry import Registry, registrar_of
from broker.centre.root_renewal import root_signer
from keys.appointments.own_identity import OwnIdentity
from keys.appointments.request import PROCESSES
from keys.ceremony import further_registrar
from keys.errors import KeyFileMissing
from keys.key_files import IDENTITY_FILE
from keys.lifecycle import LEDGER_LIFETIME, REGISTRAR_LIFETIME, ROUTER_LIFETIME
from keys.root_of_trust import fingerprint
from keys.statement_types import Appointment, StatementType
from keys.statements import issue
from protocol.parties import OperatorRole
from protocol.public_keys import IdentityPublic
from runtime.cli.command import Invocation
from runtime.errors import Conflict, NotFound
from runtime.process.clock import now
from runtime.process.homes import CentreHome

REGISTRAR = "registrar"

_NEXT = {
    OperatorRole.ROUTER: (StatementType.ROUTER, ROUTER_LIFETIME),
    OperatorRole.LEDGER: (StatementType.LEDGER, LEDGER_LIFETIME),
}


async def list_keys(invocation: Invocation) -> list[dict[str, Any]]:
    """Every party's key with its end, and the end of the policy of this home's ledger."""
    registry = await Registry.read(invocation)
    return key_rows(registry.directory, moment=now(), policy=own_policy_file(registry.home))


def shown_request(made: Appointment) -> dict[str, Any]:
    """What the registrar must see before going on."""
    public = made.public
    return {
        "kind": PROCESSES[made.stype],
        "name": made.name,
        "kid": public.kid.hex(),
        "fingerprint": fingerprint(public),
    }


async def renew_process(invocation: Invocation, name: str) -> dict[str, Any]:
    """Make and appoint the next key of a router or ledger of this home; it signs with it within a day."""
    async with Registry.open(invocation) as registry:
        own = _own(registry.home, name)
        known = registry.directory.operator_key(own.public.kid)
        if known is None or known.role not in _NEXT:
            raise Conflict(
                f"the directory has no router or ledger with the key of {name}",
                hint="appoint it from its request: 'contrada centre appoint FILE'",
            )
        stype, lifetime = _NEXT[known.role]
        made = own.appointment(stype, now=now(), lifetime=lifetime)
        return await _appointed(registry, made)


async def renew_registrar(
    invocation: Invocation, roots: Sequence[Path], *, root_secret: Path | None, name: str = REGISTRAR
) -> dict[str, Any]:
    """Appoint a registrar's next key with the root key, and use it from now on."""
    async with Registry.open(invocation) as registry:
        home, moment = registry.home, now()
        if name != REGISTRAR:
            # One more, or one whose key is lost: its next key is its first one here.
            further_registrar(home.keys / name, entropy=os.urandom)
        own = _own(home, name)
        if own.adopt(moment, directory=registry.directory, overlap=0) is None:
            made = own.appointment(StatementType.REGISTRAR, now=moment, lifetime=REGISTRAR_LIFETIME)
            keys = [root_signer(home, path, root_secret) for path in roots or (home.keys / "root",)]
            await registry.state([issue(made, signer=key, issued=moment) for key in keys])
            if own.adopt(moment, directory=registry.directory, overlap=0) is None:
                needed = registry.directory.root.threshold
                raise Conflict(
                    f"it takes {needed} root keys, and {len(keys)} have named the registrar's next key",
                    hint="name them all with --root-key, in one command",
                )
        return _shown(REGISTRAR, own.name, own.public, registry) | {"waits": False}


async def appoint_process(invocation: Invocation, made: Appointment) -> dict[str, Any]:
    """Appoint a key that was made elsewhere; its fingerprint was compared."""
    async with Registry.open(invocation) as registry:
        return await _appointed(registry, made)


async def _appointed(registry: Registry, made: Appointment) -> dict[str, Any]:
    known = registry.directory.operator_key(made.public.kid)
    if known is not None:
        raise Conflict(
            f"the next key of {made.name} is in the directory already",
            hint="it is signed with a day after that, or at once where the one before has ended",
        )
    registrar = registrar_of(registry.home, registry.directory)
    await registry.state([issue(made, signer=registrar, issued=now())])
    return _shown(PROCESSES[made.stype], made.name, made.public, registry) | {"waits": registry.waits}


def _shown(kind: str, name: str, public: IdentityPublic, registry: Registry) -> dict[str, Any]:
    found = registry.directory.operator_key(public.kid)
    return {
        "kind": kind,
        "name": name,
        "kid": public.kid.hex(),
        "fingerprint": fingerprint(public),
        "until": None if found is None else found.identity.not_after,
        "directory_size": registry.directory.head.size,
    }


def _own(home: CentreHome, name: str) -> OwnIdentity:
    path = home.keys / name / IDENTITY_FILE
    try:
        return OwnIdentity(path, secret=secret_beside(path, home), entropy=os.urandom)
    except KeyFileMissing:
        raise NotFound(
            f"{home.keys} has no keys of {name}",
            hint="on another machine: 'contrada router renew', then 'contrada centre appoint FILE' here",
        ) from None
