"""Bodies: what each kind must say, what its header must admit, and that content has one encoding."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from protocol.codes import (
    AcknowledgementStage,
    CrimeArea,
    DataClass,
    Handling,
    MessageKind,
    Purpose,
    RefusalGround,
    UrgencyGround,
)
from protocol.content.bodies import MODELS, check_header_codes, items_of, required_header_codes
from protocol.content.body_parts import body_from_parts, body_to_parts, item_from_part
from protocol.content.code_forms import show_code
from protocol.content.parts import ATTACHMENT, FRAME, ITEM, Attachment, Part
from protocol.errors import Code, DraftError, Rejected
from protocol.limits import MAX_ATTACHMENT, MAX_ITEMS, MAX_PARTS, MAX_TEXT

K = MessageKind
MID = "0195a0c2-7c3e-7b1a-8f4d-2a6b9c0d1e2f"
TERMS = {"handling": "H1", "evaluation": "B2", "purposes": ["operational"], "data_class": "personal"}
VESSEL = {"type": "vessel", "name": "Aube du Sud", **TERMS}
PERSON = {"type": "person", "surname": "Specimen", "subject_category": "suspect-or-convicted", **TERMS}
FRAME_FIELDS = {"subject": "A yacht", "language": "en"}
LEAST = {
    K.INFORMATION: {**FRAME_FIELDS, "crime_areas": ["migrant-smuggling"], "items": [VESSEL]},
    K.REQUEST: {
        **FRAME_FIELDS,
        "crime_areas": ["migrant-smuggling"],
        "sought": "Who owns it?",
        "facts": "It was seen.",
        "offence": "Smuggling",
        "available_because": "It is registered with you.",
    },
    K.ANSWER: {**FRAME_FIELDS, "in_reply_to": MID, "extent": "final", "items": [VESSEL]},
    K.REFUSAL: {
        **FRAME_FIELDS,
        "in_reply_to": MID,
        "extent": "whole",
        "grounds": [{"ground": "not-available", "reasons": "No record."}],
    },
    K.ACKNOWLEDGEMENT: {"stage": "opened", "messages": [{"message": MID, "header_digest": "ab" * 32}]},
}


def make(kind, **fields):
    written = {key: value for key, value in (LEAST[kind] | fields).items() if value is not None}
    return MODELS[kind].model_validate_json(json.dumps(written))


def rules(kind, **fields):
    with pytest.raises(ValidationError) as caught:
        make(kind, **fields)
    return {error["type"] for error in caught.value.errors()}


def refused(kind, parts):
    """The reason for which the parts are rejected; any other outcome fails the test."""
    with pytest.raises(Rejected) as caught:
        body_from_parts(kind, parts)
    assert caught.value.__context__ is None, "the parser's error knows the values"
    return caught.value


# --- strategies -----------------------------------------------------------------------------------

ALLOWED = st.characters(
    exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029\u202a\u202b\u202c\u202d\u202e\ufeff"
    "\u2066\u2067\u2068\u2069",
)  # fmt: skip
LINES = st.text(ALLOWED, min_size=1, max_size=40).map(str.strip).filter(bool)
TEXTS = st.lists(LINES, min_size=1, max_size=3).map("\n".join)
TIMES = st.integers(0, 2**53 - 1)


def form_of(codes, exclude=()):
    return st.sampled_from([show_code(code) for code in codes if code not in exclude])


def some(codes, **sizes):
    return st.lists(form_of(codes), unique=True, **sizes)


def item_of(type_, mandatory, optional):
    handling = st.sampled_from(["H0", "H1", "H2", "H1+H2"])
    terms = {
        "type": st.just(type_),
        "handling": handling,
        "evaluation": st.sampled_from(["A1", "B2", "C3", "X4"]),
        "purposes": st.lists(
            form_of(Purpose, exclude=[Purpose.UNDETERMINED, Purpose.CROSS_CHECK]), min_size=1, unique=True
        ),
        "data_class": st.just("victim"),
    }
    item = st.fixed_dictionaries(terms | mandatory, optional=optional | {"review": TIMES})
    restricted = st.tuples(item, TEXTS).map(
        lambda both: both[0] | {"handling": "H1+H3", "restriction": both[1]}
    )
    return item | restricted


ITEMS = st.one_of(
    item_of("narrative", {"text": TEXTS}, {"title": LINES}),
    item_of(
        "person",
        {"surname": LINES, "subject_category": st.sampled_from(["victim", "suspect-or-convicted"])},
        {"forenames": st.lists(LINES, max_size=3, unique=True), "minor": st.booleans(), "description": TEXTS},
    ),
    item_of(
        "vessel", {"name": LINES}, {"imo": st.just("9074729"), "persons_aboard": TIMES, "seen_at": TIMES}
    ),
    item_of("location", {"name": LINES}, {"country": st.just("ITA"), "remarks": TEXTS}),
    item_of("means_of_communication", {"category": st.just("email"), "address": LINES}, {"last_seen": TIMES}),
    item_of("organisation", {"name": LINES}, {"directors": st.lists(LINES, max_size=3, unique=True)}),
    item_of("sighting", {"subject": LINES, "seen_at": TIMES, "place": LINES}, {"circumstances": TEXTS}),
)
MESSAGE_IDS = st.uuids().map(str)
HEADS = {"subject": LINES, "language": st.sampled_from(["en", "fr", "pt-BR"])}
GROUNDS = st.lists(
    st.fixed_dictionaries({"ground": form_of(RefusalGround), "reasons": TEXTS}),
    min_size=1, max_size=4, unique_by=lambda entry: entry["ground"],
)  # fmt: skip
SOME_ITEMS = st.lists(ITEMS, min_size=1, max_size=4)
DRAFTS = {
    K.INFORMATION: st.fixed_dictionaries(
        {**HEADS, "crime_areas": some(CrimeArea, min_size=1, max_size=4), "items": SOME_ITEMS},
        optional={"case_ref": LINES, "relevance": TEXTS},
    ),
    K.REQUEST: st.fixed_dictionaries(
        {
            **HEADS, "crime_areas": some(CrimeArea, min_size=1, max_size=4), "sought": TEXTS, "facts": TEXTS,
            "offence": LINES, "available_because": TEXTS, "link": TEXTS, "items": st.lists(ITEMS, max_size=3),
        },
        optional={
            "urgency": st.fixed_dictionaries({"ground": form_of(UrgencyGround), "reasons": TEXTS}),
            "restrictions": TEXTS,
        },
    ),
    K.ANSWER: st.fixed_dictionaries(
        {**HEADS, "in_reply_to": MESSAGE_IDS, "extent": st.just("partial"), "outstanding": TEXTS, "items": SOME_ITEMS}
    ),
    K.REFUSAL: st.fixed_dictionaries(
        {**HEADS, "in_reply_to": MESSAGE_IDS, "extent": st.just("part"), "concerns": TEXTS, "grounds": GROUNDS}
    ),
    K.ACKNOWLEDGEMENT: st.fixed_dictionaries(
        {
            "stage": form_of(AcknowledgementStage),
            "messages": st.lists(
                st.fixed_dictionaries(
                    {
                        "message": MESSAGE_IDS,
                        "header_digest": st.binary(min_size=32, max_size=32).map(bytes.hex),
                    }
                ),
                min_size=1,
                max_size=3,
            ),
        }
    ),
}  # fmt: skip
BODIES = st.sampled_from(list(K)).flatmap(
    lambda kind: DRAFTS[kind].map(lambda draft: (kind, MODELS[kind].model_validate_json(json.dumps(draft))))
)


# --- what a body says -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", K)
def test_the_least_body_of_each_kind(kind):
    """Each kind can be made from what the law asks and nothing more."""
    assert make(kind).kind is kind


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, least in LEAST.items() for field in least]
)
def test_nothing_that_the_law_asks_may_be_left_out(kind, field):
    """A sender who leaves out a mandatory field is told so, and not the recipient after two days."""
    assert rules(kind, **{field: None}) == {"missing"}


@pytest.mark.parametrize("kind", K)
def test_unknown_fields_are_refused(kind):
    """A field that only some programs understand would be read by some recipients only."""
    assert rules(kind, colour="red") == {"extra_forbidden"}


def test_a_request_says_why_these_persons():
    """The link between purpose and person is mandatory as soon as a person is named (DIR 4(5)(d))."""
    assert rules(K.REQUEST, items=[VESSEL, PERSON]) == {"link"}
    assert make(K.REQUEST, items=[VESSEL])
    assert make(K.REQUEST, items=[PERSON], link="He steers it.")


def test_urgency_has_a_ground_and_reasons():
    """A request is urgent on one of four grounds, with reasons, or not at all (DIR 4(4))."""
    assert rules(K.REQUEST, urgency={"ground": "life"}) == {"missing"}
    assert rules(K.REQUEST, urgency={"ground": "hurry", "reasons": "x"}) == {"form"}
    assert make(K.REQUEST, urgency={"ground": "life", "reasons": "x"}).urgency.ground is UrgencyGround.LIFE


def test_a_partial_answer_says_what_is_outstanding():
    """The requester knows what still comes; a final answer leaves nothing open."""
    assert rules(K.ANSWER, extent="partial") == {"outstanding"}
    assert rules(K.ANSWER, outstanding="x") == {"outstanding"}


def test_a_refusal_in_part_says_which_part():
    """Refusal reaches only in so far as a ground applies (DIR 6(1))."""
    assert rules(K.REFUSAL, extent="part") == {"concerns"}
    assert rules(K.REFUSAL, concerns="x") == {"concerns"}


def test_every_ground_has_reasons_and_stands_once():
    """Grounds come from the closed list, each with its reasons."""
    ground = {"ground": "inaccurate", "reasons": "Out of date."}
    assert rules(K.REFUSAL, grounds=[ground, ground]) == {"grounds"}
    assert rules(K.REFUSAL, grounds=[]) == {"not_empty"}
    assert rules(K.REFUSAL, grounds=[{"ground": "inaccurate"}]) == {"missing"}
    assert rules(K.REFUSAL, grounds=[{"ground": "no-time", "reasons": "x"}]) == {"form"}


def test_only_an_accepted_message_has_a_case():
    """A case reference before acceptance would start no clock and mean nothing."""
    assert rules(K.ACKNOWLEDGEMENT, case_ref="IT-1") == {"case_ref"}
    assert make(K.ACKNOWLEDGEMENT, stage="accepted", case_ref="IT-1").stage is AcknowledgementStage.ACCEPTED


def test_items_and_texts_are_bounded():
    """The bounds hold, and what just fits passes."""
    assert rules(K.INFORMATION, items=[VESSEL] * (MAX_ITEMS + 1)) == {"too_long"}
    assert len(make(K.INFORMATION, items=[VESSEL] * MAX_ITEMS).items) == MAX_ITEMS
    assert rules(K.REQUEST, facts="x" * (MAX_TEXT + 1)) == {"string_too_long"}
    assert make(K.REQUEST, facts="x" * MAX_TEXT)


# --- what a header must admit ---------------------------------------------------------------------


@given(BODIES)
def test_the_header_codes_cover_every_item(kind_and_body):
    """Whatever an item says, the codes required of the header say at least as much."""
    _, body = kind_and_body
    required = required_header_codes(body)
    for item in items_of(body):
        assert item.handling - {Handling.H0} <= required.handling
        assert item.data_class <= required.data_class
        assert set(item.purposes) <= required.purposes
        assert item.review is None or required.review <= item.review


def admitted(body, **changes):
    required = required_header_codes(body)
    codes = {
        "handling": required.handling,
        "data_class": required.data_class,
        "purposes": required.purposes,
        "urgency": required.urgency,
        "ground": required.grounds[0] if required.grounds else None,
        "review": required.review or 0,
    }
    check_header_codes(required, **(codes | changes))


@given(BODIES)
def test_a_header_that_says_the_required_passes(kind_and_body):
    """What `required_header_codes` returns is enough."""
    admitted(kind_and_body[1])


@pytest.mark.parametrize(
    ("kind", "fields", "header", "lax"),
    [
        (
            K.INFORMATION,
            {},
            {"handling": frozenset({Handling.H0})},
            "handling (H1 in the content, H0 in the header)",
        ),
        (
            K.INFORMATION,
            {},
            {"handling": frozenset({Handling.H2})},
            "handling (H1 in the content, H2 in the header)",
        ),
        (
            K.INFORMATION,
            {},
            {"data_class": DataClass.NON_PERSONAL},
            "data_class (personal in the content, non-personal in the header)",
        ),
        (
            K.INFORMATION,
            {},
            {"purposes": frozenset({Purpose.STRATEGIC})},
            "purposes (operational in the content, strategic in the header)",
        ),
        (
            K.INFORMATION,
            {"items": [{**VESSEL, "review": 5}]},
            {"review": 1005},
            "review (1970-01-01T00:00:00Z in the content, 1970-01-01T00:00:01Z in the header)",
        ),
        (
            K.INFORMATION,
            {},
            {"ground": RefusalGround.INACCURATE},
            "ground (none in the content, inaccurate in the header)",
        ),
        (
            K.INFORMATION,
            {},
            {"urgency": UrgencyGround.LIFE},
            "urgency (none in the content, life in the header)",
        ),
        (
            K.REQUEST,
            {"urgency": {"ground": "life", "reasons": "x"}},
            {"urgency": None},
            "urgency (life in the content, none in the header)",
        ),
        (
            K.REQUEST,
            {"restrictions": "Not for tax."},
            {"handling": frozenset({Handling.H0})},
            "handling (H3 in the content, H0 in the header)",
        ),
        (K.REFUSAL, {}, {"ground": None}, "ground (not-available in the content, none in the header)"),
        (
            K.REFUSAL,
            {},
            {"ground": RefusalGround.INACCURATE},
            "ground (not-available in the content, inaccurate in the header)",
        ),
    ],
)
def test_a_header_that_says_less_is_refused(kind, fields, header, lax):
    """The router judged by the header, so a header laxer than the content is a lie to the router."""
    with pytest.raises(Rejected) as caught:
        admitted(make(kind, **fields), **header)
    assert caught.value.reason is Code.E_HEADER_LAX
    assert str(caught.value).endswith(f": {lax}")


def test_a_header_may_say_more():
    """Stricter than the content is allowed: narrative may name people that no structure shows."""
    admitted(
        make(K.INFORMATION),
        handling=frozenset({Handling.H1, Handling.H2}),
        data_class=DataClass.VICTIM,
        purposes=frozenset({Purpose.OPERATIONAL, Purpose.STRATEGIC}),
    )


# --- parts ----------------------------------------------------------------------------------------


@given(BODIES)
def test_a_body_survives_its_parts(kind_and_body):
    """What is sent is what is read, for every kind and any language."""
    kind, body = kind_and_body
    parts = body_to_parts(body)
    assert body_from_parts(kind, parts) == (body, ())
    assert [part.kind for part in parts] == [FRAME] + [ITEM] * len(items_of(body))


@given(BODIES, st.data())
def test_content_has_one_encoding(kind_and_body, data):
    """A changed byte is either refused or makes another body, which encodes to just those bytes."""
    kind, body = kind_and_body
    parts = list(body_to_parts(body))
    index = data.draw(st.integers(0, len(parts) - 1))
    content = bytearray(parts[index].content)
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    parts[index] = Part(parts[index].kind, bytes(content))
    try:
        read, _ = body_from_parts(kind, parts)
    except Rejected:
        return
    assert read != body
    assert list(body_to_parts(read)) == parts


@given(BODIES)
def test_items_can_be_shown_alone(kind_and_body):
    """One item with its terms reads without the rest of the message, and the frame holds no item."""
    _, body = kind_and_body
    frame, *items = body_to_parts(body)
    assert tuple(map(item_from_part, items)) == items_of(body)
    assert b'"items"' not in frame.content or "items" in body.model_dump_json(exclude={"items"})


def test_an_item_shown_alone_is_held_to_its_one_form():
    """A disclosed item is read as strictly as a delivered one, and nothing else passes for an item."""
    frame, item = body_to_parts(make(K.INFORMATION))
    spaced = Part(ITEM, item.content.replace(b":", b": ", 1))
    for part in (spaced, frame, Part(FRAME, item.content), Part(ITEM, b""), Part(ITEM, b"[" * 300_000)):
        with pytest.raises(Rejected) as caught:
            item_from_part(part)
        assert caught.value.reason is Code.E_BODY


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode())
GARBAGE = st.lists(st.builds(Part, st.integers(-1, 4), JSON | st.binary(max_size=64)), max_size=6)


@given(st.sampled_from(list(K)), GARBAGE)
def test_garbage_ends_in_rejected(kind, parts):
    """Any parts at all end in our one family of errors."""
    assert refused(kind, parts).reason is Code.E_BODY


@given(BODIES, st.lists(st.tuples(st.integers(0, 9), JSON | st.binary(max_size=40)), min_size=1, max_size=3))
def test_half_garbage_ends_in_rejected(kind_and_body, changes):
    """The same for bodies of which some parts were replaced."""
    kind, body = kind_and_body
    parts = list(body_to_parts(body))
    for place, content in changes:
        parts[place % len(parts)] = Part(parts[place % len(parts)].kind, content)
    assert refused(kind, parts).reason is Code.E_BODY


@given(BODIES, st.sampled_from(list(K)))
def test_a_body_reads_as_its_own_kind_only(kind_and_body, other):
    """The kind that the router saw is the kind that the recipient reads."""
    kind, body = kind_and_body
    assume(other is not kind)
    refused(other, body_to_parts(body))


def spoil(kind, old, new, *, part=0, **fields):
    parts = list(body_to_parts(make(kind, **fields)))
    assert old in parts[part].content
    parts[part] = Part(parts[part].kind, parts[part].content.replace(old, new))
    return refused(kind, parts)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"', b'{ "'),
        (b'"}', b'"}\n'),
        (b"A yacht", b"A \\u0079acht"),
        (b'"language":"en"', b'"language":"en","language":"en"'),
        (b'"language":"en"', b'"language":"en","relevance":null'),
        (b'["migrant-smuggling","corruption"]', b'["corruption","migrant-smuggling"]'),
        (b'"subject":"A yacht"}', b'"subject":"A yacht","subject":"A yacht"}'),
        (b'{"crime', b'{"a":NaN,"crime'),
        (b"A yacht", b"A \xff"),
        (b"A yacht", b"A \\ud800"),
        (b'{"crime', b'\xef\xbb\xbf{"crime'),
    ],
)
def test_other_spellings_are_refused(old, new):
    """Spaces, escapes, duplicate keys, null, another order, a byte-order mark: each is refused."""
    areas = ["migrant-smuggling", "corruption"]
    assert spoil(K.INFORMATION, old, new, crime_areas=areas).reason is Code.E_BODY


def test_terms_are_written_out():
    """An item on the wire states its codes; the defaults of drafts do not hold there."""
    for field in (b'"handling":"H1",', b'"evaluation":"B2",'):
        assert spoil(K.INFORMATION, field, b"", part=1).reason is Code.E_BODY


def test_no_item_hides_in_another_part():
    """An item part holds one item, a frame holds none: or one could be read without being disclosed."""
    frame, item = body_to_parts(make(K.INFORMATION))
    two = Part(ITEM, item.content + b"," + item.content)
    hidden = Part(FRAME, frame.content[:-1] + b',"items":[' + item.content + b"]}")
    for parts in (
        [frame, two],
        [hidden, item],
        [hidden],
        [frame, Part(ITEM, b"")],
        [frame, item, Part(ITEM, b"")],
    ):
        assert refused(K.INFORMATION, parts).reason is Code.E_BODY


def test_parts_come_in_order():
    """One frame, then items, then attachments."""
    frame, item = body_to_parts(make(K.INFORMATION))
    for parts in (
        [],
        [item],
        [item, frame],
        [frame, frame, item],
        [frame, Part(3, b"{}")],
        [Part(-1, b""), frame],
    ):
        assert refused(K.INFORMATION, parts).reason is Code.E_BODY


def test_depth_and_size_are_bounded():
    """Deep nesting and large parts are refused without being worked through."""
    frame, item = body_to_parts(make(K.INFORMATION))
    deep = Part(ITEM, b'{"type":"vessel","name":' + b"[" * 100_000)
    wide = Part(ITEM, b'{"type":"' + b"x" * 300_000)
    for parts in ([frame, deep], [frame, wide], [frame, *[item] * MAX_PARTS]):
        assert refused(K.INFORMATION, parts).reason is Code.E_BODY
    many = Part(ITEM, item.content[:-1] + b" " * 200_000 + b"}")
    assert "together" in str(refused(K.INFORMATION, [frame, *[many] * 6]))


@settings(max_examples=50)
@given(BODIES, st.data())
def test_a_rejection_never_repeats_content(kind_and_body, data):
    """Messages name paths and rules: neither values nor the names of unknown fields get into logs."""
    kind, body = kind_and_body
    parts = list(body_to_parts(body))
    index = data.draw(st.integers(0, len(parts) - 1))
    written = json.loads(parts[index].content)
    target = data.draw(st.sampled_from([*written, "Verraeter", "Verraeter.x"]))
    written[target] = data.draw(st.sampled_from(["Verraeter ", ["Verraeter"], {"Verraeter": "Verraeter"}]))
    parts[index] = Part(
        parts[index].kind, json.dumps(written, sort_keys=True, separators=(",", ":")).encode()
    )
    rejection = refused(kind, parts)
    assert "Verraeter" not in f"{rejection} {rejection.hint} {rejection!r} {parts!r}"


def test_a_rejection_names_the_place():
    """The sender's developer learns where the fault is."""
    told = str(spoil(K.INFORMATION, b'"name":"Aube du Sud"', b'"imo":"9074728","name":"x"', part=1))
    assert re.search(r"items\[0\].imo: imo\b", told)


# --- attachments ----------------------------------------------------------------------------------

PHOTO = Attachment("bow.jpg", "image/jpeg", b"\xff\xd8 not really")


def with_files(*names):
    return make(K.INFORMATION, items=[{**VESSEL, "files": list(names)}])


@given(st.binary(max_size=200), LINES)
def test_attachments_survive_their_parts(content, name):
    """A file comes back byte for byte under its name."""
    assume(not re.search(r"[/\\:]", name) and not name.startswith("."))
    file = Attachment(name, "application/octet-stream", content)
    body = with_files(name)
    parts = body_to_parts(body, [file])
    assert parts[-1].kind == ATTACHMENT
    assert body_from_parts(K.INFORMATION, parts) == (body, (file,))


@pytest.mark.parametrize(
    ("names", "files"),
    [
        ([], [PHOTO]),
        (["bow.jpg"], []),
        (["bow.jpg", "stern.jpg"], [PHOTO]),
        (["bow.jpg"], [PHOTO, PHOTO]),
        (["bow.jpg", "BOW.JPG"], [PHOTO, Attachment("BOW.JPG", "image/jpeg", b"")]),
        (["bow.jpg"], [Attachment("bow.jpg", "jpeg", b"")]),
        (["bow.jpg"], [Attachment("bow.jpg", "image/jpeg", bytes(MAX_ATTACHMENT + 1))]),
    ],
)
def test_an_attachment_that_no_item_names_is_not_sent(names, files):
    """A file takes its handling codes from the item that names it, so a file without item has none."""
    with pytest.raises(DraftError):
        body_to_parts(with_files(*names), files)


def test_a_received_attachment_is_named_by_an_item():
    """The same at the recipient, who does not trust the sender's program."""
    frame, item, photo = body_to_parts(with_files("bow.jpg"), [PHOTO])
    bare = body_to_parts(make(K.INFORMATION))
    for parts in ([*bare, photo], [frame, item], [frame, item, photo, photo]):
        assert refused(K.INFORMATION, parts).reason is Code.E_BODY
    assert refused(K.ACKNOWLEDGEMENT, [*body_to_parts(make(K.ACKNOWLEDGEMENT)), photo])


@given(st.data())
def test_every_changed_byte_of_an_attachment_is_seen(data):
    """Length, meta and content hold each other."""
    frame, item, photo = body_to_parts(with_files("bow.jpg"), [PHOTO])
    content = bytearray(photo.content)
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    parts = [frame, item, Part(ATTACHMENT, bytes(content))]
    try:
        _, (read,) = body_from_parts(K.INFORMATION, parts)
    except Rejected:
        return
    assert read.content == PHOTO.content  # only the declared media type may be another word
    assert read.media_type != PHOTO.media_type


def test_the_meta_of_an_attachment_has_one_form():
    """Another spelling of the same meta is refused, as everywhere in content."""
    frame, item, photo = body_to_parts(with_files("bow.jpg"), [PHOTO])
    meta = photo.content[4 : -len(PHOTO.content)].replace(b":", b": ", 1)
    respelled = Part(ATTACHMENT, len(meta).to_bytes(4, "big") + meta + PHOTO.content)
    assert refused(K.INFORMATION, [frame, item, respelled]).reason is Code.E_BODY


@given(st.binary(max_size=80))
def test_a_garbled_attachment_ends_in_rejected(content):
    """Any bytes as an attachment end in our one family of errors."""
    frame, item, _ = body_to_parts(with_files("bow.jpg"), [PHOTO])
    assert refused(K.INFORMATION, [frame, item, Part(ATTACHMENT, content)]).reason is Code.E_BODY


def test_too_much_for_one_message_is_said_to_the_sender():
    """Three large files do not fit, and the sender is told before sealing."""
    files = [Attachment(f"{n}.bin", "application/zip", bytes(MAX_ATTACHMENT)) for n in range(3)]
    with pytest.raises(DraftError, match="together"):
        body_to_parts(with_files("0.bin", "1.bin", "2.bin"), files)


def test_representations_are_silent():
    """Neither a part nor an attachment shows its content or its name."""
    assert "Aube" not in repr(body_to_parts(make(K.INFORMATION)))
    assert repr(PHOTO) == "Attachment(media_type='image/jpeg')"
