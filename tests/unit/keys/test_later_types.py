"""Statements of types that this program does not know have their place, change nothing, and stop nobody."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import rules
from keys.directory import Directory
from keys.registrars.standing import RegistrarTimes
from keys.soft_keys import SoftIdentity
from keys.statement_types import LAST_FOUNDING_TYPE, MAX_TYPE, StatementType, Unread
from keys.statements import parse_statement
from protocol.canonical import encode
from protocol.epochs import epoch_of
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from protocol.limits import DAY, MAX_STATEMENT
from protocol.signatures import HEADER, STATEMENT, Suite, sign
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced
from tests.unit.keys.world import (
    EPOCH_NOW,
    NOW,
    YEAR,
    World,
    appointment,
    facts,
    identity,
    publication,
    revocation,
    stated,
    status,
)

FIRST_LATER = max(StatementType) + 1


def later(stype: int = FIRST_LATER, *items: object) -> Unread:
    """What a program of tomorrow states."""
    return Unread(stype, encode(list(items or ("fr", 7, {1: [True, None, b"x"]}))))


def told(directory: Directory) -> tuple[object, ...]:
    """All that a replica knows, but its length."""
    units = directory.units()
    return (
        units,
        directory.registrars(),
        directory.routers(),
        directory.ledgers(),
        [
            (directory.facts(unit.unit), directory.identities(unit.unit), directory.epochs(unit.unit))
            for unit in units
        ],
    )


@pytest.mark.parametrize("stype", [FIRST_LATER, 77, MAX_TYPE])
@pytest.mark.parametrize("by", ["registrar", "root"])
def test_a_later_type_has_its_place_and_changes_nothing(world: World, stype: int, by: str) -> None:
    """By the registrar or a root key: a leaf like any other, kept as it is, and nothing else."""
    before, size = told(world.directory), world.directory.head.size
    signer = world.registrar if by == "registrar" else world.root_keys[0]
    made = stated(later(stype), by=signer)
    applied = world.directory.apply(made)
    assert (applied.new, applied.position, applied.statement.about) == (True, size, None)
    assert (world.directory.head.size, world.directory.unread) == (size + 1, 1)
    assert told(world.directory) == before
    assert world.directory.snapshot()[-1] == made
    assert not world.directory.apply(made).new, "a second time it is there already"
    again = Directory.replay(world.root, world.directory.snapshot(), verified=world.directory.digests)
    assert (again.head, again.unread) == (world.directory.head, 1)


def test_whatever_lies_between_the_others_are_judged_as_ever(world: World) -> None:
    """With later statements before and behind each, the same are taken and the same are refused: no view parts."""
    candidates = [
        stated(facts("fr", version=2), by=world.registrar),
        stated(facts("fr", version=2), by=world.registrar),
        stated(status("it", suspended=True), by=world.registrar, at=NOW + 1),
        stated(status("it", suspended=False), by=identity("it"), at=NOW + 2),
        stated(revocation("fr", identity("fr").public.kid), by=world.registrar, at=NOW + 3),
        stated(publication("fr", EPOCH_NOW, 2), by=identity("fr"), at=NOW + 4),
        stated(appointment(StatementType.IDENTITY, identity("fr", 2)), by=world.registrar, at=NOW + 5),
        stated(appointment(StatementType.IDENTITY, identity("fr", 2)), by=world.registrar, at=NOW + 6),
    ]
    alone, between = (Directory.replay(world.root, world.directory.snapshot()) for _ in range(2))
    for number, candidate in enumerate(candidates):
        between.apply(stated(later(FIRST_LATER + number, number), by=world.registrar, at=NOW + number))
        outcomes = [_outcome(directory, candidate) for directory in (alone, between)]
        assert outcomes[0] == outcomes[1], number
    assert between.unread == len(candidates)
    assert told(alone) == told(between)


def _outcome(directory: Directory, statement: bytes) -> str:
    try:
        directory.apply(statement)
    except Rejected as rejected:
        return rejected.code
    return "taken"


def refuses(directory: Directory, statement: bytes) -> Code:
    """The code; the directory has not moved."""
    head = directory.head
    with pytest.raises(Rejected) as caught:
        directory.apply(statement)
    assert (directory.head, directory.unread) == (head, 0)
    return caught.value.reason


def who_may_not(world: World) -> list[SoftIdentity]:
    """A unit, a router, a ledger, somebody, and a registrar whose key is revoked."""
    fallen = identity("registrar", 2)
    for stype, name in ((StatementType.ROUTER, "router"), (StatementType.LEDGER, "ledger")):
        world.apply(appointment(stype, identity(name)), by=world.registrar)
    world.apply(appointment(StatementType.REGISTRAR, fallen), by=world.root_keys[0])
    world.apply(revocation("registrar", fallen.public.kid), by=world.root_keys[0])
    return [identity("fr"), identity("router"), identity("ledger"), identity("nobody"), fallen]


def test_nobody_else_fills_the_directory_with_them(world: World) -> None:
    """A hostile unit has no more place in the directory than its epoch keys; a process has none."""
    for signer in who_may_not(world):
        assert refuses(world.directory, stated(later(), by=signer)) is Code.E_ISSUER, signer.name


def test_it_is_signed_like_any_other(world: World) -> None:
    """By both algorithms, for this use, whole; a byte more or less and it is none."""
    made = stated(later(), by=world.registrar)
    changed = bytearray(made)
    changed[-1] ^= 1
    assert refuses(world.directory, bytes(changed)) is Code.E_SIG_PQ
    payload = parse_statement(made).signed.payload
    one = sign(payload, suite=Suite.CLASSICAL, signer=world.registrar, context=STATEMENT)
    assert refuses(world.directory, one) is Code.E_SUITE_BELOW_MIN
    other = sign(payload, suite=Suite.HYBRID, signer=world.registrar, context=HEADER)
    assert refuses(world.directory, other) is Code.E_SIG_CLASSICAL


@pytest.mark.parametrize(
    "item",
    [
        [1, 0, NOW, b"", []],
        [1, int(LAST_FOUNDING_TYPE), NOW, b"", []],
        [1, MAX_TYPE + 1, NOW, b"", []],
        [1, True, NOW, b"", []],
        [1, FIRST_LATER, NOW, b"", {}],
        [1, FIRST_LATER, NOW, b"", "text"],
        [1, FIRST_LATER, True, b"", []],
        [1, FIRST_LATER, NOW, b"", [], 0],
        [2, FIRST_LATER, NOW, b"", []],
        [1, FIRST_LATER, NOW, b"", [bytes(MAX_STATEMENT)]],
    ],
    ids=repr,
)  # fmt: skip
def test_what_every_program_reads_of_it_has_one_form(world: World, item: list[object]) -> None:
    """Version, number, time, issuer, a list, and its size. What all must understand has another version."""
    row = [world.registrar.public.kid if each == b"" else each for each in item]
    made = sign(encode(row), suite=Suite.HYBRID, signer=world.registrar, context=STATEMENT)
    assert refuses(world.directory, made) in {Code.E_SCHEMA, Code.E_VER, Code.E_SIZE}


def test_its_time_counts_as_any_registrars(world: World) -> None:
    """A key that has ended cannot date itself back behind it: every program reads who and when."""

    def dates_back(statements: list[bytes]) -> str:
        directory = Directory.replay(world.root, statements)
        return _outcome(directory, stated(publication("fr", EPOCH_NOW + 2, 3), by=identity("fr")))

    before = world.directory.snapshot()
    second = identity("registrar", 2)
    world.apply(
        appointment(StatementType.REGISTRAR, second, not_after=NOW + 3 * YEAR - DAY), by=world.root_keys[0]
    )
    world.apply(revocation("fr", publication("fr", EPOCH_NOW + 2).public.kid), by=identity("fr"))
    nearly = NOW + YEAR - DAY
    world.apply(publication("it", epoch_of(Millis(nearly))), by=identity("it"), at=nearly)
    assert dates_back(world.directory.snapshot()) == "taken"
    ahead = stated(later(), by=second, at=NOW + YEAR + DAY)
    assert dates_back([*world.directory.snapshot(), ahead]) == "E_ISSUER"
    assert len(before) < len(world.directory.snapshot())


@settings(deadline=None, max_examples=60)
@given(
    item=st.recursive(
        st.none() | st.booleans() | st.integers(0, 2**53) | st.binary(max_size=40) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_body_is_kept_byte_for_byte(item: object) -> None:
    """Whatever a later program says, parsing and encoding give it back."""
    world = _founded()
    made = stated(Unread(FIRST_LATER, encode([item])), by=world.registrar)
    parsed = parse_statement(made)
    assert parsed.statement.body == Unread(FIRST_LATER, encode([item]))
    assert parsed.statement.issued == Millis(NOW)


_WORLD: list[World] = []


def _founded() -> World:
    if not _WORLD:
        _WORLD.append(World())
    return _WORLD[0]


MUTANTS = [
    (
        test_nobody_else_fills_the_directory_with_them,
        Mutant(rules.find_issuer, forced(False, "MAY_STATE_LATER")),
    ),
    (test_it_is_signed_like_any_other, Mutant(Directory.apply, dropped("parsed.verify"))),
    (test_its_time_counts_as_any_registrars, Mutant(RegistrarTimes.after, dropped("self.note"))),
]


@pytest.mark.parametrize(("promise", "mutant"), MUTANTS, ids=lambda each: getattr(each, "__name__", ""))
def test_each_rule_has_a_test_that_misses_it(promise, mutant: Mutant) -> None:
    """Without it the attack succeeds, and its test fails."""
    fresh = World()
    fresh.enrol("fr")
    fresh.enrol("it")
    with mutated(mutant), pytest.raises((AssertionError, pytest.fail.Exception)):
        promise(fresh)
