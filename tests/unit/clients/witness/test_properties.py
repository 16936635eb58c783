"""A witness against logs that fork, go back, repeat themselves and race, for as long as hypothesis likes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from structlog.testing import capture_logs

from clients.witness.service import HttpAnswer, WitnessService
from protocol.tlog.witnessing import (
    AddCheckpoint,
    decide_cosigning,
    format_add_checkpoint,
    parse_add_checkpoint,
)
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called
from tests.sim.witnessing import SHARD, Branch, Case, cosigners

pytestmark = pytest.mark.slow

BRANCHES = [
    Branch(pq=False), Branch("second", forked_at=3, pq=False), Branch("third", forked_at=9, pq=False),
]  # fmt: skip

branches = st.sampled_from(BRANCHES)
sizes = st.integers(0, 16)


class AnyLog(RuleBasedStateMachine):
    """The model is what the witness ever signed: roots by size."""

    def __init__(self) -> None:
        super().__init__()
        self.quiet = capture_logs()
        self.quiet.__enter__()
        self.directory = tempfile.TemporaryDirectory()
        self.case = Case(Path(self.directory.name), pq=False)
        self.signed: dict[int, bytes] = {}
        self.largest = 0
        self.waiting: list[AddCheckpoint] = []

    def teardown(self) -> None:
        self.case.witness.heads.close()
        self.directory.cleanup()
        self.quiet.__exit__(None, None, None)

    @rule(branch=branches, size=sizes, honest=st.booleans(), old=sizes)
    def ask(self, branch: Branch, size: int, honest: bool, old: int) -> None:
        """A log asks, from where the witness is or from anywhere."""
        data = branch.request(self.largest if honest else old, size)
        self.judge(self.case.ask(data), data)

    @rule(branch=branches, other=branches, old=sizes, size=sizes)
    def ask_with_a_foreign_proof(self, branch: Branch, other: Branch, old: int, size: int) -> None:
        """The proof is that of another history."""
        data = format_add_checkpoint(old, other.proof(old, size), branch.note(size))
        self.judge(self.case.ask(data), data)

    @rule(branch=branches, size=sizes)
    def begin(self, branch: Branch, size: int) -> None:
        """A request that is found good and is still in hand while others are answered."""
        prepared = self.case.witness.prepare(branch.request(self.largest, size))
        if isinstance(prepared, AddCheckpoint):
            self.waiting.append(prepared)

    @rule(last=st.booleans())
    def finish(self, last: bool) -> None:
        """One of those in hand goes on, in whatever order."""
        if self.waiting:
            request = self.waiting.pop(-1 if last else 0)
            self.judge(self.case.witness.answer(request), None, request)

    @rule()
    def restart(self) -> None:
        """The process ends; what was in hand is lost."""
        self.waiting.clear()
        self.case.reopen()

    def judge(self, answer: HttpAnswer, data: bytes | None, request: AddCheckpoint | None = None) -> None:
        if answer.status != 200:
            return
        wanted = (request or parse_add_checkpoint(data or b"")).signed.checkpoint
        assert cosigners(answer.body, wanted) == 1
        assert wanted.size >= self.largest, "it signed a size below its own"
        assert self.signed.setdefault(wanted.size, wanted.root) == wanted.root, "two roots of one size"
        self.largest = wanted.size

    @invariant()
    def it_signed_one_history(self) -> None:
        """There is one branch to which all that was signed belongs."""
        assert any(
            all(branch.checkpoint(size).root == root for size, root in self.signed.items())
            for branch in BRANCHES
        )

    @invariant()
    def it_remembers(self) -> None:
        """The head is the largest that was signed."""
        head = self.case.witness.heads.head(SHARD)
        assert (head is None and not self.signed) or (head.size, head.root) == (
            self.largest, self.signed[self.largest],
        )  # fmt: skip


AnyLog.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
test_a_witness_never_signs_two_histories = AnyLog.TestCase


class Unguarded(AnyLog):
    """The same against a witness that trusts its first look, and a table without rules."""

    def __init__(self) -> None:
        super().__init__()
        self.case.witness.heads._connection.executescript("DROP TRIGGER only_grows; DROP TRIGGER one_root")


def test_the_machine_finds_a_witness_that_signs_two_histories() -> None:
    """It is no use unless it catches a broken one: here a request is not decided again before it is signed."""
    broken = Mutant(WitnessService.answer, called(decide_cosigning, "Cosign(_0.signed.checkpoint)"))
    with mutated(broken), pytest.raises(AssertionError):
        run_state_machine_as_test(
            Unguarded,
            settings=settings(
                AnyLog.TestCase.settings,
                max_examples=300,
                database=None,
                print_blob=False,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                derandomize=True,
            ),
        )
