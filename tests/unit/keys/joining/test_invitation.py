"""An invitation, a request and an answer have one form each; whatever else is `Rejected`, and nothing but that."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.joining import invitation as forms
from keys.joining.invitation import (
    MAX_ASKED,
    answer_to,
    parse_answer,
    parse_asked,
    parse_invitation,
    parse_terms,
)
from keys.joining.places import joining_name
from protocol import topics
from protocol.canonical import decode, encode
from protocol.errors import Rejected
from protocol.identifiers import digest
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, unchecked
from tests.mutants.promises import assert_missed
from tests.unit.keys.joining.joined import (
    PL,
    asked,
    certificate,
    certificate_request,
    enrolment,
    invitation,
    terms,
    wire_key,
)
from tests.unit.keys.world import identity


def refused(parse: Callable[..., object], *given: object) -> bool:
    try:
        parse(*given)
    except Rejected:
        return True
    return False


def test_what_is_written_is_read_again() -> None:
    made = invitation()
    again = parse_invitation(made.encoded())
    assert (again.terms, again.encoded()) == (made.terms, made.encoded())
    request = parse_asked(asked(), terms())
    assert (request.enrolment.unit, request.enrolment.fingerprint) == (
        PL,
        parse_asked(asked(), terms()).enrolment.fingerprint,
    )
    answer = answer_to(digest(asked()), certificate())
    assert parse_answer(answer, terms(), asked(), wire_key("pl").public_key()).principal == "unit-pl"


TERMS = {
    "another version": {0: 2}, "a unit that is none": {1: "PL!"}, "a short id": {2: b"1"}, "a time of text": {3: "soon"},
    "a negative time": {3: -1}, "no addresses": {4: ""}, "addresses that move the cursor": {4: "kafka:9092\x1b[2J"},
    "many addresses": {4: "k:1," * 1000}, "another root": {5: b"root"}, "a policy that is none": {6: b"\xff\xfe"},
    "an authority that is none": {7: b"-----BEGIN"}, "a large authority": {7: b"a" * 9_000}, "a policy of numbers": {6: 7},
}  # fmt: skip


@pytest.mark.parametrize("what", TERMS)
def test_terms_with_a_wrong_part_are_refused(what: str) -> None:
    item = decode(terms().encoded(), limit=forms.MAX_INVITATION)
    for place, value in TERMS[what].items():
        item[place] = value
    assert refused(parse_terms, encode(item))


def test_an_invitation_asks_with_its_own_certificate() -> None:
    """One that shows Kafka another name, such as that of a unit that is enrolled, is no invitation."""
    made = invitation()
    item = decode(made.encoded(), limit=forms.MAX_INVITATION)
    for certificate_pem, key in (
        (certificate(), made.credentials.key_pem),
        (made.credentials.certificate_pem, b"no key"),
    ):
        assert refused(parse_invitation, encode([1, item[1], certificate_pem, key]))
    assert refused(parse_invitation, encode([1, terms(id=b"1" * 16).encoded(), *item[2:]]))


WRONG: dict[str, Callable[[], bytes]] = {
    "of another invitation": lambda: asked(terms(id=bytes(15) + b"1")),
    "of another unit": lambda: asked(enrolment=enrolment("cz")),
    "for another name": lambda: asked(certificate_request=certificate_request("pl", "unit-cz")),
    "for the centre's name": lambda: asked(certificate_request=certificate_request("pl", "centre")),
    "no enrolment": lambda: asked(enrolment=b"\x80"),
    "no certificate request": lambda: asked(certificate_request=b"-----BEGIN CERTIFICATE REQUEST-----\n"),
    "too large": lambda: asked(certificate_request=bytes(MAX_ASKED)),
    "another form": lambda: encode([1, terms().digest, enrolment(), certificate_request(), None]),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_request_is_refused(what: str) -> None:
    assert refused(parse_asked, WRONG[what](), terms())


def test_a_request_under_other_terms_costs_no_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is flooded into the topic is refused by a hash."""
    looked: list[object] = []
    monkeypatch.setattr(forms, "parse_enrolment", looked.append)
    assert refused(parse_asked, asked(terms(id=b"x" * 16)), terms())
    assert looked == []


ANSWERS: dict[str, Callable[[], bytes]] = {
    "to another request": lambda: answer_to(digest(b"another"), certificate()),
    "for another key": lambda: answer_to(digest(asked()), certificate("cz")),
    "for another name": lambda: answer_to(digest(asked()), certificate("pl", "centre")),
    "of another authority": lambda: answer_to(digest(asked()), certificate("pl", "unit-pl", "theirs")),
    "no certificate": lambda: answer_to(digest(asked()), b"certificate"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_a_forged_answer_is_refused(what: str) -> None:
    """Whoever can write to the unit's topic gives it no certificate that it would take."""
    assert refused(parse_answer, ANSWERS[what](), terms(), asked(), wire_key("pl").public_key())


@given(st.binary(max_size=300), st.integers(0, 5_000), st.integers(1, 255))
@settings(max_examples=200, deadline=None)
def test_altered_bytes_are_refused_and_nothing_else_happens(noise: bytes, place: int, bit: int) -> None:
    for parse, data in (
        (parse_invitation, invitation().encoded()),
        (lambda each: parse_asked(each, terms()), asked()),
        (
            lambda each: parse_answer(each, terms(), asked(), wire_key("pl").public_key()),
            answer_to(digest(asked()), certificate()),
        ),
    ):
        altered = bytearray(data)
        altered[place % len(altered)] ^= bit
        for each in (noise, bytes(altered), data[: place % len(data)], data + noise + b"\0"):
            refused(parse, each)


MUTANTS = [
    (Mutant(parse_asked, unchecked("of")), test_a_wrong_request_is_refused, "of another invitation"),
    (Mutant(parse_asked, unchecked("asked.unit")), test_a_wrong_request_is_refused, "of another unit"),
    (Mutant(parse_answer, unchecked("of")), test_a_forged_answer_is_refused, "to another request"),
    (Mutant(parse_answer, forced(True, "fits")), test_a_forged_answer_is_refused, "for another key"),
    (
        Mutant(parse_answer, forced(False, topics.unit_principal)),
        test_a_forged_answer_is_refused,
        "for another name",
    ),
    (
        Mutant(parse_invitation, unchecked(joining_name)),
        test_an_invitation_asks_with_its_own_certificate,
        None,
    ),
]


@pytest.mark.parametrize("number", range(len(MUTANTS)))
async def test_each_check_is_needed(number: int) -> None:
    mutant, promise, what = MUTANTS[number]
    await assert_missed(mutant, promise, [] if what is None else [what])


def test_the_identity_of_tests_is_the_one_that_asks() -> None:
    assert parse_asked(asked(), terms()).enrolment.appointment.public == identity("pl").public
