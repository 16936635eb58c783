"""A party's own keys make so many statements in a week: a flood has no place, and an honest life has room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache

import pytest

from keys.appointments import line, statement_quota
from keys.directory import Directory
from keys.soft_keys import SoftIdentity
from keys.statement_types import StatementType
from protocol.epochs import bounds, to_publish
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from protocol.limits import DAY, EPOCH, STATEMENTS_A_WEEK, STATEMENTS_COUNTED_FROM
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, rewritten
from tests.mutants.promises import assert_missed
from tests.unit.keys.world import (
    EPOCH_NOW,
    FR,
    NOW,
    YEAR,
    World,
    appointment,
    epoch_key,
    facts,
    identity,
    publication,
    revocation,
    stated,
)

ROOM = STATEMENTS_A_WEEK
WEEKS = 5
"""Two behind what registrars said, the present one, two ahead of what others said."""


def _enrolled(*, since: int = NOW - 3 * EPOCH) -> World:
    """Two units without epoch keys; the one whose keys flood has one of two years, since some weeks."""
    world = World()
    for unit in ("fr", "it"):
        world.apply(facts(unit), by=world.registrar)
        made = appointment(
            StatementType.IDENTITY, identity(unit), not_before=since, not_after=since + 2 * YEAR
        )
        world.apply(made, by=world.registrar)
    return world


@pytest.fixture
def world() -> World:
    return _enrolled()


@cache
def _pair(at: int, n: int, by: SoftIdentity, unit: str) -> tuple[bytes, bytes]:
    epoch = Millis(at) // EPOCH
    kid = epoch_key(unit, epoch, n).public.kid
    return (
        stated(publication(unit, epoch, n), by=by, at=at),
        stated(revocation(unit, kid), by=by, at=at),
    )


def flood(
    directory: Directory, at: int, times: int, *, by: SoftIdentity | None = None, first: int = 100
) -> int:
    """A key of a week is published and withdrawn, again and again; how many of them had their place."""
    by = by or identity("fr")
    return sum(_has_place(directory, *_pair(at, n, by, str(by.name))) for n in range(first, first + times))


def _has_place(directory: Directory, published: bytes, withdrawn: bytes) -> bool:
    try:
        directory.apply(published)
    except Rejected as rejected:
        assert rejected.reason is Code.E_STATEMENT
        return False
    directory.apply(withdrawn)
    return True


def test_a_flood_has_so_many_places_and_no_more(world: World) -> None:
    """Over the quota nothing moves: no head, no digest, no table."""
    assert flood(world.directory, NOW, ROOM + 8) == ROOM
    head, digests = world.directory.head, world.directory.digests
    assert flood(world.directory, NOW, 8, first=500) == 0
    assert (world.directory.head, world.directory.digests) == (head, digests)
    assert len(world.directory.epochs(FR)) == ROOM


def test_claimed_times_give_a_flood_no_more_than_some_weeks(world: World) -> None:
    """Dated back and ahead over all of the key's two years: five weeks' worth, and not a hundred."""
    weeks = [*range(-3, 8), 40, 90]
    taken = sum(
        flood(world.directory, NOW + week * EPOCH, ROOM + 1, first=1_000 * (number + 1))
        for number, week in enumerate(weeks)
    )
    assert taken == WEEKS * ROOM


def test_room_comes_back_with_the_weeks_of_others(world: World) -> None:
    """As soon as anybody else has said that a week is over; one's own claim does not count for it."""
    assert flood(world.directory, NOW + 4 * EPOCH, ROOM + 1) == ROOM
    assert flood(world.directory, NOW + 5 * EPOCH, 1, first=500) == 0
    world.apply(publication("it", EPOCH_NOW + 5), by=identity("it"), at=NOW + 5 * EPOCH)
    assert flood(world.directory, NOW + 5 * EPOCH, ROOM + 1, first=600) == ROOM


def test_an_honest_life_has_room(world: World) -> None:
    """A year of weeks alone, with a restored backup every month, a lost week and a renewal."""
    key, taken = identity("fr"), 0
    for week in range(50):
        now = NOW + week * EPOCH
        if week % 4 == 0:
            lost = [world.directory.epoch_key_for(FR, epoch) for epoch in to_publish(Millis(now))]
            for epoch in filter(None, lost):
                world.apply(revocation("fr", epoch.public.kid), by=key, at=now)
        missing = [e for e in to_publish(Millis(now)) if world.directory.epoch_key_for(FR, e) is None]
        for epoch in missing:
            world.apply(publication("fr", epoch, 1 + week), by=key, at=now)
        taken += len(missing)
        if week == 30:
            following = identity("fr", 2)
            made = appointment(StatementType.SUCCESSION, following, not_before=now, not_after=now + YEAR)
            world.apply(made, by=key, at=now)
            key = following
        # Somebody is there to write to, or nobody needs the keys.
        if week % 2 == 0:
            world.apply(publication("it", EPOCH_NOW + week), by=identity("it"), at=now)
    assert taken > 70


def test_a_unit_alone_publishes_for_half_a_year(world: World) -> None:
    """Where nobody else says anything, not even a registrar, all its keys of that time count as one week's."""
    for week in range(ROOM):
        world.apply(publication("fr", EPOCH_NOW + week), by=identity("fr"), at=NOW + week * EPOCH)


def test_the_owner_withdraws_whatever_a_thief_did(world: World) -> None:
    """Where all is used up, each key of the thief's can still be withdrawn, and the identity itself."""
    assert flood(world.directory, NOW, ROOM - 1) == ROOM - 1
    thief = publication("fr", EPOCH_NOW, 7)
    world.apply(thief, by=identity("fr"))
    assert flood(world.directory, NOW, 1, first=500) == 0
    owner = identity("fr")
    for body in (revocation("fr", thief.public.kid), revocation("fr", owner.public.kid, since=NOW)):
        assert _read(world.directory, [stated(body, by=owner)]) == [True]


def test_a_registrar_s_next_key_has_all_of_it(world: World) -> None:
    """What a thief used up is the stolen key's: the owner goes on with the next one at once."""
    assert flood(world.directory, NOW, ROOM + 1) == ROOM
    following = identity("fr", 2)
    world.apply(appointment(StatementType.IDENTITY, following), by=world.registrar)
    world.apply(revocation("fr", identity("fr").public.kid, since=NOW - DAY), by=world.registrar)
    assert flood(world.directory, NOW, ROOM + 1, by=following, first=500) == ROOM


def test_a_thief_blocks_the_owner_for_two_weeks_at_the_most(world: World) -> None:
    """Without any registrar: all that can be used up ahead of others' times is used up, and then there is room."""
    for week in range(12):
        flood(world.directory, NOW + week * EPOCH, ROOM + 1, first=1_000 * (week + 1))
    now = NOW + 3 * EPOCH
    world.apply(publication("it", EPOCH_NOW + 3), by=identity("it"), at=now)
    assert flood(world.directory, now, ROOM, first=500) == ROOM


def test_keys_that_follow_one_another_have_one_quota(world: World) -> None:
    """A thief who names one successor after another gets no more places for it."""
    key, named = identity("fr"), 0
    for generation in range(2, ROOM + 4):
        made = appointment(StatementType.SUCCESSION, identity("fr", generation))
        try:
            world.apply(made, by=key)
        except Rejected as rejected:
            assert rejected.reason is Code.E_STATEMENT
            break
        key, named = identity("fr", generation), named + 1
    assert named == ROOM
    assert flood(world.directory, NOW, 1, by=key) == 0


def test_a_theft_that_is_dated_back_again_and_again_is_counted(world: World) -> None:
    """A withdrawal that makes an earlier one stricter could be repeated for every millisecond."""
    following = identity("fr", 2)
    world.apply(appointment(StatementType.IDENTITY, following), by=world.registrar)
    kid = identity("fr").public.kid
    world.apply(revocation("fr", kid, since=NOW - 1), by=following)
    stricter = [stated(revocation("fr", kid, since=NOW - 2 - n), by=following) for n in range(ROOM + 3)]
    assert sum(_read(world.directory, stricter)) == ROOM
    world.apply(revocation("fr", kid, since=NOW - 100), by=world.registrar)


def test_nobody_uses_up_another_s(world: World) -> None:
    """Another unit's flood, its dates far ahead, and its copies of our statements leave us our room."""
    ours = _pair(NOW, 1, identity("fr"), "fr")
    for statement in ours:
        world.directory.apply(statement)
    for week in (0, 60):
        flood(world.directory, NOW + week * EPOCH, ROOM + 1, by=identity("it"), first=1_000 * (week + 1))
    for _ in range(ROOM + 1):
        assert not world.directory.apply(ours[0]).new
    assert flood(world.directory, NOW, ROOM - 1) == ROOM - 1
    assert flood(world.directory, NOW + EPOCH, ROOM, first=500) == ROOM


def test_a_registrar_s_date_far_ahead_takes_no_week_from_anybody(world: World) -> None:
    """Nobody bears it out: each week has its own room as before."""
    other = identity("registrar", 2)
    made = appointment(StatementType.REGISTRAR, other, not_after=NOW + 2 * YEAR)
    world.apply(made, by=world.root_keys[0])
    world.apply(facts("it", version=2), by=other, at=NOW + 20 * EPOCH)
    for week in range(WEEKS - 2):
        assert flood(world.directory, NOW + week * EPOCH, ROOM + 1, first=1_000 * (week + 1)) == ROOM


def _offered() -> Iterator[bytes]:
    """A flood of one unit with an honest one between it, as it would lie in the topic."""
    for n in range(ROOM + 6):
        yield from _pair(NOW, 100 + n, identity("fr"), "fr")
        if n % 10 == 0:
            yield stated(publication("it", EPOCH_NOW + n // 10), by=identity("it"), at=NOW + n // 10 * EPOCH)
    yield from _pair(NOW + 2 * EPOCH, 900, identity("fr"), "fr")


def _read(directory: Directory, statements: Iterable[bytes]) -> list[bool]:
    found = []
    for statement in statements:
        try:
            found.append(directory.apply(statement).new)
        except Rejected:
            found.append(False)
    return found


def test_every_replica_counts_the_same(world: World) -> None:
    """Read from the topic, late, twice, from a snapshot, or with signatures that were verified before."""
    before, offered = world.directory.snapshot(), list(_offered())
    decided = _read(world.directory, offered)
    late = Directory.replay(world.root, before)
    assert _read(late, offered) == decided
    snapshot = Directory.replay(world.root, world.directory.snapshot())
    spared = Directory(world.root, verified=world.directory.digests, keeps=False)
    _read(spared, before)
    assert _read(spared, offered) == decided
    assert {d.head for d in (late, snapshot, spared)} == {world.directory.head}
    # And they go on alike: what was refused has left nothing behind in those that have seen it.
    more = list(_pair(NOW, 950, identity("fr"), "fr")) + list(_pair(NOW + EPOCH, 951, identity("fr"), "fr"))
    outcomes = [_read(d, more) for d in (world.directory, late, snapshot, spared)]
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert outcomes[0] == [False, False, True, True]


def test_what_a_log_has_from_before_keeps_its_place() -> None:
    """An earlier program took a flood in: whoever replays that log has its head. From the day on it is bounded."""
    then = STATEMENTS_COUNTED_FROM - 2 * EPOCH
    world = World()
    world.directory = Directory(world.root)
    made = appointment(StatementType.REGISTRAR, world.registrar, not_before=then, not_after=then + YEAR)
    world.apply(made, by=world.root_keys[0], at=then)
    world.apply(facts("fr"), by=world.registrar, at=then)
    key = appointment(StatementType.IDENTITY, identity("fr"), not_before=then, not_after=then + YEAR)
    world.apply(key, by=world.registrar, at=then)
    assert flood(world.directory, then, ROOM + 9) == ROOM + 9
    # The day has come as soon as a registrar says so: then nobody dates back before it.
    world.apply(facts("fr", version=2), by=world.registrar, at=STATEMENTS_COUNTED_FROM)
    assert flood(world.directory, then, ROOM + 9, first=500) == ROOM


def test_it_costs_no_signature(world: World) -> None:
    """What has no room is refused before it is verified: a flood is parsed, and no more."""
    flood(world.directory, NOW, ROOM)
    published, _ = _pair(NOW, 999, identity("fr"), "fr")
    spoiled = published[:-1] + bytes([published[-1] ^ 1])
    with pytest.raises(Rejected) as caught:
        world.directory.apply(spoiled)
    assert caught.value.reason is Code.E_STATEMENT


def test_the_middle_of_a_week_counts_like_its_ends(world: World) -> None:
    """A week is the epoch in which it lies."""
    start, end = bounds(EPOCH_NOW)
    assert flood(world.directory, start, ROOM // 2) == ROOM // 2
    assert flood(world.directory, end - 1, ROOM, first=500) == ROOM - ROOM // 2
    assert flood(world.directory, end, 1, first=900) == 1


MUTANTS: dict[str, tuple[Mutant, Callable[..., None]]] = {
    "nothing is refused": (
        Mutant(statement_quota.counted, forced(False, "STATEMENTS_A_WEEK")),
        test_a_flood_has_so_many_places_and_no_more,
    ),
    "nothing is counted": (
        Mutant(statement_quota.counted, rewritten("made + 1", "made")),
        test_a_flood_has_so_many_places_and_no_more,
    ),
    "any week ahead": (
        Mutant(statement_quota._week, rewritten("min(max(epoch_of(issued), earliest), latest)",
                                                "max(epoch_of(issued), earliest)")),
        test_a_thief_blocks_the_owner_for_two_weeks_at_the_most,
    ),
    "any week back": (
        Mutant(statement_quota._week, rewritten("max(epoch_of(issued), earliest)", "epoch_of(issued)")),
        test_claimed_times_give_a_flood_no_more_than_some_weeks,
    ),
    "one's own word moves the weeks on": (
        Mutant(statement_quota._week, forced(True, "who", "party")),
        test_claimed_times_give_a_flood_no_more_than_some_weeks,
    ),
    "each key by itself": (
        Mutant(line.name_successor, rewritten("issuer.kid if present.line is None else present.line", "None")),
        test_keys_that_follow_one_another_have_one_quota,
    ),
    "by the unit": (
        Mutant(statement_quota.counted, rewritten("issuer.kid if line is None else line", "bytes(16)")),
        test_a_registrar_s_next_key_has_all_of_it,
    ),
    "withdrawals are counted": (
        Mutant(statement_quota.counted, forced(False, statement_quota._is_withdrawal)),
        test_the_owner_withdraws_whatever_a_thief_did,
    ),
    "no withdrawal is counted": (
        Mutant(statement_quota._is_withdrawal, rewritten("known is None or not known.identity.revoked", "True")),
        test_a_theft_that_is_dated_back_again_and_again_is_counted,
    ),
    "what a log has is judged anew": (
        Mutant(statement_quota.counted,
               rewritten("issuer.role in _ABOVE or max(statement.issued, clock) < STATEMENTS_COUNTED_FROM",
                         "issuer.role in _ABOVE")),
        test_what_a_log_has_from_before_keeps_its_place,
    ),
    "the day is dated back": (
        Mutant(statement_quota.counted, rewritten("max(statement.issued, clock)", "statement.issued")),
        test_what_a_log_has_from_before_keeps_its_place,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
async def test_without_the_safeguard_it_is_noticed(name: str) -> None:
    """Each rule away once: its promise is broken."""
    mutant, promise = MUTANTS[name]
    fixtures = {} if promise is test_what_a_log_has_from_before_keeps_its_place else {"world": _enrolled()}
    await assert_missed(mutant, promise, **fixtures)
