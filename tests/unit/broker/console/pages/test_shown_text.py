"""What others wrote stands on a page as text: bounded, visible, in its own direction, and never as markup."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from broker.console.pages import rendering, shown_text
from broker.console.pages.rendering import span_of, time_of
from broker.console.pages.shown_text import LONGEST, MORE
from tests.console.rig import HOSTILE, LONG, MARKED, RIGHT_TO_LEFT, TURNED
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, returning
from tests.mutants.promises import assert_missed

ISOLATES = "\u2068\u2069"
TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u200e\u200f\u061c"
MARK = "{{ value }}"


def shown(value: object, **bound: int) -> str:
    return shown_text.shown_text(value, **bound)


def written(value: object) -> str:
    return rendering._TEMPLATES.from_string(MARK).render(value=value)


@given(st.text(max_size=400))
def test_whatever_comes_is_bounded_and_visible(text: str) -> None:
    """No letter without a form is left, nothing turns a line, and there are never more letters than allowed."""
    made = shown(text)
    inside = made.strip(ISOLATES)

    assert len(inside) <= LONGEST + 1
    assert not set(inside) & set(TURNS + ISOLATES)
    assert {unicodedata.category(letter) for letter in inside} & {
        "Cc",
        "Cf",
        "Cn",
        "Co",
        "Cs",
        "Zl",
        "Zp",
    } == set()


@given(st.text(max_size=200))
def test_nothing_becomes_markup(text: str) -> None:
    """A template that writes a value writes no element, and leaves no attribute."""
    assert not set(written(text)) & set("<>\"'")


def test_each_hostile_name_is_one_line_of_text() -> None:
    """Overrides, isolates, joiners and blanks are written as they would be in JSON."""
    assert shown(TURNED) == r"file\u202egpj.exe\u202c \u2066\u2067abc"
    assert shown("a\r\nb\tc\x1b[31m\u2028") == r"a\u000d\u000ab\u0009c\u001b[31m\u2028"
    assert shown("\u3164\u200b\u2800\ufe0f") == r"\u3164\u200b\u2800\ufe0f"
    assert shown("a\u00a0b\u3000c") == "a b c"
    assert all("\n" not in shown(name) for name in HOSTILE)


def test_a_long_name_is_cut() -> None:
    """What is escaped counts as it is shown, and no escape is cut in half."""
    assert shown(LONG) == "W" * LONGEST + MORE
    assert shown("\x00" * 500).removesuffix(MORE) == r"\u0000" * (LONGEST // 6)
    assert shown("abc", most=3) == "abc" and shown("abcd", most=3) == "abc" + MORE


def test_marks_do_not_cover_the_line_above() -> None:
    """As many marks as a language needs stand on a letter; the rest is written beside it."""
    assert shown("e\u0301\u0323") == "e\u0301\u0323"
    assert shown(MARKED).startswith("Z\u0300\u0489" + r"\u0300\u0489")


def test_a_line_from_right_to_left_turns_nothing_around() -> None:
    """It is isolated where it stands; what runs from left to right is left alone."""
    assert shown(RIGHT_TO_LEFT) == f"\u2068{RIGHT_TO_LEFT}\u2069"
    assert shown("France") == "France"
    assert shown("a" + RIGHT_TO_LEFT + "\u2069\u202e")[1:-1].count("\u2069") == 0


def test_only_what_a_template_has_itself_is_markup() -> None:
    """A value that is markup already comes from a filter of ours; whole text is bounded and escaped, too."""
    assert written(Markup("<b>")) == "<b>"
    assert rendering._whole("<b>") == "&lt;b&gt;"
    assert len(rendering._whole("x" * 5000)) == rendering.WHOLE + 1


def test_times_and_spans_are_short() -> None:
    """Two units are enough, and what is not there is a dash."""
    assert [span_of(value) for value in (0, 61_000, 3_600_000, 90_061_000, -5_000, None)] == [
        "0 s", "1 min 1 s", "1 h", "1 d 1 h", "5 s", rendering.NONE,
    ]  # fmt: skip
    assert time_of(None) == rendering.NONE and time_of(0).startswith("1970")


@pytest.mark.parametrize(
    ("promise", "mutant"),
    [
        (test_each_hostile_name_is_one_line_of_text, Mutant(shown_text._visible, forced(False, "_NO_FORM"))),
        (test_each_hostile_name_is_one_line_of_text, Mutant(shown_text._visible, forced(False, "_BLANK"))),
        (test_a_long_name_is_cut, Mutant(shown_text._visible, forced(False, "size"))),
        (
            test_marks_do_not_cover_the_line_above,
            Mutant(shown_text._visible, forced(False, "marks", "MARKS")),
        ),
        (
            test_a_line_from_right_to_left_turns_nothing_around,
            Mutant(shown_text.shown_text, forced(False, "_RIGHT_TO_LEFT")),
        ),
        (
            test_only_what_a_template_has_itself_is_markup,
            Mutant(rendering._whole, returning("Markup(value)")),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_each_of_these_is_missed(promise, mutant) -> None:
    await assert_missed(mutant, promise)
