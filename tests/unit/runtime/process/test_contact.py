"""Readiness by the last exchange: a while after it, and no longer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.process.contact import Contact, recent_contact
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_ready_is_who_was_heard_lately(heard: float, waited: float) -> None:
    """Not before the first exchange, nor after a silence; however often it was asked in between."""
    now = [heard]
    contact = Contact(lambda: now[0])
    assert recent_contact(contact.age, within=30)["ok"] is False
    contact.heard()
    now[0] += waited
    assert recent_contact(contact.age, within=30)["ok"] is (now[0] - heard <= 30)
    contact.heard()
    assert recent_contact(contact.age, within=30) == {"ok": True, "age_seconds": 0.0}


def test_without_the_bound_a_silence_is_not_noticed() -> None:
    """The mutant: heard once is heard for ever."""
    with mutated(Mutant(recent_contact, forced(True, "age <= within"))):
        assert recent_contact(10_000.0, within=30)["ok"] is True
