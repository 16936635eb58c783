"""A clock is wrong if most others say so; nobody is believed alone against others; a jump is seen at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.identifiers import Millis
from protocol.limits import CLOCK_OFF, CLOCK_RIGHT, DAY, HOUR, MINUTE, SECOND
from runtime.process import clock as clock_check
from runtime.process.clock import KAFKA, MOST_SOURCES, ClockCheck, ClockJump, readiness_of_clock
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, instead, rewritten
from tests.mutants.promises import assert_missed

NOON = 1_795_000_000_000


@dataclass
class Machine:
    """Two clocks: one that is set, and one that nobody sets."""

    wall: int = NOON
    seconds: float = 100.0
    check: ClockCheck = field(init=False)

    def __post_init__(self) -> None:
        self.check = ClockCheck(lambda: Millis(self.wall), lambda: self.seconds)

    def passes(self, millis: int) -> None:
        """Time goes on for both."""
        self.wall += millis
        self.seconds += millis / 1000

    def asked(self, source: str, off: int, *, took: int = 20) -> None:
        """A party whose clock is so far ahead of ours answers a question."""
        since = self.check.moment()
        self.passes(took)
        self.check.answered(source, self.wall - took // 2 + off, since=since)

    def read(self, source: str, off: int, *, old: int = 0) -> None:
        """A signed time is read, which is so old."""
        self.check.heard(source, self.wall + off - old)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_nobody_heard_says_nothing(machine: Machine) -> None:
    assert machine.check.fault() is None
    assert machine.check.at_least(parties=1) is None
    assert readiness_of_clock(machine.check, None) == {"ok": True, "compared_with": []}
    assert readiness_of_clock(None, None) == {"ok": True, "compared_with": []}


@pytest.mark.parametrize(
    "off", [-3 * 365 * DAY, -HOUR, -CLOCK_OFF - SECOND, CLOCK_OFF + SECOND, 12 * HOUR, 5 * 365 * DAY]
)
def test_a_clock_that_kafka_contradicts_is_wrong(machine: Machine, off: int) -> None:
    """Alone it is not believed against others; where nobody else speaks, nothing is decided in doubt."""
    machine.asked(KAFKA, -off)
    fault = machine.check.fault()
    assert fault is not None
    assert fault.by == (KAFKA,)
    assert abs(fault.ahead - off) <= SECOND
    assert ("ahead" if off > 0 else "behind") in fault.sentence
    assert readiness_of_clock(machine.check, fault)["ok"] is False


@pytest.mark.parametrize("off", [-CLOCK_OFF + SECOND, -1, 0, CLOCK_OFF - SECOND])
def test_what_clocks_may_differ_by_is_right(machine: Machine, off: int) -> None:
    machine.asked(KAFKA, off)
    assert machine.check.fault() is None


def test_a_jump_is_seen_without_a_question(machine: Machine) -> None:
    """Either way, at the next look: what was heard grows with the clock that nobody sets."""
    machine.asked(KAFKA, 0)
    machine.passes(10 * MINUTE)
    assert machine.check.fault() is None
    for jump in (32 * DAY, -64 * DAY):
        machine.wall += jump
        fault = machine.check.fault()
        assert fault is not None
        assert (fault.ahead > 0) is (jump > 0)
    machine.wall += 32 * DAY
    assert machine.check.fault() is None


def test_one_that_is_wrong_is_outvoted(machine: Machine) -> None:
    """Kafka, a peer or a witness: no single one stops this process, whichever way it is off."""
    for off in (2 * HOUR, -2 * HOUR):
        machine.asked(KAFKA, off)
        machine.asked("witness", 0)
        machine.read("ledger", 0)
        assert machine.check.fault() is None


def test_a_signed_time_denies_that_this_clock_is_ahead(machine: Machine) -> None:
    """The ledger has just signed at our time; Kafka, hours behind, is not believed against it."""
    machine.asked(KAFKA, -2 * HOUR)
    machine.read("ledger", 0)
    assert machine.check.fault() is None


def test_an_old_signed_time_says_nothing(machine: Machine) -> None:
    """It may have been read late: it neither accuses a clock of being ahead, nor defends it."""
    machine.read("ledger", 0, old=3 * DAY)
    assert machine.check.fault() is None
    machine.asked(KAFKA, -2 * HOUR)
    assert machine.check.fault() is not None


def test_most_of_the_others_are_believed(machine: Machine) -> None:
    """Even against Kafka, where it shares this machine's wrong clock."""
    machine.asked(KAFKA, 0)
    for source in ("ledger", "one.example", "two.example"):
        machine.asked(source, 3 * HOUR)
    fault = machine.check.fault()
    assert fault is not None
    assert fault.by == ("ledger", "one.example", "two.example")
    assert abs(fault.ahead + 3 * HOUR) <= SECOND


def test_one_that_exaggerates_is_not_told(machine: Machine) -> None:
    for source, off in (("a", HOUR), ("b", HOUR), ("c", 5 * 365 * DAY)):
        machine.read(source, off)
    fault = machine.check.fault()
    assert fault is not None
    assert fault.ahead == -HOUR


def test_the_last_word_of_each_counts(machine: Machine) -> None:
    """A router whose clock was a year ahead, and is right again, says nothing wrong any more."""
    machine.read("router", 365 * DAY)
    assert machine.check.fault() is not None
    machine.read("router", 0)
    assert machine.check.fault() is None


def test_at_the_limit_it_does_not_come_and_go(machine: Machine) -> None:
    """Once wrong, it has to come closer than what made it so."""
    between = (CLOCK_OFF + CLOCK_RIGHT) // 2
    machine.asked(KAFKA, between)
    assert machine.check.fault() is None
    machine.asked(KAFKA, CLOCK_OFF + MINUTE)
    assert machine.check.fault() is not None
    machine.asked(KAFKA, between)
    assert machine.check.fault() is not None
    machine.asked(KAFKA, CLOCK_RIGHT - SECOND)
    assert machine.check.fault() is None


def test_a_slow_answer_accuses_nobody(machine: Machine) -> None:
    """Its time may be as old as the question: a party that took ten minutes says what it can."""
    machine.asked(KAFKA, 0, took=20 * MINUTE)
    assert machine.check.fault() is None


def test_a_word_is_forgotten_after_a_day(machine: Machine) -> None:
    machine.read("ledger", HOUR)
    machine.passes(DAY + HOUR)
    assert machine.check.sources == ()
    assert machine.check.fault() is None


def test_names_that_somebody_invents_take_no_memory(machine: Machine) -> None:
    for number in range(10 * MOST_SOURCES):
        machine.read(f"router {number}", 0)
    assert len(machine.check.sources) == MOST_SOURCES


def test_nobody_sets_the_time_that_others_have_passed_alone(machine: Machine) -> None:
    """The latest that two have passed: one that is years ahead moves it to the next one's."""
    machine.read("a", HOUR)
    machine.read("b", 2 * HOUR)
    machine.read("c", 5 * 365 * DAY)
    assert machine.check.at_least(parties=2) == machine.wall + 2 * HOUR
    assert machine.check.at_least(parties=4) is None


@given(
    own=st.integers(-400 * DAY, 400 * DAY),
    wrong=st.lists(st.integers(-400 * DAY, 400 * DAY), max_size=2),
    right=st.integers(3, 5),
)
def test_most_being_right_a_clock_is_judged_right(own: int, wrong: list[int], right: int) -> None:
    """With three that answer and are right, and two that are not: wrong beyond the bound, right within it."""
    machine = Machine(wall=NOON + own)
    for number, off in enumerate(wrong):
        machine.asked(f"wrong {number}", off - own, took=2)
    for number in range(right):
        machine.asked(f"right {number}", -own, took=2)
    if abs(own) > CLOCK_OFF + SECOND:
        assert machine.check.fault() is not None
    if abs(own) < CLOCK_OFF - SECOND:
        assert machine.check.fault() is None


def test_a_jump_is_told_once() -> None:
    machine = Machine()
    jump = ClockJump(lambda: Millis(machine.wall), lambda: machine.seconds)
    machine.passes(HOUR)
    assert not jump.happened()
    machine.wall += 32 * DAY
    assert jump.happened()
    assert not jump.happened()


MUTANTS = {
    "one voice against others is enough": (
        Mutant(clock_check._fault, rewritten("len(said) <= denied", "not said")),
        test_one_that_is_wrong_is_outvoted,
    ),
    "a signed time defends nothing": (
        Mutant(clock_check._ahead, rewritten("sum(now - low <= bound for _, low, _ in words)", "0")),
        test_a_signed_time_denies_that_this_clock_is_ahead,
    ),
    "what was heard stands still": (
        Mutant(ClockCheck._now, rewritten("round(age * 1000)", "0")),
        test_a_jump_is_seen_without_a_question,
    ),
    "the first word counts": (
        Mutant(ClockCheck.heard, instead("if source in self._words: return", "self._words.pop(source, None)")),
        test_the_last_word_of_each_counts,
    ),
    "it comes and goes at the limit": (
        Mutant(ClockCheck.fault, rewritten("self._right if self._was_off else self._off", "self._off")),
        test_at_the_limit_it_does_not_come_and_go,
    ),
    "an answer is as young as its arrival": (
        Mutant(ClockCheck.answered, rewritten("round((self._monotonic() - since) * 1000)", "0")),
        test_a_slow_answer_accuses_nobody,
    ),
    "whoever exaggerates most is told": (
        Mutant(clock_check._fault, rewritten("(len(said) - 1) // 2", "-1")),
        test_one_that_exaggerates_is_not_told,
    ),
    "nobody is forgotten": (
        Mutant(ClockCheck._now, forced(True, "age <= FORGOTTEN_AFTER")),
        test_a_word_is_forgotten_after_a_day,
    ),
    "everybody is remembered": (
        Mutant(ClockCheck.heard, rewritten("len(self._words) >= MOST_SOURCES", "False")),
        test_names_that_somebody_invents_take_no_memory,
    ),
    "one alone sets the time": (
        Mutant(ClockCheck.at_least, rewritten("parties - 1", "0")),
        test_nobody_sets_the_time_that_others_have_passed_alone,
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_without_its_rule_a_promise_is_broken(mutant: str) -> None:
    """The promise's own test fails on the mutant."""
    changed, promise = MUTANTS[mutant]
    await assert_missed(changed, promise, [Machine()])
