"""Commands that name a token: the file that names it in the place of a secret, and keys that move into it.

Owns the files. What a token does is keys/token. Rule for moving: each file is written anew, whole, before the
next; the secret that opened them goes last. What was interrupted goes on when it is said again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from keys.errors import KeyFileExists, KeyFileMissing
from keys.sealed_file import opens_with, reseal
from keys.store import (
    check_private_directory,
    destroy_private,
    prepare_directory,
    read_credential,
    read_passphrase,
    read_private,
    write_private,
)
from keys.token.named import open_token
from keys.token.token_secret import TokenSecret
from keys.token.uri import parse_token_uri
from keys.unlock import Secret
from runtime.cli.errors import BadInput


def secret_or_token(secret: Path | None, token: str | None, *, file: Path) -> Path | None:
    """The file that opens new keys: `secret`, or `file`, written here to name the token; None: neither."""
    if token is None:
        return secret
    if secret is not None:
        raise BadInput("--secret and --token both say what seals the keys", hint="say one of them")
    prepare_directory(file.parent)
    name_token(token, file)
    return file.absolute()


def name_token(text: str, file: Path) -> TokenSecret:
    """Make the sealing key in the token, where there is none, and a file that names both."""
    uri = parse_token_uri(text)
    found = open_token(uri, beside=file)
    found.make_sealing_key()
    line = f"{text}\n".encode()
    try:
        write_private(file, line, entropy=os.urandom)
    except KeyFileExists:
        if read_private(file) != line:
            raise
    return found


def move_keys(
    directory: Path, *, token: str, secret: Path | None, passphrase: Path | None, out: Path | None
) -> list[dict[str, Any]]:
    """Seal every key file of the directory under the token; says of each what was done.

    `out` then names the token. It may be `secret` itself, which is overwritten: whether other keys open with
    that is for whoever says so.
    """
    check_private_directory(directory)
    if out is not None and out != secret and out.exists():
        raise KeyFileExists(f"{out} is there already", hint="name another, or the file of --secret itself")
    found = open_token(parse_token_uri(token), beside=out or secret)
    before = _opens(secret, passphrase)
    found.make_sealing_key()
    files = sorted(path for path in directory.rglob("*.key") if path.is_file())
    if not files:
        raise KeyFileMissing(f"there is no key in {directory}", hint="name where the *.key files are")
    to_move = [path for path in files if not opens_with(read_private(path), found)]
    if to_move and before is None:
        raise BadInput(
            f"{to_move[0]} does not open with this token", hint="give what opens it: --secret or --passphrase"
        )
    for path in to_move:
        assert before is not None
        moved = reseal(read_private(path), before, found, name=str(path), entropy=os.urandom)
        write_private(path, moved, entropy=os.urandom, replace=True)
    if out is not None:
        _exchange(out, f"{token}\n".encode())
    return [{"file": str(path), "done": "moved" if path in to_move else "was there"} for path in files]


def _opens(secret: Path | None, passphrase: Path | None) -> Secret | None:
    if passphrase is not None:
        return read_passphrase(passphrase)
    return None if secret is None or not secret.exists() else read_credential(secret)


def _exchange(path: Path, line: bytes) -> None:
    """Name the token where the old secret is. That is overwritten: with old blocks of the disk it opens."""
    if path.exists():
        if read_private(path) == line:
            return
        destroy_private(path, entropy=os.urandom)
    write_private(path, line, entropy=os.urandom)
