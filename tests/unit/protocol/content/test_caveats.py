"""Caveats: what is said of a body at both ends, though nobody stated it and nothing is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codes import MessageKind
from protocol.content.bodies import MODELS
from protocol.content.body_parts import body_from_parts, body_to_parts
from protocol.content.caveats import MAX_CAVEATS, caveats_on
from protocol.content.drafts import body_of_draft
from protocol.numbers.zone_layouts import LAYOUTS
from tests.unit.protocol.numbers.zone_specimens import SPECIMENS, zones_of
from tests.unit.protocol.strategies import QUICK

FRAME = {"subject": "A case", "language": "en", "crime_areas": ["migrant-smuggling"]}
TERMS = {"purposes": ["operational"], "data_class": "personal"}
DOCUMENT = {"type": "identity_document", "category": "passport", "status": "stolen", "country": "UTO"}
PASSPORT = SPECIMENS["TD3"][0]


def body(*items, **frame):
    draft = {**FRAME, **frame, "items": [{**TERMS, **item} for item in items]}
    return MODELS[MessageKind.INFORMATION].model_validate_json(json.dumps(draft))


def shown(made):
    return made.model_dump(mode="json")


def noted(*items, **frame):
    return [(caveat.field, caveat.rule) for caveat in caveats_on(shown(body(*items, **frame)))]


def words(*items):
    return [caveat.text for caveat in caveats_on(shown(body(*items)))]


def test_what_is_in_order_has_no_note():
    """A passport, a ship, a container, an account and a telephone."""
    assert not noted(
        {**DOCUMENT, "mrz": PASSPORT, "number": "L898902C3"},
        {"type": "vessel", "imo": "9074729", "mmsi": "235123456"},
        {"type": "means_of_transport", "category": "container", "registration": "CSQU3054383"},
        {"type": "narrative", "text": "IBAN GB82 WEST 1234 5698 7654 32 and IMEI 49-015420-323751-8."},
    )


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@QUICK
@given(st.data())
def test_a_zone_is_marked_where_its_layout_is_not_checked(layout, data):
    """Of each layout: a mark where something of it is not read, and only there."""
    caveats = noted({**DOCUMENT, "mrz": data.draw(zones_of(layout))})
    assert ("items[0].mrz", "mrz_not_checked") in caveats or not layout.unread
    assert {rule for _, rule in caveats} <= {"placeholder"} | (
        {"mrz_not_checked"} if layout.unread else set()
    )


def test_an_unknown_layout_is_marked_as_not_checked():
    """Both ends see it; the sender states nothing about the document."""
    assert words({**DOCUMENT, "mrz": ["QX1234567890123", "ABC<<DEF"]}) == [
        "not checked: no layout of this opening with lines of 15, 8 is known here"
    ]


def test_digits_that_do_not_fit_are_marked():
    """On a forged document, and on one that is printed so."""
    altered = [PASSPORT[0], PASSPORT[1].replace("7408122F", "7408123F")]
    told = "check digits do not fit (TD3): 3 as check digit of the date of birth (line 2, place 20), where 2 fits"
    for how in ({"status": "forged"}, {"mrz_as_printed": True}):
        assert words({**DOCUMENT, "mrz": altered, **how}) == [told]


def test_another_number_than_the_zones_is_marked():
    """A visa's zone may state the passport's number, which nobody is refused for."""
    visa = SPECIMENS["MRV-A visa"][0]
    assert noted({**DOCUMENT, "mrz": visa, "number": "D12345679"}) == [("items[0].mrz", "mrz_number")]
    assert noted({**DOCUMENT, "mrz": visa, "number": "L8988901C"}) == []


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({**DOCUMENT, "number": "000000000"}, "number"),
        ({**DOCUMENT, "number": "999999999"}, "number"),
        ({**DOCUMENT, "number": "AB1234567"}, "number"),
        ({"type": "vessel", "imo": "0000000"}, "imo"),
        ({"type": "vessel", "mmsi": "123456789"}, "mmsi"),
        (
            {"type": "means_of_transport", "category": "container", "registration": "MSCU0000007"},
            "registration",
        ),
        (
            {"type": "means_of_transport", "category": "lorry", "serial_number": "00000000000000000"},
            "serial_number",
        ),
        (
            {"type": "means_of_communication", "category": "telephone", "address": "000000000000000"},
            "address",
        ),
        ({"type": "narrative", "text": "paid to DE36 3704 0044 0000 0000 00 twice"}, "text"),
        ({"type": "narrative", "text": "the telephone (IMEI: 123456789012347) was found"}, "text"),
        (
            {
                "type": "person",
                "subject_category": "suspect-or-convicted",
                "surname": "N",
                "national_id": "1111 111",
            },
            "national_id",
        ),
        (
            {
                "type": "person",
                "subject_category": "suspect-or-convicted",
                "surname": "N",
                "documents": ["0000000"],
            },
            "documents",
        ),
    ],
)
def test_placeholders_are_marked(item, field):
    """Wherever a number stands that could be somebody's, and in what was delivered everywhere."""
    assert noted(item) == [(f"items[0].{field}", "placeholder")]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("IBAN DE88370400440532013000", ["check_digit"]),
        ("from DE89 3704 0044 0532 0130 00 TO GB82WEST12345698765433", ["check_digit"]),
        ("IMEI 490154203237519", ["check_digit"]),
        ("the truck AB12 CDEFGHIJKLMN was seen", []),
        ("ZZ12345678901234567890", []),
        ("call 490154203237519", []),
    ],
)
def test_accounts_and_telephones_in_texts(text, rules):
    """Only what begins as an account of a country does, or follows its name, is looked at."""
    assert [rule for _, rule in noted({"type": "narrative", "text": text})] == rules


def test_text_that_shows_nothing_is_marked_where_it_arrives():
    """An older unit may still send it."""
    assert noted({"type": "vessel", "name": "\u200b", "former_names": ["x", "\u2800"]}, subject="\u3164") == [
        ("subject", "unseen"),
        ("items[0].name", "unseen"),
        ("items[0].former_names[1]", "unseen"),
    ]


def test_both_ends_note_the_same_and_nothing_of_it_is_sent():
    """The caveat is made from the content, so that it is neither stated nor forgotten."""
    person = {"type": "person", "subject_category": "suspect-or-convicted", "documents": ["0000000"]}
    document = {**DOCUMENT, "mrz": ["QX1234567890123"], "number": "0000000", "expires": None}
    draft = {**FRAME, "relevance": None, "items": [{**TERMS, **item} for item in (person, document)]}
    parts = body_to_parts(body_of_draft(MessageKind.INFORMATION, draft))
    received, _ = body_from_parts(MessageKind.INFORMATION, parts)

    assert set(caveats_on(draft)) == set(caveats_on(shown(received)))
    assert len(caveats_on(draft)) == 3
    assert not any(b"checked" in part.content for part in parts)


def test_notes_have_an_end():
    """A body of nothing but placeholders does not fill the answer."""
    assert len(caveats_on(shown(body(*[{**DOCUMENT, "number": "0000000"}] * 150)))) == MAX_CAVEATS


@given(st.text(min_size=1, max_size=200).filter(lambda text: text == text.strip()))
def test_notes_hold_no_text_and_cannot_act_on_a_terminal(text):
    """Whatever stands in a field: a caveat has places and digits, in printable ASCII."""
    draft = {**FRAME, "items": [{**TERMS, "type": "narrative", "text": f"{text}\u0430"}]}
    try:
        made = MODELS[MessageKind.INFORMATION].model_validate_json(json.dumps(draft))
    except ValueError:
        return
    for caveat in caveats_on(shown(made)):
        assert str(caveat).isascii() and str(caveat).isprintable()
        assert caveat.text not in repr(caveat)
