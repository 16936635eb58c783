"""A witness signs no head from the future, says that one of both clocks is wrong, and goes on by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.witness.service import WitnessService
from protocol.identifiers import Millis
from protocol.limits import CLOCK_TOLERANCE, DAY
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced
from tests.mutants.promises import assert_missed
from tests.sim.witnessing import Branch, Case, T, cosigners


def set_clock(case: Case, t: int) -> None:
    case.witness._clock = lambda: Millis(t)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_head_from_the_future_is_not_signed_until_it_has_come(case: Case) -> None:
    """By a witness that is days behind, or of a ledger that is days ahead: which, it cannot tell."""
    log = Branch()
    set_clock(case, T - 10 * DAY)
    answer = case.ask(log.request(0, 6))
    assert answer.status == 503
    assert b"E_TIME_FUTURE" in answer.body
    assert case.witness.heads.heads() == []
    assert case.witness.behind == 10 * DAY

    set_clock(case, T)
    assert cosigners(case.ask(log.request(0, 6)).body, log.checkpoint(6)) == 2
    assert case.witness.behind == 0


@pytest.mark.parametrize("off", [-CLOCK_TOLERANCE, 0, 10 * DAY])
def test_an_old_head_is_signed(case: Case, off: int) -> None:
    """A ledger that was down asks for what it signed before; and clocks may differ a little."""
    set_clock(case, T + off)
    assert case.ask(Branch().request(0, 6)).status == 200


async def test_without_the_look_it_is_signed(case: Case) -> None:
    mutant = Mutant(WitnessService._has_come, forced(False, "behind > CLOCK_TOLERANCE"))
    await assert_missed(mutant, test_a_head_from_the_future_is_not_signed_until_it_has_come, [case])
