"""`witness init`: makes a witness's home.

Its state is made here, once; a witness without it does not start.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from clients.witness.head_store import HeadStore
from clients.witness.home import WitnessHome, witness_home
from clients.witness.settings import WitnessSettings, witness_secret
from keys.errors import KeyFileExists
from keys.note_keys import NoteKey, NoteUse, read_note_key, write_note_key
from keys.store import prepare_directory, write_private
from keys.unlock import CREDENTIAL_SIZE
from protocol.errors import Rejected
from protocol.limits import MAX_POLICY_TEXT
from protocol.tlog.notes import check_key_name
from protocol.tlog.policy import parse_policy
from protocol.tlog.policy_text import WitnessEntry, policy_text
from runtime.cli.errors import BadInput
from runtime.cli.file_kinds import FileKind, read_kind
from runtime.errors import Conflict, HomeError
from runtime.files import replace_file
from runtime.process.settings_text import toml_text


def make_witness(path: Path, settings: Mapping[str, Any], *, policy: Path | None) -> dict[str, Any]:
    """Make it; returns what to print.

    The settings are written last: an interrupted run leaves no witness, and the next completes it. A key that
    is there is kept, and so is what it signed.
    """
    home = witness_home(path)
    if home.is_there:
        raise Conflict(f"{home.path} is a witness's home already", hint="name another directory with --home")
    name = _name(settings["name"])
    chosen = _settings(settings)
    rules = None if policy is None else _policy(policy)
    prepare_directory(home.path)
    _own_secret(home, chosen)
    opens = witness_secret(WitnessSettings(**chosen), home)
    with suppress(KeyFileExists):
        write_note_key(home.key, NoteKey.generate(os.urandom), secret=opens, entropy=os.urandom)
    key = read_note_key(home.key, secret=opens)
    entry = WitnessEntry(name, key.vkeys(name, NoteUse.WITNESS), f"http://127.0.0.1:{settings['port']}")
    own = policy_text([], witnesses=[entry], quorum=1)
    replace_file(home.public, own.encode())
    if rules is not None:
        replace_file(home.policy, rules)
    home.evidence.mkdir(mode=0o700, exist_ok=True)
    (home.path / "conf.d").mkdir(mode=0o700, exist_ok=True)
    with suppress(FileExistsError):
        HeadStore.create(home.heads)
    write_private(home.settings, _text(chosen).encode(), entropy=os.urandom)
    return {
        "name": name,
        "home": str(home.path),
        "port": settings["port"],
        "policy": str(home.policy),
        "public": str(home.public),
        "witness": [line for line in own.splitlines() if line.startswith("witness ")],
        "run": "witness run" if home.unit is None else "unit run",
    }


def secret_place(path: Path) -> Path:
    """Where what opens the key of a witness lies whose home is, or is in, this directory."""
    return witness_home(path).secret


def _name(text: str) -> str:
    try:
        check_key_name(text)
    except Rejected:
        raise BadInput(
            f"{text!r} cannot be a witness's name",
            hint="no spaces and no plus: a host name of yours and a word, such as police.example/witness",
        ) from None
    return text


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in given.items() if value is not None}
    for name in ("secret", "passphrase"):
        if name in kept:
            kept[name] = str(Path(kept[name]).absolute())
    if "mirror" in kept and not kept["mirror"].startswith(("http://", "https://")):
        kept["mirror"] = str(Path(kept["mirror"]).absolute())
    return kept


def _policy(path: Path) -> bytes:
    data = read_kind(path, MAX_POLICY_TEXT, FileKind.POLICY)
    try:
        parse_policy(data)
    except Rejected as rejected:
        raise BadInput(f"{path}: {rejected.sentence}", hint=rejected.hint) from None
    return data


def _own_secret(home: WitnessHome, settings: Mapping[str, Any]) -> None:
    if "secret" in settings or "passphrase" in settings:
        return
    try:
        witness_secret(WitnessSettings(**settings), home)
    except HomeError:
        write_private(home.secret, os.urandom(CREDENTIAL_SIZE), entropy=os.urandom)


def _text(settings: Mapping[str, Any]) -> str:
    head = (
        "# Settings of this witness. Every line can be overridden in conf.d/*.toml and by the environment\n"
        "# (CONTRADA_WITNESS_PORT and so on). The name is part of the key: another name is another witness.\n"
    )
    return head + toml_text(settings)
