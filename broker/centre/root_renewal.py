"""`centre renew root`: the next pinned root, for people to hand out; and what only the root withdraws.

    a new root key -> the file that everybody pins instead -> handed out, compared by voice -> used

Owns making that file. Rules: nothing of it is published. The next root keeps the statements that the present
key has made, as the directory has them now (keys/root_of_trust.py): every directory stays what it is, with
either of the two roots. Its key appoints nobody before everybody has pinned it: others would refuse that.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from broker.centre.registry import Registry
from keys.errors import KeyFileExists
from keys.key_files import IDENTITY_FILE, make_identity, read_identity
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import PrivateIdentity
from keys.statements import parse_statement
from keys.store import prepare_directory, read_credential, write_public
from keys.unlock import Secret
from protocol.identifiers import KeyId, UnitId, digest
from runtime.cli.command import Invocation
from runtime.cli.unlocking import existing_secret
from runtime.errors import Conflict
from runtime.process.homes import CentreHome

NEXT_ROOT = "root-next"
"""The directory of the next root key, beside the others."""


async def renew_root(
    invocation: Invocation, out: Path, roots: Sequence[Path], *, root_secret: Path | None
) -> dict[str, Any]:
    """Make the next root key, and the file to pin; returns what to report."""
    async with Registry.open(invocation) as registry:
        home, root = registry.home, registry.directory.root
        present = _present(home, root, roots, root_secret)
        made = [data for data in registry.directory.snapshot() if parse_statement(data).signed.kid == present]
        key = _next_key(home.keys / NEXT_ROOT, existing_secret(home))
        if key.public in root.keys:
            raise Conflict(
                f"{home.keys / NEXT_ROOT} has the present root key", hint="take it offline, as the first one"
            )
        following = root.followed_by(key.public, present, [digest(data) for data in made])
        write_public(out, following.encoded(), entropy=os.urandom)
        return {
            "file": str(out),
            "fingerprint": following.fingerprint(),
            "instead_of": root.fingerprint(),
            "key": str(home.keys / NEXT_ROOT),
            "kept": len(made),
        }


def root_signer(home: CentreHome, path: Path, root_secret: Path | None) -> PrivateIdentity:
    """A root key: the file, or the directory with the file that the founding made."""
    secret = existing_secret(home) if root_secret is None else read_credential(root_secret)
    return read_identity(path / IDENTITY_FILE if path.is_dir() else path, secret=secret)


def _present(home: CentreHome, root: RootOfTrust, roots: Sequence[Path], root_secret: Path | None) -> KeyId:
    """Which root key is exchanged; one that is lost need not be there, if there is no other."""
    if roots:
        kid = root_signer(home, roots[0], root_secret).public.kid
    elif len(root.keys) == 1:
        kid = root.keys[0].kid
    else:
        raise Conflict(f"the root has {len(root.keys)} keys", hint="name the one that goes with --root-key")
    if kid not in [key.kid for key in root.keys]:
        raise Conflict("the pinned root has not this key", hint="name the present root key with --root-key")
    return kid


def _next_key(directory: Path, secret: Secret) -> PrivateIdentity:
    prepare_directory(directory)
    path = directory / IDENTITY_FILE
    try:
        return make_identity(path, UnitId("root"), secret=secret, entropy=os.urandom)
    except KeyFileExists:
        return read_identity(path, secret=secret)
