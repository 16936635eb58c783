"""The code that is read aloud covers everything that both sides must agree on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keys.joining import spoken_code as codes
from keys.joining.invitation import Terms, parse_asked
from keys.joining.spoken_code import BITS, SYMBOLS, parse_code, spoken_code
from keys.note_keys import NoteKey
from keys.root_of_trust import RootOfTrust
from protocol.errors import Rejected
from protocol.identifiers import Millis, UnitId, digest
from protocol.tlog.policy_text import ledger_policy
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.unit.keys.joining.joined import asked, authority, certificate_request, enrolment, terms
from tests.unit.keys.world import NOW, identity


def code_of(made: Terms, **changes: bytes) -> str:
    return spoken_code(made.digest, parse_asked(asked(made, **changes), made).digest)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work factor is a test of its own."""
    monkeypatch.setattr(codes, "_COST", 2)


def other_root() -> bytes:
    return RootOfTrust((identity("root", 2).public,)).encoded()


POLICY = ledger_policy("x.example", now=NOW, log_keys=NoteKey(bytes(32)).vkeys).encode()

OTHERS: dict[str, Callable[[], str]] = {
    "another root": lambda: code_of(terms(root=other_root())),
    "another policy": lambda: code_of(terms(policy=POLICY)),
    "another Kafka": lambda: code_of(terms(kafka="kafka.thief.example:9092")),
    "another authority": lambda: code_of(terms(authority=authority("theirs").certificate_pem)),
    "another invitation": lambda: code_of(terms(id=b"1" * 16)),
    "another end": lambda: code_of(terms(until=Millis(NOW + 1))),
    "other keys": lambda: code_of(terms(), enrolment=enrolment("pl", 2)),
    "another key for Kafka": lambda: code_of(terms(), certificate_request=certificate_request("thief")),
}


@pytest.mark.parametrize("what", OTHERS)
def test_whatever_differs_gives_another_code(what: str) -> None:
    assert OTHERS[what]() != code_of(terms())
    assert code_of(terms()) == code_of(terms())


def test_another_unit_has_another_code() -> None:
    assert spoken_code(terms().digest, digest(b"1")) != spoken_code(
        terms(unit=UnitId("cz")).digest, digest(b"1")
    )


def test_a_code_has_sixty_bits_and_no_symbol_that_is_taken_for_another() -> None:
    code = spoken_code(digest(b"terms"), digest(b"request"))
    assert BITS == 60
    assert len(code.replace("-", "")) * 5 == BITS
    assert not set("ILOU") & set(SYMBOLS)
    seen = {spoken_code(digest(b"terms"), digest(bytes([n]))) for n in range(64)}
    assert len(seen) == 64
    assert all(len({each[place] for each in seen}) > 10 for place in (0, 5, 13)), (
        "no symbol is always the same"
    )


def test_a_guess_costs_memory() -> None:
    """The cost stands in the code's definition: another one would be another code on the other side."""
    assert codes._BLOCK == 8
    assert codes._DOMAIN == b"contrada/joining/1"


def test_the_code_is_that_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second implementation finds the same: docs/spec has these bytes."""
    monkeypatch.setattr(codes, "_COST", 2**17)
    assert spoken_code(digest(b"terms"), digest(b"request")) == VECTOR


VECTOR = "MA57-NKFK-SAZK"


@pytest.mark.parametrize("typed", ["7kq2 m9xp 4trd", "7KQ2-M9XP-4TRD", " 7KQ2M9XP4TRD", "7KQ2-M9XP-4TRD\t"])
def test_what_is_typed_is_read_as_it_is_meant(typed: str) -> None:
    assert parse_code(typed) == "7KQ2-M9XP-4TRD"


def test_letters_that_look_like_digits_are_taken_for_them() -> None:
    assert parse_code("oil0-0000-0000") == "0110-0000-0000"


@pytest.mark.parametrize(
    "typed", ["", "7KQ2", "7KQ2-M9XP-4TRDX", "7KQ2-M9XP-4TR!", "ÄÄÄÄ-ÄÄÄÄ-ÄÄÄÄ", "UUUU-UUUU-UUUU"]
)
def test_what_is_no_code_is_refused(typed: str) -> None:
    with pytest.raises(Rejected):
        parse_code(typed)


MUTANTS = [
    (rewritten("_DOMAIN + terms", "_DOMAIN"), test_another_unit_has_another_code, []),
    (rewritten("request", "_DOMAIN"), test_whatever_differs_gives_another_code, ["other keys"]),
]


@pytest.mark.parametrize("number", range(len(MUTANTS)))
async def test_terms_and_request_are_both_needed(number: int) -> None:
    operation, promise, given = MUTANTS[number]
    await assert_missed(Mutant(spoken_code, operation), promise, given)
