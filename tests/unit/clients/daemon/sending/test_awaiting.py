"""Acknowledgements that stay out: the sender is told, and can send again, and nothing is doubled by it."""

from __future__ import annotations

import pytest

from clients.daemon.api import views
from clients.daemon.api.lists import ListQuery, outbox_page
from clients.daemon.api.status import count_waiting
from clients.daemon.receiving import deliveries
from clients.daemon.sending import acknowledgements, awaiting
from clients.daemon.sending.awaiting import look_for_acknowledgements, send_again
from clients.daemon.sending.requests import AckRequest
from clients.daemon.store import decisions, inbox, outbox, unacknowledged
from clients.daemon.store.inbox import ACKNOWLEDGED_AGAIN_AFTER
from clients.daemon.store.unacknowledged import WITHIN
from protocol.identifiers import Millis, read_id
from protocol.limits import DAY
from runtime.errors import Conflict
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, returning, rewritten
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump


def later(world: World, milliseconds: int) -> None:
    world.now = Millis(world.now + milliseconds)


def lost(world: World, es: UnitFixture, pt: UnitFixture) -> str:
    """A message that a router accepted, and whose delivery Kafka has lost."""
    sent = es.submit("pt").id
    es.post()
    world.route("es")
    es.decisions()
    world.inboxes["pt"].pop()
    return sent


def alarms(unit: UnitFixture) -> list[tuple[str, str]]:
    return [(code, detail) for code, detail in unit.rows("SELECT code, detail FROM alarms ORDER BY id")]


def out(unit: UnitFixture) -> list[str]:
    return [item["id"] for item in outbox_page(unit.context, ListQuery(state="unacknowledged"))["items"]]


def acknowledged(world: World, *units: UnitFixture) -> None:
    """Receipts are sealed, and carried."""
    for unit in units:
        acknowledgements.seal_receipts(unit.context)
    pump(world, *units, rounds=1)


def test_a_lost_delivery_is_told_once_its_time_is_over(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """Accepted and never acknowledged: in the list, in the count, and one alarm for the addressee, kept over a restart."""
    first, second = lost(world, es, pt), lost(world, es, pt)
    look_for_acknowledgements(es.context)
    assert (out(es), alarms(es)) == ([], [])

    later(world, WITHIN)
    for _ in range(3):
        look_for_acknowledgements(es.context)
    es.restart()
    look_for_acknowledgements(es.context)
    assert out(es) == [first, second]
    assert views.outbox_item(es.context, read_id(first))["unacknowledged"] == ["pt"]
    assert count_waiting(es.context)["unacknowledged"] == 2
    assert alarms(es) == [
        ("acknowledgement_missing", f"pt: 2 accepted and not acknowledged, the oldest {first}")
    ]


def test_what_is_acknowledged_in_time_is_not_told(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """And costs no row. An acknowledgement is itself waited for by nobody."""
    sent = es.submit("pt")
    pump(world, es, pt, rounds=1)
    row = views.find_received(pt.context, read_id(sent.id), None)
    acknowledgements.acknowledge_row(pt.context, row, AckRequest())
    acknowledged(world, es, pt)
    later(world, 2 * WITHIN)
    for unit in (es, pt):
        look_for_acknowledgements(unit.context)
        assert unit.rows("SELECT * FROM unacknowledged") == []
        assert alarms(unit) == []


def test_an_acknowledgement_that_comes_late_ends_it(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """The addressee was off for a weekend: the alarm stays in the list, and the message does not."""
    sent = es.submit("pt")
    es.post()
    world.route("es")
    es.decisions()
    later(world, DAY)
    look_for_acknowledgements(es.context)
    assert out(es) == [sent.id]
    pump(world, es, pt, rounds=1)
    acknowledged(world, es, pt)
    assert out(es) == []
    assert count_waiting(es.context)["unacknowledged"] == 0


def test_what_is_accepted_late_is_awaited_from_then_on(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """A router was away for a day: the addressee has its hour all the same."""
    sent = es.submit("pt")
    later(world, DAY)
    look_for_acknowledgements(es.context)
    es.post()
    world.route("es")
    es.decisions()
    look_for_acknowledgements(es.context)
    assert out(es) == []
    later(world, WITHIN)
    look_for_acknowledgements(es.context)
    assert out(es) == [sent.id]


def test_what_was_refused_is_awaited_by_nobody(world: World, es: UnitFixture) -> None:
    """Its sender knows."""
    es.submit("it")
    world.suspend("it")
    es.post()
    world.route("es")
    es.decisions()
    later(world, 2 * WITHIN)
    look_for_acknowledgements(es.context)
    assert out(es) == []


def test_a_clock_that_was_ahead_holds_up_no_look(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """A message handed in a year from now does not keep those behind it from being looked at."""
    then = world.now
    first = lost(world, es, pt)
    with es.context.transaction():
        es.context.store.write("UPDATE outbox SET created = ?", then + 365 * DAY)
    second = lost(world, es, pt)
    later(world, WITHIN)
    look_for_acknowledgements(es.context)
    assert out(es) == [first, second]


def test_a_unit_that_never_acknowledges_fills_no_disk(
    world: World, es: UnitFixture, pt: UnitFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest are kept."""
    monkeypatch.setattr(unacknowledged, "MOST", 3)
    sent = [lost(world, es, pt) for _ in range(5)]
    later(world, WITHIN)
    look_for_acknowledgements(es.context)
    assert out(es) == sent[2:]


def test_old_messages_of_an_earlier_version_raise_nothing(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """Nobody awaited them then."""
    lost(world, es, pt)
    later(world, 8 * DAY)
    look_for_acknowledgements(es.context)
    assert out(es) == []
    sent = lost(world, es, pt)
    later(world, WITHIN)
    look_for_acknowledgements(es.context)
    assert out(es) == [sent]


# -- Sending again ------------------------------------------------------------------------------------


def test_a_lost_message_is_sent_again_and_taken_once(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """The same message, under its id; it stays accepted, and its acknowledgement ends the matter."""
    sent = lost(world, es, pt)
    later(world, WITHIN)
    look_for_acknowledgements(es.context)
    send_again(es.context, read_id(sent))
    assert es.state(sent) == "accepted"
    pump(world, es, pt, rounds=1)
    assert [row for (row,) in pt.rows("SELECT mid FROM inbox WHERE kind <> 5")] == [read_id(sent)]
    acknowledged(world, es, pt)
    assert (es.state(sent), out(es), es.pending()) == ("accepted", [], [])
    with pytest.raises(Conflict, match="every addressee has acknowledged"):
        send_again(es.context, read_id(sent))


def test_who_has_it_takes_it_once_and_acknowledges_again(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """The acknowledgement was lost, and not the message. However often the sending comes, one more goes back."""
    sent = es.submit("pt").id
    pump(world, es, pt, rounds=1)
    acknowledgements.seal_receipts(pt.context)
    pt.post()
    world.route("pt")
    pt.decisions()
    world.inboxes["es"].clear()
    later(world, WITHIN)
    look_for_acknowledgements(es.context)
    send_again(es.context, read_id(sent))
    es.post()
    world.route("es")
    world.inboxes["pt"] += [world.inboxes["pt"][-1]] * 20
    owed = pt.deliveries()
    assert (owed.owed, owed.messages) == (True, 0)
    acknowledged(world, pt, es)
    assert (out(es), len(pt.rows("SELECT * FROM inbox WHERE kind <> 5"))) == ([], 1)
    assert len(pt.rows("SELECT * FROM outbox WHERE automatic = 1")) == 2
    world.inboxes["pt"] += [world.inboxes["pt"][-1]] * 20
    assert pt.deliveries().owed is False


def test_the_same_delivery_again_is_answered_by_nobody(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """A Kafka that gives a record twice makes no traffic: only its sender can make another sealing."""
    es.submit("pt")
    pump(world, es, pt, rounds=1)
    acknowledged(world, es, pt)
    later(world, 10 * ACKNOWLEDGED_AGAIN_AFTER)
    world.inboxes["pt"] += [world.inboxes["pt"][-1]]
    assert pt.deliveries().owed is False


def test_a_refusal_of_what_was_sent_again_changes_nothing(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """The message was accepted once and stays so; the sealing is done with, and is not sent for ever."""
    sent = lost(world, es, pt)
    send_again(es.context, read_id(sent))
    world.suspend("pt")
    es.post()
    world.route("es")
    es.decisions()
    assert (es.state(sent), es.pending()) == ("accepted", [])
    assert es.rows("SELECT verdict IS NULL FROM sealings") == [(0,), (0,)]


def test_what_need_not_or_cannot_be_sent_again_is_said(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """Each with its reason."""
    undecided = es.submit("pt").id
    with pytest.raises(Conflict, match="is sealed"):
        send_again(es.context, read_id(undecided))
    es.post()
    world.route("es")
    es.decisions()
    send_again(es.context, read_id(undecided))
    with pytest.raises(Conflict, match="being sent again already"):
        send_again(es.context, read_id(undecided))
    es.post()
    world.route("es")
    es.decisions()
    later(world, 8 * DAY)
    with pytest.raises(Conflict, match="has expired"):
        send_again(es.context, read_id(undecided))


def test_a_message_is_not_sealed_again_without_keys(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """The addressee has no key for this week: nothing is changed, and it is said."""
    sent = es.submit("pt", expires_in_s=30 * 24 * 3600).id
    es.post()
    world.route("es")
    es.decisions()
    later(world, 22 * DAY)
    with pytest.raises(Conflict, match="no key"):
        send_again(es.context, read_id(sent))
    assert (es.state(sent), es.pending()) == ("accepted", [])


MUTANTS = [
    (Mutant(unacknowledged.look_at_sent, forced(True, "row['kind']")), test_what_is_acknowledged_in_time_is_not_told),
    (Mutant(unacknowledged.await_no_more, returning("None")), test_an_acknowledgement_that_comes_late_ends_it),
    (Mutant(awaiting.look_for_acknowledgements, dropped("context.alarm")), test_a_lost_delivery_is_told_once_its_time_is_over),
    (Mutant(decisions.consequence_of, forced(False, "sealing.message_settled")),
     test_a_refusal_of_what_was_sent_again_changes_nothing),
    (Mutant(outbox.note_verdict, returning("None")), test_a_refusal_of_what_was_sent_again_changes_nothing),
    (Mutant(deliveries._judge, rewritten("known == delivery.header_digest", "known is not None")),
     test_who_has_it_takes_it_once_and_acknowledges_again),
    (Mutant(deliveries._judge, rewritten("known == delivery.header_digest", "False")),
     test_the_same_delivery_again_is_answered_by_nobody),
    (Mutant(inbox.owe_again, returning("False")), test_who_has_it_takes_it_once_and_acknowledges_again),
    (Mutant(inbox.owe_again, rewritten("now - ACKNOWLEDGED_AGAIN_AFTER", "now")),
     test_who_has_it_takes_it_once_and_acknowledges_again),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(
    mutant: Mutant, promise, world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """Without it a loss stays hidden, or a message goes round for ever."""
    await assert_missed(mutant, promise, world=world, es=es, pt=pt)
