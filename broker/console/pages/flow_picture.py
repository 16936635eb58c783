"""The flow between units as a picture: senders left, receivers right, ribbons between them. Pure.

Owns the geometry, in units of an SVG, and which units are drawn by name: those with most, the rest together.
The same numbers stand in a table beside it, for whoever does not see the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from broker.console.seeing.window import OTHERS, Pair, PairCount

WIDTH: Final = 420
HEIGHT: Final = 330
NAMED: Final = 8
"""Units of each side that are drawn by name."""

_LEFT, _RIGHT, _BAR = 118, 290, 12
_GAP: Final = 8
_LEAST: Final = 18
"""Height of a bar: that of its label."""

_LABEL: Final = 11
"""Letters of a label; the whole name is in the table."""


@dataclass(frozen=True, slots=True)
class FlowNode:
    """One side of the flow: a unit, or the rest of them."""

    name: str
    label: str
    count: int
    shown: str
    x: float
    y: float
    height: float
    label_x: float
    label_y: float


@dataclass(frozen=True, slots=True)
class Ribbon:
    """What went from one to another."""

    sender: str
    receiver: str
    accepted: int
    refused: int
    path: str
    """An SVG path, closed."""

    kind: str
    """`accepted`, or `refused` where most of it was."""


@dataclass(frozen=True, slots=True)
class FlowPicture:
    """The whole of it."""

    senders: tuple[FlowNode, ...]
    receivers: tuple[FlowNode, ...]
    ribbons: tuple[Ribbon, ...]
    total: int
    width: int = WIDTH
    height: int = HEIGHT
    bar: int = _BAR


def draw_flow(pairs: Mapping[Pair, PairCount], *, named: int = NAMED) -> FlowPicture:
    """The picture of these counts."""
    grouped = _grouped(pairs, named)
    total = sum(count.total for count in grouped.values())
    senders = _side(_sums(grouped, 0), x=_LEFT, label_x=_LEFT - 6)
    receivers = _side(_sums(grouped, 1), x=_RIGHT, label_x=_RIGHT + _BAR + 6)
    return FlowPicture(
        tuple(senders.values()), tuple(receivers.values()), _ribbons(grouped, senders, receivers), total
    )


def _grouped(pairs: Mapping[Pair, PairCount], named: int) -> dict[Pair, PairCount]:
    shown = [_most(_sums(pairs, side), named) for side in (0, 1)]
    found: dict[Pair, PairCount] = {}
    for (sender, receiver), count in pairs.items():
        pair = (sender if sender in shown[0] else OTHERS, receiver if receiver in shown[1] else OTHERS)
        both = found.setdefault(pair, PairCount())
        both.accepted += count.accepted
        both.refused += count.refused
    return found


def _sums(pairs: Mapping[Pair, PairCount], side: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for pair, count in pairs.items():
        found[pair[side]] = found.get(pair[side], 0) + count.total
    return found


def _most(sums: Mapping[str, int], named: int) -> frozenset[str]:
    # One more than has room would be drawn as "others" alone: it has a name, too.
    room = named + 1 if len(sums) == named + 1 else named
    return frozenset(sorted(sums, key=lambda name: (-sums[name], name))[:room])


def _side(sums: Mapping[str, int], *, x: float, label_x: float) -> dict[str, FlowNode]:
    names = sorted(sums, key=lambda name: (name == OTHERS, -sums[name], name))
    total = sum(sums.values())
    free = HEIGHT - _GAP * max(0, len(names) - 1) - _LEAST * len(names)
    found, y = {}, 0.0
    for name in names:
        height = _LEAST + free * sums[name] / total
        found[name] = FlowNode(
            name,
            _label(name),
            sums[name],
            _short(sums[name]),
            x,
            round(y, 1),
            round(height, 1),
            label_x,
            round(y + height / 2, 1),
        )
        y += height + _GAP
    return found


def _short(count: int) -> str:
    """A number for a label: four letters at the most."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.1f}{letter}" if count < 10 * size else f"{count // size}{letter}"
    return str(count)


def _label(name: str) -> str:
    return name if len(name) <= _LABEL else name[: _LABEL - 1] + "…"


def _ribbons(
    pairs: Mapping[Pair, PairCount], senders: Mapping[str, FlowNode], receivers: Mapping[str, FlowNode]
) -> tuple[Ribbon, ...]:
    left, right = ({name: node.y for name, node in side.items()} for side in (senders, receivers))
    order = {name: place for place, name in enumerate(receivers)}
    found = []
    for sender, node in senders.items():
        own = sorted((to for by, to in pairs if by == sender), key=order.__getitem__)
        for receiver in own:
            count, other = pairs[sender, receiver], receivers[receiver]
            high = node.height * count.total / node.count
            higher = other.height * count.total / other.count
            path = _path(left[sender], high, right[receiver], higher)
            left[sender] += high
            right[receiver] += higher
            kind = "refused" if count.refused * 2 > count.total else "accepted"
            found.append(Ribbon(sender, receiver, count.accepted, count.refused, path, kind))
    return tuple(found)


def _path(y: float, high: float, other: float, higher: float) -> str:
    begin, end, middle = _LEFT + _BAR, _RIGHT, (_LEFT + _BAR + _RIGHT) / 2
    return (
        f"M{begin} {y:.1f}C{middle:.0f} {y:.1f} {middle:.0f} {other:.1f} {end} {other:.1f}"
        f"V{other + higher:.1f}"
        f"C{middle:.0f} {other + higher:.1f} {middle:.0f} {y + high:.1f} {begin} {y + high:.1f}Z"
    )
