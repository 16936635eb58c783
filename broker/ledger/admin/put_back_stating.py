"""`contrada ledger put-back`: two people state that Kafka was put back to an older copy.

    looked up    the leaf at which the ledger went back, and from which leaf on it is undone
    typed        of which time the copy is, when it was put back, who says so, and why

Owns what may be stated: of a leaf at which the ledger itself says that it went back, once each. What is typed
must agree with what the ledger had read:

    last decision of the copy <= copied <= first that is lost
    last that was read <= restored <= the ledger goes back            each give or take `CLOCK_TOLERANCE`
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from broker.ledger.admin.inspection import registrar_in, state_act
from broker.ledger.store.queries import FoundRow, RecordQuery
from broker.ledger.store.record_store import RecordStore
from protocol.identifiers import Millis
from protocol.limits import CLOCK_TOLERANCE
from protocol.times import show_time
from protocol.trail.acts import (
    Act,
    PutBack,
    Rewinding,
    kafka_put_back,
    parse_act,
    put_back_of,
    rewinding_of,
)
from protocol.trail.records import DECISIONS, RecordType
from runtime.errors import Conflict
from runtime.process.clock import now

if TYPE_CHECKING:
    from pathlib import Path

    from broker.ledger.settings import LedgerSettings

T = TypeVar("T")

_DECISIONS: Final = tuple(map(int, DECISIONS))


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBackStatement:
    """What the two people say."""

    copied: Millis
    restored: Millis
    why: str
    by: str
    second: str


@dataclass(frozen=True, slots=True)
class KnownSpan:
    """Between which times something was, as far as the ledger has read; None where nothing bounds it."""

    since: int | None
    until: int | None

    def has(self, moment: int) -> bool:
        """Whether it may have been then."""
        after = self.since is None or self.since - CLOCK_TOLERANCE <= moment
        return after and (self.until is None or moment <= self.until + CLOCK_TOLERANCE)

    def __str__(self) -> str:
        """For the hint of an error."""
        bounds = (("from", self.since), ("to", self.until))
        return " ".join(f"{word} {show_time(t)}" for word, t in bounds if t is not None)


@dataclass(frozen=True, slots=True)
class UnstatedWayBack:
    """A leaf at which the ledger went back, and nobody has stated why."""

    log: str
    leaf: int
    copied: KnownSpan
    restored: KnownSpan

    def fits(self, said: PutBackStatement) -> bool:
        """Whether this may be what they speak of."""
        return self.copied.has(said.copied) and self.restored.has(said.restored)


def find_way_back(settings: LedgerSettings, said: PutBackStatement) -> PutBack:
    """The oldest way back that this may be about; `Conflict` where there is none, or one person states it."""
    if said.by.casefold() == said.second.casefold():
        raise Conflict("this is stated by two people", hint="name another one with --second")
    if not said.copied < said.restored <= now():
        raise Conflict(
            "a copy is put back after it was made, and not in the time to come",
            hint="say --copied and --restored with their zones, as in 2026-12-01T08:00Z",
        )
    ways = list(unstated_ways_back(RecordStore(settings.records_url, read_only=True)))
    found = next((way for way in ways if way.fits(said)), None)
    if found is not None:
        return PutBack(found.log, found.leaf, said.copied, said.restored)
    if not ways:
        raise Conflict(
            "the ledger has gone back nowhere of which nobody has stated why",
            hint="it goes back at its next start, or with the next record ('audit_rewound' in its log); "
            "where it has read nothing that the copy lacks, nothing is decided twice, nor to be stated",
        )
    raise Conflict(
        f"at leaf {ways[0].leaf} of {ways[0].log} the ledger went back, and had read otherwise",
        hint=f"the copy is {ways[0].copied}, and was put back {ways[0].restored}",
    )


async def state_put_back(
    settings: LedgerSettings, home: Path, back: PutBack, said: PutBackStatement
) -> dict[str, Any]:
    """State it under the registrar's name; where it takes two, it waits for another one."""
    registrar = registrar_in(home)
    act = kafka_put_back(now(), registrar.name, back, why=said.why, by=said.by, second=said.second)
    waits = await state_act(settings, home, act, registrar)
    return {"log": back.log, "leaf": back.leaf, "stated_by": registrar.name, "ballot": waits}


def unstated_ways_back(records: RecordStore) -> Iterator[UnstatedWayBack]:
    """The leaves at which the ledger went back and that no statement names, oldest first."""
    stated = {(back.log, back.leaf) for _, back in _acts(records, RecordType.KAFKA_PUT_BACK, put_back_of)}
    earlier: list[tuple[FoundRow, Rewinding]] = []
    for found, way in _acts(records, RecordType.AUDIT_REWOUND, rewinding_of):
        if (found.origin, found.row.index) not in stated:
            yield _bounded(records, found, way, earlier)
        earlier.append((found, way))


def _bounded(
    records: RecordStore, found: FoundRow, way: Rewinding, earlier: Sequence[tuple[FoundRow, Rewinding]]
) -> UnstatedWayBack:
    log, leaf, t = found.origin, found.row.index, found.row.t
    common, last = (_decision(records, place, newest=True) for place in ((way.log, way.first), (log, leaf)))
    lost = _first_lost(records, found, way, earlier)
    copied = KnownSpan(None if common is None else common.row.t, t if lost is None else lost.row.t)
    return UnstatedWayBack(log, leaf, copied, KnownSpan(None if last is None else last.row.t, t))


def _first_lost(
    records: RecordStore, found: FoundRow, way: Rewinding, earlier: Sequence[tuple[FoundRow, Rewinding]]
) -> FoundRow | None:
    """The first decision that this way back undoes; None where it undoes none.

    What an earlier one had undone Kafka did not have any more.
    """
    order = {state.origin: number for number, state in enumerate(records.states())}

    def place(log: str, leaf: int) -> tuple[int, int]:
        return order[log], leaf

    behind = (way.log, way.first - 1)
    while (lost := _decision(records, behind)) is not None:
        here = place(lost.origin, lost.row.index)
        if here > place(found.origin, found.row.index):
            return None
        undone = [
            at for at, gone in earlier if place(gone.log, gone.first) <= here < place(at.origin, at.row.index)
        ]
        if not undone:
            return lost
        behind = (undone[-1].origin, undone[-1].row.index)
    return None


def _decision(records: RecordStore, leaf: tuple[str, int], *, newest: bool = False) -> FoundRow | None:
    """The next decision behind this leaf, or the newest one before it, of any half-year."""
    search = RecordQuery(types=_DECISIONS, beyond=leaf, newest=newest, limit=1)
    return next(iter(records.find(search)), None)


def _acts(
    records: RecordStore, kind: RecordType, read: Callable[[Act], T | None]
) -> Iterator[tuple[FoundRow, T]]:
    for found in records.find(RecordQuery(types=(int(kind),))):
        if found.row.record is not None and (said := read(parse_act(found.row.record))) is not None:
            yield found, said
