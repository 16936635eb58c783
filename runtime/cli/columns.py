"""The columns of tables and the lines of details: where a value is, and in which forms it is written.

    full     as a program, a pipe and --wide take it: whole ids, whole times
    short    on a terminal: an id as far as no other in the list begins so, a digest by its first digits
    tight    on a narrow terminal: times without their seconds, too

Owns these forms. Does not own how wide anything is (`layout`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from protocol.identifiers import short_id
from protocol.times import show_time
from runtime.process.streams import escape

Row = Mapping[str, Any]

# C0 and C1 controls, soft hyphen, zero-width and bidirectional controls, line and paragraph separators,
# tags and unpaired surrogates.
UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e0fff]"
)

_DIGEST: Final = 16
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_ID: Final = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")

_COLOURS: Final = {
    "red": "refused rejected revoked compromised expired not-enrolled unverified destroyed",
    "yellow": "queued sealed sent pending duplicate due grace",
    "green": "accepted active current acknowledged",
    "bold": "new life public-security liberty-decision relevance-loss",
}
PAINT: Final[Mapping[str, str]] = {
    word: colour for colour, words in _COLOURS.items() for word in words.split()
}
"""The colour of a word, at a terminal only, where the column is painted."""


class Kind(Enum):
    """What stands in a column, and so how it may be made narrower."""

    WORD = "is never broken"
    TEXT = "may go on in the next line"
    ID = "is named by its first digits"
    DIGEST = "is known again by its first digits"


@dataclass(frozen=True, slots=True)
class Column:
    """One column, or one line of details: where its value is, its title, and how it is written."""

    key: str
    title: str
    show: Callable[[Any], str] | None = None
    kind: Kind = Kind.WORD
    spare: int = 0
    """Left out where there is no room for it, the highest first; 0 never."""

    painted: bool = False

    def text(self, row: Row) -> str:
        """The cell in full, safe to print."""
        value = row.get(self.key)
        if value is None:
            return ""
        return printable(plain(value) if self.show is None else self.show(value))

    def line(self) -> Column:
        """The same as a line of details."""
        return Column(self.key, self.title.lower(), self.show)


def short_cells(column: Column, rows: Sequence[Row]) -> list[str]:
    """The cells of a column in their short form."""
    full = [column.text(row) for row in rows]
    match column.kind:
        case Kind.DIGEST:
            return [f"{text[:_DIGEST]}…" if len(text) > _DIGEST + 1 else text for text in full]
        case Kind.ID:
            return _short_ids(full, [row.get("short") for row in rows])
        case _:
            return full


def tight_cell(text: str) -> str:
    """A time without its seconds; anything else as it is."""
    return f"{text[:10]} {text[11:16]}Z" if _TIME.fullmatch(text) else text


def _short_ids(full: Sequence[str], known: Sequence[Any]) -> list[str]:
    """Each id as far as no other of the list begins so, or as its source says that it may be shortened."""
    ids = sorted({bytes.fromhex(text.replace("-", "")) for text in full if _ID.fullmatch(text)})
    found: dict[bytes, str] = {}
    for at, raw in enumerate(ids):
        found[raw] = short_id(raw, *ids[max(0, at - 1) : at], *ids[at + 1 : at + 2])
    made = []
    for text, said in zip(full, known, strict=True):
        if _ID.fullmatch(text) is None:
            made.append(text)
        elif isinstance(said, str) and text.startswith(said):
            made.append(said)
        else:
            short = found[bytes.fromhex(text.replace("-", ""))]
            made.append(short if "-" in text else short.replace("-", ""))
    return made


def printable(text: str) -> str:
    """The text with everything that a terminal would act on escaped."""
    return UNPRINTABLE.sub(lambda match: escape(match[0]), text)


def plain(value: object) -> str:
    """A value in a cell."""
    match value:
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(plain(entry) for entry in value)
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def moment(value: object) -> str:
    """Unix milliseconds as ISO 8601, in UTC."""
    return show_time(value) if isinstance(value, int) else plain(value)


def reasons_text(found: Iterable[Mapping[str, Any]]) -> str:
    """Reasons of a refusal in one line: what was found, or else the code and the unit that it is about."""
    return "; ".join(
        f"{row['found']} ({row['code']})"
        if row.get("found")
        else f"{row['code']} {row['unit'] or ''}".strip()
        for row in found
    )
