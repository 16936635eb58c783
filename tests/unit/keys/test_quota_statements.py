"""A unit's quota is what a registrar stated last; what makes no sense is kept, and parts nobody's view."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest

from keys import rules, statements
from keys.directory import Directory
from keys.registrars import standing
from keys.statement_types import QuotaChange, StatementType, Unread
from keys.statements import issue
from protocol.canonical import encode
from protocol.envelope.quotas import DEFAULT_QUOTA, LEAST_QUOTA, Quota
from protocol.errors import MisuseError, Rejected
from protocol.identifiers import Millis
from protocol.signatures import STATEMENT, Suite, sign
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, returning
from tests.mutants.promises import assert_missed
from tests.unit.keys.world import FR, IT, NOW, World, identity, stated

SMALL = replace(DEFAULT_QUOTA, messages=60)
LARGE = replace(DEFAULT_QUOTA, messages=60_000)


def raw(world: World, *item: object) -> bytes:
    """A statement of this type with any body."""
    payload = encode([1, int(StatementType.QUOTA), NOW, world.registrar.public.kid, list(item)])
    return sign(payload, suite=Suite.HYBRID, signer=world.registrar, context=STATEMENT)


def test_a_unit_has_the_default_until_a_registrar_says_otherwise(world: World) -> None:
    """And others keep theirs."""
    assert (world.directory.quota(FR, NOW), world.directory.quota_since(FR)) == (DEFAULT_QUOTA, None)
    applied = world.apply(QuotaChange(FR, SMALL), by=world.registrar, at=NOW + 7)
    assert applied.statement.about == FR
    assert (world.directory.quota(FR, NOW), world.directory.quota_since(FR)) == (SMALL, NOW + 7)
    assert world.directory.quota(IT, NOW) == DEFAULT_QUOTA


def test_an_older_one_that_was_held_back_has_its_place_and_no_effect(world: World) -> None:
    """Whoever may write to the topic cannot lower a quota by what was stated long ago."""
    world.apply(QuotaChange(FR, LARGE), by=world.registrar, at=NOW + 2)
    size = world.directory.head.size
    world.apply(QuotaChange(FR, SMALL), by=world.registrar, at=NOW + 1)
    assert (world.directory.quota(FR, NOW), world.directory.head.size) == (LARGE, size + 1)


def test_no_unit_sets_a_quota_and_the_root_may(world: World) -> None:
    """Neither its own nor another's."""
    for signer in (identity("fr"), identity("it"), identity("nobody")):
        with pytest.raises(Rejected):
            world.apply(QuotaChange(FR, LARGE), by=signer)
    world.apply(QuotaChange(FR, SMALL), by=world.root_keys[0])
    assert world.directory.quota(FR, NOW) == SMALL


NONSENSE = [
    [],
    ["fr"],
    ["fr", *astuple(SMALL), 1],
    ["FR", *astuple(SMALL)],
    ["fr", True, *astuple(SMALL)[1:]],
    ["fr", -1, *astuple(SMALL)[1:]],
    ["fr", 0, *astuple(SMALL)[1:]],
    ["fr", 1, LEAST_QUOTA.bytes - 1, *astuple(SMALL)[2:]],
    ["fr", 1, LEAST_QUOTA.bytes, LEAST_QUOTA.copies - 1, 1],
    ["fr", *astuple(SMALL)[:3], 0],
]


@pytest.mark.parametrize("item", NONSENSE, ids=repr)
def test_what_makes_no_sense_is_kept_and_changes_nothing(world: World, item: list[object]) -> None:
    """It has its place, as every later type: a program that does not know the type cannot refuse it."""
    size = world.directory.head.size
    applied = world.directory.apply(raw(world, *item))
    assert applied.statement.body == Unread(int(StatementType.QUOTA), encode(item))
    assert (world.directory.head.size, world.directory.unread) == (size + 1, 1)
    assert world.directory.quota(FR, NOW) == DEFAULT_QUOTA


def test_nobody_signs_a_quota_that_nobody_would_read(world: World) -> None:
    """It is refused where it is written."""
    with pytest.raises(MisuseError):
        issue(QuotaChange(FR, Quota(0, 0, 0, 0)), signer=world.registrar, issued=Millis(NOW))


def test_a_program_that_does_not_read_it_has_the_same_directory(world: World) -> None:
    """The same head after each statement: no view parts by a quota."""
    made = [
        stated(QuotaChange(FR, SMALL), by=world.registrar),
        raw(world, "nonsense"),
        stated(QuotaChange(FR, LARGE), by=world.registrar, at=NOW + 1),
    ]
    older = Directory.replay(world.root, world.directory.snapshot())
    for one in made:
        world.directory.apply(one)
        with mutated(Mutant(statements._parse_later, returning("None"))):
            older.apply(one)
    assert older.head == world.directory.head
    assert (older.unread, world.directory.unread) == (3, 1)
    assert (older.quota(FR, NOW), world.directory.quota(FR, NOW)) == (DEFAULT_QUOTA, LARGE)
    again = Directory.replay(world.root, older.snapshot())
    assert again.quota(FR, NOW) == LARGE, "the older one's file, read by this program"


MUTANTS = [
    (Mutant(standing._quota, forced(False, "each.issued < counts.issued")),
     test_an_older_one_that_was_held_back_has_its_place_and_no_effect, ()),
    (Mutant(rules.find_issuer, forced(False, "MAY_STATE_LATER")), test_no_unit_sets_a_quota_and_the_root_may, ()),
    (Mutant(statements._parse_later, forced(True, "quota.is_enough")),
     test_what_makes_no_sense_is_kept_and_changes_nothing, (["fr", 0, *astuple(SMALL)[1:]],)),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise", "asked"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(mutant: Mutant, promise, asked, world: World) -> None:
    await assert_missed(mutant, promise, asked, world=world)
