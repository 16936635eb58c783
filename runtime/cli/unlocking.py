"""The secret that opens the centre's key files, for commands.

Always a file, never an argument, which every user could read in /proc. Order: the service manager's
`$CREDENTIALS_DIRECTORY`, then what the home's settings name.
"""

from __future__ import annotations

import os
from pathlib import Path

from keys.store import prepare_directory, read_credential, write_private
from keys.unlock import CREDENTIAL_SIZE, Secret
from runtime.cli.errors import NoHome
from runtime.cli.home import read_settings
from runtime.process.homes import CentreHome
from runtime.process.secrets import find_secret


def existing_secret(home: CentreHome) -> Secret:
    """The secret of a centre that has keys already."""
    brought = find_secret(home.secret.name)
    if brought is not None:
        return brought
    named = read_settings(home.settings).get("secret")
    if not isinstance(named, str):
        raise NoHome(
            "nothing opens the centre's keys",
            hint=f"name a file with 'secret' in {home.settings}, or run under systemd with LoadCredential",
        )
    return read_credential(home.path / named)


def new_secret(home: CentreHome, *, file: Path | None) -> tuple[Secret, str]:
    """The secret for keys to be made, and the path that the settings are to name."""
    if file is not None:
        return read_credential(file), str(file.absolute())
    path = home.secret
    if not path.exists():
        prepare_directory(home.path)
        write_private(path, os.urandom(CREDENTIAL_SIZE), entropy=os.urandom)
    return read_credential(path), path.name
