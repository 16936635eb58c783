"""What each page shows of a look: rows and numbers, ready to be written. Pure.

Owns how lists are cut into pages and which rows a search finds. Rule: a page has so many rows, however many
units, records or readers there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from broker.centre.progress import Reader
from broker.centre.progress_look import ROUTERS
from broker.console.people.release_desk import AskedRelease, ReleaseDesk
from broker.console.seeing.look import Look, Row
from broker.console.seeing.open_requests import OpenRequest
from keys.directory import Directory
from keys.lifecycle import epoch_state, key_state
from protocol import topics
from protocol.content.code_forms import show_code
from protocol.content.unit_text import unit_in_words
from protocol.errors import HINTS, Code
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY
from protocol.trail.code_meanings import MEANINGS

ROWS: Final = 50
REASONS: Final = 8
DUE: Final = 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageOf(Generic[T]):
    """One page of a list."""

    rows: tuple[T, ...]
    number: int
    pages: int
    total: int


def page_of(rows: Sequence[T], number: int) -> PageOf[T]:
    """The page of this number, or the last one there is."""
    pages = max(1, -(-len(rows) // ROWS))
    at = min(max(1, number), pages)
    return PageOf(tuple(rows[(at - 1) * ROWS : at * ROWS]), at, pages, len(rows))


@dataclass(frozen=True, slots=True)
class ReaderRow:
    """Who reads what, and how far."""

    name: str
    topic: str
    partition: int
    waiting: int
    heard: Millis | None
    stands: str | None


def reader_rows(look: Look, wanted: str = "") -> list[ReaderRow]:
    """Those with most to read first; those that stand still before all."""
    stands = {one.reader.place: one.why for one in look.standing}
    rows = [_reader_row(each, stands.get(each.place)) for each in look.readers]
    found = [row for row in rows if wanted in row.name or wanted in row.topic]
    return sorted(found, key=lambda row: (row.stands is None, -row.waiting, row.topic, row.partition))


def _reader_row(reader: Reader, stands: str | None) -> ReaderRow:
    heard = None if reader.mark is None else reader.mark.told
    return ReaderRow(reader.name, reader.place[0], reader.place[1], reader.waiting, heard, stands)


@dataclass(frozen=True, slots=True)
class LagSums:
    """What waits, by whom it waits for."""

    routers: int
    units: int
    ledger: int


def lag_sums(look: Look) -> LagSums:
    """All places together."""
    routers = sum(each.waiting for each in look.readers if each.name == ROUTERS)
    ledger = sum(each.waiting for each in look.readers if each.place[0] == topics.AUDIT)
    return LagSums(routers, sum(each.waiting for each in look.readers) - routers - ledger, ledger)


@dataclass(frozen=True, slots=True)
class UnitRow:
    """One unit, with the age of its keys."""

    unit: str
    name: str
    kind: str
    suspended: bool
    state: str
    age: int | None
    """Milliseconds since its newest signing key began."""

    left: int | None
    """Until that one ends."""


def directory_rows(directory: Directory, moment: Millis, wanted: str = "") -> list[UnitRow]:
    """The units whose id or name has what is wanted in it, by their ids."""
    low = wanted.casefold()
    found = []
    for unit in sorted(directory.units(), key=lambda each: each.unit):
        if low and low not in unit.unit and low not in unit.name.casefold():
            continue
        keys = [key for key in directory.identities(unit.unit) if not key.revoked]
        newest = max(keys, key=lambda key: key.not_before, default=None)
        found.append(
            UnitRow(
                unit.unit,
                unit.name,
                show_code(unit.kind),
                unit.suspended,
                "none" if newest is None else key_state(newest, moment).value,
                None if newest is None else moment - newest.not_before,
                None if newest is None else newest.not_after - moment,
            )
        )
    return found


def one_unit(directory: Directory, unit: UnitId, moment: Millis) -> dict[str, Any] | None:
    """Everything that the directory says of one unit; None where it has no such unit."""
    found = directory.unit(unit)
    if found is None:
        return None
    identities = [
        {
            "kid": key.public.kid.hex(),
            "state": key_state(key, moment).value,
            "begins": key.not_before,
            "ends": key.not_after,
        }
        for key in reversed(directory.identities(unit))
    ]
    epochs = [
        {"epoch": key.epoch, "kid": key.public.kid.hex(), "state": epoch_state(key, moment).value}
        for key in directory.epochs(unit)
    ]
    epochs.sort(key=lambda row: -int(str(row["epoch"])))
    return {"facts": unit_in_words(found), "identities": identities[:ROWS], "epochs": epochs[:12]}


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """One record in quarantine, and what two people have made of it."""

    row: Row
    means: str
    hint: str
    released: Millis | None
    asked: AskedRelease | None


def quarantine_rows(look: Look, desk: ReleaseDesk) -> list[QuarantineRow]:
    """The newest first."""
    return [_quarantine_row(row, look, desk) for row in look.quarantine.rows]


def _quarantine_row(row: Row, look: Look, desk: ReleaseDesk) -> QuarantineRow:
    code = Code(row["reason"]) if row["reason"] in Code.__members__ else None
    released = look.quarantine.released.get((row["unit"], row["partition"], row["offset"]))
    means, hint = ("", "") if code is None else (MEANINGS[code], HINTS[code])
    return QuarantineRow(row, means, hint, released, desk.asked(row["number"]))


@dataclass(frozen=True, slots=True)
class DeadlineRow:
    """One request that waits."""

    request: OpenRequest
    left: int
    """Milliseconds; below zero it is late."""

    level: str


def deadline_rows(look: Look) -> list[DeadlineRow]:
    """Those that are due first, first."""
    rows = []
    for one in look.trail.requests:
        left = one.due - look.moment
        level = "bad" if left < 0 else "warn" if left < DAY // 12 else "good"
        rows.append(DeadlineRow(one, left, level))
    return rows


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """How often one reason of a refusal came, and what it says."""

    code: str
    count: int
    means: str


def reason_rows(look: Look) -> list[ReasonRow]:
    """The most frequent first."""
    return [
        ReasonRow(code, count, MEANINGS[Code(code)] if code in Code.__members__ else "")
        for code, count in look.trail.reasons[:REASONS]
    ]
