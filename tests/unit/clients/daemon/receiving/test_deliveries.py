"""What a unit takes in, what it does not, and that it takes it in once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from clients.daemon.api import lists, views
from clients.daemon.directory import own_entry
from clients.daemon.directory.statements import upkeep
from clients.daemon.errors import DirectoryBehind, StoreUnavailable
from clients.daemon.receiving import deciding
from clients.daemon.receiving import deliveries as receiving
from clients.daemon.sending import acknowledgements, waiting
from clients.daemon.sending.requests import AckRequest
from clients.daemon.store import inbox
from clients.daemon.store.order import Order, Recipient, choose_keys, core_from_order
from clients.daemon.store.positions import position
from protocol import topics
from protocol.codes import DataClass, MessageKind, Purpose, RefKind, Role
from protocol.content.bodies import Acknowledgement, Information
from protocol.content.body_parts import body_to_parts
from protocol.content.code_forms import OPEN_HANDLING
from protocol.content.drafts import parse_draft
from protocol.content.parts import Part
from protocol.envelope.core import Position, Reference
from protocol.envelope.sealing import seal
from protocol.identifiers import (
    Digest,
    MessageId,
    Millis,
    UnitId,
    new_message_id,
    new_thread_id,
    read_id,
    show_id,
)
from protocol.limits import DAY
from protocol.parties import TreeHead
from runtime.errors import Conflict, NotFound
from runtime.kafka.ports import Fetched, InputRecord
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, returning, rewritten, unchecked
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, draft, pump


def feed(unit: UnitFixture, *values: bytes, start: int = 0, lost: int = 0) -> Fetched:
    records = tuple(InputRecord(start + i, 0, value) for i, value in enumerate(values))
    return Fetched(topics.inbox(unit.unit), 0, records, start + len(values), lost)


def delivered(world: World, es: UnitFixture, *to: str, **more) -> bytes:
    """A delivery for the first addressee."""
    es.submit(*to, **more)
    es.post()
    world.route("es")
    es.decisions()
    return world.inboxes[to[0]][-1]


def count(unit: UnitFixture, table: str) -> int:
    return unit.rows(f"SELECT count(*) FROM {table}")[0][0]


def test_a_message_comes_in_with_its_content(world, es, pt):
    """What was written is what is read, and the reading is written down."""
    sent = es.submit("pt", draft=draft("three persons on deck"))
    pump(world, es, pt, rounds=1)
    shown = views.open_inbox_item(pt.context, read_id(sent.id), None)
    assert shown["body"]["items"][0]["text"] == "three persons on deck"
    assert (shown["sender"], shown["state"]) == ("es", "opened")
    assert pt.rows("SELECT state, opened IS NULL FROM inbox") == [("opened", 0)]


def test_what_is_read_and_not_said_to_be_seen_stays_new(world, es, pt):
    """A client that could not show it has opened nothing; once it says so, the first time counts."""
    sent = es.submit("pt", draft=draft("three persons on deck"))
    pump(world, es, pt, rounds=1)
    mid = read_id(sent.id)
    read = views.read_inbox_item(pt.context, mid, None)
    assert read["body"]["items"][0]["text"] == "three persons on deck"
    assert pt.rows("SELECT state, opened FROM inbox") == [("new", None)]

    told = views.count_as_opened(pt.context, mid, None)
    first = pt.rows("SELECT state, opened FROM inbox")
    assert (told, first[0][0]) == ({"id": sent.id, "sender": "es", "state": "opened"}, "opened")
    world.now = Millis(world.now + 60_000)
    views.count_as_opened(pt.context, mid, None)
    assert pt.rows("SELECT state, opened FROM inbox") == first


def test_however_often_it_arrives_it_is_there_once(world, es, pt):
    """In one batch, in a later one, and after a restart."""
    delivery = delivered(world, es, "pt")
    receiving.take_deliveries(pt.context, feed(pt, delivery, delivery), patient=True)
    receiving.take_deliveries(pt.context, feed(pt, delivery, start=2), patient=True)
    pt.restart()
    receiving.take_deliveries(pt.context, feed(pt, delivery, start=3), patient=True)
    acknowledgements.seal_receipts(pt.context)

    assert count(pt, "inbox") == 1
    assert count(pt, "outbox") == 1, "and it is acknowledged once"


def test_position_and_message_are_one(world, es, pt):
    """A batch that the disk refuses moves nothing: it is read again, and nothing is missing or doubled."""
    delivery = delivered(world, es, "pt", draft=draft("x" * 10_000))
    pages = pt.context.store.row("PRAGMA page_count")[0]
    pt.context.store.row(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreUnavailable):
        receiving.take_deliveries(pt.context, feed(pt, delivery), patient=True)
    assert (count(pt, "inbox"), position(pt.context.store, topics.inbox(pt.unit), 0)) == (0, 0)
    pt.context.store.row("PRAGMA max_page_count=1000000")
    receiving.take_deliveries(pt.context, feed(pt, delivery), patient=True)

    assert (count(pt, "inbox"), position(pt.context.store, topics.inbox(pt.unit), 0)) == (1, 1)


def test_what_does_not_verify_blocks_nobody(world, es, pt):
    """Garbage, a flipped byte, another unit's delivery: kept by coordinates and code, the rest goes on."""
    good = delivered(world, es, "pt")
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    foreign = delivered(world, es, "it")
    receiving.take_deliveries(
        pt.context, feed(pt, b"", b"garbage", bytes(flipped), foreign, good), patient=False
    )

    assert count(pt, "inbox") == 1
    codes = dict(pt.rows("SELECT position, code FROM rejected"))
    assert sorted(codes) == [0, 1, 2, 3]
    assert codes[3] == "E_NOT_FOR_ME"


def test_a_header_laxer_than_its_content_is_not_taken_in(world, es, pt):
    """A sender that hides personal data behind a harmless header is found by the addressee."""
    item = draft()["items"][0] | {"data_class": "special", "handling": "H1"}
    body = parse_draft(MessageKind.INFORMATION, _json(draft() | {"items": [item]}))
    assert isinstance(body, Information)
    _deliver_raw(world, es, pt, body_to_parts(body), data_class=DataClass.NON_PERSONAL)
    assert pt.rows("SELECT code FROM rejected") == [("E_HEADER_LAX",)]


def test_content_that_is_no_body_is_not_taken_in(world, es, pt):
    """Parts that no model describes end in one code."""
    _deliver_raw(world, es, pt, (Part(0, b"{}"),))
    _deliver_raw(world, es, pt, (Part(7, b"x"),))
    assert pt.rows("SELECT code FROM rejected") == [("E_BODY",), ("E_BODY",)]


def test_a_sender_that_we_do_not_know_yet_is_waited_for(world, es, pt):
    """While patient the batch asks for statements; after that it is judged by what is there."""
    delivery = delivered(world, es, "pt")
    pt.context.replica.directory = World().directory
    with pytest.raises(DirectoryBehind):
        receiving.take_deliveries(pt.context, feed(pt, delivery), patient=True)
    assert count(pt, "rejected") == 0
    receiving.take_deliveries(pt.context, feed(pt, delivery), patient=False)
    assert count(pt, "rejected") == 1


def test_arrival_is_acknowledged_and_acknowledgements_are_not(world, es, pt):
    """The sender learns of the arrival; and then it is quiet."""
    sent = es.submit("pt")
    for _ in range(4):
        pump(world, es, pt, rounds=1)
        acknowledgements.seal_receipts(es.context)
        acknowledgements.seal_receipts(pt.context)
    shown = views.outbox_item(es.context, read_id(sent.id))
    assert shown["deliveries"] == [{"unit": "pt", "stage": "delivered", "received": world.now}]
    assert (count(es, "outbox"), count(pt, "outbox")) == (1, 1)
    assert lists.inbox_page(es.context, lists.ListQuery())["items"] == []


def test_a_receipt_is_owed_over_a_kill(world, es, pt):
    """Killed between taking in and acknowledging: acknowledged after the start."""
    receiving.take_deliveries(pt.context, feed(pt, delivered(world, es, "pt")), patient=True)
    pt.restart()
    assert count(pt, "outbox") == 0
    acknowledgements.seal_receipts(pt.context)
    assert pt.rows("SELECT automatic, state FROM outbox") == [(1, "sealed")]


def test_a_receipt_can_be_sealed_again(world, es, pt):
    """Its content is not kept: it follows from the deliveries that it speaks of."""
    for _ in range(3):
        receiving.take_deliveries(pt.context, feed(pt, delivered(world, es, "pt")), patient=True)
    acknowledgements.seal_receipts(pt.context)
    first = waiting.order_of(pt.context, 1)
    pt.restart()
    assert waiting.order_of(pt.context, 1) == first


def test_stages_only_rise(world, es, pt):
    """An acknowledgement that comes late does not set back what was said before."""
    sent = es.submit("pt")
    pump(world, es, pt, rounds=1)
    row = views.find_received(pt.context, read_id(sent.id), None)
    acknowledgements.acknowledge_row(
        pt.context, row, AckRequest.model_validate_json(b'{"stage": "accepted"}')
    )
    pump(world, pt, es, rounds=1)
    acknowledgements.seal_receipts(pt.context)
    pump(world, pt, es, rounds=1)

    assert views.outbox_item(es.context, read_id(sent.id))["deliveries"][0]["stage"] == "accepted"


def test_an_acknowledgement_of_what_we_never_sent_is_an_alarm(world, es, pt):
    """Also one by a unit that the message did not go to."""
    sent = es.submit("it")
    pump(world, es)
    subject = es.context.store.row("SELECT subject FROM sealings")["subject"]
    forged = {
        "stage": "delivered",
        "messages": [{"message": sent.id, "header_digest": subject.hex()}],
    }
    body = Acknowledgement.model_validate_json(_json(forged))
    _deliver_raw(world, pt, es, body_to_parts(body), kind=MessageKind.ACKNOWLEDGEMENT, subject=subject)

    assert es.rows("SELECT code FROM alarms") == [("acknowledgement_unknown",)]
    assert count(es, "acknowledgements") == 0


def test_two_senders_may_use_one_id(world, es, pt, tmp_path):
    """A message is known by its sender and its id: nobody can keep another's message away by using its id."""
    message_id = read_id("0190a5f2-7c1e-7a00-8000-3c5e9f0d1b2a")
    ie = UnitFixture(world, UnitId("ie"), tmp_path / "ie")
    for unit in (es, ie):
        body = parse_draft(MessageKind.INFORMATION, _json(draft()))
        _deliver_raw(
            world, unit, pt, body_to_parts(body), message_id=message_id, data_class=DataClass.NON_PERSONAL
        )
    assert count(pt, "inbox") == 2
    with pytest.raises(Conflict):
        views.find_received(pt.context, message_id, None)
    assert views.find_received(pt.context, message_id, UnitId("es"))["sender"] == "es"
    with pytest.raises(NotFound):
        views.find_received(pt.context, message_id, UnitId("it"))


def test_what_retention_took_is_an_alarm(world, es, pt):
    """Records that were gone before we read them are counted and reported."""
    receiving.take_deliveries(
        pt.context, feed(pt, delivered(world, es, "pt"), start=90, lost=90), patient=True
    )
    assert pt.rows("SELECT code FROM alarms") == [("feed_lost",)]
    assert count(pt, "inbox") == 1


def test_keys_are_destroyed_by_the_routers_clock(world, es, pt):
    """A local clock that jumps ahead destroys no key: only time that a router has signed counts."""
    receiving.take_deliveries(pt.context, feed(pt, delivered(world, es, "pt")), patient=True)
    held = pt.keys.opener.kids()
    pt.context.clock = lambda: Millis(world.now + 60 * DAY)
    upkeep(pt.context)
    assert held <= pt.keys.opener.kids()
    assert pt.context.seen() == world.now
    with pt.context.transaction():
        pt.context.see(Millis(world.now + 60 * DAY))
    upkeep(pt.context)
    assert not held & pt.keys.opener.kids()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def acknowledges(world: World, es: UnitFixture, pt: UnitFixture) -> int:
    """How many of es's messages pt has acknowledged to it, when all that is owed was sent and decided."""
    acknowledgements.seal_receipts(pt.context)
    pump(world, pt, es)
    return count(es, "acknowledgements")


@pytest.mark.parametrize("known", ["before", "after"])
def test_what_a_suspended_unit_owes_it_acknowledges_when_it_is_resumed(world, es, pt, known: str):
    """Also what was refused because nobody here knew of the suspension yet; and once."""
    receiving.take_deliveries(pt.context, feed(pt, delivered(world, es, "pt")), patient=True)
    world.suspend("pt")
    if known == "before":
        pt.learn()
    assert acknowledges(world, es, pt) == 0
    refused = count(pt, "outbox WHERE state = 'refused'")
    assert refused == (0 if known == "before" else 1)
    pt.learn()
    world.suspend("pt", suspended=False)
    pt.learn()
    assert acknowledges(world, es, pt) == 1
    assert count(pt, "outbox WHERE state = 'accepted'") == 1


def test_a_refusal_that_comes_when_the_suspension_is_over_is_made_good(world, es, pt):
    """The directory is read before the decision that the suspension caused."""
    receiving.take_deliveries(pt.context, feed(pt, delivered(world, es, "pt")), patient=True)
    acknowledgements.seal_receipts(pt.context)
    pt.post()
    world.suspend("pt")
    world.route("pt")
    world.suspend("pt", suspended=False)
    pt.learn()
    pt.decisions()
    assert acknowledges(world, es, pt) == 1


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (
            Mutant(acknowledgements.seal_receipts, unchecked("is_suspended")),
            lambda *units: test_what_a_suspended_unit_owes_it_acknowledges_when_it_is_resumed(
                *units, "before"
            ),
        ),
        (
            Mutant(own_entry.watch, unchecked("resumes")),
            lambda *units: test_what_a_suspended_unit_owes_it_acknowledges_when_it_is_resumed(
                *units, "after"
            ),
        ),
        (
            Mutant(
                deciding._refuse,
                dropped("owe_what_was_refused"),
                rewritten("_go_on(...) or again", "_go_on(context, sealing.message)"),
            ),
            test_a_refusal_that_comes_when_the_suspension_is_over_is_made_good,
        ),
    ],
    ids=["refused in vain", "never again", "too early"],
)
def test_that_it_is_acknowledged_at_last_is_tested(world, es, pt, mutant, promise):
    """Each way, taken away, is missed."""
    with mutated(mutant), pytest.raises(AssertionError):
        promise(world, es, pt)


def waits_for_no_invented_directory(world: World, es: UnitFixture, pt: UnitFixture) -> None:
    body = parse_draft(MessageKind.INFORMATION, _json(draft()))
    head = TreeHead(10**6, b"\7" * 32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pt, "deliveries", lambda: None)
        _deliver_raw(world, es, pt, body_to_parts(body), directory_head=head)
    receiving.take_deliveries(pt.context, feed(pt, world.inboxes["pt"][-1]), patient=True)
    assert count(pt, "inbox") == 1


def test_what_a_sender_claims_of_the_directory_is_not_waited_for(world, es, pt):
    """Only what the router had that decided: a size that nobody has would hold everybody's mail at each fetch."""
    waits_for_no_invented_directory(world, es, pt)


def test_that_a_claim_is_not_waited_for_is_tested(world, es, pt):
    """Whoever waits for the claim waits for ever."""
    mutant = Mutant(
        receiving._wait_for_directory, rewritten("min(claimed, decided.directory_size)", "claimed")
    )
    with mutated(mutant), pytest.raises(DirectoryBehind):
        waits_for_no_invented_directory(world, es, pt)


REUSED = read_id("0190a5f2-7c1e-7a00-8000-3c5e9f0d1b2a")


def send_under_one_id(world: World, es: UnitFixture, pt: UnitFixture, *texts: str, threads: int = 1) -> None:
    """So many messages of one sender under one id, in so many conversations."""
    several = [new_thread_id(world.entropy) for _ in range(threads)]
    for number, text in enumerate(texts):
        body = parse_draft(MessageKind.INFORMATION, _json(draft(text)))
        thread = several[number % threads]
        _deliver_raw(world, es, pt, body_to_parts(body), message_id=REUSED, thread=thread)


def test_a_message_that_was_sealed_anew_is_the_same_message(world, es, pt):
    """Another header, the same words in the same conversation: it is there once, and nobody is told."""
    send_under_one_id(world, es, pt, "three on deck", "three on deck")
    assert count(pt, "inbox") == 1
    assert (pt.rows("SELECT code FROM rejected"), pt.rows("SELECT code FROM alarms")) == ([], [])


@pytest.mark.parametrize(
    ("texts", "threads"),
    [(("three on deck", "nobody on deck"), 1), (("three on deck", "three on deck"), 2)],
    ids=["other words", "another conversation"],
)
def test_a_sender_that_uses_an_id_twice_is_refused_and_told_of(world, es, pt, texts, threads):
    """The first stands; the second is no duplicate, and is not dropped without a word."""
    send_under_one_id(world, es, pt, *texts, threads=threads)
    shown = views.open_inbox_item(pt.context, REUSED, None)
    assert shown["body"]["items"][0]["text"] == "three on deck"
    assert pt.rows("SELECT code FROM rejected") == [("E_ID_REUSED",)]
    assert pt.rows("SELECT code, detail FROM alarms") == [("message_id_reused", f"es {show_id(REUSED)}")]


def test_of_what_was_erased_a_second_one_is_a_duplicate(world, es, pt):
    """Its words are not known any more."""
    send_under_one_id(world, es, pt, "three on deck")
    inbox.erase_received(pt.context.store, pt.rows("SELECT id FROM inbox")[0][0])
    body = parse_draft(MessageKind.INFORMATION, _json(draft("nobody on deck")))
    thread = pt.rows("SELECT thread FROM inbox")[0][0]
    _deliver_raw(world, es, pt, body_to_parts(body), message_id=REUSED, thread=thread)
    assert (count(pt, "inbox"), pt.rows("SELECT code FROM rejected")) == (1, [])


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (
            Mutant(receiving._take, unchecked("holds_the_same")),
            lambda *units: test_a_sender_that_uses_an_id_twice_is_refused_and_told_of(*units, ("a", "b"), 1),
        ),
        (
            Mutant(inbox.holds_the_same, unchecked("thread")),
            lambda *units: test_a_sender_that_uses_an_id_twice_is_refused_and_told_of(*units, ("a", "a"), 2),
        ),
        (
            Mutant(inbox.holds_the_same, returning("False")),
            test_a_message_that_was_sealed_anew_is_the_same_message,
        ),
    ],
    ids=["dropped without a word", "of any conversation", "sealed anew is another"],
)
def test_what_one_id_means_is_tested(world, es, pt, mutant, promise):
    """Each rule, taken away, is missed."""
    with mutated(mutant), pytest.raises(AssertionError):
        promise(world, es, pt)


def test_whose_message_is_answered_is_said_where_two_used_one_id(world, es, pt, tmp_path):
    """Nobody makes another's message unanswerable by copying its id: the sender and the id name it."""
    ie = UnitFixture(world, UnitId("ie"), tmp_path / "ie")
    for unit, text in ((es, "three on deck"), (ie, "nobody on deck")):
        send_under_one_id(world, unit, pt, text)
    name = show_id(REUSED)
    with pytest.raises(Conflict, match="two senders") as refused:
        pt.submit("es", reply_to=name)
    assert "--sender" in (refused.value.hint or "")
    for unit in (es, ie):
        answered = pt.submit(unit.unit, reply_to=name, reply_to_sender=unit.unit)
        [row] = pt.context.store.rows("SELECT * FROM inbox WHERE sender = ?", unit.unit)
        assert pt.context.store.rows("SELECT mid FROM outbox WHERE thread = ?", row["thread"])[0][
            "mid"
        ] == read_id(answered.id)
    with pytest.raises(NotFound):
        pt.submit("it", reply_to=name, reply_to_sender="it")


def test_a_copied_id_hides_no_message_of_ours(world, es, pt):
    """Whoever sends us a message under the id of our own does not take its place in an answer."""
    ours = es.submit("pt")
    pump(world, es, pt, rounds=1)
    body = parse_draft(MessageKind.INFORMATION, _json(draft("nobody on deck")))
    _deliver_raw(world, pt, es, body_to_parts(body), message_id=read_id(ours.id))
    with pytest.raises(Conflict):
        es.submit("pt", reply_to=ours.id)
    es.submit("pt", reply_to=ours.id, reply_to_sender="es")


def _deliver_raw(
    world: World, sender: UnitFixture, to: UnitFixture, parts, *, subject: bytes | None = None, **changes
) -> None:
    """A delivery that an honest daemon would not have sealed, through the router all the same."""
    sender.learn()
    order = Order(
        kind=changes.pop("kind", MessageKind.INFORMATION),
        message_id=MessageId(changes.pop("message_id", None) or new_message_id(world.now, world.entropy)),
        thread=changes.pop("thread", None) or new_thread_id(world.entropy),
        to=(Recipient(to.unit, Role.TO),),
        handling=OPEN_HANDLING,
        purposes=frozenset({Purpose.OPERATIONAL}),
        data_class=changes.pop("data_class", DataClass.NON_PERSONAL),
        expires=Millis(world.now + DAY),
        review=Millis(world.now + DAY),
        refs=() if subject is None else (Reference(RefKind.REPLY_TO, Digest(subject)),),
        parts=tuple(parts),
    )
    keys = choose_keys(order, parties=world.directory, now=world.now)
    core = core_from_order(
        order,
        kids=[key.kid for key in keys],
        sender=sender.unit,
        position=Position(sender.context.stream.id, 1000 + len(world.outboxes[sender.unit])),
        signing_key=sender.keys.signer.public.kid,
        parties=world.directory,
        now=world.now,
    )
    sealed = seal(
        replace(core, **changes), parts, keys=keys, signer=sender.keys.signer, entropy=world.entropy
    )
    world.submit(sender.unit, sealed.submission)
    world.route(sender.unit)
    to.learn()
    to.deliveries()
