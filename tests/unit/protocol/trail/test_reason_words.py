"""A refusal says what was found, and not the rule that ought to hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keys.directory import Directory
from protocol.errors import HINTS, Code
from protocol.exchange_rules import RULES, decide_exchange
from protocol.trail.batches import Reason
from protocol.trail.code_meanings import MEANINGS, reason_in_words
from protocol.trail.reason_words import ReasonContext, found_in
from tests.sim.world import World
from tests.unit.protocol.test_exchange_rules import REFUSES, Ask, world

__all__ = ["world"]

ASKED = [
    pytest.param(ask, id=f"{name}-{number}")
    for name, asked in REFUSES.items()
    for number, (ask, _) in enumerate(asked)
]
FOUND = {
    "parties-1": "away is suspended",
    "parties-2": "no unit xx is enrolled",
    "suite-0": "es asks for suite 2, and the message is of suite 1",
    "clearance-0": "mt is cleared for bpl at most, and the message is eu-restricted",
    "data basis-0": "nz takes part under a working-arrangement, and the message has personal data",
    "data basis-3": "ch is outside the Union, its basis is agreement, the message has personal data and names adequacy",
    "purpose-0": "the message states no purpose",
    "purpose-1": "nz may not process for operational",
    "purpose-2": "it is not the centre, and the purpose is undetermined",
    "national copy-0": "fr, the sender's national unit, gets no copy",
    "handling-0": "the message says H3 without limits",
    "handling-1": "the message has limits without H3",
    "H3 limits-0": "de is not among the units that the H3 of the message allows: it",
    "kind-0": "the message is urgent (life), and its kind is information",
    "kind-2": "the message is a refusal, and has no ground",
    "kind-3": "the message is of kind answer, and does not name the one that it is about",
    "kind-8": "nobody is addressed: all 1 get copies",
}
"""What a person reads, for questions of the table by their place in it."""


def told(asked: Ask, world: World) -> list[str]:
    """What is said of each reason."""
    question = asked(world)
    context = ReasonContext(
        said=question.core, parties=question.parties, created=question.core.created, decided=question.now
    )
    return [found_in(reason, context) for reason in decide_exchange(question).reasons]


@pytest.mark.parametrize("asked", ASKED)
def test_each_ground_is_told_as_it_was_found(asked: Ask, world: World) -> None:
    """With the unit that it is about, and never as the rule."""
    reasons = decide_exchange(asked(world)).reasons
    sentences = told(asked, world)

    assert sentences
    for reason, sentence in zip(reasons, sentences, strict=True):
        assert reason.unit is None or reason.unit in sentence.split(" ")[0] or reason.unit in sentence.split()
        assert sentence not in {rule.text for rule in RULES} | set(HINTS.values())
        assert "{" not in sentence and not sentence.endswith(".")


@pytest.mark.parametrize("place", FOUND)
def test_the_values_that_decided_are_named(place: str, world: World) -> None:
    """Marking, basis, purpose, suite, limits: a person need not look them up."""
    name, _, number = place.rpartition("-")
    assert FOUND[place] in told(REFUSES[name][int(number)][0], world)


def test_what_the_directory_does_not_bear_out_any_more_is_not_made_up(world: World) -> None:
    """It has changed since: then the code's own sentence stands, with the unit."""
    question = REFUSES["clearance"][0][0](world)
    context = ReasonContext(
        said=question.core, parties=Directory(world.directory.root), created=None, decided=None
    )
    cleared = replace(context, parties=world.directory)

    for code, unit in ((Code.E_CLASS_CLEARANCE, "mt"), (Code.E_PURPOSE, "mt"), (Code.E_TIME_STALE, None)):
        reason = Reason(code, unit)
        assert found_in(reason, context) == reason_in_words(code, unit)
    for code in (Code.E_DATA_BASIS, Code.E_PURPOSE, Code.E_SUITE_BELOW_MIN):
        assert found_in(Reason(code, "it"), cleared) == reason_in_words(code, "it")


@pytest.mark.parametrize("code", list(Code))
def test_every_code_says_what_is_wrong_and_apart_from_it_what_to_do(code: Code) -> None:
    """One line each, in the form of all messages, with a unit and without."""
    for text in (MEANINGS[code], reason_in_words(code, "fr"), reason_in_words(code, None)):
        assert text and "{" not in text and "\n" not in text and not text.endswith(".")
    assert MEANINGS[code] != HINTS[code]


def test_the_meanings_are_in_the_order_of_the_codes() -> None:
    """None is missing, and none is left of a code that is gone."""
    assert list(MEANINGS) == list(Code)
