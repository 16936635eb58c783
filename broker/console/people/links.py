"""One-time links: how a person with a shell at the console's home lets a browser in.

    links/<SHA-256 of the token>.link  =  [ 1, role, name, until ]

The token has 256 random bits and is printed once; here lies its hash alone, so whoever reads the folder, or a
copy of it, has nothing. Owns the folder. Rules: a link is used once, by whoever removes its file; it ends by
its time, used or not; what cannot be read lets nobody in.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from broker.console.home import ConsoleHome
from keys.store import prepare_directory, read_private, write_private
from protocol.canonical import decode, encode
from protocol.errors import ContradaError
from protocol.identifiers import Entropy, Millis, digest
from protocol.limits import SECOND
from runtime.errors import Conflict

log = structlog.get_logger()

MINUTE: Final = 60 * SECOND
MOST_LINKS: Final = 100
"""Links that nobody has used. More are a script that went wrong."""

LONGEST_NAME: Final = 200
_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_ENDING: Final = ".link"


class ConsoleRole(StrEnum):
    """What a session may do."""

    WATCH = "watch"
    """See everything that the console shows."""

    ACT = "act"
    """Besides, ask for a release from quarantine, agree to one, and withdraw one."""


ROLES: Final = frozenset(role.value for role in ConsoleRole)


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may come in, and as what."""

    role: ConsoleRole
    name: str
    """As it was given with the link: it is told to others, and proves nothing."""


def new_token(entropy: Entropy) -> str:
    """256 random bits as a word of a URL."""
    return base64.urlsafe_b64encode(entropy(_TOKEN_BYTES)).rstrip(b"=").decode()


def token_digest(token: str) -> str:
    """The only form in which a token is kept."""
    return digest(token.encode()).hex()


def make_link(
    home: ConsoleHome, grant: Grant, *, minutes: int, moment: Millis, entropy: Entropy = os.urandom
) -> tuple[str, Millis]:
    """A new token for this grant, and until when it can be used."""
    prepare_directory(home.links)
    _forget_ended(home, moment)
    if len(list(home.links.glob(f"*{_ENDING}"))) >= MOST_LINKS:
        raise Conflict(
            f"{MOST_LINKS} links wait to be used", hint=f"wait until they end, or empty {home.links}"
        )
    token, until = new_token(entropy), Millis(moment + minutes * MINUTE)
    data = encode([1, grant.role.value, grant.name, until])
    write_private(_file(home, token), data, entropy=entropy)
    return token, until


def take_link(home: ConsoleHome, token: str, *, moment: Millis) -> Grant | None:
    """What this token allows, once; None for any other, and for one that has ended."""
    if _TOKEN.fullmatch(token) is None:
        return None
    path = _file(home, token)
    found = _read(path)
    if found is None:
        return None
    try:
        # Of two who come with the same link, one removes the file.
        path.unlink()
    except OSError:
        return None
    grant, until = found
    return grant if moment <= until else None


def _read(path: Path) -> tuple[Grant, Millis] | None:
    try:
        found = decode(read_private(path), limit=1024)
    except ContradaError as error:
        if path.exists():
            log.warning("link_not_read", code=error.code)
        return None
    match found:
        case [1, str(role), str(name), int(until)] if role in ROLES and len(name) <= LONGEST_NAME:
            return Grant(ConsoleRole(role), name), Millis(until)
        case _:
            log.warning("link_not_read")
            return None


def _forget_ended(home: ConsoleHome, moment: Millis) -> None:
    for path in home.links.glob(f"*{_ENDING}"):
        found = _read(path)
        if found is None or found[1] < moment:
            path.unlink(missing_ok=True)


def _file(home: ConsoleHome, token: str) -> Path:
    return home.links / f"{token_digest(token)}{_ENDING}"
