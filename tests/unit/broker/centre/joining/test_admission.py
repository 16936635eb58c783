"""Which request is enrolled: the one whose code the unit has read, and no other one."""

from __future__ import annotations

import pytest

from broker.centre.joining.admission import CodedRequest, choose_by_code
from keys.joining.invitation import parse_asked
from protocol.errors import ContradaError, Rejected
from runtime.cli.errors import NotInTime
from runtime.errors import NotVerified
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, unchecked
from tests.mutants.promises import assert_missed
from tests.unit.keys.joining.joined import PL, asked, enrolment, terms

OURS, THEIRS = "7KQ2-M9XP-4TRD", "0000-0000-0000"


def request(code: str, generation: int = 1) -> CodedRequest:
    return CodedRequest(parse_asked(asked(enrolment=enrolment("pl", generation)), terms()), code)


def refusal(found: list[CodedRequest], typed: str | None) -> type[ContradaError] | None:
    try:
        choose_by_code(found, PL, typed)
    except ContradaError as error:
        return type(error)
    return None


def test_the_code_that_was_read_chooses() -> None:
    found = [request(THEIRS, 2), request(OURS)]
    assert choose_by_code(found, PL, "7kq2 m9xp 4trd") == found[1]
    assert choose_by_code(found[1:], PL, None) == found[1]


def test_another_code_chooses_nobody() -> None:
    """Also where there is one request only: it is not the unit's."""
    for found in ([request(OURS)], [request(OURS), request("1111-1111-1111", 2)]):
        assert refusal(found, THEIRS) is NotVerified


def test_nobody_chooses_between_two_by_eye() -> None:
    assert refusal([request(THEIRS, 2), request(OURS)], None) is NotVerified


def test_what_is_no_code_is_told() -> None:
    assert refusal([request(OURS)], "1234") is Rejected


def test_nothing_asked_is_no_failure() -> None:
    assert refusal([], None) is NotInTime
    assert refusal([], OURS) is NotInTime


MUTANTS = [
    (Mutant(choose_by_code, forced(True, "each.code")), test_another_code_chooses_nobody),
    (Mutant(choose_by_code, unchecked("len(found)")), test_nobody_chooses_between_two_by_eye),
]


@pytest.mark.parametrize("number", range(len(MUTANTS)))
async def test_each_check_is_needed(number: int) -> None:
    await assert_missed(*MUTANTS[number])
