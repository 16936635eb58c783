"""A policy narrows the protocol within bounds: none that is out of them exists, whoever writes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from protocol.canonical import decode, encode
from protocol.codes import Classification, DataClass, LegalBasis
from protocol.envelope.quotas import DEFAULT_QUOTA, LEAST_QUOTA, Quota
from protocol.errors import Code, Rejected
from protocol.exchange import exchange_policy
from protocol.exchange.exchange_policy import (
    ALWAYS,
    BOUNDS,
    EVERY_BASIS,
    MAY_CARRY,
    PERSONAL,
    PROTOCOL_POLICY,
    ExchangePolicy,
    parse_policy_item,
    policy_item,
)
from protocol.signatures import Suite
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, rewritten
from tests.mutants.promises import assert_missed

NARROW = ExchangePolicy(
    ahead=2 * limits.MINUTE,
    age=limits.DAY,
    lifetime=3 * limits.DAY,
    addressees=8,
    suites=(Suite.CLASSICAL, Suite.HYBRID),
    data=(MAY_CARRY, ALWAYS, ALWAYS, ALWAYS),
    restricted=frozenset({LegalBasis.UNION_LAW, LegalBasis.UNION_BODY}),
    quota=(60, LEAST_QUOTA.bytes, LEAST_QUOTA.copies, 60),
)

Bases = frozenset[LegalBasis]
_UNION_BODY = frozenset({LegalBasis.UNION_BODY})

OUT: dict[str, dict[str, object]] = {
    "no clock of any router is as right": {"ahead": limits.CLOCK_OFF - 1},
    "more ahead than replays are found by": {"ahead": limits.CLOCK_TOLERANCE + 1},
    "nobody can be decided in time": {"age": limits.HOUR - 1},
    "older than outboxes are kept": {"age": limits.MAX_AGE + 1},
    "nothing lives": {"lifetime": limits.DAY - 1},
    "longer than inboxes are kept": {"lifetime": limits.MAX_LIFETIME + 1},
    "no room for the national unit's copy": {"addressees": 1},
    "more addressees than a header may have": {"addressees": limits.MAX_RECIPIENTS + 1},
    "a stricter marking, a weaker suite": {"suites": (Suite.HYBRID, Suite.CLASSICAL)},
    "a marking without a suite": {"suites": (Suite.CLASSICAL,)},
    "a working arrangement with personal data": {"data": (EVERY_BASIS, ALWAYS, ALWAYS, ALWAYS)},
    "nobody may have victims' data": {"data": (MAY_CARRY, MAY_CARRY, MAY_CARRY, frozenset())},
    "units under Union law may not": {"data": (MAY_CARRY, MAY_CARRY, MAY_CARRY, _UNION_BODY)},
    "a stricter class for more parties": {"data": (ALWAYS, MAY_CARRY, ALWAYS, ALWAYS)},
    "a class of data left out": {"data": (MAY_CARRY, MAY_CARRY, MAY_CARRY)},
    "nobody may see what is marked": {"restricted": _UNION_BODY},
    "a quota by which no message fits": {"quota": (1, LEAST_QUOTA.bytes - 1, LEAST_QUOTA.copies, 1)},
    "a quota of nothing": {"quota": (0, LEAST_QUOTA.bytes, LEAST_QUOTA.copies, 1)},
    "an amount left out": {"quota": (1, LEAST_QUOTA.bytes, LEAST_QUOTA.copies)},
}


@pytest.mark.parametrize("what", OUT)
def test_no_policy_is_out_of_bounds(what: str) -> None:
    """Whoever makes it: from a statement, from a file, or in a program."""
    with pytest.raises(Rejected) as caught:
        replace(PROTOCOL_POLICY, **OUT[what])
    assert caught.value.reason is Code.E_SCHEMA


def test_the_protocols_own_policy_narrows_nothing() -> None:
    """Where no registrar has stated any, everything is as the protocol has it."""
    own = PROTOCOL_POLICY
    assert (own.ahead, own.age, own.lifetime) == (limits.CLOCK_TOLERANCE, limits.MAX_AGE, limits.MAX_LIFETIME)
    assert own.addressees == limits.MAX_RECIPIENTS
    assert all(own.least_suite(marking) is min(Suite) for marking in Classification)
    assert all(own.may_see(marking) == EVERY_BASIS for marking in Classification)
    assert Quota(*own.quota) == DEFAULT_QUOTA
    for name, (least, most) in BOUNDS.items():
        assert least <= own.numbers()[name] <= most


def test_what_is_not_personal_goes_to_everybody_under_every_policy() -> None:
    """And what bears the basic marking: a policy has no word on these."""
    assert NARROW.may_have(DataClass.NON_PERSONAL) == NARROW.may_see(Classification.BPL) == EVERY_BASIS
    assert NARROW.may_have(DataClass.PERSONAL) == MAY_CARRY
    assert NARROW.may_have(DataClass.VICTIM) == ALWAYS
    assert LegalBasis.WORKING_ARRANGEMENT not in NARROW.may_have(DataClass.PERSONAL)


@st.composite
def policies(draw: st.DrawFn) -> ExchangePolicy:
    """Any policy within bounds."""
    numbers = {name: draw(st.integers(least, most)) for name, (least, most) in BOUNDS.items()}
    bases = st.sets(st.sampled_from(sorted(MAY_CARRY - ALWAYS))).map(lambda found: ALWAYS | found)
    lists = [draw(bases)]
    for _ in PERSONAL[1:]:
        lists.append(lists[-1] & draw(bases))
    suites = sorted(draw(st.tuples(*[st.sampled_from(Suite)] * len(Classification))))
    *times, messages, bytes_, copies, refusals = numbers.values()
    return ExchangePolicy(
        **dict(zip(("ahead", "age", "lifetime", "addressees"), times, strict=True)),
        suites=tuple(suites),
        data=tuple(map(frozenset, lists)),
        restricted=draw(bases),
        quota=(messages, bytes_, copies, refusals),
    )


@given(policies())
def test_a_policy_has_one_item(policy: ExchangePolicy) -> None:
    """What is written is read again as the same, through the encoding of a statement."""
    assert parse_policy_item(decode(encode(policy_item(policy)))) == policy


WRONG: list[object] = [
    None,
    [],
    policy_item(NARROW)[:-1],
    [*policy_item(NARROW), 1],
    [True, *policy_item(NARROW)[1:]],
    [limits.CLOCK_OFF - 1, *policy_item(NARROW)[1:]],
    [*policy_item(NARROW)[:4], [1, 3], *policy_item(NARROW)[5:]],
    [*policy_item(NARROW)[:4], [True, 2], *policy_item(NARROW)[5:]],
    [*policy_item(NARROW)[:6], [2, 1], policy_item(NARROW)[7]],
    [*policy_item(NARROW)[:6], [1, 1], policy_item(NARROW)[7]],
    [*policy_item(NARROW)[:6], [1, 11], policy_item(NARROW)[7]],
    [*policy_item(NARROW)[:5], [1, 1, 1, 1], *policy_item(NARROW)[6:]],
]


@pytest.mark.parametrize("item", WRONG, ids=repr)
def test_what_is_no_policy_is_refused(item: object) -> None:
    """In one form only, with every number in its list."""
    with pytest.raises(Rejected):
        parse_policy_item(item)


FAULTS = exchange_policy.policy_faults
MUTANTS = [
    ("the bounds", Mutant(FAULTS, forced(True, "least <= value <= most")), test_no_policy_is_out_of_bounds,
     ("older than outboxes are kept",)),
    ("weaker suites", Mutant(FAULTS, rewritten("a > b", "False")), test_no_policy_is_out_of_bounds,
     ("a stricter marking, a weaker suite",)),
    ("stricter classes", Mutant(FAULTS, rewritten("not a >= b", "False")), test_no_policy_is_out_of_bounds,
     ("a stricter class for more parties",)),
    ("working arrangement", Mutant(FAULTS, rewritten("ALWAYS <= bases <= MAY_CARRY", "ALWAYS <= bases")),
     test_no_policy_is_out_of_bounds, ("a working arrangement with personal data",)),
    ("Union law and data", Mutant(FAULTS, rewritten("ALWAYS <= bases <= MAY_CARRY", "bases <= MAY_CARRY")),
     test_no_policy_is_out_of_bounds, ("units under Union law may not",)),
    ("Union law and markings", Mutant(FAULTS, rewritten("policy.restricted >= ALWAYS", "True")),
     test_no_policy_is_out_of_bounds, ("nobody may see what is marked",)),
    ("checked when made", Mutant(ExchangePolicy.__post_init__, forced(False, "fault is not None")),
     test_no_policy_is_out_of_bounds, ("no room for the national unit's copy",)),
    ("one form", Mutant(parse_policy_item, forced(False, "policy_item(policy) != item")),
     test_what_is_no_policy_is_refused, (WRONG[8],)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("mutant", "promise", "asked"), [row[1:] for row in MUTANTS], ids=[r[0] for r in MUTANTS]
)
async def test_each_bound_taken_away_is_noticed(mutant: Mutant, promise, asked) -> None:
    await assert_missed(mutant, promise, asked)
