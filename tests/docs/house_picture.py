"""docs/architecture.svg: the house, drawn from the imports.

`python -m tests.docs.house_picture` writes it again. Owns the drawing only. Each room is a line on its floor. An arrow beside
the lines is an import within the package. A dot in a line is an import from a floor below: its column ends in the name of the
room that is imported.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html import escape

from tests.docs.house import FLOORS, Imports, in_order, read_imports, read_rooms
from tests.docs.pages import ROOT

PICTURE = ROOT / "docs" / "architecture.svg"

OWNS = {
    "broker": "what the operator of the exchange runs",
    "clients": "what everybody else runs: units, witnesses, auditors",
    "runtime": "what every process needs once",
    "keys": "trust and custody",
    "protocol": "pure: bytes and values in, values out; no files, no sockets, no clock, no environment",
}

_ROW, _NAME, _COLUMN, _GUTTER, _PAD, _HEAD, _LABEL = 21, 130, 21, 116, 14, 40, 64
_WIDE, _GAP, _MARGIN, _ROOF, _SAYS = 474, 18, 20, 34, 404

_STYLE = """
  svg { --paper: #fbfaf6; --wall: #ffffff; --ink: #23272f; --soft: #6b7280; --hair: #e3e1d8;
    --broker: #b4532a; --clients: #2f6f4f; --runtime: #2b6cb0; --keys: #9a7412; --protocol: #6b4fa3 }
  @media (prefers-color-scheme: dark) { svg { --paper: #14171c; --wall: #1d2128; --ink: #e6e8ec; --soft: #98a1b0;
    --hair: #323843; --broker: #f0956a; --clients: #7cc99d; --runtime: #7db4ee; --keys: #e0bd5a; --protocol: #b8a1ee } }
  .paper { fill: var(--paper) } .wall { fill: var(--wall); stroke-width: 1.5 } .roof { stroke-width: 1.5 }
  text { font: 12.5px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink) }
  .package { font-size: 16px; font-weight: 700 } .hall { font-weight: 600 } .owns { font-size: 12px; fill: var(--soft) }
  .label { font-size: 11px } .hair { stroke: var(--hair); stroke-width: 1 } .arrow { fill: none; stroke-width: 1.3; opacity: .8 }
  .back { stroke-dasharray: 3 3 } .column { stroke-width: 1; opacity: .35 }""" + "".join(
    f"""
  .s-{name} {{ stroke: var(--{name}) }} .f-{name} {{ fill: var(--{name}) }} text.f-{name} {{ fill: var(--{name}) }}"""
    for name in OWNS
)


@dataclass
class House:
    """What there is to draw."""

    imports: Imports
    rooms: dict[str, list[str]]
    says: dict[str, str]
    out: list[str] = field(default_factory=list)

    def below(self, package: str) -> list[str]:
        """The rooms on the floors below a package, from above: the columns of its lines."""
        floor = next(at for at, packages in enumerate(FLOORS) if package in packages)
        return [room for packages in FLOORS[floor + 1 :] for name in packages for room in self.rooms[name]]


def draw(imports: Imports, rooms: dict[str, str]) -> str:
    """The picture of these imports between these rooms and of what these say; `ValueError` where an import leads upwards or across."""
    known = {name: in_order({room for room in rooms if room.split(".")[0] == name}, imports) for name in OWNS}
    house = House(imports, known, rooms)
    _check(house)
    top = _MARGIN + _ROOF
    heights = {name: _height(house, name) for name in OWNS}
    upper = max(heights[name] for name in FLOORS[0])
    width = 2 * _MARGIN + 2 * _WIDE + _GAP
    for at, name in enumerate(FLOORS[0]):
        _floor(house, name, _MARGIN + at * (_WIDE + _GAP), top + upper - heights[name], _WIDE, roof=True)
    y = top + upper + _GAP
    for packages in FLOORS[1:]:
        _floor(house, packages[0], _MARGIN, y, width - 2 * _MARGIN, roof=False)
        y += heights[packages[0]] + _GAP
    height = y + 40
    legend = (
        "A line is a room, a folder of modules; a name in bold stands for its own modules. An arrow is an import within the package,",
        "dashed where it leads back up. A dot is an import from the room below in whose name its column ends.",
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
            "<title>The house: packages and rooms on their floors, and which room imports which</title>",
            f"<style>{_STYLE}\n</style>",
            f'<rect class="paper" width="{width}" height="{height}" rx="10"/>',
            *house.out,
            *(
                f'<text class="owns" x="{_MARGIN + 2}" y="{y + 6 + 17 * at}">{line}</text>'
                for at, line in enumerate(legend)
            ),
            "</svg>",
            "",
        ]
    )


def _check(house: House) -> None:
    for a, b in house.imports:
        package, other = a.split(".")[0], b.split(".")[0]
        if package != other and b not in house.below(package):
            raise ValueError(f"{a} imports {b}, which is on no floor below it")


def _height(house: House, package: str) -> int:
    label = _LABEL if house.below(package) else 0
    return _HEAD + len(house.rooms[package]) * _ROW + _breaks(house.rooms[package]) * 6 + label + _PAD


def _breaks(rooms: list[str]) -> int:
    return sum(_new_group(rooms, at) for at in range(1, len(rooms)))


def _new_group(rooms: list[str], at: int) -> bool:
    return rooms[at].split(".")[:2] != rooms[at - 1].split(".")[:2]


def _floor(house: House, package: str, x: float, y: float, width: float, *, roof: bool) -> None:
    out, rooms = house.out, house.rooms[package]
    height = _height(house, package)
    if roof:
        out.append(
            f'<path class="wall roof s-{package}" d="M{x - 8} {y} L{x + width / 2} {y - _ROOF} L{x + width + 8} {y} Z"/>'
        )
    out.append(f'<rect class="wall s-{package}" x="{x}" y="{y}" width="{width}" height="{height}" rx="4"/>')
    out.append(f'<text class="package f-{package}" x="{x + _PAD}" y="{y + 26}">{package}</text>')
    out.append(f'<text class="owns" x="{x + _PAD + 84}" y="{y + 26}">{OWNS[package]}</text>')
    places: dict[str, float] = {}
    line = y + _HEAD + _ROW / 2
    for at, room in enumerate(rooms):
        if at and _new_group(rooms, at):
            out.append(
                f'<line class="hair" x1="{x + _PAD}" x2="{x + width - _PAD}" y1="{line - _ROW / 2 + 3}" y2="{line - _ROW / 2 + 3}"/>'
            )
            line += 6
        places[room] = line
        line += _ROW
    _columns(house, package, x, places, line - _ROW / 2)
    for room, at in places.items():
        parts = room.split(".")
        kind, indent = ("hall", 0) if len(parts) < 3 else ("room", 14)
        name = "own modules" if len(parts) == 1 and package != "keys" else parts[-1]
        out.append(f'<text class="{kind}" x="{x + _PAD + indent}" y="{at + 4:.1f}">{name}</text>')
        if not roof:
            out.append(
                f'<text class="owns" x="{x + _SAYS}" y="{at + 4:.1f}">{escape(house.says[room])}</text>'
            )
    _arrows(house, package, x + _PAD + _NAME + len(house.below(package)) * _COLUMN + 4, places)


def _columns(house: House, package: str, x: float, places: dict[str, float], end: float) -> None:
    out = house.out
    for column, target in enumerate(house.below(package)):
        users = [at for room, at in places.items() if house.imports[room, target]]
        if not users:
            continue
        owner = target.split(".")[0]
        middle = x + _PAD + _NAME + column * _COLUMN
        out.append(
            f'<line class="column s-{owner}" x1="{middle}" x2="{middle}" y1="{users[0]:.1f}" y2="{end + 4:.1f}"/>'
        )
        out += [f'<circle class="f-{owner}" cx="{middle}" cy="{at:.1f}" r="4"/>' for at in users]
        name = target.rpartition(".")[2]
        out.append(
            f'<text class="label f-{owner}" transform="translate({middle + 4} {end + 10:.1f}) rotate(90)">{name}</text>'
        )


def _arrows(house: House, package: str, x: float, places: dict[str, float]) -> None:
    inner = [(a, b) for a, b in sorted(house.imports) if a in places and b in places]
    span = max([abs(places[a] - places[b]) for a, b in inner], default=1)
    for a, b in inner:
        start, end = places[a], places[b]
        bulge = 14 + (_GUTTER - 34) * (abs(end - start) / span) ** 0.6
        down = end > start
        start, end = (start + 3, end - 3) if down else (start - 3, end + 3)
        out_of, into = x, x + 6
        kind = "arrow" if down else "arrow back"
        house.out.append(
            f'<path class="{kind} s-{package}" d="M{out_of} {start:.1f} C{out_of + bulge * 1.3:.1f} {start:.1f} '
            f'{into + bulge * 1.3:.1f} {end:.1f} {into} {end:.1f}"/>'
        )
        house.out.append(f'<path class="f-{package}" d="M{x} {end:.1f} l7 -3.5 v7 z"/>')


def current() -> str:
    """The picture of this tree."""
    return draw(read_imports(), read_rooms())


def main() -> int:
    """Write it."""
    PICTURE.write_text(current(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
