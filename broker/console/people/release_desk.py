"""The people's half of a release from quarantine: one asks, another agrees. Pure.

    asked -> agreed       by another name than the one who asked
    asked -> withdrawn    by anybody who may act, and so agreed -> withdrawn

Owns these states. Nothing is signed or taken out by them: that is done with registrars' keys, which the
console does not have, by `contrada centre quarantine release` and `contrada centre agree to` (docs/adr/0042,
0045). Rules: two are two by their names, whatever their case; what was asked is bounded, and forgotten when
the console ends.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from protocol.identifiers import Millis
from runtime.errors import Conflict, NotFound

MOST_ASKED: Final = 50


class ReleaseState(StrEnum):
    """How far two people have come."""

    ASKED = "asked"
    AGREED = "agreed"


@dataclass(frozen=True, slots=True)
class AskedRelease:
    """One record that somebody wants to have taken out."""

    number: int
    by: str
    asked: Millis
    second: str | None = None
    agreed: Millis | None = None

    @property
    def state(self) -> ReleaseState:
        """How far it has come."""
        return ReleaseState.ASKED if self.second is None else ReleaseState.AGREED

    def command(self) -> str | None:
        """What a registrar types once two have agreed; the shell sees names as one word each."""
        if self.second is None:
            return None
        words = ["contrada", "centre", "quarantine", "release", str(self.number)]
        words += ["--by", self.by, "--second", self.second, "--out", f"record-{self.number}.bin"]
        return shlex.join(words)


class ReleaseDesk:
    """What was asked for, by number in quarantine."""

    def __init__(self) -> None:
        self._asked: dict[int, AskedRelease] = {}

    def asked(self, number: int) -> AskedRelease | None:
        """What was asked of this record."""
        return self._asked.get(number)

    def ask(self, number: int, *, by: str, moment: Millis) -> None:
        """One asks."""
        if number in self._asked:
            raise Conflict("this was asked for already")
        if len(self._asked) >= MOST_ASKED:
            raise Conflict(f"{MOST_ASKED} releases wait already", hint="agree to some, or withdraw them")
        self._asked[number] = AskedRelease(number, by, moment)

    def agree(self, number: int, *, by: str, moment: Millis) -> None:
        """Another one agrees."""
        found = self._known(number)
        if found.by.casefold() == by.casefold():
            raise Conflict("a release takes two people", hint="another person signs in and agrees")
        if found.second is not None:
            raise Conflict("this was agreed already")
        self._asked[number] = replace(found, second=by, agreed=moment)

    def withdraw(self, number: int) -> None:
        """It is not wanted any more."""
        del self._asked[self._known(number).number]

    def _known(self, number: int) -> AskedRelease:
        found = self._asked.get(number)
        if found is None:
            raise NotFound("nobody has asked for this record")
        return found
