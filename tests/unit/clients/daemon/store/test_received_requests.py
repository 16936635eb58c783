"""Requests that wait for this unit's answer: counted from the router's decision until the last reply is accepted."""

from __future__ import annotations

import pytest

from clients.daemon.api import status
from clients.daemon.sending.awaiting import look_for_acknowledgements
from clients.daemon.store import received_requests
from clients.daemon.store.received_requests import OpenRequests, open_requests
from protocol.conversation import deadlines
from protocol.conversation.deadlines import ANSWER_WITHIN, URGENT_WITHIN, answer_due, near_from
from protocol.identifiers import Millis
from protocol.limits import HOUR
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.clients.daemon.receiving.test_reply_places import FINAL, PARTIAL, REQUEST, WHOLE
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump

URGENT = REQUEST | {"urgency": {"ground": "life", "reasons": "they are at sea"}}


def waiting(unit: UnitFixture) -> OpenRequests:
    """What the gauges show after the look of each minute."""
    look_for_acknowledgements(unit.context)
    return open_requests(unit.context.store, author=unit.unit, now=unit.world.now)


def ask(world: World, es: UnitFixture, pt: UnitFixture, draft: dict[str, object] = REQUEST) -> str:
    """A request of es that pt has."""
    sent = es.submit("pt", kind="request", draft=draft)
    pump(world, es, pt)
    return sent.id


def later(world: World, milliseconds: int) -> None:
    world.now = Millis(world.now + milliseconds)


def test_a_term_is_that_of_the_law() -> None:
    """Eight hours, and seven days; near is the last quarter."""
    assert answer_due(Millis(0), urgent=True) == 8 * HOUR
    assert answer_due(Millis(0), urgent=False) == 7 * 24 * HOUR
    assert near_from(Millis(8 * HOUR), urgent=True) == 6 * HOUR


def test_a_request_is_open_near_and_overdue_by_its_own_term(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """An urgent one has eight hours from the decision, another seven days; the asker itself waits for nothing here."""
    ask(world, es, pt)
    ask(world, es, pt, URGENT)
    decided = world.now
    due = decided + URGENT_WITHIN
    assert waiting(pt) == OpenRequests(waiting=2, urgent=1, next_due=Millis(due))
    assert waiting(es) == OpenRequests()

    later(world, URGENT_WITHIN * 3 // 4)
    assert waiting(pt) == OpenRequests(waiting=2, urgent=1, near=1, next_due=Millis(due))
    later(world, URGENT_WITHIN // 4)
    assert waiting(pt) == OpenRequests(
        waiting=2, urgent=1, overdue=1, next_due=Millis(decided + ANSWER_WITHIN)
    )
    later(world, ANSWER_WITHIN)
    assert waiting(pt) == OpenRequests(waiting=2, urgent=1, overdue=2)


@pytest.mark.parametrize("reply", [FINAL, WHOLE])
def test_the_last_reply_ends_it(world: World, es: UnitFixture, pt: UnitFixture, reply: dict) -> None:
    """A reply in part does not. One under way counts; once it is accepted the row itself goes."""
    request = ask(world, es, pt)
    if reply is FINAL:
        pt.submit("es", reply_to=request, **PARTIAL)
        pump(world, pt, es)
        assert waiting(pt).waiting == 1
    pt.submit("es", reply_to=request, **reply)
    assert waiting(pt).waiting == 0
    assert pt.rows("SELECT count(*) FROM received_requests") == [(1,)]
    pump(world, pt, es)
    assert waiting(pt).waiting == 0
    assert pt.rows("SELECT count(*) FROM received_requests") == [(0,)]


def test_a_refused_reply_was_not_given(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """What a router refused is no answer: the request waits again."""
    request = ask(world, es, pt)
    answered = pt.submit("es", reply_to=request, **FINAL)
    assert waiting(pt).waiting == 0
    with pt.context.transaction():
        pt.context.store.write("UPDATE outbox SET state = 'refused' WHERE id = (SELECT max(id) FROM outbox)")
    assert pt.state(answered.id) == "refused"
    assert waiting(pt).waiting == 1


def test_it_is_known_after_a_restart(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """The book is the database's; what came before this program kept one is taken in, in parts."""
    for _ in range(3):
        ask(world, es, pt)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(received_requests, "LOOK_AT_MOST", 1)
        seen = [waiting(pt).waiting for _ in range(3)]
    assert seen[-1] == 3 or waiting(pt).waiting == 3
    pt.restart()
    assert open_requests(pt.context.store, author=pt.unit, now=world.now).waiting == 3


def test_the_gauges_show_it(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """What Prometheus asks."""
    ask(world, es, pt, URGENT)
    later(world, URGENT_WITHIN)
    status._show_requests(pt.context, waiting(pt))
    value = pt.context.metrics.registry.get_sample_value
    assert [value(f"contrada_unit_requests_{name}") for name in ("open", "urgent", "near", "overdue")] == [
        1,
        1,
        0,
        1,
    ]
    assert value("contrada_unit_next_deadline_timestamp_seconds") == 0


async def test_without_its_safeguards_a_deadline_is_missed_in_silence(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """An urgent request has a week then, or a refused answer ends the request all the same."""
    await assert_missed(
        Mutant(
            deadlines.answer_due, rewritten("URGENT_WITHIN if urgent else ANSWER_WITHIN", "ANSWER_WITHIN")
        ),
        test_a_term_is_that_of_the_law,
    )
    await assert_missed(
        Mutant(received_requests.open_requests, rewritten("due <= now", "due <= 0")),
        test_a_request_is_open_near_and_overdue_by_its_own_term,
        world=world, es=es, pt=pt,
    )  # fmt: skip
