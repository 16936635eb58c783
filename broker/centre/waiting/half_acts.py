"""Acts that one registrar has signed and another one has not: files of the centre's home.

    acts/<name>.half      what one has signed              made by the command that states the act
    acts/<name>.both      what both have signed            made by `contrada centre agree to`, then published
    name                = SHA-256 of the half, hexadecimal

Owns these files. Rules:
- A half counts for nothing: whoever publishes it alone has a leaf that says so (E_AGREEMENT). So it needs no
  secrecy, and may be carried to the same folder of another home.
- Nothing in the folder is believed. A file is bounded, has the name of its content, and its signature is
  verified each time it is read.
- What both have signed is on the disk before it is published, and whoever repeats the command publishes just
  that: the ledger has one leaf of it, however often it was killed in between.
- Who states the same again gets the half that waits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keys.ceremony import read_pin
from keys.directory import Directory
from keys.store import prepare_directory, read_private, write_private
from protocol.errors import ContradaError, Rejected
from protocol.identifiers import Digest, Millis, digest
from protocol.limits import AGREED_WITHIN
from protocol.signatures import Signer
from protocol.trail.acts import Act
from protocol.trail.operators import operator_at
from protocol.trail.stated_acts import StatedActs, acts_in, agree_to_half, verify_acts, verify_half
from protocol.trail.two_signatures import TAKES_TWO
from runtime.cli.render import say
from runtime.process.homes import CentreHome

HALF: Final = ".half"
BOTH: Final = ".both"

_SHOWN: Final = 16

MOST: Final = 1_000
"""Files that are looked at. No exchange has so many acts in 30 days."""


@dataclass(frozen=True, slots=True)
class WaitingAct:
    """One act that waits for another registrar."""

    name: Digest
    half: bytes
    stated: StatedActs

    @property
    def act(self) -> Act:
        """The act itself."""
        return self.stated.acts[0]

    @property
    def until(self) -> Millis:
        """Until when another one may agree."""
        return Millis(self.act.t + AGREED_WITHIN)


def shown_name(name: Digest) -> str:
    """As it is listed, and typed again."""
    return name[:_SHOWN].hex()


def keep_half(home: CentreHome, act: Act, half: bytes) -> Digest | None:
    """Keep what this registrar has signed until another one agrees; its name. None where one is enough."""
    if act.type not in TAKES_TWO or read_pin(home.root).registrars == 1:
        return None
    for name, before in _said_before(home, act):
        if act.t <= before.t + AGREED_WITHIN:
            return name
    prepare_directory(home.acts)
    name = digest(half)
    write_private(_file(home, name, HALF), half, entropy=os.urandom)
    return name


def waiting_acts(home: CentreHome, directory: Directory, moment: Millis) -> list[WaitingAct]:
    """What another registrar may agree to now, oldest first. What does not hold is told, and left out."""
    found = []
    for name, half in _halves(home):
        try:
            stated = verify_half(half, parties=directory)
            each = WaitingAct(name, half, stated)
            # As it will be judged: the first one's key must be good when the second one signs.
            operator_at(directory, stated.by.kid, stated.by.actor, Millis(max(moment, each.act.t)))
        except Rejected as rejected:
            say(f"contrada: {_file(home, name, HALF)} counts for nothing ({rejected.code})")
            continue
        if moment <= each.until:
            found.append(each)
    return sorted(found, key=lambda each: (each.act.t, each.name))


def signed_by_both(
    home: CentreHome, each: WaitingAct, signer: Signer, directory: Directory, moment: Millis
) -> bytes:
    """The record with both signatures, as it is on the disk from now on: a new one only if none holds."""
    path = _file(home, each.name, BOTH)
    with suppress(ContradaError):
        before = read_private(path)
        if verify_acts(before, parties=directory).acts == each.stated.acts:
            return before
    known = directory.operator_key(signer.public.kid)
    assert known is not None  # the caller has looked: only a registrar comes here
    record = agree_to_half(each.half, actor=known.identity.unit, now=moment, signer=signer)
    verify_acts(record, parties=directory)
    write_private(path, record, entropy=os.urandom, replace=True)
    return record


def forget_act(home: CentreHome, each: WaitingAct) -> None:
    """It is published, and what it was for is done."""
    for ending in (HALF, BOTH):
        _file(home, each.name, ending).unlink(missing_ok=True)


def _said_before(home: CentreHome, act: Act) -> Iterator[tuple[Digest, Act]]:
    for name, half in _halves(home):
        with suppress(Rejected):
            for before in acts_in(half):
                if _what(before) == _what(act):
                    yield name, before


def _what(act: Act) -> tuple[object, ...]:
    return act.type, act.actor, act.subject, act.detail


def _halves(home: CentreHome) -> Iterator[tuple[Digest, bytes]]:
    paths = sorted(home.acts.glob(f"*{HALF}")) if home.acts.is_dir() else []
    if len(paths) > MOST:
        say(f"contrada: {home.acts} has {len(paths)} files; only {MOST} of them are looked at")
    for path in paths[:MOST]:
        try:
            half = read_private(path)
        except ContradaError as error:
            say(f"contrada: {error}")
            continue
        name = digest(half)
        if path.stem == name.hex():
            yield name, half
        else:
            say(f"contrada: {path} has another content than its name says; it counts for nothing")


def _file(home: CentreHome, name: Digest, ending: str) -> Path:
    return home.acts / f"{name.hex()}{ending}"
