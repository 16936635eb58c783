"""Errors: a code for everything, a hint for every code, and no content in any of them."""

from __future__ import annotations

import pytest

from protocol.errors import HINTS, Code, ContradaError, DraftError, MisuseError, Rejected


@pytest.mark.parametrize("code", Code)
def test_every_code_says_what_to_do(code):
    """Each code is its own name and has a hint, in one line without a final stop."""
    assert code == code.name == str(code)
    assert HINTS[code] and "\n" not in HINTS[code] and not HINTS[code].endswith(".")


def test_no_hint_is_left_over():
    """There are as many hints as codes."""
    assert list(HINTS) == list(Code)


def test_a_rejection_carries_code_and_hint():
    """The code can be read by a machine, the words and the hint by a person."""
    rejected = Rejected(Code.E_OPEN, "the words")

    assert (rejected.code, rejected.reason, rejected.hint) == ("E_OPEN", Code.E_OPEN, HINTS[Code.E_OPEN])
    assert str(rejected) == "E_OPEN: the words"
    assert Rejected(Code.E_OPEN, "the words", hint="another").hint == "another"


def test_all_errors_are_of_one_tree():
    """Whoever catches the root catches all."""
    assert all(issubclass(error, ContradaError) for error in (Rejected, DraftError, MisuseError))
    assert len({error.code for error in (ContradaError, DraftError, MisuseError)}) == 3
