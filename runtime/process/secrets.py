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


def below(home: Path, path: Path | None) -> Path | None:
    """A path of a home's settings: where it is not absolute, it begins at the home."""
    return None if path is None else home / path
