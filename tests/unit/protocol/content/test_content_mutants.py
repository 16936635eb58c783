"""Each check of documents, numbers and texts, taken away, lets its slip pass: so each has a test that would miss it.

How a mutant is addressed and put in place is in tests/mutants.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from protocol.codes import MessageKind
from protocol.content import caveats, fields, texts, things
from protocol.content.bodies import MODELS
from protocol.content.caveats import caveats_on
from protocol.content.drafts import body_of_draft
from protocol.errors import DraftError
from protocol.numbers import check_digits, zones
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, returning, rewritten, unchecked
from tests.unit.protocol.content.test_caveats import DOCUMENT, FRAME, PASSPORT, TERMS, shown
from tests.unit.protocol.numbers.zone_specimens import SPECIMENS

Told = Callable[[], object]

WRONG_DIGIT = [PASSPORT[0], PASSPORT[1].replace("7408122F", "7408123F")]
SHORT = [PASSPORT[0], PASSPORT[1].replace("<<<<<1", "<<<<1")]
RESIDENCE = list(SPECIMENS["TD1 with another document code"][0])
OF_ITS_OWN = [RESIDENCE[0], RESIDENCE[1][:-1] + "7", RESIDENCE[2]]


def refused(**item: object) -> Told:
    """For what a draft with this item is refused."""

    def told() -> object:
        try:
            body_of_draft(MessageKind.INFORMATION, {**FRAME, "items": [{**TERMS, **item}]})
        except DraftError as error:
            return [(fault.rule, fault.found) for fault in error.faults]
        return []

    return told


def document(**more: object) -> Told:
    return refused(**DOCUMENT, **more)


def delivered(**item: object) -> Told:
    """The same as it arrives, and its caveats."""

    def told() -> object:
        try:
            sent = json.dumps({**FRAME, "items": [{**TERMS, **item}]})
            body = MODELS[MessageKind.INFORMATION].model_validate_json(sent)
        except ValueError:
            return "refused"
        return [caveat.rule for caveat in caveats_on(shown(body))]

    return told


MUTANTS = [
    (document(mrz=WRONG_DIGIT), Mutant(zones._wrong_fields, returning("iter(())"))),
    (document(mrz=[PASSPORT[0], "M" + PASSPORT[1][1:]], number="M898902C3"), Mutant(zones._wrong_number, returning("iter(())"))),
    (document(mrz=WRONG_DIGIT, mrz_as_printed=True), Mutant(things.IdentityDocument._is_compared, forced(False, "mrz_as_printed"))),
    (document(mrz=OF_ITS_OWN), Mutant(zones.layout_of, rewritten("layout.certain or not wrong_digits(zone, layout)", "True"))),
    (document(mrz=SHORT), Mutant(zones.length_slip, returning("None"))),
    (document(mrz=PASSPORT, number="L898902C4"), Mutant(zones.mentions, returning("True"))),
    (document(mrz=SPECIMENS["MRV-A visa"][0], number="D12345679"), Mutant(things.IdentityDocument._has_the_number_of_its_zone, forced(False, "VISAS"))),
    (refused(type="vessel", imo="0000000"), Mutant(things._not_a_placeholder, unchecked("found"))),
    (refused(type="vessel", mmsi="123456789"), Mutant(check_digits.placeholder, rewritten("text in _UP", "False"))),
    (refused(type="vessel", name="\u200b"), Mutant(texts.is_seen, returning("True"))),
    (refused(type="vessel", name="\u2800"), Mutant(texts._is_seen, unchecked("_DRAWN_AS_NOTHING"))),
    (refused(type="location", latitude="1.1234567", longitude="1"), Mutant(texts.fault_of_degrees, unchecked("decimals", "_MOST_DECIMALS"))),
    (delivered(type="vessel", imo="0000000"), Mutant(things._not_a_placeholder, forced(True, "DRAFT"))),
    (delivered(**DOCUMENT | {"mrz": tuple(WRONG_DIGIT)}), Mutant(fields.Model.breaches, unchecked("draft"))),
    (delivered(**DOCUMENT | {"mrz": ("QX1234567890123",)}), Mutant(caveats._of_zone, returning("iter(())"))),
    (delivered(type="narrative", text="IBAN DE88370400440532013000"), Mutant(check_digits.is_iban, returning("True"))),
]  # fmt: skip


@pytest.mark.parametrize(("told", "mutant"), MUTANTS, ids=range(len(MUTANTS)))
def test_without_a_check_something_else_is_told(told, mutant):
    """The check is what makes the difference, and nothing else."""
    before = told()
    with mutated(mutant):
        assert told() != before
    assert told() == before
