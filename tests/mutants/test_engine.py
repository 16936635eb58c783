"""The engine of the mutants: one place or none, everybody runs the mutant, and the original comes back."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from enum import Enum
from functools import lru_cache

import pytest

from protocol import signatures
from protocol.identifiers import KeyId
from tests.mutants.engine import Mutant, StaleMutantError, function_of, mutated
from tests.mutants.operations import (
    called,
    dropped,
    forced,
    instead,
    matching,
    returning,
    rewritten,
    unchecked,
)


class Refusal(Enum):
    ODD = "odd"
    LARGE = "large"


def note(value: int) -> int:
    return value


also_note = note


def judged(value: int, *, seen: list[int] | None = None) -> int:
    """Refuses what is odd or large."""
    if value % 2:
        raise ValueError(Refusal.ODD, f"{value} is odd")
    if value > 100 and value != 1000:
        raise ValueError(Refusal.LARGE)
    if seen is not None:
        seen.append(also_note(value))
    match [value, 0]:
        case [number, 0]:
            return number
    return -1


class Counter:
    start = 5

    def __init__(self, first: int = start) -> None:
        self.count = first

    def step(self, *, by: int = 1) -> int:
        self.count += by
        return self.count

    @classmethod
    def made(cls) -> Counter:
        return cls(first=7)

    @staticmethod
    def twice(value: int) -> int:
        return 2 * value

    @property
    def next(self) -> int:
        return self.count + 1


class Louder(Counter):
    def step(self, *, by: int = 1) -> int:
        return 10 * super().step(by=by)


@lru_cache
def squared(value: int) -> int:
    return value * value


def numbers(count: int) -> Iterator[int]:
    for number in range(count):  # noqa: UP028 - a generator of one line to be changed
        yield number


async def answer(value: int) -> int:
    return value + 1


def adder(by: int) -> Callable[[int], int]:
    def add(value: int) -> int:
        return value + by

    return add


def test_a_check_is_addressed_by_the_code_that_it_raises() -> None:
    with mutated(Mutant(judged, unchecked(Refusal.ODD))):
        assert judged(3) == 3
        with pytest.raises(ValueError, match="LARGE"):
            judged(102)
    with mutated(Mutant(judged, unchecked(Refusal.LARGE))):
        assert judged(102) == 102


def test_a_condition_is_addressed_by_what_it_compares() -> None:
    with mutated(Mutant(judged, forced(True, "value > 100"))), pytest.raises(ValueError, match="LARGE"):
        judged(2)
    with mutated(Mutant(judged, forced(False, "value", "1000"))):
        assert judged(102) == 102


def test_statements_go_and_others_come_in_their_place() -> None:
    seen: list[int] = []
    with mutated(Mutant(judged, dropped("seen.append"))):
        judged(2, seen=seen)
    assert seen == []
    with mutated(Mutant(judged, instead("seen.append(0); ...; seen.append(9)", "seen.append"))):
        judged(2, seen=seen)
    assert seen == [0, 2, 9]


def test_a_function_is_found_under_another_name() -> None:
    seen: list[int] = []
    with mutated(Mutant(judged, called(note, "_0 + 40"))):
        judged(2, seen=seen)
    assert seen == [42]


def test_layout_and_comments_do_not_matter() -> None:
    with mutated(Mutant(judged, rewritten("value   %2", "0"))):
        assert judged(3) == 3
    with mutated(Mutant(judged, rewritten("value > ... and value != ...", "False"))):
        assert judged(102) == 102


def test_a_pattern_takes_another() -> None:
    with mutated(Mutant(judged, matching("[number, 0]", "[number, 1]"))):
        assert judged(2) == -1


@pytest.mark.parametrize(
    "operation",
    [
        unchecked("nothing"),
        unchecked(ValueError),
        forced(True, "value"),
        dropped(ValueError),
        called(ValueError, "None"),
        called("print", "None"),
        rewritten("value", "0"),
        rewritten("value + 1", "0"),
        matching("[]", "_"),
    ],
    ids=lambda operation: operation.what,
)
def test_no_place_and_two_places_are_stale(operation) -> None:
    """It says where, and the function stays as it was."""
    kept = judged.__code__
    with (
        pytest.raises(StaleMutantError, match=r"test_engine\.judged: .* fits \d+ places, not one"),
        mutated(Mutant(judged, operation)),
    ):
        pass
    assert judged.__code__ is kept


def test_one_stale_operation_of_several_changes_nothing() -> None:
    with pytest.raises(StaleMutantError), mutated(Mutant(judged, unchecked(Refusal.ODD), unchecked("gone"))):
        pass
    with pytest.raises(ValueError, match="odd"):
        judged(3)


def test_the_original_is_back_whatever_happened() -> None:
    kept = judged.__code__
    with pytest.raises(KeyError), mutated(Mutant(judged, returning("0"))):
        assert judged(3) == 0
        raise KeyError
    assert judged.__code__ is kept


def test_a_function_is_no_mutant_twice() -> None:
    with mutated(Mutant(judged, returning("0"))):
        with pytest.raises(StaleMutantError, match="already"), mutated(Mutant(judged, returning("1"))):
            pass
        assert judged(3) == 0


def test_methods_keep_their_defaults_and_super() -> None:
    with mutated(Mutant(Counter.step, rewritten("self.count += by", "self.count += 2 * by"))):
        assert Counter().step() == 7
        assert Louder().step() == 70
    with mutated(Mutant(Louder.step, rewritten("10", "100"))):
        assert Louder().step() == 600
    with mutated(Mutant(Louder.step, returning("0"))):  # without `super`, of which the original has a cell
        assert Louder().step() == 0
    assert Louder().step() == 60


def test_class_methods_static_methods_and_properties() -> None:
    with mutated(Mutant(Counter.made, rewritten("7", "8"))):
        assert Counter.made().count == 8
    with mutated(Mutant(Counter.twice, rewritten("2", "3"))):
        assert Counter.twice(2) == 6
    with mutated(Mutant(Counter.next, rewritten("1", "2"))):
        assert Counter().next == 7


def test_a_closure_keeps_what_it_closes_over() -> None:
    add = adder(3)
    with mutated(Mutant(add, rewritten("value + by", "value * by"))):
        assert add(5) == 15
    with mutated(Mutant(add, returning("0"))):
        assert add(5) == 0
    assert add(5) == 8


async def test_generators_and_coroutines() -> None:
    with mutated(Mutant(numbers, returning("iter((9,))"))):
        assert list(numbers(3)) == [9]
    with mutated(Mutant(answer, rewritten("1", "2"))):
        assert await answer(1) == 3
    assert list(numbers(3)) == [0, 1, 2]
    assert await answer(1) == 2


def test_a_cached_function_is_changed_below_its_cache() -> None:
    with mutated(Mutant(squared, rewritten("value * value", "0"))):
        assert squared(12) == 0


def test_caches_of_the_program_are_forgotten_on_both_sides() -> None:
    kid = KeyId(bytes(16))
    true = signatures._protected(1, kid)
    with mutated(Mutant(signatures._protected, returning("b'mutant'"))):
        assert signatures._protected(1, kid) == b"mutant"
    assert signatures._protected(1, kid) == true


def test_a_symbol_may_be_an_address() -> None:
    assert function_of("protocol.signatures:_protected") is function_of(signatures._protected)
    assert function_of("keys.directory:Directory.apply").__qualname__ == "Directory.apply"
    with pytest.raises(AttributeError):
        function_of("protocol.signatures:gone")
    with pytest.raises(TypeError):
        function_of(ast)


def test_a_traceback_of_a_mutant_has_the_lines_of_the_source() -> None:
    with mutated(Mutant(judged, unchecked(Refusal.ODD))), pytest.raises(ValueError, match="LARGE") as caught:
        judged(200)
    line = caught.traceback[-1]
    assert "raise ValueError(Refusal.LARGE)" in str(line.statement)
