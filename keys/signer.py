"""Signers by URI, so that the place of a private key is configuration and not code; openers by directory.

    file:/var/lib/contrada/keys/identity.key      signer from a sealed file
    signer:/run/contrada-signer/socket            a router's, from the process that holds its key

A key in a token has a file as well: it says which one, and has what the token has no algorithm for
(keys/token). A further kind of place is one entry of the table here. Rule: no error repeats the URI; whoever
writes a PIN there finds it in no log.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from keys.appointments.own_identity import OwnIdentity
from keys.custody.distant_identity import DistantIdentity
from keys.errors import KeyStoreError, KeyUriError
from keys.key_files import epoch_files, read_epoch
from keys.soft_keys import SoftOpener
from keys.store import check_private_directory, read_private
from keys.unlock import Secret

KeptIdentity = OwnIdentity | DistantIdentity
"""The identity of a process, here or in a process of its own; its key is renewed while it is used."""


def signer_from_uri(uri: str, secret: Secret) -> KeptIdentity:
    """The signer that the URI names, with the key that follows it."""
    scheme, rest = _parts(uri)
    return SIGNER_SCHEMES[scheme](rest, secret)


def check_signer_uri(uri: str) -> None:
    """Refuse what no secret could open: an unknown scheme, a file that is missing or exposed."""
    scheme, rest = _parts(uri)
    if scheme == "file":
        read_private(_path(rest))


def load_opener(directory: Path, *, secret: Secret) -> SoftOpener:
    """All epoch keys of a directory."""
    check_private_directory(directory)
    opener = SoftOpener()
    for _, _, path in epoch_files(directory):
        opener.put(read_epoch(path, secret=secret))
    return opener


def _parts(uri: str) -> tuple[str, str]:
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme not in SIGNER_SCHEMES:
        shown = scheme if colon and re.fullmatch(r"[a-z][a-z0-9+.-]{0,19}", scheme) else "no scheme"
        known = ", ".join(f"{name}:" for name in sorted(SIGNER_SCHEMES))
        raise KeyUriError(
            f"keys cannot be taken from {shown!r}",
            hint=f"known are: {known}; a token is named where a secret's file is: docs/hardware-keys.md",
        )
    return scheme, rest


def _file_signer(rest: str, secret: Secret) -> OwnIdentity:
    return OwnIdentity(_path(rest), secret=secret, entropy=os.urandom)


def _distant_signer(rest: str, _: Secret) -> DistantIdentity:
    return DistantIdentity(_path(rest))


SIGNER_SCHEMES: dict[str, Callable[[str, Secret], KeptIdentity]] = {
    "file": _file_signer,
    "signer": _distant_signer,
}


def _path(rest: str) -> Path:
    """RFC 8089: file:/path, or file:///path; a host has no place here."""
    if rest.startswith("//"):
        rest = rest[2:]
        if not rest.startswith("/"):
            raise KeyStoreError("a file: URI names another host", hint="write file:/path/to/the/file")
    return Path(unquote(rest))
