"""Items: each carries its own terms, and its structure is held against what it claims to be."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from protocol.codes import DataClass
from protocol.content.entities import Item
from protocol.content.fields import DRAFT, RuleSource
from protocol.content.items import ItemBase

ITEM = TypeAdapter(Item)
MODELS = get_args(get_args(Item)[0])

TERMS = {"purposes": ["operational"], "data_class": "personal"}
LEAST = {
    "narrative": {"text": "Seen twice."},
    "person": {"subject_category": "suspect-or-convicted", "surname": "Specimen"},
    "vessel": {"name": "Aube du Sud"},
    "identity_document": {
        "category": "passport",
        "status": "stolen",
        "country": "UTO",
        "number": "L898902C3",
    },
    "means_of_transport": {"category": "lorry", "registration": "XX-123-YY"},
    "means_of_communication": {"category": "telephone", "address": "+33 1 99 00 12 34"},
    "location": {"name": "Old harbour"},
    "organisation": {"name": "Calanque Charter"},
    "sighting": {"subject": "Yacht", "seen_at": 1_772_338_800_000, "place": "Zakynthos"},
}
GENUINE = ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
ALTERED = [GENUINE[0], GENUINE[1][:-1] + "7"]


def read(type_, context=None, **fields):
    return ITEM.validate_json(json.dumps({"type": type_, **TERMS, **LEAST[type_], **fields}), context=context)


def rules(type_, context=None, **fields):
    """The rules that the item breaks."""
    with pytest.raises(ValidationError) as caught:
        read(type_, context, **fields)
    return {error["type"] for error in caught.value.errors()}


@pytest.mark.parametrize("type_", LEAST)
def test_the_least_item_is_enough(type_):
    """Each type can be sent with little; nobody is made to invent fields."""
    assert read(type_).type == type_


def test_every_type_is_tried_here():
    """A new item type joins the tests of this file."""
    assert {model.model_fields["type"].default for model in MODELS} == set(LEAST)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_names_its_source(model):
    """For every field one can look up where it comes from."""
    for name, field in model.model_fields.items():
        assert any(isinstance(entry, RuleSource) and entry.rule for entry in field.metadata), name


@pytest.mark.parametrize("type_", LEAST)
def test_terms_left_out_in_a_draft_are_the_open_ones(type_):
    """Without codes H0 and X4 hold (ER 29(4)): strictness is a choice, and reliability is not presumed."""
    item = read(type_)
    assert {int(code) for code in item.handling} == {0}
    assert str(item.evaluation) == "X4"


@pytest.mark.parametrize("field", ["purposes", "data_class"])
def test_purpose_and_data_class_are_never_guessed(field):
    """The provider determines the purpose (ER 19(1)) and says what data it is."""
    with pytest.raises(ValidationError):
        ITEM.validate_json(json.dumps({"type": "vessel", "name": "x", **TERMS} | {field: None}))
    assert rules("vessel", purposes=[]) == {"not_empty"}


def test_h3_comes_with_its_restriction():
    """H3 without words says nothing, and words without H3 would be overlooked."""
    assert rules("vessel", handling="H3") == {"h3_restriction"}
    assert rules("vessel", handling="H1", restriction="Not before May.") == {"h3_restriction"}
    assert read("vessel", handling="H1+H3", restriction="Not before May.").restriction == "Not before May."


def test_undetermined_is_no_purpose_among_others():
    """Either the purpose is known or it is not (ER 18(6))."""
    assert rules("vessel", purposes=["undetermined", "operational"]) == {"undetermined_alone"}


@pytest.mark.parametrize(
    ("fields", "least"),
    [
        ({}, DataClass.PERSONAL),
        ({"special_categories": ["health"]}, DataClass.SPECIAL),
        ({"minor": True}, DataClass.MINOR),
        ({"minor": True, "special_categories": ["health"]}, DataClass.MINOR),
        ({"subject_category": "victim"}, DataClass.VICTIM),
        ({"subject_category": "witness"}, DataClass.VICTIM),
        ({"subject_category": "informant"}, DataClass.VICTIM),
        ({"subject_category": "victim", "minor": True}, DataClass.VICTIM),
        ({"subject_category": "contact-or-associate"}, DataClass.PERSONAL),
    ],
)
def test_a_person_implies_a_data_class(fields, least):
    """A person cannot be sent as less than its role, age and special categories make it (ER 30)."""
    for data_class in DataClass:
        form = data_class.name.lower().replace("_", "-")
        if data_class < least:
            assert rules("person", data_class=form, **fields) == {"data_class_low"}
        else:
            assert read("person", data_class=form, **fields).data_class is data_class


@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        ("means_of_communication", {}),
        ("means_of_transport", {}),
        ("means_of_transport", {"registration": None, "make": "Fiat", "keeper": "N. N."}),
        ("vessel", {"owner": "N. N."}),
        ("identity_document", {"holder": "N. N."}),
        ("identity_document", {"mrz": GENUINE}),
        ("organisation", {"directors": ["N. N."]}),
        ("sighting", {"companions": ["N. N."]}),
    ],
)
def test_what_leads_to_a_person_is_personal(type_, fields):
    """Fields by which a person is named or found make the item personal, whatever its type."""
    assert rules(type_, data_class="non-personal", **fields) == {"data_class_low"}


@pytest.mark.parametrize("type_", ["vessel", "location", "organisation", "sighting", "identity_document"])
def test_things_alone_may_be_non_personal(type_):
    """A ship, a place or a stolen blank can go to partners who may not receive personal data (ER 23(4))."""
    assert read(type_, data_class="non-personal").data_class is DataClass.NON_PERSONAL


@pytest.mark.parametrize("category", ["witness", "victim", "contact-or-associate", "informant"])
def test_only_suspects_are_cross_checked(category):
    """Annex II A does not list the others for cross-checking."""
    fields = {"subject_category": category, "data_class": "victim"}
    assert rules("person", purposes=["cross-check"], **fields) == {"cross_check"}
    assert read("person", purposes=["operational"], **fields)


def test_the_uncategorised_go_nowhere_but_to_categorisation():
    """A person without a category is only sent to find one (ER 18(6a))."""
    assert rules("person", subject_category="uncategorised") == {"uncategorised"}
    assert read("person", subject_category="uncategorised", purposes=["undetermined"])


def test_only_contacts_have_a_relation():
    """Contact and associate are told apart only within their category (Annex II B.3)."""
    assert rules("person", relation="contact") == {"relation"}
    assert (
        read("person", subject_category="contact-or-associate", relation="associate").relation == "associate"
    )


@pytest.mark.parametrize(
    ("type_", "field"),
    [
        ("person", "surname"),
        ("vessel", "name"),
        ("identity_document", "number"),
        ("means_of_transport", "registration"),
        ("location", "name"),
    ],
)
def test_an_item_says_which_one_is_meant(type_, field):
    """An item that could be anybody or anything is refused."""
    assert rules(type_, **{field: None}) == {"item_empty"}


def test_an_imo_number_has_its_check_digit():
    """A slip of the pen in a ship's number is caught before it is searched for across Europe."""
    assert read("vessel", imo="9074729").imo == "9074729"
    assert rules("vessel", imo="9074728") == {"imo"}


def test_a_container_number_has_its_check_digit():
    """The same for containers, and only for them."""
    assert read("means_of_transport", category="container", registration="CSQU3054383")
    assert rules("means_of_transport", category="container", registration="CSQU3054384") == {
        "container_number"
    }


def test_half_a_position_is_none():
    """Latitude and longitude come together."""
    for type_ in ("vessel", "location", "sighting"):
        assert rules(type_, latitude="37.9") == {"position"}
        assert read(type_, latitude="37.9", longitude="-21.130200")


@pytest.mark.parametrize(
    "latitude", ["91", "90.1", "-90.5", "37,9", "037", "1e1", "", "37.1234567", " 1", "١"]
)
def test_a_latitude_is_decimal_text_in_range(latitude):
    """Positions are exact decimal text; there are no floats in content."""
    assert rules("location", latitude=latitude, longitude="0") & {"shape", "decimals", "range"}


def test_positions_are_not_floats():
    """A JSON number is refused, for floats differ between programs."""
    assert rules("location", latitude=37.9, longitude=21.1) == {"string_type"}


def test_a_wrong_check_digit_is_a_slip_on_a_genuine_document_and_a_finding_on_a_forged_one():
    """The machine-readable zone of a forged document is recorded as it stands."""
    assert rules("identity_document", mrz=ALTERED, status="stolen", context=DRAFT) == {"mrz_check_digit"}
    for status in ("false", "forged", "counterfeit"):
        assert read("identity_document", mrz=ALTERED, status=status, context=DRAFT).mrz == tuple(ALTERED)
    assert rules("identity_document", mrz=["<" * 44], status="forged") == {"mrz_shape"}


@pytest.mark.parametrize("status", ["stolen", "lost", "misappropriated", "invalidated"])
def test_nobody_has_to_call_a_genuine_document_false(status):
    """Any zone can be sent of it: of any layout, and with digits that do not fit, if it says that they are printed."""
    for zone in (ALTERED, ["I<UTO", "0" * 90], GENUINE[:1], ["X" * 90] * 5):
        assert read("identity_document", mrz=zone, status=status, mrz_as_printed=True, context=DRAFT)
    for zone in (["QX12345"], ["0" * 90] * 5):
        assert read("identity_document", mrz=zone, status=status, context=DRAFT)
    for zone in (["Q" * 91], ["Q" * 4], ["Q" * 9] * 6, ["q" * 9], ["Q 123456"]):
        assert rules("identity_document", mrz=zone, status=status) <= {"mrz_line", "too_long"}


def test_what_was_delivered_is_read_and_not_judged():
    """A program that learns more about documents and numbers still shows the messages that it has."""
    assert read("identity_document", mrz=ALTERED, status="stolen", number="X1")
    assert read("vessel", imo="0000000", mmsi="999999999", name="\u200b")
    assert "mrz_as_printed" not in read("identity_document", mrz=GENUINE).model_dump()


def test_number_and_zone_agree():
    """On a genuine document the number that was typed is the one that the zone states."""
    assert read("identity_document", mrz=GENUINE)
    assert rules("identity_document", mrz=GENUINE, number="L898902C4", context=DRAFT) == {"mrz_number"}


@pytest.mark.parametrize("date", ["1989", "1989-04", "1989-04-17", "2024-02-29"])
def test_dates_may_be_known_in_part(date):
    """A year alone is a date of birth that officers have."""
    assert read("person", birth_date=date).birth_date == date


@pytest.mark.parametrize("date", ["1989-4-17", "1989-13", "2023-02-29", "0000", "89", "1989-04-17T00:00", ""])
def test_other_dates_are_refused(date):
    """What is on no calendar is not a date."""
    assert rules("person", birth_date=date) <= {"shape", "calendar_date"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " x",
        "x ",
        "a\x1b[31mb",
        "a\x00",
        "a\u202eb",
        "a\u2066b",
        "a\x85b",
        "a\rb",
        "\ufeffx",
        "x\u2028y",
        "\x7f",
    ],
)
@pytest.mark.parametrize(
    ("type_", "field"), [("vessel", "name"), ("narrative", "text"), ("narrative", "title")]
)
def test_text_cannot_repaint_or_reorder(type_, field, text):
    """No control character reaches a terminal, and no override shows a name in another order than it has."""
    assert rules(type_, **{field: text}) <= {"string_too_short", "line", "text"}


def test_text_of_any_language_passes():
    """Names and texts are kept as written, in every script."""
    for name in ("Şükrü Çağlar", "Ελένη", "Олександр", "محمد", "李雷", "N’Diaye-O'Brien", "می\u200cخواهم"):
        assert read("person", surname=name).surname == name
    assert read("narrative", text="one\n\ttwo").text == "one\n\ttwo"


def test_a_line_is_one_line():
    """A line break in a name is refused."""
    assert rules("vessel", name="a\nb") == {"line"}


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", ".hidden", "C:x", "a\nb", "", "..", "x" * 121])
def test_a_file_name_cannot_leave_its_folder(name):
    """Whoever stores an attachment under its name stays where they are."""
    assert rules("vessel", files=[name])


@pytest.mark.parametrize("value", [True, "1", 1.0, -1, 2**53, "2026-03-01T04:20:00Z"])
def test_times_are_whole_milliseconds(value):
    """Outside drafts a time is one integer within what JSON carries exactly."""
    assert rules("vessel", seen_at=value) == {"instant"}


def test_sets_are_sets():
    """A code given twice is refused."""
    assert rules("vessel", purposes=["operational", "operational"]) == {"distinct"}


def test_an_item_never_shows_in_a_representation():
    """Logs and tracebacks print representations; content is not in them."""
    item = read("person", surname="Verraeter", national_id="4711")
    assert "Verraeter" not in f"{item} {item!r} {[item]!r}"
    assert repr(item) == "Person()"


def test_an_item_cannot_be_changed():
    """What was validated is what is sent."""
    item = read("vessel")
    with pytest.raises(ValidationError):
        item.name = "other"
    assert isinstance(item, ItemBase)
