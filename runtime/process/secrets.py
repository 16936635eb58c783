"""The search for the secret that opens a process's private keys.

Always a file, never an argument or the environment, which others can read in /proc. In this order: what the
settings name, what the service manager provides (`$CREDENTIALS_DIRECTORY`, systemd's LoadCredential), what
lies beside the keys. How such a file is read and refused is keys/store.py.
"""

from __future__ import annotations

import os
from pathlib import Path

from keys.store import read_credential, read_passphrase
from keys.unlock import Secret


def find_secret(
    name: str, *, secret: Path | None = None, passphrase: Path | None = None, beside: Path | None = None
) -> Secret | None:
    """What opens the keys; None if nothing does.

    `name` is the credential's for the service manager, such as `router.secret`. `secret` and `passphrase`
    are as set: one that is set and is not there is an error of keys/store.py, as is one that others can
    read. `beside` is where a trial keeps it, beside the keys.
    """
    if passphrase is not None:
        return read_passphrase(passphrase)
    if secret is not None:
        return read_credential(secret)
    brought = os.environ.get("CREDENTIALS_DIRECTORY")
    candidates = [Path(brought) / name] if brought else []
    if beside is not None:
        candidates.append(beside)
    for candidate in candidates:
        if candidate.exists():
            return read_credential(candidate)
    return None


def credential_to_come(
    name: str, *, secret: Path | None = None, passphrase: Path | None = None, beside: Path | None = None
) -> str | None:
    """What to say of keys that only the service manager can open, where this is not its service; else None.

    For a check of the settings from a shell. A secret that is set, or that lies beside the keys, is there to
    be tried; and where the service manager brings credentials, this one has to be among them.
    """
    set_here = secret is not None or passphrase is not None or (beside is not None and beside.exists())
    if set_here or os.environ.get("CREDENTIALS_DIRECTORY"):
        return None
    return (
        "the settings are complete; the keys were not opened: the service manager brings what opens them,"
        f" the credential {name} ('systemd-run --pipe --wait -p LoadCredential={name}:FILE ...' tries it)"
    )


def below(home: Path, path: Path | None) -> Path | None:
    """A path of a home's settings: where it is not absolute, it begins at the home."""
    return None if path is None else home / path
