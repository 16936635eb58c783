"""What is fuzzed of joining: the file that a unit is handed, the record that the centre reads of whoever was invited, the answer."""

from __future__ import annotations

from keys.joining.invitation import (
    answer_to,
    ask_enrolment,
    parse_answer,
    parse_asked,
    parse_invitation,
    parse_terms,
)
from keys.joining.spoken_code import parse_code
from protocol.canonical import decode
from protocol.identifiers import digest
from tests.fuzz.harness import Harness, expect
from tests.unit.keys.joining import joined


def invitation(data: bytes) -> None:
    """An invitation. Its PEM has more than one form."""
    made = parse_invitation(data)
    expect(parse_terms(made.terms.encoded()), made.terms)


def terms(data: bytes) -> None:
    """What a unit is invited to."""
    expect(parse_terms(data).encoded(), data)


def asked(data: bytes) -> None:
    """A request, of whoever holds the invitation."""
    parsed = parse_asked(data, joined.terms())
    wanted = decode(data, limit=1_000_000)[3]
    made = ask_enrolment(joined.terms(), enrolment=parsed.enrolment_data, certificate_request=wanted)
    expect(made, data)


def answer(data: bytes) -> None:
    """An answer, of whoever can write to a unit's topic."""
    parse_answer(data, joined.terms(), joined.asked(), joined.wire_key("pl").public_key())


def code(data: bytes) -> None:
    """What somebody types."""
    expect(parse_code(parse_code(data.decode("latin-1"))), parse_code(data.decode("latin-1")))


JOINING = (
    Harness("invitation", invitation, lambda: [joined.invitation().encoded()]),
    Harness("invitation-terms", terms, lambda: [joined.terms().encoded()]),
    Harness("joining-request", asked, lambda: [joined.asked()]),
    Harness("joining-answer", answer, lambda: [answer_to(digest(joined.asked()), joined.certificate())]),
    Harness("spoken-code", code, lambda: [b"7KQ2-M9XP-4TRD", b"7kq2 m9xp 4trd"]),
)
