"""Check digits of ships, containers and travel documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.content.check_digits import (
    has_mrz_shape,
    is_container_number,
    is_imo_number,
    mrz_faults,
    mrz_number,
)

# The specimens that ICAO Doc 9303, parts 4, 5 and 6, prints.
TD3 = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
TD1 = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<")
TD2 = ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6")
# A number of twelve characters, as Belgium uses them (Doc 9303-5, note j).
TD1_LONG = (
    "I<UTOD23145890<7349<<<<<<<<<<<",
    "3407127M9507122UTO<<<<<<<<<<<2",
    "STEVENSON<<PETER<JOHN<<<<<<<<<",
)
TD2_LONG = ("I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<", "D23145890<UTO3407127M95071227349<<<8")


@pytest.mark.parametrize("number", ["9074729", "9176187", "8814275"])
def test_ships_that_exist_pass(number):
    """The IMO check digit agrees with published numbers."""
    assert is_imo_number(number)


@given(st.integers(0, 6), st.integers(1, 9))
def test_every_slip_in_an_imo_number_but_one_kind_is_seen(place, shift):
    """A wrong digit is seen, except where its weight and the shift make ten: that is the scheme's limit."""
    right = "9074729"
    wrong = right[:place] + str((int(right[place]) + shift) % 10) + right[place + 1 :]
    weight = 7 - place if place < 6 else 1
    assert is_imo_number(wrong) == (weight * shift % 10 == 0)


def test_a_container_number_needs_its_digit():
    """ISO 6346's own example passes, and with every other last digit it does not."""
    assert [digit for digit in "0123456789" if is_container_number("CSQU305438" + digit)] == ["3"]


@pytest.mark.parametrize("lines", [TD1, TD2, TD3, TD1_LONG, TD2_LONG])
def test_specimens_pass(lines):
    """The zones that ICAO prints have no fault."""
    assert has_mrz_shape(lines)
    assert mrz_faults(lines) == ()


def test_numbers_are_read_from_the_zone():
    """The number comes without fillers, and whole when it is longer than its field."""
    assert [mrz_number(lines) for lines in (TD1, TD2, TD3)] == ["D23145890", "D23145890", "L898902C3"]
    assert mrz_number(TD1_LONG) == mrz_number(TD2_LONG) == "D23145890734"


def test_faults_name_their_fields():
    """An altered date of birth shows in its own check digit and in the composite one."""
    altered = (TD3[0], TD3[1].replace("740812", "840812"))
    assert mrz_faults(altered) == ("birth", "composite")


@given(st.lists(st.text(alphabet="A0<", min_size=28, max_size=46), max_size=4).map(tuple))
def test_faults_are_found_in_any_zone_of_the_right_shape(lines):
    """Any text either has no such shape or can be checked: nothing else happens."""
    if has_mrz_shape(lines):
        assert set(mrz_faults(lines)) <= {"number", "birth", "expiry", "composite", "optional"}


@given(st.text())
def test_any_text_can_be_asked_about(text):
    """The checks are total, and digits of other scripts are no digits."""
    assert is_imo_number(text) in {True, False}
    assert not is_imo_number("٩٠٧٤٧٢٩")
    assert is_container_number(text) in {True, False}
    assert has_mrz_shape((text, text)) in {True, False}
