"""Which request is enrolled: the one whose code the unit has read, and no other one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.centre.joining import admission
from broker.centre.joining.admission import CodedRequest, answer_those_in_effect, choose_by_code
from broker.centre.joining.invited import keep_invited
from keys.directory import Directory
from keys.joining.invitation import parse_asked
from protocol.errors import ContradaError, Rejected
from runtime.cli.errors import NotInTime
from runtime.errors import NotVerified
from runtime.process.homes import CentreHome
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, unchecked
from tests.mutants.promises import assert_missed
from tests.unit.keys.joining.joined import PL, asked, enrolment, terms
from tests.unit.keys.world import NOW, World

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


@dataclass
class Opened:
    """As much of a registry as answering looks at before it speaks to Kafka."""

    home: CentreHome
    directory: Directory


async def test_one_that_cannot_be_answered_keeps_no_command_from_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is damaged: it is told, and the statements that were made count."""
    monkeypatch.setattr(admission, "now", lambda: NOW)
    home = CentreHome(tmp_path)
    kept = keep_invited(home, terms(), begins=0, authority=tmp_path)
    registry = Opened(home, World().directory)
    kept.choose(parse_asked(asked(), terms()))
    assert await answer_those_in_effect(registry) == []
    assert capsys.readouterr().err == "", "it waits for another registrar, which is no fault"
    (kept.place / "asked.cbor").write_bytes(b"junk")
    assert await answer_those_in_effect(registry) == []
    assert "pl has no answer yet" in capsys.readouterr().err


MUTANTS = [
    (Mutant(choose_by_code, forced(True, "each.code")), test_another_code_chooses_nobody),
    (Mutant(choose_by_code, unchecked("len(found)")), test_nobody_chooses_between_two_by_eye),
]


@pytest.mark.parametrize("number", range(len(MUTANTS)))
async def test_each_check_is_needed(number: int) -> None:
    await assert_missed(*MUTANTS[number])
