"""The record of what an authority has given out: for whom, and until when.

    <authority>/given/unit-fr.json, given/router-1f0c9a2b3d4e.json ...

Owns these files. One for each holder, written whole, so that two commands at once lose nothing: the next
certificate of the same holder replaces it. It has nothing secret, and nothing is decided by it: whoever
deletes it is not told any more when something ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keys.store import prepare_directory, write_whole
from keys.wire.validity import Validity
from protocol.errors import Rejected
from protocol.identifiers import Millis, digest
from protocol.json_text import read_json

GIVEN: Final = "given"
MAX_GIVEN: Final = 10_000
"""Bytes of one record."""


@dataclass(frozen=True, slots=True)
class GivenCertificate:
    """A certificate that is with somebody."""

    party: str
    place: str
    """Which of several holders of this name: a directory, a broker's hosts; empty for a unit."""

    validity: Validity
    key: str
    """Its fingerprint: the next request with the same key needs no telephone."""


def note_given(authority: Path, given: GivenCertificate) -> None:
    """Keep it, in the place of the same holder's before."""
    directory = authority / GIVEN
    prepare_directory(directory)
    fields = {
        "party": given.party,
        "place": given.place,
        "key": given.key,
        "begins": given.validity.begins,
        "ends": given.validity.ends,
    }
    data = json.dumps(fields, indent=2).encode() + b"\n"
    write_whole(directory / _name(given), data, entropy=os.urandom, replace=True)


def read_given(authority: Path) -> Iterator[GivenCertificate]:
    """Everything that is kept; what cannot be read is passed over."""
    for path in sorted((authority / GIVEN).glob("*.json")):
        found = _read(path)
        if found is not None:
            yield found


def _read(path: Path) -> GivenCertificate | None:
    try:
        with path.open("rb") as file:
            read = read_json(file.read(MAX_GIVEN + 1), at_most=MAX_GIVEN)
    except (OSError, Rejected, ValueError):
        return None
    if read.faults:
        return None
    match read.value:
        case {
            "party": str(party),
            "place": str(place),
            "key": str(key),
            "begins": int(begins),
            "ends": int(ends),
        }:
            return GivenCertificate(party, place, Validity(ends=Millis(ends), begins=Millis(begins)), key)
        case _:
            return None


def _name(given: GivenCertificate) -> str:
    # The party is a role or a unit's id, which can be a file's name; where it lies can be anything.
    more = f"-{digest(given.place.encode())[:6].hex()}" if given.place else ""
    return f"{given.party}{more}.json"
