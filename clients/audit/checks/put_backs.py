"""The order of decisions over ranges and half-years, and what a Kafka that was put back explains in it.

    way back     a leaf of the ledger's own: it goes back in the audit topic; some leaves before it are undone
    statement    a leaf behind it: two people name that way back, and say that Kafka was put back
    explained    behind the way back, places that the leaves decide which are undone

Kafka that came back from an older copy gives the places of an outbox to other submissions, and routers decide
them. Owns when such a decision is explained, and what is told of it. Rules:

- Behind a way back each outbox goes on where it stood before the first leaf that is undone. So what is
  decided again is what was undone, each place once, in ascending order, and nothing from before.
- Only a way back that a later leaf names counts. What names another leaf explains nothing.
- What counts stands in leaves whose records were opened (record_walk.py). Where to cut is read from the store
  beforehand: who hides a row there has nothing explained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from clients.audit.checks.outbox_places import Outbox, Stretch, twice
from clients.audit.checks.record_walk import Walked
from clients.audit.copy.record_reader import RecordReader
from clients.audit.findings import Finding, FindingKind
from protocol.errors import Rejected
from protocol.times import show_time
from protocol.trail.acts import PutBack, Rewinding, parse_act, rewinding_of
from protocol.trail.records import RecordType

_WAYS_BACK: Final = f"type = ? AND type != {int(RecordType.ACCEPTED)}"
"""As the index of what is not accepted has it."""

_END: Final = 1 << 62
"""Behind every leaf of a log."""


class LeafPlace(NamedTuple):
    """A leaf of one of the logs."""

    log: str
    leaf: int


def find_cuts(records: Path) -> dict[str, set[int]]:
    """Where the order of places may begin anew, by log: at ways back, and where what they undo begins."""
    cuts: dict[str, set[int]] = {}
    with RecordReader(records) as reader:
        for log, row in reader.search(_WAYS_BACK, (int(RecordType.AUDIT_REWOUND),)):
            try:
                way = rewinding_of(parse_act(row.record or b""))
            except (Rejected, TypeError):
                continue  # the walk says what is wrong with it
            if way is not None:
                cuts.setdefault(log, set()).add(row.index)
                cuts.setdefault(way.log, set()).add(way.first)
    return cuts


@dataclass(slots=True)
class PlaceOrder:
    """A look at the stretches of all logs, in their order."""

    ways: Mapping[LeafPlace, LeafPlace]
    """Of each way back that was stated, the first leaf that it undoes."""

    findings: list[Finding] = field(default_factory=list)
    explained: Counter[LeafPlace] = field(default_factory=Counter)
    """Of each way back, in how many outboxes places were decided again."""

    _last: dict[Outbox, int] = field(default_factory=dict)
    _kept: dict[LeafPlace, dict[Outbox, int]] = field(default_factory=dict)
    """How far each outbox was before a leaf that is undone."""

    _undone: dict[Outbox, int] = field(default_factory=dict)
    """How far each outbox was before the last way back, as long as nothing is decided in it since."""

    _way: LeafPlace | None = None

    def look(self, parts: Iterable[Walked]) -> None:
        """Look at all of them."""
        log = ""
        for part in parts:
            if part.origin != log:
                self._keep(log, _END)
                log = part.origin
            for stretch in part.stretches:
                self._keep(log, stretch.begin)
                self._go_back(LeafPlace(log, stretch.begin))
                self._take(log, stretch)

    def _keep(self, log: str, index: int) -> None:
        for undone in self.ways.values():
            if undone.log == log and undone.leaf <= index:
                self._kept.setdefault(undone, dict(self._last))

    def _go_back(self, at: LeafPlace) -> None:
        undone = self.ways.get(at)
        if undone is not None and undone in self._kept:
            self._way, self._undone = at, self._last
            self._last = dict(self._kept[undone])

    def _take(self, log: str, stretch: Stretch) -> None:
        for outbox, (offset, index) in stretch.first.items():
            if offset <= self._last.get(outbox, -1):
                what = twice(outbox, offset, index)
                self.findings.append(Finding(FindingKind.DECISION_TWICE, log, what, "", index))
            elif self._way is not None and offset <= self._undone.get(outbox, -1):
                self.explained[self._way] += 1
            self._undone.pop(outbox, None)
        self._last.update(stretch.last)


def check_order(parts: Sequence[Walked]) -> list[Finding]:
    """What shows only across ranges and half-years: decisions of earlier places, explained or not."""
    ways = {LeafPlace(part.origin, index): way for part in parts for index, way in part.ways_back}
    stated = [(LeafPlace(part.origin, index), back) for part in parts for index, back in part.put_backs]
    logs = list(dict.fromkeys(part.origin for part in parts))
    named = {at for leaf, back in stated if (at := _named(leaf, back, logs)) in ways}
    order = PlaceOrder({at: LeafPlace(ways[at].log, ways[at].first) for at in named})
    order.look(parts)
    return [*order.findings, *_told_of_ways(ways, named), *_told_of_put_backs(stated, named, order)]


def _named(stated: LeafPlace, back: PutBack, logs: Sequence[str]) -> LeafPlace | None:
    """The leaf that a statement names, if it stands before the statement."""
    at = LeafPlace(back.log, back.leaf)
    if at.log not in logs or (logs.index(at.log), at.leaf) >= (logs.index(stated.log), stated.leaf):
        return None
    return at


def _told_of_ways(ways: Mapping[LeafPlace, Rewinding], named: set[LeafPlace]) -> Iterator[Finding]:
    for at, way in ways.items():
        from_ = f"leaf {way.first}" + ("" if way.log == at.log else f" of {way.log}")
        what = (
            f"the audit topic was another one, and the ledger went back in it from offset {way.position} to "
            f"{way.beginning}; what stands from {from_} on is undone"
        )
        if at not in named:
            what += ", and nobody has stated why"
        yield Finding(FindingKind.AUDIT_REWOUND, at.log, what, "", at.leaf)


def _told_of_put_backs(
    stated: Sequence[tuple[LeafPlace, PutBack]], named: set[LeafPlace], order: PlaceOrder
) -> Iterator[Finding]:
    for leaf, back in stated:
        what = (
            f"two people state that Kafka was put back on {show_time(back.restored)} to a copy of "
            f"{show_time(back.copied)}"
        )
        at = LeafPlace(back.log, back.leaf)
        if at in named:
            again = order.explained[at]
            what += f": it explains what {again} outbox{'' if again == 1 else 'es'} had decided twice"
        else:
            what += "; they name a leaf at which the ledger did not go back: it explains nothing"
        yield Finding(FindingKind.KAFKA_PUT_BACK, leaf.log, what, "", leaf.leaf)
