"""Drafts: what people write is read generously, and refused helpfully."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codes import DataClass, MessageKind, UrgencyGround
from protocol.content.bodies import required_header_codes
from protocol.content.body_parts import body_from_parts, body_to_parts
from protocol.content.code_forms import show_handling
from protocol.content.drafts import check_urgency, parse_draft
from protocol.errors import MAX_FAULTS, DraftError

EXAMPLES = Path(__file__).parents[4] / "examples"
KINDS = {
    "vessel.json": MessageKind.INFORMATION,
    "identity-document.json": MessageKind.INFORMATION,
    "urgent-request.json": MessageKind.REQUEST,
    "answer.json": MessageKind.ANSWER,
    "refusal.json": MessageKind.REFUSAL,
}
VESSEL = {"type": "vessel", "name": "x", "purposes": ["operational"], "data_class": "personal"}
DRAFT = {"subject": "A yacht", "language": "en", "crime_areas": ["migrant-smuggling"], "items": [VESSEL]}


def complaint(draft, kind=MessageKind.INFORMATION):
    data = draft if isinstance(draft, bytes) else json.dumps(draft).encode()
    with pytest.raises(DraftError) as caught:
        parse_draft(kind, data)
    return str(caught.value)


@pytest.mark.parametrize("name", KINDS)
def test_the_examples_are_valid(name):
    """Each example that the documentation shows can be sent as it stands."""
    body = parse_draft(KINDS[name], (EXAMPLES / name).read_bytes())
    assert body_from_parts(KINDS[name], body_to_parts(body)) == (body, ())


def test_every_example_is_tried():
    """A new example joins this test."""
    assert {path.name for path in EXAMPLES.glob("*.json")} == set(KINDS)


def test_the_examples_say_what_they_are_for():
    """The codes that the examples put on a header are those that the documentation speaks of."""
    vessel = required_header_codes(
        parse_draft(MessageKind.INFORMATION, (EXAMPLES / "vessel.json").read_bytes())
    )
    assert show_handling(vessel.handling) == "H1+H2+H3"
    assert vessel.data_class is DataClass.PERSONAL
    urgent = parse_draft(MessageKind.REQUEST, (EXAMPLES / "urgent-request.json").read_bytes())
    assert required_header_codes(urgent).urgency is UrgencyGround.LIFE


def test_times_may_be_written_with_a_zone():
    """People write times as text with a zone; without a zone nobody could know which moment it is."""

    def seen_at(text):
        return (
            parse_draft(
                MessageKind.INFORMATION,
                json.dumps({**DRAFT, "items": [{**VESSEL, "seen_at": text}]}).encode(),
            )
            .items[0]
            .seen_at
        )

    assert seen_at("2026-03-01T04:20:00Z") == seen_at("2026-03-01T05:20:00+01:00") == 1_772_338_800_000
    assert seen_at(1_772_338_800_000) == 1_772_338_800_000
    assert "without its zone" in complaint({**DRAFT, "items": [{**VESSEL, "seen_at": "2026-03-01T04:20:00"}]})


CASES = json.loads((Path(__file__).parent / "drafts_that_went_wrong.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_drafts_that_went_wrong(case):
    """What people wrote, and what is right: taken, or each fault at its field, with its rule and what was found."""
    draft = {**DRAFT, "items": [{"purposes": ["operational"], "data_class": "personal", **case["item"]}]}
    data = json.dumps(draft).encode()
    if not case["faults"]:
        assert parse_draft(MessageKind.INFORMATION, data).items
        return
    with pytest.raises(DraftError) as caught:
        parse_draft(MessageKind.INFORMATION, data)
    told = [[fault.field, fault.rule, fault.found] for fault in caught.value.faults]
    assert told == [[f"items[0].{field}".rstrip("."), rule, found] for field, rule, found in case["faults"]]


def test_known_fields_win():
    """What the command line says, such as the message that is answered, stands over the file."""
    other = "0195a0c2-7c3e-7b1a-8f4d-000000000000"
    data = (EXAMPLES / "refusal.json").read_bytes()
    body = parse_draft(MessageKind.REFUSAL, data, known={"in_reply_to": other})
    assert body.in_reply_to.hex() == other.replace("-", "")


@pytest.mark.parametrize(
    ("draft", "said"),
    [
        ({**DRAFT, "subject": " x"}, "subject: found a space at its beginning; expected one line"),
        (
            {**DRAFT, "language": "English"},
            'language: found "English"; expected a language code such as en or pt-BR',
        ),
        (
            {**DRAFT, "crime_areas": ["smuggling"]},
            'crime_areas[0]: found "smuggling"; expected one of terrorism, organised-crime',
        ),
        (
            {**DRAFT, "subjct": "x"},
            "subjct: found a field that does not exist here; expected 'subject' perhaps",
        ),
        (
            {**DRAFT, "sought": "who"},
            "sought: found a field that does not exist here; expected it in request",
        ),
        ({**DRAFT, "items": []}, "items: found an empty list; expected at least one entry"),
        (
            {**DRAFT, "items": [{"name": "x"}]},
            "items[0].type: found nothing; expected one of narrative, person",
        ),
        ({**DRAFT, "items": [{"type": "ship"}]}, "items[0].type: expected one of narrative, person"),
        (
            {**DRAFT, "items": [{**VESSEL, "imo": "1234568"}]},
            "items[0].imo: found 1234568, whose first six digits give the check digit 7; expected a number",
        ),
        (
            {**DRAFT, "items": [{**VESSEL, "handling": "H0+H1"}]},
            'items[0].handling: found "H0+H1"; expected H0 alone, or H1',
        ),
        ({**DRAFT, "items": [{**VESSEL, "evaluation": "2B"}]}, 'items[0].evaluation: found "2B"; expected'),
        (
            {**DRAFT, "items": [{**VESSEL, "latitude": 37.5}]},
            "items[0].latitude: found 37.5; expected text in double quotes",
        ),
        ({}, "subject: found nothing; expected a value, because"),
        (b"", "(top): found nothing at line 1, column 1; expected JSON: a value"),
        (b"[]", '(top): expected an object in { }, which has a "subject"'),
        (b'{"subject": "a", "subject": "b"}', "subject: found the field twice; expected it once"),
        (b'{"subject": NaN}', "subject: found NaN; expected a number of JSON"),
        (b'{"subject": "a",}', "line 1, column"),
        (b"\xff\xfe", "found UTF-16; expected UTF-8"),
        (b"[" * 200_000, "expected at most 32 lists and objects within each other"),
        (b'{"a":' + b"9" * 5_000 + b"}", "a: found 5000 digits; expected at most 40 digits"),
        (b" " * 2_000_000, "2000000 bytes"),
    ],
)
def test_a_fault_is_explained(draft, said):
    """Each complaint says where, what was expected and, for a value, what was found."""
    assert said in complaint(draft)


LOOKS = {
    "vessel.json": "it looks like information; 'contrada send' sends it",
    "urgent-request.json": "it looks like a request; 'contrada request' sends it",
    "answer.json": "it looks like an answer; 'contrada inbox answer' sends it",
    "refusal.json": "it looks like a refusal; 'contrada inbox refuse' sends it",
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_draft_of_another_kind_is_recognised(name):
    """Who sends a request as information is told so, and not only of each of its fields."""
    written = json.loads((EXAMPLES / name).read_bytes())
    for kind in set(KINDS.values()) - {KINDS[name]}:
        with pytest.raises(DraftError) as refused:
            parse_draft(kind, json.dumps(written | {"typo": 1}).encode())
        assert refused.value.hint == LOOKS[name]
    with pytest.raises(DraftError) as refused:
        parse_draft(KINDS[name], json.dumps(written | {"typo": 1}).encode())
    assert refused.value.hint.startswith("the fields of this kind: subject")


def test_what_could_be_of_several_kinds_is_not_guessed():
    for draft in ({}, {"subject": "a", "extent": "final"}, {"sought": "a", "grounds": []}):
        with pytest.raises(DraftError) as refused:
            parse_draft(MessageKind.INFORMATION, json.dumps(draft).encode())
        assert refused.value.hint.startswith("the fields of this kind")


def test_all_faults_are_told_at_once():
    """Nobody corrects one fault to learn of the next, and a hopeless draft does not flood the screen."""
    told = complaint({**DRAFT, "subject": "", "language": 3, "items": [{**VESSEL, "imo": 7}]})
    assert [told.count(word) for word in ("subject:", "language:", "items[0].imo:")] == [1, 1, 1]
    assert "and 188 more" in complaint({**DRAFT, "items": [{"type": "ship"}] * 200})


def fault_places(draft, kind=MessageKind.INFORMATION):
    with pytest.raises(DraftError) as caught:
        parse_draft(kind, json.dumps(draft).encode())
    return {(fault.field, fault.rule) for fault in caught.value.faults}


def test_a_rule_between_fields_does_not_wait_for_the_fields():
    """What is wrong between fields is told beside what is wrong within others, each at its field."""
    items = [
        {**VESSEL, "mmsi": "12", "latitude": "1.0", "handling": "H3"},
        {"type": "person", "purposes": ["cross-check"], "data_class": "personal", "relation": "contact",
         "subject_category": "victim", "surname": " x"},
        {**VESSEL, "longitude": "1.0", "purposes": ["undetermined", "operational"]},
    ]  # fmt: skip

    assert fault_places({**DRAFT, "language": "x", "items": items}) == {
        ("language", "shape"),
        ("items[0].mmsi", "shape"),
        ("items[0].longitude", "position"),
        ("items[0].restriction", "h3_restriction"),
        ("items[1].surname", "line"),
        ("items[1].relation", "relation"),
        ("items[1].purposes", "cross_check"),
        ("items[1].data_class", "data_class_low"),
        ("items[2].latitude", "position"),
        ("items[2].purposes", "undetermined_alone"),
    }


def test_a_rule_of_the_whole_is_judged_by_the_items_that_can_be_read():
    """A request without its link is told so at once, also where a person in it is faulty."""
    person = {"type": "person", "purposes": ["operational"], "data_class": "personal", "surname": " x",
              "subject_category": "suspect-or-convicted"}  # fmt: skip
    request = json.loads((EXAMPLES / "urgent-request.json").read_bytes())
    del request["link"]

    assert fault_places({**request, "items": [person]}, MessageKind.REQUEST) == {
        ("items[0].surname", "line"),
        ("link", "link"),
    }


def test_a_rule_that_reads_a_wrong_field_is_passed_over():
    """A field that is wrong is told of once: nobody knows what it would say, were it right."""
    vessel = {"type": "vessel", "purposes": ["operational"], "data_class": "lax", "imo": "1", "latitude": 1}

    assert fault_places({**DRAFT, "items": [vessel]}) == {
        ("items[0].data_class", "form"),
        ("items[0].imo", "imo"),
        ("items[0].latitude", "string_type"),
    }


def test_a_complaint_is_also_a_list_for_programs():
    """Each fault has its place, its rule, what was found and what would be right, without a sentence to take apart."""
    with pytest.raises(DraftError) as caught:
        parse_draft(MessageKind.INFORMATION, json.dumps({**DRAFT, "language": "EN", "x\x1b": 1}).encode())
    language, unknown = caught.value.faults
    assert (language.field, language.rule, language.found) == ("language", "shape", '"EN"')
    assert language.right == "a language code such as en or pt-BR"
    assert (unknown.field, unknown.rule) == ("x\\u001b", "extra_forbidden")
    assert caught.value.fault_count == 2
    assert "EN" not in repr(caught.value.faults)


def test_a_complaint_has_an_end():
    """A draft of nothing but faults does not make an answer as large as itself."""
    with pytest.raises(DraftError) as caught:
        parse_draft(MessageKind.INFORMATION, json.dumps({**DRAFT, "items": [{}] * 150}).encode())
    assert (len(caught.value.faults), caught.value.fault_count) == (MAX_FAULTS, 150)


def test_a_complaint_cannot_repaint_the_terminal():
    """Values in a complaint are escaped."""
    assert "\x1b" not in complaint(
        {**DRAFT, "language": "\x1b[2J", "\x1b[2J": 1, "items": [{"type": "\x1b[2J"}]}
    )


@given(
    st.sampled_from(list(MessageKind)),
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*DRAFT, *VESSEL]), inner)
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode()),
)
def test_any_draft_ends_in_a_draft_error(kind, data):
    """Whatever people hand over, they get a sentence and no traceback, and none of the library's words."""
    with pytest.raises(DraftError) as caught:
        parse_draft(kind, data)

    assert not {word for fault in caught.value.faults for word in fault.right.split()} & {"Input", "should"}


@given(
    st.text(alphabet="0123456789-+:.TZ ", max_size=30)
    | st.datetimes().map(str)
    | st.just("0001-01-01T00:00+23:59")
)
def test_any_time_text_is_read_or_explained(text):
    """A time is a moment or a complaint."""
    draft = json.dumps({**DRAFT, "items": [{**VESSEL, "seen_at": text}]}).encode()
    try:
        body = parse_draft(MessageKind.INFORMATION, draft)
    except DraftError:
        return
    assert body.items[0].seen_at >= 0


@pytest.mark.parametrize(
    ("written", "field", "found"),
    [
        (None, "urgency", "none in the draft"),
        (UrgencyGround.RELEVANCE_LOSS, "urgency.ground", '"relevance-loss"'),
    ],
)
def test_an_urgency_that_is_asked_for_is_in_the_draft(written, field: str, found: str) -> None:
    """It is told what the draft has, and what would be right: the ground, with its reasons."""
    with pytest.raises(DraftError) as caught:
        check_urgency(MessageKind.REQUEST, asked=UrgencyGround.LIFE, written=written)
    [fault] = caught.value.faults
    assert (fault.field, fault.found) == (field, found)
    assert '"life"' in fault.right


def test_an_urgency_that_the_draft_has_is_taken() -> None:
    """Asked for or not."""
    for asked in (None, UrgencyGround.LIFE):
        check_urgency(MessageKind.REQUEST, asked=asked, written=UrgencyGround.LIFE)
