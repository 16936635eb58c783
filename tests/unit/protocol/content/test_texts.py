"""Texts: what of them is seen, and what is wrong with them, told so that it can be found."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.content.texts import (
    _is_seen,
    code_points,
    fault_of_date,
    fault_of_degrees,
    fault_of_line,
    fault_of_text,
    is_seen,
)

UNSEEN = {
    "zero width space": "\u200b",
    "joiners": "\u200c\u200d\u2060",
    "marks of direction alone": "\u200e\u200f\u061c",
    "a soft hyphen": "\u00ad",
    "combining marks alone": "\u0301\u0323",
    "an enclosing mark": "\u20dd",
    "variation selectors": "\ufe0f\U000e0100",
    "a tag of a flag that is not there": "\U000e0067\U000e007f",
    "the empty Braille cell": "\u2800\u2800",
    "fillers of Hangul": "\u115f\u1160\u3164\uffa0",
    "a combining grapheme joiner": "\u034f",
    "Mongolian selectors": "\u180b\u180e",
    "invisible operators": "\u2061\u2062\u2063\u2064",
    "the null notehead": "\U0001d159",
    "blank hieroglyphs": "\U00013441\U00013442",
    "a beam of musical notation": "\U0001d173",
    "no characters": "\ufdd0\ufffe\U0001ffff",
    "spaces between them": "\u200b \u2800 \u00a0\u200b",
}


@pytest.mark.parametrize("text", UNSEEN.values(), ids=UNSEEN.keys())
def test_some_texts_show_nothing(text):
    """Each is a name that nobody can read, and passes every check of length."""
    assert not is_seen(text)
    assert is_seen(f"{text}x")


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "7",
        "?",
        "€",
        "王",
        "გ",
        "ا",
        "한",
        "\u2801",
        "e\u0301",
        "👮\u200d♀\ufe0f",
        "🇪🇺",
        "\U000f0000",
        "\U0003fff0",
    ],
)
def test_other_texts_show_something(text):
    """Letters of every script, also of one that this Python does not know yet."""
    assert is_seen(text)


@given(st.text(st.characters(categories=["Cf", "Mn", "Me", "Mc", "Zs", "Zl", "Zp", "Cc"])))
def test_marks_formats_and_spaces_show_nothing(text):
    """However many there are."""
    assert not is_seen(text)


@given(st.text(min_size=1))
def test_a_letter_or_digit_is_enough(text):
    """A text with one of them is never called unseen, save the letters that are drawn as nothing."""
    if any(unicodedata.category(c) in ("Lu", "Ll", "Lt", "Nd", "Nl", "Sc") for c in text):
        assert is_seen(text)


@pytest.mark.parametrize(
    ("text", "line", "several"),
    [
        ("a yacht", None, None),
        ("a\tyacht\n", "U+0009 at place 2", "a space at its end"),
        ("a\u202eb", "U+202E at place 2", "U+202E at place 2"),
        ("a\x1b[2J", "U+001B at place 2", "U+001B at place 2"),
        (" a", "a space at its beginning", "a space at its beginning"),
        ("a\u3000", "a space at its end", "a space at its end"),
        ("a\nb", "U+000A at place 2", None),
        ("", None, None),
    ],
)
def test_what_a_text_may_not_hold_is_told_by_place(text, line, several):
    """By code point, for it cannot be seen."""
    assert (fault_of_line(text), fault_of_text(text)) == (line, several)


def test_many_characters_are_told_in_short():
    """Each once, the first four."""
    assert code_points("\u200b\u200b\u200c") == "U+200B, U+200C"
    assert code_points("abcdef") == "U+0061, U+0062, U+0063, U+0064, ..."


@pytest.mark.parametrize(
    ("text", "rule", "found"),
    [
        ("41.9028123456", "decimals", "10 decimals"),
        ("91", "range", "91, which is out of range"),
        ("-90.000001", "range", "-90.000001, which is out of range"),
        ("181.1234567", "decimals", "7 decimals"),
        ("37,9", "shape", None),
        ("037", "shape", None),
        ("37\u00b054'N", "shape", None),
        ("1e1", "shape", None),
        ("+1", "shape", None),
        ("", "shape", None),
        ("\u0661", "shape", None),
    ],
)
def test_what_is_wrong_with_degrees(text, rule, found):
    """Too many decimals are called so, and so is a place beyond the pole."""
    fault = fault_of_degrees(text, 90)
    assert fault is not None
    assert (fault[0], fault[2]) == (rule, found)


@given(st.integers(-90_000_000, 90_000_000))
def test_every_place_on_earth_has_degrees(millionths):
    """To the sixth decimal."""
    assert fault_of_degrees(f"{'-' if millionths < 0 else ''}{abs(millionths) // 10**6}", 90) is None
    assert fault_of_degrees(f"{abs(millionths) // 10**6}.{abs(millionths) % 10**6:06}", 90) is None
    assert fault_of_degrees(f"{abs(2 * millionths) // 10**6}.{abs(2 * millionths) % 10**6:06}", 180) is None


@given(st.dates())
def test_every_date_is_one_in_part_and_whole(day):
    """A year alone is what officers often have."""
    for text in (day.isoformat(), day.isoformat()[:7], day.isoformat()[:4]):
        assert fault_of_date(text) is None
    wrong = fault_of_date("2023-02-29")
    assert wrong is not None and wrong[2] == "2023-02-29, which is on no calendar"


@given(st.text())
def test_any_text_is_judged(text):
    """Nothing else happens, and the answer shows no character of it but digits."""
    for fault in (fault_of_line(text), fault_of_text(text)):
        assert fault is None or fault.isascii()
    for told in (fault_of_degrees(text, 90), fault_of_date(text)):
        assert told is None or all(part is None or part.isascii() for part in told)


def test_of_ascii_the_short_look_says_the_same():
    """Every character of ASCII, alone and beside what is not seen."""
    for code in range(128):
        assert is_seen(chr(code)) == is_seen(f" {chr(code)}\x00") == _is_seen(chr(code))
