"""Machine-readable zones: every layout is recognised, and each wrong digit is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.numbers.zone_layouts import COMPOSITE, LAYOUTS, NUMBER
from protocol.numbers.zones import (
    FILLER,
    check_digit,
    is_zone_line,
    layout_of,
    length_slip,
    mentions,
    wrong_digits,
    zone_number,
)
from tests.unit.protocol.numbers.zone_specimens import ALPHABET, BY_NAME, OPENINGS, SPECIMENS, zones_of
from tests.unit.protocol.strategies import QUICK

CERTAIN = [layout for layout in LAYOUTS if layout.certain]
TD3 = SPECIMENS["TD3"][0]


def test_every_layout_has_specimens_and_openings():
    """A new row of the table joins these tests."""
    assert set(SPECIMENS) == set(OPENINGS) == set(BY_NAME)
    assert len(BY_NAME) == len(LAYOUTS)


@pytest.mark.parametrize(
    ("name", "zone"), [(name, zone) for name, zones in SPECIMENS.items() for zone in zones]
)
def test_specimens_are_recognised_and_have_no_fault(name, zone):
    """What states and standards print as an example is read as what it is."""
    layout = layout_of(zone)
    assert layout is not None and layout.name == name
    assert wrong_digits(zone, layout) == ()


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@QUICK
@given(st.data())
def test_any_zone_of_a_layout_is_recognised(layout, data):
    """Whatever stands in it: the shape, the opening and right digits are enough."""
    zone = data.draw(zones_of(layout))
    assert layout_of(zone) is layout
    assert wrong_digits(zone, layout) == ()


@pytest.mark.parametrize("layout", CERTAIN, ids=lambda layout: layout.name)
@QUICK
@given(st.data())
def test_one_flipped_digit_is_named_and_no_other(layout, data):
    """The officer learns which digit to look at again, also where the one over the whole zone covers it."""
    zone = data.draw(zones_of(layout))
    number = next((field for field in layout.numbers[:1] if field.digit is not None), None)
    places = [(digit.field, digit.line, digit.column) for digit in layout.digits]
    if number is not None and len(layout.numbers) == 1:
        places.append((NUMBER, number.span.line, number.digit))
    if not places:
        return
    field, line, column = data.draw(st.sampled_from(places))
    right = zone[line][column]
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != right]))
    altered = tuple(
        text[:column] + wrong + text[column + 1 :] if place == line else text
        for place, text in enumerate(zone)
    )

    named = [(found.field, found.line, found.column, found.right) for found in wrong_digits(altered, layout)]
    assert named == [(field, line, column, right)]
    assert layout_of(altered) is layout


@pytest.mark.parametrize(
    "layout", [row for row in LAYOUTS if not row.certain], ids=lambda layout: layout.name
)
def test_an_opening_that_others_use_too_proves_nothing(layout):
    """With a digit that does not fit it is another layout, which is taken unread, and never a false document."""
    zone = SPECIMENS[layout.name][0]
    digit = next(each for each in layout.digits if each.field != NUMBER)
    wrong = str((int(zone[digit.line][digit.column]) + 1) % 10)
    line = zone[digit.line]
    altered = list(zone)
    altered[digit.line] = line[: digit.column] + wrong + line[digit.column + 1 :]
    assert layout_of(tuple(altered)) is None


@given(st.lists(st.text(ALPHABET, min_size=5, max_size=50), min_size=1, max_size=5).map(tuple))
def test_any_zone_can_be_read(zone):
    """Any lines have a layout or none: nothing else happens, and no number comes out with fillers."""
    layout = layout_of(zone)
    length_slip(zone)
    if layout is not None:
        assert {digit.field for digit in wrong_digits(zone, layout)} <= {
            NUMBER,
            *(digit.field for digit in layout.digits),
        }
        assert FILLER not in (zone_number(zone, layout) or "")


@pytest.mark.parametrize(
    "zone",
    [
        ("AB12CD34EF56GH78",),
        ("I<UTOERIKSSON<<ANNA<MARIA<<<", "D231458907UTO7408122F1204159"),
        ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<"),
        ("12345",) * 5,
    ],
)
def test_other_shapes_have_no_layout(zone):
    """They are taken unread; nothing is guessed."""
    assert layout_of(zone) is None
    assert length_slip(zone) is None


@pytest.mark.parametrize(
    ("name", "line", "change"),
    [("TD3", 1, -1), ("TD1", 0, 1), ("French identity card of 1988", 0, -1), ("MRV-A visa", 1, 2)],
)
def test_a_character_too_many_or_too_few_is_a_slip(name, line, change):
    """A zone that opens as a passport with a line of 43 is a passport that was copied badly."""
    zone = list(SPECIMENS[name][0])
    zone[line] = zone[line] + FILLER * change if change > 0 else zone[line][:change]
    slip = length_slip(tuple(zone))
    assert slip is not None
    assert (slip.layout.name, slip.line) == (name, line)
    assert length_slip(SPECIMENS[name][0]) is None


def test_numbers_are_read_from_the_zone():
    """The number comes without fillers, and whole where it is longer than its field."""

    def numbers(name):
        return [zone_number(zone, BY_NAME[name]) for zone in SPECIMENS[name]]

    assert numbers("TD3")[0] == "L898902C3"
    assert numbers("TD1")[4:6] == ["D23145890734", "592211692174"]
    assert numbers("TD2") == ["D23145890", "D23145890734", "SS099993"]
    assert numbers("Portuguese citizen card") == ["000024759ZZ7", "0000414022ZZ"]
    assert numbers("French identity card of 1988")[2] == "990693320131"
    assert numbers("French driving licence") == ["13AA00002"]
    assert numbers("Dutch driving licence") == ["5094962111"]
    assert numbers("driving licence")[0] is None
    assert mentions(SPECIMENS["TD3"][0], "ZE184226B")
    assert not mentions(SPECIMENS["TD3"][0], "ZE")


def test_a_slip_in_a_date_shows_in_its_digit_and_in_the_whole():
    """The altered date itself is not mended by the right digit, so both are told."""
    altered = (TD3[0], TD3[1].replace("740812", "840812"))
    assert [str(digit) for digit in wrong_digits(altered, BY_NAME["TD3"])] == [
        "2 as check digit of the date of birth (line 2, place 20), where 9 fits",
        "0 as check digit of the whole zone (line 2, place 44), where 4 fits",
    ]
    assert wrong_digits(altered, BY_NAME["TD3"])[1].field == COMPOSITE


def test_the_scheme_is_that_of_doc_9303():
    """The two worked examples of part 3, 4.9."""
    assert check_digit("520727") == "3"
    assert check_digit("AB2134<<<") == "5"


@given(st.text(max_size=95))
def test_a_line_is_capitals_digits_and_fillers(text):
    """And of a length that a document has."""
    assert is_zone_line(text) == (5 <= len(text) <= 90 and set(text) <= set(ALPHABET))
