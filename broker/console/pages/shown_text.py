"""Text of others on a page: bounded, visible, in its own direction. All that templates write goes through.

Names and reasons come from members, and quarantine has what anybody wrote. Owns what of a text is shown. That
it cannot be markup is the templates' escaping (rendering.py); both hold for every value, whoever wrote the
template.

Rules:
- A text has so many characters as it is shown, and nothing is done with those behind them.
- What has no form of its own is written as JSON escapes it: controls, overrides of direction, joiners, blanks
  that look like nothing, what is not assigned. So two names that look alike are alike.
- A text that runs from right to left is isolated: it cannot turn around what stands beside it.
- Marks that stand on a letter are shown as far as languages need them: a hundred of them cover the line
  above.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from runtime.process.streams import escape

LONGEST: Final = 120
"""Characters of one value: a reason has 200 at most, and a page is no archive."""

MORE: Final = "\u2026"

MARKS: Final = 2
"""Marks on one letter."""

_NO_FORM: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_ON_LETTERS: Final = frozenset({"Mn", "Me"})
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f") | {
    chr(code) for code in range(0xFE00, 0xFE10)
}
"""Letters and marks that are drawn as nothing."""

_FIRST_ISOLATE: Final = "\u2068"
_POP_ISOLATE: Final = "\u2069"


def shown_text(value: object, *, most: int = LONGEST) -> str:
    """A value as it may stand anywhere in a line of a page: so many characters, and a sign for more."""
    text = str(value)
    made = _visible(text, most)
    if any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in made):
        return f"{_FIRST_ISOLATE}{made}{_POP_ISOLATE}"
    return made


def _visible(text: str, most: int) -> str:
    made: list[str] = []
    marks = size = 0
    for letter in text:
        kind = unicodedata.category(letter)
        marks = marks + 1 if kind in _ON_LETTERS else 0
        hidden = kind in _NO_FORM or letter in _BLANK or marks > MARKS
        shown = escape(letter) if hidden else " " if kind == "Zs" else letter
        size += len(shown)
        if size > most:
            # What is escaped is longer: it is bounded as it is shown, and each escape is whole.
            return "".join([*made, MORE])
        made.append(shown)
    return "".join(made)
