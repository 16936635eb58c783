"""Whom the centre has invited: files of its home, and what they let the invited do in Kafka.

    joining/<unit>/terms.cbor    what the unit was invited to         made by `centre invite`
    joining/<unit>/authority     where the authority lies that signs its certificate
    joining/<unit>/begins        where its requests begin in its topic, behind those of an invitation before
    joining/<unit>/asked.cbor    the request that people compared     made by `centre enrol UNIT`
    joining/<unit>/answer.cbor   what the unit was answered           made when its enrolment has effect

Owns these files. Rules:
- An invitation is for one request: once that is chosen, its holder may write nothing any more.
- It is over at its date. What is over is taken away by the next command that looks: its files, its rights,
  its quota. Kafka takes its certificate no longer than that, whether or not anybody looks.
- The key to ask with is not kept here: only the file that was handed out has it.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keys.joining.invitation import (
    MAX_ASKED,
    MAX_INVITATION,
    AskedEnrolment,
    Terms,
    parse_asked,
    parse_terms,
)
from keys.joining.places import JOINING_QUOTAS, joining_principal, joining_rights
from keys.store import prepare_directory, write_private
from protocol.errors import ContradaError, Rejected
from protocol.identifiers import Millis, UnitId, parse_unit_id
from protocol.topics import Right
from runtime.bounded import read_bounded
from runtime.cli.render import say
from runtime.kafka.security.access import KafkaAddress, tls_files
from runtime.kafka.security.rights import KafkaRights, Quotas
from runtime.process.homes import CentreHome

TERMS: Final = "terms.cbor"
ASKED: Final = "asked.cbor"
ANSWER: Final = "answer.cbor"
BEGINS: Final = "begins"
AUTHORITY: Final = "authority"
MOST_INVITED: Final = 10_000


@dataclass(frozen=True, slots=True)
class InvitedUnit:
    """One invitation as it lies in the home."""

    place: Path
    terms: Terms

    @property
    def unit(self) -> UnitId:
        """Who was invited."""
        return self.terms.unit

    @property
    def is_answered(self) -> bool:
        """Whether the unit has its certificate waiting."""
        return (self.place / ANSWER).exists()

    @property
    def is_asked(self) -> bool:
        """Whether a request was chosen."""
        return (self.place / ASKED).exists()

    def asked(self) -> AskedEnrolment | None:
        """The request that people compared, verified again; None before that."""
        if not self.is_asked:
            return None
        return parse_asked(read_bounded(self.place / ASKED, MAX_ASKED, what="a request to join"), self.terms)

    def choose(self, asked: AskedEnrolment) -> None:
        """This request, and no other one of the same invitation."""
        write_private(self.place / ASKED, asked.data, entropy=os.urandom, replace=True)

    def note_answer(self, answer: bytes) -> None:
        """It is on its way."""
        write_private(self.place / ANSWER, answer, entropy=os.urandom, replace=True)

    def forget(self) -> None:
        """Nothing is known of it any more."""
        shutil.rmtree(self.place)

    @property
    def begins(self) -> int:
        """Where its requests begin."""
        text = read_bounded(self.place / BEGINS, 20, what="a place in a topic").decode("ascii", "replace")
        return int(text) if text.isdecimal() else 0

    @property
    def authority(self) -> Path:
        """The directory of the authority that signs its certificate."""
        return Path(read_bounded(self.place / AUTHORITY, 4_096, what="a path").decode())

    def rights(self) -> frozenset[Right]:
        """What its holder may do now."""
        return joining_rights(self.unit, self.terms.id, may_ask=not self.is_asked)


def keep_invited(home: CentreHome, terms: Terms, *, begins: int, authority: Path) -> InvitedUnit:
    """Keep what this unit is invited to; what it asks stands at this place of its topic, or behind it."""
    kept = InvitedUnit(home.joining / terms.unit, terms)
    prepare_directory(home.joining)
    prepare_directory(kept.place)
    for name, text in ((BEGINS, str(begins)), (AUTHORITY, str(authority))):
        write_private(kept.place / name, text.encode(), entropy=os.urandom, replace=True)
    write_private(kept.place / TERMS, terms.encoded(), entropy=os.urandom)
    return kept


def find_invited(home: CentreHome, unit: str) -> InvitedUnit | None:
    """The invitation of this unit, also one that is over; None where there is none."""
    path = home.joining / unit / TERMS
    return InvitedUnit(path.parent, _read(path)) if path.exists() else None


def all_invited(home: CentreHome) -> list[InvitedUnit]:
    """Every invitation that can be read, by unit."""
    found = []
    paths = sorted(home.joining.glob(f"*/{TERMS}")) if home.joining.is_dir() else []
    for path in paths[:MOST_INVITED]:
        try:
            terms = _read(path)
        except ContradaError as error:
            say(f"contrada: {path} counts for nothing: {error}")
            continue
        if path.parent.name == terms.unit:
            found.append(InvitedUnit(path.parent, terms))
    return found


def open_invited(home: CentreHome, moment: Millis) -> list[InvitedUnit]:
    """Those that are not over."""
    return [each for each in all_invited(home) if moment < each.terms.until]


def invited_access(home: CentreHome, moment: Millis) -> tuple[frozenset[Right], Quotas]:
    """What all who are invited may do now, and how fast."""
    there = open_invited(home, moment)
    rights = frozenset(right for each in there for right in each.rights())
    return rights, {joining_principal(each.terms.id): JOINING_QUOTAS for each in there}


async def settle_invited(kafka: KafkaAddress, kept: InvitedUnit, *, is_over: bool = False) -> None:
    """Make Kafka agree with what this invitation lets its holder do."""
    if tls_files(kafka) is None:
        return
    me = joining_principal(kept.terms.id)
    async with KafkaRights.at(kafka) as there:
        if is_over:
            await there.apply(frozenset(), {}, of=me)
        else:
            await there.apply(kept.rights(), {me: JOINING_QUOTAS}, of=me)


async def sweep_invited(home: CentreHome, kafka: KafkaAddress, moment: Millis) -> None:
    """Take away what is over."""
    for each in all_invited(home):
        if moment >= each.terms.until:
            await settle_invited(kafka, each, is_over=True)
            each.forget()


def is_unit_id(text: str) -> bool:
    """Whether this can be a unit, and no path out of the folder."""
    try:
        parse_unit_id(text)
    except Rejected:
        return False
    return True


def _read(path: Path) -> Terms:
    return parse_terms(read_bounded(path, MAX_INVITATION, what="the terms of an invitation"))
