"""At the date that its originator's H3 names a message's key is destroyed, and the originator is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.daemon.api import views
from clients.daemon.directory import own_entry
from clients.daemon.receiving import deciding, deliveries
from clients.daemon.sending import acknowledgements, deletions, waiting
from clients.daemon.sending.deletions import delete_what_is_due
from clients.daemon.store import deletions as table
from clients.daemon.store import inbox
from clients.daemon.store.at_rest import ContentErased
from protocol.errors import Code
from protocol.identifiers import Millis, read_id
from protocol.limits import DAY
from runtime.process.clock import KAFKA, ClockCheck
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump


def h3(world: World, days: int = 3) -> dict[str, object]:
    """What an order says: to be deleted in so many days."""
    return {"handling": "H3", "h3": {"only": ["pt"], "delete_by": world.now + days * DAY}}


def sent(world: World, es: UnitFixture, pt: UnitFixture, *, count: int = 1, days: int = 3) -> list[str]:
    """Messages that have arrived and are acknowledged."""
    assert not delete_what_is_due(pt.context)  # what an older program had taken in is looked at
    made = [es.submit("pt", **h3(world, days)).id for _ in range(count)]
    pump(world, es, pt)
    acknowledgements.seal_receipts(pt.context)
    pump(world, pt, es)
    return made


def look(world: World, unit: UnitFixture, *, days: float) -> None:
    """So many days later another party's clock tells, and the daemon looks."""
    world.now = Millis(world.now + int(days * DAY))
    unit.context.store.write("INSERT OR REPLACE INTO meta VALUES ('seen', ?)", str(world.now))
    looks = 0
    while delete_what_is_due(unit.context):
        looks += 1
        assert looks < 10, "it comes to an end"


def content(unit: UnitFixture) -> list[bool]:
    """Whether each received message is there still."""
    found = []
    for row in unit.context.store.rows("SELECT * FROM inbox WHERE kind <> 5 ORDER BY id"):
        try:
            inbox.read_parts(row, unit.context.vault)
            found.append(True)
        except ContentErased:
            found.append(False)
    return found


def stages(es: UnitFixture) -> list[str]:
    """How far each message is, as people see it."""
    rows = es.context.store.rows("SELECT * FROM outbox WHERE automatic = 0 ORDER BY id")
    return [one["stage"] for row in rows for one in views.outbox_item(es.context, row["mid"])["deliveries"]]


def test_at_its_date_it_is_gone_and_the_originator_knows(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """Not before; header, decision and acknowledgement stay; the word is signed and decided like any message."""
    sent(world, es, pt)
    look(world, pt, days=2.9)
    assert (content(pt), stages(es)) == ([True], ["delivered"])
    look(world, pt, days=0.1)
    assert content(pt) == [False]
    row = pt.context.store.row("SELECT * FROM inbox")
    assert row is not None and (row["dek"], row["content"]) == (None, None)
    assert pt.context.headers.of(row).h3 is not None
    pump(world, pt, es)
    assert stages(es) == ["erased"]


def test_people_are_told_that_it_was_erased(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """The inbox shows the message without its content."""
    (name,) = sent(world, es, pt)
    look(world, pt, days=3)
    shown = views.open_inbox_item(pt.context, read_id(name), None)
    assert shown["erased"] is True
    assert shown["body"] is None


def test_what_names_no_date_stays(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """H3 that only names units, and messages without H3."""
    es.submit("pt")
    es.submit("pt", handling="H3", h3={"only": ["pt"]})
    pump(world, es, pt)
    look(world, pt, days=4_000)
    assert content(pt) == [True, True]


def test_one_word_tells_of_many_and_is_said_once(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """To each originator one acknowledgement; nothing is told a second time."""
    sent(world, es, pt, count=5)
    before = pt.rows("SELECT count(*) FROM outbox")[0][0]
    look(world, pt, days=3)
    look(world, pt, days=1)
    assert pt.rows("SELECT count(*) FROM outbox") == [(before + 1,)]
    pump(world, pt, es)
    assert stages(es) == ["erased"] * 5


def test_a_clock_that_runs_ahead_deletes_nothing_alone(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """Ours says that a year has passed, and nobody else does: neither a router nor Kafka."""
    sent(world, es, pt)
    world.now = Millis(world.now + 365 * DAY)
    pt.context.times = _Times(world, at=world.now - 365 * DAY)
    delete_what_is_due(pt.context)
    assert content(pt) == [True]
    pt.context.times = _Times(world, at=world.now - 362 * DAY)
    delete_what_is_due(pt.context)
    assert content(pt) == [False], "by Kafka's clock the date has come, too"


def test_a_router_that_runs_ahead_deletes_nothing_alone(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """Nor does what others say, before this machine's own clock says it."""
    sent(world, es, pt)
    pt.context.store.write("INSERT OR REPLACE INTO meta VALUES ('seen', ?)", str(world.now + 365 * DAY))
    delete_what_is_due(pt.context)
    assert content(pt) == [True]


class _Times:
    """What a daemon knows of the time: Kafka's clock, as it answered."""

    def __init__(self, world: World, *, at: int) -> None:
        self.check = ClockCheck(lambda: world.now, lambda: 0.0)
        self.check.answered(KAFKA, at, since=0.0)

    def wall(self) -> Millis:
        return self.check.wall()


def test_what_an_older_program_had_taken_in_is_deleted_as_well(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """Its store knows no dates: each header is looked at, once."""
    sent(world, es, pt, count=3)
    pt.context.store.write("DELETE FROM deletions")
    pt.context.store.write("DELETE FROM meta WHERE key = 'deletions-looked'")
    look(world, pt, days=3)
    assert content(pt) == [False] * 3
    assert table.look_at_earlier(pt.context.store, pt.context.headers) is False


def test_while_suspended_it_is_deleted_and_told_afterwards(
    world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    """The date does not wait for the centre."""
    sent(world, es, pt)
    world.suspend("pt")
    pt.learn()
    before = pt.rows("SELECT count(*) FROM outbox")
    look(world, pt, days=3)
    assert (content(pt), pt.rows("SELECT count(*) FROM outbox")) == ([False], before)
    world.suspend("pt", suspended=False)
    pt.learn()
    look(world, pt, days=0)
    pump(world, pt, es)
    assert stages(es) == ["erased"]


@pytest.mark.parametrize("refusal", ["comes before", "comes after"])
def test_what_was_refused_meanwhile_is_told_again(
    world: World, es: UnitFixture, pt: UnitFixture, refusal: str
) -> None:
    """The word was on its way when the unit was suspended; its refusal comes before the suspension's end, or after."""
    sent(world, es, pt)
    look(world, pt, days=3)
    world.suspend("pt")
    pt.post()
    world.route("pt")
    if refusal == "comes before":
        pt.learn()
        pt.decisions()
        assert (
            Code.E_SENDER_SUSPENDED.value
            in pt.rows("SELECT reasons FROM outbox ORDER BY id DESC LIMIT 1")[0][0]
        )
    world.suspend("pt", suspended=False)
    pt.learn()
    pt.decisions()
    look(world, pt, days=0)
    pump(world, pt, es)
    assert stages(es) == ["erased"]


def test_a_restored_unit_deletes_again(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """A backup brings content back; at the first look it is gone, and the originator is told again."""
    sent(world, es, pt)
    copy = Path(pt.path / "state.sqlite")
    pt.context.store.row("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = copy.read_bytes()
    look(world, pt, days=3)
    pt.context.store.close()
    copy.write_bytes(backup)
    for name in ("state.sqlite-wal", "state.sqlite-shm"):
        (pt.path / name).unlink(missing_ok=True)
    pt.restart()
    assert content(pt) == [True]
    look(world, pt, days=0)
    assert content(pt) == [False]


def test_the_word_is_sealed_again_as_what_it_is(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    """Where it waits for keys, its order is made again from what was deleted: it does not become a receipt."""
    sent(world, es, pt)
    look(world, pt, days=3)
    row = pt.context.store.row("SELECT * FROM outbox ORDER BY id DESC LIMIT 1")
    assert row is not None
    assert waiting.order_of(pt.context, row["id"]).parts != ()
    body = waiting.order_of(pt.context, row["id"]).parts[0].content
    assert b'"erased"' in body


def test_no_officer_says_it(world: World) -> None:
    """The stage is the daemon's own to state."""
    from clients.daemon.errors import BadRequest
    from clients.daemon.sending.requests import AckRequest, read_api_request

    with pytest.raises(BadRequest):
        read_api_request(b'{"stage": "erased"}', AckRequest)


MUTANTS = [
    (Mutant(deliveries._take, dropped("deletions.await_date")), test_at_its_date_it_is_gone_and_the_originator_knows),
    (Mutant(table.erase, dropped("erase_received")), test_at_its_date_it_is_gone_and_the_originator_knows),
    (Mutant(delete_what_is_due, rewritten("_tell(context, now)", "False")),
     test_at_its_date_it_is_gone_and_the_originator_knows),
    (Mutant(deletions._passed, rewritten("min(context.wall(), max(context.seen(), others or Millis(0)))", "context.wall()")),
     test_a_clock_that_runs_ahead_deletes_nothing_alone),
    (Mutant(deletions._passed, rewritten("min(context.wall(), max(context.seen(), others or Millis(0)))",
                                         "max(context.seen(), others or Millis(0))")),
     test_a_router_that_runs_ahead_deletes_nothing_alone),
    (Mutant(deletions._tell, dropped("mark_told")), test_one_word_tells_of_many_and_is_said_once),
    (Mutant(deletions._tell, unchecked("is_suspended")), test_while_suspended_it_is_deleted_and_told_afterwards),
    (Mutant(table.look_at_earlier, dropped("await_date")), test_what_an_older_program_had_taken_in_is_deleted_as_well),
    (Mutant(waiting.order_of, rewritten("deletion_order if erased else receipt_order", "receipt_order")),
     test_the_word_is_sealed_again_as_what_it_is),
    (Mutant(own_entry.watch, dropped("deletions.tell_what_was_refused")),
     lambda world, es, pt: test_what_was_refused_meanwhile_is_told_again(world, es, pt, "comes before")),
    (Mutant(deciding._refuse, dropped("deletions.tell_what_was_refused")),
     lambda world, es, pt: test_what_was_refused_meanwhile_is_told_again(world, es, pt, "comes after")),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(
    mutant: Mutant, promise, world: World, es: UnitFixture, pt: UnitFixture
) -> None:
    await assert_missed(mutant, promise, world=world, es=es, pt=pt)
