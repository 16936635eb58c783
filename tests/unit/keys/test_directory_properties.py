"""Properties of the directory over random statements, orders and damage."""

from __future__ import annotations

from functools import cache, lru_cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from keys.directory import Directory
from keys.statement_types import Body, StatementType
from protocol.errors import Rejected
from protocol.identifiers import Millis
from protocol.limits import DAY
from tests.unit.keys.world import (
    EPOCH_NOW,
    FR,
    NOW,
    World,
    appointment,
    epoch_key,
    facts,
    identity,
    publication,
    revocation,
    stated,
    status,
)

pytestmark = pytest.mark.slow

_NAMES = ("fr", "it", "registrar", "router", "root")
_TIMES = (NOW - 1, NOW, NOW + 1, NOW + 8 * DAY, NOW + 400 * DAY)


@cache
def _statement(body: Body, name: str, generation: int, at: int) -> bytes:
    return stated(body, by=identity(name, generation), at=at)


@cache
def _appointment(stype: StatementType, name: str, generation: int, days: int) -> Body:
    start = NOW + days * DAY
    return appointment(stype, identity(name, generation), not_before=start, not_after=start + 366 * DAY)


def _bodies() -> st.SearchStrategy[Body]:
    units = st.sampled_from(("fr", "it"))
    generations = st.integers(1, 2)
    kids = st.one_of(
        st.builds(lambda name, n: identity(name, n).public.kid, st.sampled_from(_NAMES), generations),
        st.builds(
            lambda name, e, n: epoch_key(name, EPOCH_NOW + e, n).kid, units, st.integers(0, 2), generations
        ),
    )
    return st.one_of(
        st.builds(
            _appointment,
            st.sampled_from(
                (StatementType.REGISTRAR, StatementType.IDENTITY, StatementType.ROUTER, StatementType.LEDGER)
            ),
            st.sampled_from(_NAMES),
            generations,
            st.sampled_from((0, 8)),
        ),
        st.builds(lambda unit, version: facts(unit, version=version), units, st.integers(1, 3)),
        st.builds(
            lambda unit, e, n: publication(unit, EPOCH_NOW + e, n), units, st.integers(-1, 4), generations
        ),
        st.builds(lambda unit, suspended: status(unit, suspended=suspended), units, st.booleans()),
        st.builds(
            lambda name, kid, since: revocation(name, kid, since=since),
            st.sampled_from(_NAMES),
            kids,
            st.sampled_from((None, *_TIMES)),
        ),
    )


class AnyStatements(RuleBasedStateMachine):
    """Random statements by random issuers at random times, and two replicas that read them."""

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.directory = self.world.directory
        self.other = Directory.replay(self.world.root, self.directory.snapshot())
        self.accepted = len(self.directory.snapshot())

    @rule(
        body=_bodies(),
        name=st.sampled_from(_NAMES),
        generation=st.integers(1, 2),
        at=st.sampled_from(_TIMES),
    )
    def state(self, body: Body, name: str, generation: int, at: int) -> None:
        self._both(_statement(body, name, generation, at))

    @rule(body=_bodies(), at=st.sampled_from(_TIMES))
    def state_in_role(self, body: Body, at: int) -> None:
        """Statements by those who may, so that the directory grows."""
        for name in ("root", "registrar", "fr", "it"):
            self._both(_statement(body, name, 1, at))

    @rule(choice=st.randoms(use_true_random=False))
    @precondition(lambda self: len(self.directory.snapshot()) > 1)
    def repeat(self, choice) -> None:  # type: ignore[no-untyped-def]
        self._both(choice.choice(self.directory.snapshot()))

    @rule(data=st.binary(max_size=60), choice=st.randoms(use_true_random=False))
    def damage(self, data: bytes, choice) -> None:  # type: ignore[no-untyped-def]
        victim = choice.choice(self.directory.snapshot())
        at = choice.randrange(len(victim))
        if victim[at : at + len(data)] != data:
            head = self.directory.head
            try:
                self.directory.apply(victim[:at] + data + victim[at + len(data) :])
            except Rejected:
                pass
            else:
                raise AssertionError("a damaged statement was taken")
            assert self.directory.head == head

    def _both(self, statement: bytes) -> None:
        before, tables = self.directory.head, self._answers(self.directory)
        try:
            applied = self.directory.apply(statement)
        except Rejected:
            assert self.directory.head == before
            assert self._answers(self.directory) == tables
            applied = None
        else:
            self.accepted += applied.new
            assert applied.new == (self.directory.head.size == before.size + 1)
        try:
            other = self.other.apply(statement)
        except Rejected:
            other = None
        assert applied == other

    @staticmethod
    def _answers(directory: Directory) -> object:
        names = [identity(name).name for name in _NAMES]
        return (
            directory.units(),
            [directory.identities(name) for name in names],
            [directory.epochs(name) for name in names],
            directory.routers(),
            directory.ledgers(),
            directory.registrars(),
        )

    @invariant()
    def replicas_agree(self) -> None:
        if not hasattr(self, "directory"):
            return
        assert self.directory.head == self.other.head
        assert self._answers(self.directory) == self._answers(self.other)
        assert self.directory.head.size == self.accepted

    @invariant()
    def live_epoch_keys_are_sound(self) -> None:
        """Nobody seals to a revoked key, nor to one whose voucher was compromised before its epoch ended."""
        if not hasattr(self, "directory"):
            return
        for unit in self.directory.units():
            live = [self.directory.epoch_key_for(unit.unit, EPOCH_NOW + e) for e in range(-1, 5)]
            for key in live:
                assert key is None or not key.revoked
                assert key is None or self.directory.epoch_key(unit.unit, key.public.kid) == key


AnyStatements.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestAnyStatements = AnyStatements.TestCase


def test_every_single_byte_mutation_is_rejected() -> None:
    """There is no byte in a statement that could be another without the statement being refused."""
    world = World()
    world.enrol("fr", epochs=False)
    statement = stated(status("fr", suspended=True), by=world.registrar)
    head = world.directory.head
    for at in range(len(statement)):
        changed = bytearray(statement)
        # One bit each; the bit differs from place to place, so that all of them come up.
        changed[at] ^= 1 << at % 8
        try:
            world.directory.apply(bytes(changed))
        except Rejected:
            continue
        raise AssertionError(f"byte {at} does not count")
    assert world.directory.head == head
    world.directory.apply(statement)
    unit = world.directory.unit(FR)
    assert unit is not None and unit.suspended


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_mutation_of_any_statement_is_rejected(data: st.DataObject) -> None:
    """Changed, cut short, lengthened or swapped with another: none of it enters, and no foreign error."""
    world = _grown()
    directory = Directory.replay(world.root, world.directory.snapshot()[:1])
    victim = data.draw(st.sampled_from(world.directory.snapshot()[1:]))
    at = data.draw(st.integers(0, len(victim) - 1))
    width = data.draw(st.integers(0, 40))
    changed = victim[:at] + data.draw(st.binary(max_size=40)) + victim[at + width :]
    if changed in world.directory.snapshot():
        return
    head = directory.head
    try:
        directory.apply(changed)
    except Rejected:
        assert directory.head == head
    else:
        raise AssertionError("a mutation was taken")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_rejected(noise: bytes) -> None:
    """Whatever the bytes, the answer is ours."""
    directory = _grown().directory
    try:
        directory.apply(noise)
    except Rejected:
        return
    raise AssertionError("noise was taken")


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_never_lets_more_in(shuffled) -> None:  # type: ignore[no-untyped-def]
    """In a wrong order statements are refused, not misread; read again in the right one, all are there."""
    world = _grown()
    statements = world.directory.snapshot()
    mixed = list(statements)
    shuffled.shuffle(mixed)
    directory = Directory(world.root)
    for statement in mixed * 3 + statements:
        try:
            directory.apply(statement)
        except Rejected:
            continue
    assert directory.head.size <= len(statements)
    assert set(directory.snapshot()) <= set(statements)


@lru_cache(maxsize=1)
def _grown() -> World:
    world = World()
    world.enrol("fr")
    world.enrol("it", epochs=False)
    world.apply(status("it", suspended=True), by=world.registrar)
    world.apply(revocation("fr", epoch_key("fr", EPOCH_NOW).kid), by=identity("fr"), at=Millis(NOW + 5))
    return world
