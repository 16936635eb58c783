"""From a request to bytes in the outbox, and over decisions and restarts to a settled message."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from broker.router.step import Budget, parse_input
from clients.daemon.errors import KeyReused, StoreUnavailable
from clients.daemon.receiving import deciding
from clients.daemon.sending import intake, waiting
from clients.daemon.sending.composing import Submitted
from clients.daemon.store import outbox
from protocol import topics
from protocol.envelope.core import Limits
from protocol.envelope.replay import ReplayState
from protocol.envelope.wire import parse_submission
from protocol.epochs import bounds, epoch_of
from protocol.errors import Code, ContradaError, DraftError, Rejected
from protocol.identifiers import Millis, UnitId, read_id
from protocol.limits import DAY, HOUR
from protocol.signatures import Suite
from runtime.kafka.ports import InputRecord
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import rewritten, unchecked
from tests.sim.steps import run_step
from tests.sim.world import World, facts
from tests.unit.clients.daemon.unit_contexts import UnitFixture, draft, pump, wish


def test_a_message_is_sealed_once_and_stays_the_same_bytes(world, es):
    """What waits for a decision is the same before and after a kill, byte for byte."""
    es.submit("it")
    before = es.pending()
    es.restart()
    es.submit("it")

    assert es.pending()[0] == before[0]
    assert len(es.pending()) == 2


def test_what_waited_goes_out_before_what_is_new(world, es):
    """After a start the old stream's messages come first, in their order; then those of the new stream."""
    for _ in range(3):
        es.submit("it")
    es.restart()
    es.submit("it")
    positions = [parse_submission(raw).header.core.position for raw in es.pending()]

    assert [position.seq for position in positions] == [0, 1, 2, 0]
    assert len({position.stream for position in positions}) == 2


def test_after_the_decision_nothing_is_sent_any_more(world, es):
    """Accepted: the bytes are dropped, the state says so, and a resend would be a double only."""
    sent = es.submit("it")
    raw = es.pending()
    es.post()
    world.route("es")
    es.decisions()
    assert (es.state(sent.id), es.pending()) == ("accepted", [])
    world.submit("es", *raw)
    world.route("es")
    es.decisions()

    assert es.state(sent.id) == "accepted"
    assert es.rows("SELECT * FROM alarms") == []


def test_a_refusal_is_kept_with_every_reason(world, es):
    """Refused for good: two reasons at once, and nothing is sent again."""
    item = draft()["items"][0] | {"data_class": "personal"}
    sent = es.submit("nz", draft=draft() | {"items": [item]})
    pump(world, es)
    (reasons,) = es.rows("SELECT reasons FROM outbox")[0]
    assert es.state(sent.id) == "refused"
    assert all(code.value in reasons for code in (Code.E_DATA_BASIS, Code.E_PURPOSE))
    assert es.pending() == []


def test_old_keys_are_cured_without_anybody(world, es):
    """A message that waited past its addressee's epoch is sealed again: same id, fresh key, new number."""
    world.now = Millis(bounds(epoch_of(world.now))[1] - HOUR)
    sent = es.submit("it")
    world.now = Millis(world.now + 26 * HOUR)
    world.publish_epochs("it")
    pump(world, es)

    assert es.state(sent.id) == "accepted"
    assert es.rows("SELECT sealed_times FROM outbox") == [(2,)]
    assert world.open("it").delivery.header.core.message_id == read_id(sent.id)


def test_a_week_offline_is_cured_as_well(world, es):
    """Too old for the router: sealed again with the time of today, as long as it has not expired."""
    sent = es.submit("it", expires_in_s=20 * DAY // 1000)
    world.now = Millis(world.now + 8 * DAY)
    world.publish_epochs("it")
    pump(world, es)

    assert es.state(sent.id) == "accepted"


@pytest.mark.parametrize(
    "how",
    [{"to": ["es"]}, {"to": ["it", "es"]}, {"to": ["it"], "copy": ["es"]}],
    ids=["alone", "beside", "copy"],
)
def test_a_unit_is_no_addressee_of_its_own(world, es, how):
    """Alone, among others or as a copy: refused before anything is written, and the reason names the unit."""
    with pytest.raises(DraftError, match="es is this unit itself"):
        es.submit(*how["to"], copy=how.get("copy", []))
    assert es.rows("SELECT * FROM outbox") == []


@pytest.mark.parametrize("how", [{"to": ["it", "de", "it"]}, {"to": ["it", "de"], "copy": ["it"]}])
def test_an_addressee_that_is_named_twice_is_named_in_the_refusal(world, es, how):
    """Among many addressees it would be searched for otherwise."""
    with pytest.raises(Rejected, match="E_RCPT_DUP: named twice, as addressee or as copy: it"):
        es.submit(*how["to"], copy=how.get("copy", []))


def test_a_clock_that_runs_ahead_waits_to_be_set_right(world, es):
    """Nothing is refused for good while our own clock is wrong."""
    es.context.clock = lambda: Millis(world.now + 2 * HOUR)
    sent = es.submit("it")
    pump(world, es)
    assert es.state(sent.id) == "queued"
    es.context.clock = lambda: world.now
    es.monotonic.seconds += 3600
    waiting.seal_queued(es.context)
    pump(world, es)

    assert es.state(sent.id) == "accepted"


def test_what_cannot_be_sealed_waits_and_holds_nobody_up(world, es):
    """No key of the addressee: queued with the reason; the next message to another goes out."""
    world.publish(facts("ie"), by=world.registrar)
    es.learn()
    held_back = es.submit("ie")
    assert (held_back.state, es.submit("it").state) == ("queued", "sealed")
    assert "E_RCPT_EPOCH" in es.rows("SELECT reasons FROM outbox ORDER BY id")[0][0]
    UnitFixture(world, UnitId("ie"), es.path / "ie")
    es.learn()
    waiting.seal_queued(es.context)

    assert es.state(held_back.id) == "sealed"


def test_before_it_is_enrolled_a_unit_may_write(world, tmp_path):
    """A message waits for the unit's own key to be known, and goes out then."""
    de = UnitFixture(world, UnitId("pt"), tmp_path / "pt")
    known, de.context.replica.directory = de.context.replica.directory, World().directory
    sent = de.submit("it")
    assert sent.state == "queued"
    de.context.replica.directory = known
    waiting.seal_queued(de.context)

    assert de.state(sent.id) == "sealed"


def test_an_idempotency_key_names_one_message(world, es):
    """In one batch, later, and after a restart; and never two different ones."""
    first, same = intake.submit_requests(
        es.context, [wish("it", idempotency_key="k"), wish("it", idempotency_key="k")]
    )
    es.restart()
    again = es.submit("it", idempotency_key="k")
    assert isinstance(first, Submitted)
    assert first.id == same.id == again.id
    with pytest.raises(KeyReused):
        es.submit("de", idempotency_key="k")


def test_a_request_with_everything_in_it_is_known_again(world, es):
    """Binary attachments, ids and codes: the same request is the same, and another byte is another."""
    item = draft()["items"][0] | {"files": ["photo.jpg"], "handling": "H1"}
    earlier = es.submit("it")

    def everything(content: bytes) -> dict:
        return {
            "draft": draft() | {"items": [item]},
            "attachments": [
                {
                    "name": "photo.jpg",
                    "media_type": "image/jpeg",
                    "content_b64": base64.b64encode(content).decode(),
                }
            ],
            "idempotency_key": "k",
            "handling": "H1+H3",
            "reply_to": earlier.id,
            "thread": earlier.thread,
        }

    first = es.submit("it", **everything(bytes(range(256))))
    assert es.submit("it", **everything(bytes(range(256)))).id == first.id
    with pytest.raises(KeyReused):
        es.submit("it", **everything(bytes(256)))


def test_one_wrong_request_fails_alone(world, es):
    """Requests that share a transaction share nothing else."""
    good, unknown, bad = intake.submit_requests(
        es.context, [wish("it"), wish("xx"), wish("it", draft={"subject": "no items"})]
    )
    assert isinstance(good, Submitted)
    assert isinstance(unknown, Rejected)
    assert isinstance(bad, ContradaError)
    assert len(es.pending()) == 1


def test_after_a_full_disk_no_number_is_given_twice(world, es):
    """A transaction that failed takes its stream with it: its numbers may or may not be on the disk."""
    es.submit("it")
    before = es.context.stream.id
    pages = es.context.store.row("PRAGMA page_count")[0]
    es.context.store.row(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreUnavailable):
        for _ in range(50):
            es.submit("it")
    es.context.store.row("PRAGMA max_page_count=1000000")
    es.submit("it")
    pump(world, es)

    assert es.context.stream.id != before
    assert {state for (state,) in es.rows("SELECT state FROM outbox")} == {"accepted"}


def test_a_foreign_submission_in_our_outbox_is_an_alarm(world, es):
    """Whoever writes there leaves a signed trace, and it reaches an officer."""
    es.submit("it")
    world.submit("es", b"somebody else's bytes")
    world.route("es")
    es.decisions()

    assert [code for (code,) in es.rows("SELECT code FROM alarms")] == ["submission_unknown"]


def test_a_refusal_of_a_copy_in_another_outbox_refuses_nothing(world, es):
    """Who copies our bytes into an outbox of its own, and the router's word about that to us, deceives nobody."""
    sent = es.submit("it")
    es.post()
    world.submit("it", world.outboxes["es"][-1])
    world.route("it")
    world.receipts["es"].append(world.receipts["it"][-1])
    es.decisions()
    assert es.state(sent.id) == "sealed"
    assert es.rows("SELECT code FROM alarms") == [("decision_unverified",)]
    world.route("es")
    es.decisions()
    assert es.state(sent.id) == "accepted"


def test_a_refusal_of_a_copy_in_another_partition_refuses_nothing(world, es):
    """Who can write to our outbox topic can copy our bytes to where the router must refuse them."""
    sent = es.submit("it")
    es.post()
    raw = world.outboxes["es"][-1]
    copied = parse_input(InputRecord(0, world.now, raw))
    right = topics.partition_of(parse_submission(raw).header.core.thread, 3)
    elsewhere = replace(world.desk("es"), partition=1 if right != 1 else 2, partitions=3)
    done = run_step([copied], state=ReplayState(), context=elsewhere, budget=Budget())
    assert world.codes(done) == [Code.E_PARTITION.value]
    world.receipts["es"] += [
        output.value for output in done.outputs if output.topic == topics.receipts(UnitId("es"))
    ]
    es.decisions()
    assert es.state(sent.id) == "sealed"
    assert es.rows("SELECT code FROM alarms") == [("submission_unknown",)]
    world.route("es")
    es.decisions()
    assert es.state(sent.id) == "accepted"


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (
            Mutant(deciding.take_decisions, unchecked("decision.source.unit")),
            test_a_refusal_of_a_copy_in_another_outbox_refuses_nothing,
        ),
        (
            Mutant(
                deciding._sealing_of,
                rewritten(
                    "sealings.find_sealing(context.store, record.submission, partition=place)",
                    "sealings.find_sealing(context.store, record.submission, partition=0)",
                ),
            ),
            test_a_refusal_of_a_copy_in_another_partition_refuses_nothing,
        ),
    ],
    ids=["whose outbox", "which partition"],
)
def test_without_the_place_a_refusal_of_a_copy_counts(world, es, mutant, promise):
    """The digest alone says which bytes, not where they lay."""
    with mutated(mutant), pytest.raises(AssertionError):
        promise(world, es)


def test_a_forged_decision_is_an_alarm_and_changes_nothing(world, es):
    """A record that no router signed neither settles a message nor stops the next one."""
    sent = es.submit("it")
    es.post()
    world.route("es")
    genuine = world.receipts["es"][-1]
    forged = bytearray(genuine)
    forged[-1] ^= 1
    world.receipts["es"][-1] = bytes(forged)
    es.decisions()
    assert es.state(sent.id) == "sealed"
    assert [code for (code,) in es.rows("SELECT code FROM alarms")] == ["decision_unverified"]
    world.receipts["es"].append(genuine)
    es.decisions()

    assert es.state(sent.id) == "accepted"


def test_what_kafka_lost_is_noticed(world, es):
    """The router goes past a message of ours without a decision: its partition is reported."""
    first, second = es.submit("it"), es.submit("it")
    raw = es.pending()
    es.context.sent.update({1: 0, 2: 1})
    waiting.note_sent(es.context)
    world.submit("es", b"", raw[1])  # the first one's place holds something else
    world.route("es")
    decided = es.decisions()

    assert decided.overtaken == {0}
    assert (es.state(first.id), es.state(second.id)) == ("sent", "accepted")
    pump(world, es)  # sent again from the oldest: the router takes it for a double, and it is sealed anew
    assert es.state(first.id) == "accepted"
    assert "decision_lost" in {code for (code,) in es.rows("SELECT code FROM alarms")}


def test_header_codes_are_never_laxer_than_the_content(world, es):
    """What the user leaves out is derived; what is said may be stricter and not laxer."""
    item = draft()["items"][0] | {"handling": "H1+H3", "restriction": "not before Friday"}
    es.submit("it", draft=draft() | {"items": [item]}, expires_in_s=3600, review_in_s=7200)
    core = parse_submission(es.pending()[0]).header.core
    assert {int(code) for code in core.handling} == {1, 3}
    assert core.h3 == Limits((), None)
    assert (core.expires - core.created, core.review - core.created) == (3_600_000, 7_200_000)
    with pytest.raises(Rejected) as lax:
        es.submit("it", draft=draft() | {"items": [item]}, handling="H1")
    assert lax.value.reason is Code.E_HEADER_LAX


def test_h3_limits_bound_expiry_and_review(world, es):
    """Nothing is to be kept past the date that the provider set."""
    by = int(world.now + HOUR)
    es.submit("it", handling="H3", h3={"only": ["it"], "delete_by": by})
    core = parse_submission(es.pending()[0]).header.core
    assert (core.expires, core.review, core.h3) == (by, by, Limits((UnitId("it"),), Millis(by)))


def test_the_strongest_suite_that_anybody_asks_for(world, es):
    """An addressee that asks for post-quantum signatures gets them."""
    world.publish(facts("it", version=2, min_suite=Suite.HYBRID), by=world.registrar)
    es.learn()
    es.submit("it")
    es.submit("de")
    es.submit("de", suite=2)
    suites = [parse_submission(raw).header.core.suite for raw in es.pending()]
    assert suites == [Suite.HYBRID, Suite.CLASSICAL, Suite.HYBRID]


def test_numbers_count_for_each_partition(world, tmp_path):
    """Conversations spread over partitions, and each partition has its own count from 0."""
    world.publish(facts("es", outbox_partitions=3), by=world.registrar)
    es = UnitFixture(world, UnitId("es"), tmp_path / "es")
    for _ in range(30):
        es.submit("it")
    rows = es.rows("SELECT partition, seq FROM sealings ORDER BY id")
    for partition in {partition for partition, _ in rows}:
        seqs = [seq for at, seq in rows if at == partition]
        assert seqs == list(range(len(seqs)))
    assert len({partition for partition, _ in rows}) == 3


def test_content_can_be_erased_and_the_decision_stays(world, es):
    """Erased: it cannot be sealed again or shown; what became of it is still known."""
    sent = es.submit("it")
    pump(world, es)
    with es.context.transaction():
        outbox.erase_sent(es.context.store, 1)
    with pytest.raises(ContradaError) as erased:
        outbox.read_order(es.context.store, es.context.vault, 1)
    assert erased.value.code == "E_ERASED"
    assert es.state(sent.id) == "accepted"
