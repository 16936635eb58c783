"""Reading a machine-readable zone: which layout it has, which check digits fit, which number it states.

Owns the reading by the table of layouts (`zone_layouts`). Knows no model: what follows from a wrong digit is
the model's to say (`things`), because on a forged document it is a finding, on a genuine one mostly a slip.

Rules: a zone of no known layout is taken unread. Nothing here says that a document is false. A wrong digit is
named by its field, its place and the digit that would fit; the one over the whole zone only if it does not
fit once the others are right, so that one slip is one fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from protocol.numbers.zone_layouts import COMPOSITE, LAYOUTS, NUMBER, Layout, NumberField, Span

Zone = tuple[str, ...]

MAX_ZONE_LINES: Final = 5
MAX_ZONE_LINE: Final = 90
FILLER: Final = "<"

_LINE: Final = re.compile(r"[A-Z0-9<]{5,90}", re.ASCII)
_VALUES: Final = {FILLER: 0, **{c: n for n, c in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}}
_WEIGHTS: Final = (7, 3, 1)
_SLIP: Final = 2  # so many characters too many or too few are a slip of the copyist
_PART: Final = 5  # so many characters of a typed number are found in a zone by no accident


@dataclass(frozen=True, slots=True)
class WrongDigit:
    """A check digit that does not fit. Line and column are counted from 0; what is found is content."""

    field: str
    line: int
    column: int
    found: str
    right: str

    def __str__(self) -> str:
        place = f"line {self.line + 1}, place {self.column + 1}"
        return f"{self.found} as check digit of the {self.field} ({place}), where {self.right} fits"


@dataclass(frozen=True, slots=True)
class LengthSlip:
    """A zone that opens as a layout does, with one line a little too long or too short."""

    layout: Layout
    line: int


def is_zone_line(text: str) -> bool:
    """Whether the text is a line of capital letters, digits and fillers, of 5 to 90 characters."""
    return _LINE.fullmatch(text) is not None


def layout_of(zone: Zone) -> Layout | None:
    """The layout of the zone by its lines and its opening; none if it is of no known one."""
    lengths = tuple(map(len, zone))
    joined = "\n".join(zone)
    for layout in LAYOUTS:
        fits = layout.lines == lengths and layout.opening.match(joined) is not None
        if fits and (layout.certain or not wrong_digits(zone, layout)):
            return layout
    return None


def length_slip(zone: Zone) -> LengthSlip | None:
    """The layout that the zone would have if one of its lines had the right length."""
    joined = "\n".join(zone)
    for layout in LAYOUTS:
        if not layout.certain or len(layout.lines) != len(zone) or not layout.opening.match(joined):
            continue
        off = [place for place, line in enumerate(zone) if len(line) != layout.lines[place]]
        if len(off) == 1 and abs(len(zone[off[0]]) - layout.lines[off[0]]) <= _SLIP:
            return LengthSlip(layout, off[0])
    return None


def wrong_digits(zone: Zone, layout: Layout) -> tuple[WrongDigit, ...]:
    """The check digits that do not fit, in the order of the zone (ICAO Doc 9303-3, 4.9)."""
    wrong = [*_wrong_number(zone, layout.numbers), *_wrong_fields(zone, layout)]
    composites = [digit for digit in wrong if digit.field == COMPOSITE]
    others = [digit for digit in wrong if digit.field != COMPOSITE]
    if composites and others:
        mended = _with_digits(zone, others)
        composites = [digit for digit in _wrong_fields(mended, layout) if digit.field == COMPOSITE]
    return tuple(sorted((*others, *composites), key=lambda digit: (digit.line, digit.column)))


def zone_number(zone: Zone, layout: Layout) -> str | None:
    """The document number that the zone states, without fillers; none where the layout has no known place."""
    right = (field for field in layout.numbers if not any(_wrong_number(zone, (field,))))
    field = next(right, layout.numbers[0] if layout.numbers else None)
    return None if field is None else _number(zone, field)[0].replace(FILLER, "")


def mentions(zone: Zone, number: str) -> bool:
    """Whether the number stands anywhere in the zone, as a personal number does that people take for it."""
    return len(number) >= _PART and any(number in line.replace(FILLER, "") for line in zone)


def check_digit(content: str) -> str:
    """The digit that fits: weights 7, 3, 1; letters count from 10, fillers 0 (ICAO Doc 9303-3, 4.9)."""
    return str(sum(_VALUES[c] * _WEIGHTS[place % 3] for place, c in enumerate(content)) % 10)


def _fits(content: str, digit: str) -> bool:
    # An empty field may leave its digit out (Doc 9303-4, 4.2.2.2), and states do so with every field.
    return digit == check_digit(content) or (digit == FILLER and not content.strip(FILLER))


def _wrong_fields(zone: Zone, layout: Layout) -> Iterator[WrongDigit]:
    for digit in layout.digits:
        content = "".join(_cut(zone, span) for span in digit.over)
        found = zone[digit.line][digit.column]
        if not _fits(content, found):
            yield WrongDigit(digit.field, digit.line, digit.column, found, check_digit(content))


def _wrong_number(zone: Zone, fields: tuple[NumberField, ...]) -> Iterator[WrongDigit]:
    """The number's digit, unless it fits where one of the fields has it."""
    wrong = [_wrong_in(zone, field) for field in fields if field.digit is not None]
    first = wrong[0] if wrong else None
    if first is not None and None not in wrong:
        yield first


def _wrong_in(zone: Zone, field: NumberField) -> WrongDigit | None:
    number, line, column = _number(zone, field)
    found, size = zone[line][column], field.span.end - field.span.begin
    if _fits(number, found) or (len(number) > size and _fits(number[:size] + FILLER + number[size:], found)):
        return None
    return WrongDigit(NUMBER, line, column, found, check_digit(number))


def _number(zone: Zone, field: NumberField) -> tuple[str, int, int]:
    """The number with its fillers, and the line and column of its digit."""
    number, line = _cut(zone, field.span), field.span.line
    column = field.span.end if field.digit is None else field.digit
    if field.rest is None or zone[line][column] != FILLER:
        return number, line, column
    more = _cut(zone, field.rest).split(FILLER, 1)[0]
    if not more:
        return number, line, column
    return number + more[:-1], field.rest.line, field.rest.begin + len(more) - 1


def _with_digits(zone: Zone, digits: list[WrongDigit]) -> Zone:
    lines = list(zone)
    for digit in digits:
        line = lines[digit.line]
        lines[digit.line] = line[: digit.column] + digit.right + line[digit.column + 1 :]
    return tuple(lines)


def _cut(zone: Zone, span: Span) -> str:
    return zone[span.line][span.begin : span.end]
