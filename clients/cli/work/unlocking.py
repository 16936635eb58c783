"""Where the secret comes from that opens key files: a credential file, a passphrase file, a person.

Order: what the command line names; the service manager's `$CREDENTIALS_DIRECTORY`; what the home's
settings name; the person at the terminal. Never an argument: those are for everybody to read in /proc.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from clients.cli.errors import NoHome
from clients.cli.home import Home, settings
from keys.store import prepare_directory, read_credential, read_passphrase, write_private
from keys.unlock import CREDENTIAL_SIZE, Credential, Passphrase, Secret

SECRET_FILE = "secret"  # noqa: S105 - a file's name


def existing_secret(home: Home, settings_file: Path, *, credential: str) -> Secret:
    """The secret of a home that has keys already."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory and (path := Path(directory) / credential).exists():
        return read_credential(path)
    found = settings(settings_file)
    if isinstance(found.get("secret"), str):
        return read_credential(home.path / found["secret"])
    if isinstance(found.get("passphrase"), str):
        return read_passphrase(home.path / found["passphrase"])
    return Passphrase(_ask("passphrase of the keys", again=False))


def new_secret(home: Home, *, file: Path | None, ask: bool) -> tuple[Secret, str | None]:
    """The secret for keys to be made, and the file that the settings are to name."""
    if ask:
        return Passphrase(_ask("passphrase for the new keys", again=True)), None
    if file is not None:
        return read_credential(file), str(file.absolute())
    path = home.path / SECRET_FILE
    if not path.exists():
        prepare_directory(home.path)
        write_private(path, os.urandom(CREDENTIAL_SIZE), entropy=os.urandom)
    return _credential(path), SECRET_FILE


def _credential(path: Path) -> Credential:
    return read_credential(path)


def _ask(what: str, *, again: bool) -> str:
    if not sys.stdin.isatty():
        raise NoHome(
            "nothing opens the key files", hint="name a credential file with 'secret' in the home's settings"
        )
    answer: str = click.prompt(what, hide_input=True, confirmation_prompt=again, err=True)
    return answer
