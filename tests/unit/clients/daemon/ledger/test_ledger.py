"""The daemon beside the ledger: what was promised becomes a proof, and what is wrong becomes an alarm."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from clients.daemon.alarms import KEPT_OF_EACH, end_unknown_log_alarm, raise_once
from clients.daemon.api import ledger_views, views
from clients.daemon.api.ledger_views import ledger_status
from clients.daemon.errors import StoreUnavailable
from clients.daemon.ledger import following as ledger
from clients.daemon.ledger import joining, promises
from clients.daemon.ledger.directory_log import compare_directory
from clients.daemon.ledger.gossip import AHEAD, MOST_AHEAD, compare
from clients.daemon.ledger.gossip import _contradictions as contradictions
from clients.daemon.ledger.gossip import _remember as remember
from clients.daemon.sending.composing import compose
from clients.daemon.sending.sealer import take_in
from clients.daemon.state.ledger_state import Ledger
from clients.daemon.state.open_promises import SEARCH_AFTER
from clients.daemon.store.inbox import erase_received
from protocol import topics
from protocol.envelope.wire import parse_submission
from protocol.identifiers import Digest, UnitId, read_id
from protocol.merkle import leaf_hash
from protocol.parties import NO_HEAD, TreeHead
from protocol.tlog.checkpoints import Seconds, parse_checkpoint
from protocol.tlog.policy import Policy
from protocol.tlog.proof_file import TlogProof, format_proof, parse_proof, verify_proof
from protocol.tlog.shards import parse_shard
from protocol.trail.batches import delivery_leaves, verify_decisions
from protocol.trail.records import RecordType, entry_of, parse_delivered, parse_record
from runtime.kafka.ports import Fetched, InputRecord
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, instead, returning, rewritten, unchecked
from tests.sim.one_log import DIRECTORY, NOW, SHARD, SimLog, leaves, policy
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump, wish

pytestmark = pytest.mark.slow

NEXT_SHARD = "contrada.example/audit/2027h1"
LATER_SHARD = "contrada.example/audit/2027h2"
POLICY = policy(SHARD, NEXT_SHARD, LATER_SHARD, DIRECTORY)


class Reader:
    """A desk that follows the topic `ledger`, which tests fill."""

    def __init__(self, unit: UnitFixture) -> None:
        self.unit = unit
        self.topic: list[bytes] = []
        self.follow()

    def follow(self) -> Reader:
        """As after a start: a policy, and what the disk holds."""
        self.ledger = self.unit.context.ledger = Ledger(POLICY)
        ledger.open_ledger(self.unit.context, self.ledger)
        return self

    def publish(self, log: SimLog, **how) -> Reader:
        self.topic += log.publish(**how)
        return self

    def read(self) -> Reader:
        """Everything that is new, in one batch."""
        start = self.unit.read.get("ledger", 0)
        records = tuple(InputRecord(i, 0, self.topic[i]) for i in range(start, len(self.topic)))
        fetched = Fetched(topics.LEDGER, 0, records, len(self.topic))
        ledger.take_publications(self.unit.context, self.ledger, fetched, patient=False)
        self.unit.read["ledger"] = len(self.topic)
        return self

    def restart(self) -> Reader:
        """Kill and start: reading goes on where the disk says."""
        self.unit.restart()
        (self.unit.read["ledger"],) = self.unit.rows("SELECT position FROM positions WHERE topic = 'ledger'")[
            0
        ]
        return self.follow()

    def wait(self, seconds: float) -> Reader:
        """Time passes, with a feed that is read to its end."""
        self.unit.monotonic.seconds += seconds
        promises.sweep(self.unit.context, self.ledger, steady_since=0.0)
        while promises.search_for_leaves(self.unit.context, self.ledger):
            pass
        return self

    @property
    def alarms(self) -> list[str]:
        """Each code as often as it was raised."""
        rows = self.unit.rows(
            "SELECT a.code, o.count FROM alarms a JOIN alarm_occurrences o ON o.alarm = a.id ORDER BY a.id"
        )
        return [code for code, count in rows for _ in range(count)]


@pytest.fixture
def es(world: World, tmp_path: Path) -> Reader:
    return Reader(UnitFixture(world, UnitId("es"), tmp_path / "es"))


@pytest.fixture
def pt(world: World, es: Reader, tmp_path: Path) -> Reader:
    made = Reader(UnitFixture(world, UnitId("pt"), tmp_path / "pt"))
    es.unit.learn()
    return made


def audited(world: World) -> list[Digest]:
    """The leaves that the ledger makes of everything that routers wrote."""
    made = []
    for value in world.audit:
        decisions = verify_decisions(value, parties=world.directory)
        for record, leaf in zip(decisions.records, decisions.leaves, strict=True):
            made += [leaf.hash, *(d.hash for d in delivery_leaves(record, leaf.record, leaf.salt))]
    return made


def exchange(world: World, es: Reader, pt: Reader, *, messages: int = 1) -> None:
    """Messages from one to the other, with their receipts."""
    for _ in range(messages):
        es.unit.submit("pt")
    pump(world, es.unit, pt.unit)


def proofs(reader: Reader) -> Sequence[tuple[int, bytes]]:
    """Type and file of each proof that a unit has."""
    return [
        (kind, format_proof(TlogProof(position, _split(path), note)))
        for kind, position, path, note in reader.unit.rows(
            """SELECT type, position, path, note FROM inclusions JOIN ledger_checkpoints
               ON ledger_checkpoints.id = checkpoint ORDER BY position"""
        )
    ]


def _split(path: bytes) -> tuple[Digest, ...]:
    return tuple(Digest(path[at : at + 32]) for at in range(0, len(path), 32))


@pytest.mark.parametrize("before", [0, 3, 250, 70_000])
def test_every_promise_becomes_a_proof(world, es, pt, before: int):
    """Decisions on both sides, and the delivery: proofs that verify offline, with nothing but the policy."""
    log = SimLog().add(leaves(before))
    for unit in (es, pt):
        unit.publish(log, old=max(0, before - 1)).read()
    log.published = before
    exchange(world, es, pt, messages=3)
    made = audited(world)
    (*records,) = log.add(made).publish()
    for unit in (es, pt):
        unit.topic += records
        unit.read()
        assert unit.unit.rows("SELECT count(*) FROM promises") == [(0,)]
    sent, received = proofs(es), proofs(pt)
    assert [kind for kind, _ in received[:2]] == [RecordType.ACCEPTED, RecordType.DELIVERED]
    assert (len(sent), len(received)) == (3, 6)
    for _, file in (*sent, *received):
        proof = parse_proof(file)
        verify_proof(proof, made[proof.index - before], POLICY)
    assert (es.alarms, pt.alarms) == ([], [])


def test_a_further_decision_on_the_same_bytes_is_watched_for_and_leaves_no_proof(world, es, pt):
    """Its record is not kept, so a proof of it would be evidence of nothing; nor is a checkpoint kept for it."""
    log = SimLog().add(leaves(3))
    es.publish(log).read()
    es.unit.submit("pt")
    es.unit.post()
    es.unit.post()
    world.route("es")
    es.unit.decisions()
    assert es.unit.rows("SELECT count(*) FROM promises") == [(2,)]
    made = audited(world)
    for leaf in made:
        es.publish(log.add([leaf])).read()
    assert es.unit.rows("SELECT count(*) FROM promises") == [(0,)]
    ((kind, file),) = proofs(es)
    assert kind == RecordType.ACCEPTED
    verify_proof(parse_proof(file), made[0], POLICY)
    assert es.unit.rows("SELECT count(*) FROM ledger_checkpoints") == [(1,)]


def test_one_decision_that_is_read_twice_is_no_missing_leaf(world, es, pt):
    """Before it is proved, and when it is proved and its leaf is far back: nothing is promised a second time."""
    log = SimLog().add(leaves(3))
    es.publish(log).read()
    es.unit.submit("pt")
    es.unit.post()
    world.route("es")
    for _ in range(2):
        es.unit.read["receipts"] = 0
        es.unit.decisions()
    es.publish(log.add(audited(world))).read()
    assert es.unit.rows("SELECT count(*) FROM promises") == [(0,)]
    es.unit.read["receipts"] = 0
    es.unit.decisions()
    assert es.wait(90).unit.rows("SELECT count(*) FROM promises") == [(0,)]
    assert es.alarms == []


@pytest.mark.parametrize("others", [(), ("pt",)])
def test_who_is_sender_and_addressee_of_one_message_finds_every_leaf(world, es, pt, others):
    """One leaf, two promises of it: of the decision on what was sent, and of what came with the delivery."""
    log = SimLog().add(leaves(3))
    es.publish(log).read()
    to_itself(es.unit, "es", *others)
    pump(world, es.unit, pt.unit)
    es.publish(log.add(audited(world))).read().wait(90)
    assert (es.alarms, es.unit.rows("SELECT count(*) FROM promises")) == ([], [(0,)])


def to_itself(unit: UnitFixture, *to: str) -> None:
    """As an older version, or another program of the unit, did: nothing at the local API stands before it."""
    made = compose(wish(*to), earlier=None, now=unit.world.now, entropy=unit.context.entropy)
    with unit.context.transaction():
        take_in(unit.context, made.order, now=unit.world.now)


def test_a_proof_goes_with_its_message_and_not_before(world, es, pt):
    """Erased content takes no proof; a deleted row takes its own, and checkpoints on which nothing else rests."""
    log = SimLog().add(leaves(3))
    for unit in (es, pt):
        unit.publish(log).read()
    for _ in range(2):
        exchange(world, es, pt)
        (*records,) = log.add(audited(world)[log.tree.size - 3 :]).publish()
        for unit in (es, pt):
            unit.topic += records
            unit.read()
    with pt.unit.context.transaction():
        erase_received(pt.unit.context.store, 1)
    assert [(len(proofs(unit)), checkpoints(unit)) for unit in (es, pt)] == [(2, 2), (4, 2)]
    for left in (1, 0):
        with es.unit.context.transaction():
            es.unit.context.store.write("DELETE FROM sealings WHERE id = (SELECT min(id) FROM sealings)")
        with pt.unit.context.transaction():
            pt.unit.context.store.write("DELETE FROM inbox WHERE id = (SELECT min(id) FROM inbox)")
        assert (len(proofs(es)), len(proofs(pt)), checkpoints(es)) == (left, 2 * left, left)
    assert checkpoints(pt) == 0


def checkpoints(reader: Reader) -> int:
    return reader.unit.rows("SELECT count(*) FROM ledger_checkpoints")[0][0]


def test_a_promise_goes_with_its_message(world, es, pt):
    """Nobody waits for the leaf of a message that was deleted."""
    exchange(world, es, pt)
    for unit, table in ((es, "sealings"), (pt, "inbox")):
        assert unit.unit.rows("SELECT count(*) FROM promises") == [(1,)]
        with unit.unit.context.transaction():
            unit.unit.context.store.write(f"DELETE FROM {table}")
        assert unit.unit.rows("SELECT count(*) FROM promises") == [(0,)]


def test_a_leaf_that_comes_before_its_promise_is_found(world, es, pt):
    """The ledger may be read ahead of the inbox: what was read is looked through."""
    es.unit.submit("pt")
    es.unit.post()
    world.route("es")
    log = SimLog().add([*leaves(600), *audited(world), *leaves(600, first=600)])
    pt.publish(log, old=590).read()
    pt.publish(log.add(leaves(2000, first=2000))).read()
    pt.unit.deliveries()
    pt.wait(1).wait(SEARCH_AFTER)
    assert [kind for kind, _ in proofs(pt)] == [RecordType.ACCEPTED, RecordType.DELIVERED]
    for _, file in proofs(pt):
        verify_proof(parse_proof(file), audited(world)[parse_proof(file).index - 600], POLICY)


def test_a_missing_leaf_is_an_alarm_once(world, es, pt):
    """60 s after the receipt, and not before; and when it comes after all it is a proof after all."""
    log = SimLog().add(leaves(3))
    pt.publish(log).read()
    exchange(world, es, pt)
    kept = audited(world)
    missing = kept.pop(1)
    pt.publish(log.add(kept)).read()
    assert pt.wait(0).wait(59).alarms == []
    assert pt.wait(2).wait(60).restart().wait(60).wait(61).alarms == ["ledger_leaf_missing"]
    assert pt.ledger.book.late == 1
    pt.publish(log.add([missing])).read()
    assert (pt.ledger.book.late, pt.unit.rows("SELECT count(*) FROM promises")) == (0, [(0,)])


def test_nobody_is_accused_while_our_own_feed_is_not_read(world, es, pt):
    """We cannot see the leaf: that is no reason to say that it is missing."""
    exchange(world, es, pt)
    pt.unit.monotonic.seconds = 1000.0
    promises.sweep(pt.unit.context, pt.ledger, steady_since=None)
    pt.unit.monotonic.seconds = 2000.0
    promises.sweep(pt.unit.context, pt.ledger, steady_since=1950.0)
    assert pt.alarms == []


def wrong(reader: Reader) -> list[str]:
    return sorted(alarm for alarm, _ in reader.ledger.wrong)


def test_a_fork_is_an_alarm_with_both_notes(es):
    """The evidence convinces anybody who has the log's key; it is said once, and we stay with what we hold."""
    log, other = SimLog().add(leaves(300)), SimLog().add(leaves(301, first=9))
    es.publish(log).read()
    es.publish(other, old=0).publish(other, old=0).read().read()
    assert es.alarms == ["ledger_fork"]
    ((held, shown),) = es.unit.rows("SELECT held, shown FROM ledger_evidence")
    assert parse_checkpoint(held).checkpoint == log.checkpoint()
    assert POLICY.signed_by_log(parse_checkpoint(shown)) == other.checkpoint()
    assert es.unit.context.ledger_head == log.checkpoint().head
    assert es.publish(log.add(leaves(1))).read().alarms == ["ledger_fork"]
    assert wrong(es) == []


def test_a_rollback_is_an_alarm(es):
    """The log shows less than it showed, signed anew."""
    log, back = SimLog().add(leaves(200)), SimLog(now=Seconds(NOW + 1)).add(leaves(200))
    es.publish(log).publish(log.add(leaves(100, first=200))).publish(back, old=0).read()
    assert es.alarms == ["ledger_rollback"]


def test_a_head_that_its_tree_never_had_is_a_rollback_whenever_it_was_signed(es):
    """Another history, older than what we hold: there is no time at which both were true."""
    es.publish(SimLog().add(leaves(300))).publish(
        SimLog(now=Seconds(NOW - 9)).add(leaves(200, first=5)), old=0
    ).read()
    assert es.alarms == ["ledger_rollback"]


def test_whoever_shows_old_publications_again_accuses_nobody(es):
    """Anybody who can write to the topic can repeat what stood there; the log never signed it again."""
    log = SimLog()
    for number in range(4):
        log.now = Seconds(NOW + number)
        es.publish(log.add(leaves(50, first=50 * number)))
    es.read()
    es.topic += es.topic[:3]
    assert es.read().alarms == []
    es.publish(log.add(leaves(50, first=200)))
    es.topic += es.topic[:3]
    assert es.read().alarms == []  # new ones and old ones in one batch
    log.now = Seconds(NOW + 9)
    assert es.publish(log.add(leaves(1, first=250))).read().alarms == []
    assert es.ledger.head == log.checkpoint().head


@pytest.mark.parametrize(
    ("later", "promise"),
    [
        ("False", test_a_rollback_is_an_alarm),
        ("True", test_whoever_shows_old_publications_again_accuses_nobody),
    ],
    ids=["a log goes back unnoticed", "an honest log is accused"],
)
def test_the_signed_times_alone_tell_one_from_the_other(es, later: str, promise) -> None:
    with mutated(Mutant(Policy.signed_later, returning(later))), pytest.raises(AssertionError):
        promise(es)


@pytest.mark.parametrize(
    ("log", "alarm"),
    [
        (SimLog(witnesses=()), "ledger_untrusted"),
        (SimLog(origin="elsewhere.example/audit/2026h2"), "ledger_untrusted"),
    ],
    ids=["nobody cosigned", "a log nobody knows"],
)
def test_an_untrusted_checkpoint_is_an_alarm(es, log: SimLog, alarm: str):
    """And moves nothing."""
    es.publish(log.add(leaves(3)), old=0).read()
    assert (es.alarms, es.unit.context.ledger_head) == ([alarm], NO_HEAD)


def test_rubbish_is_an_alarm_and_blocks_nothing(es):
    """What cannot be read is passed over."""
    es.topic += [b"rubbish"]
    es.publish(SimLog().add(leaves(3))).read()
    assert (es.alarms, es.ledger.head.size) == (["ledger_damaged"], 3)


def test_a_gap_is_an_alarm_and_following_goes_on_behind_it(es):
    """Retention or a loss in Kafka: what was not seen is said, and new leaves are watched again."""
    log = SimLog().add(leaves(3))
    es.publish(log).read()
    log.add(leaves(1000)).publish()
    es.publish(log.add(leaves(1000))).read()
    assert (es.alarms, es.ledger.head.size) == (["ledger_gap"], 2003)
    es.publish(log.add(leaves(5))).read()
    assert (es.alarms, es.ledger.head.size, es.ledger.wrong) == (["ledger_gap"], 2008, {})


def test_a_restart_goes_on_where_the_disk_says(world, es, pt):
    """Between two publications, between two parts, and while a checkpoint waits for its witnesses."""
    log = SimLog().add(leaves(300))
    es.publish(log).read().restart()
    records = log.add(leaves(40_000, first=300)).publish()
    es.topic += records[:1]
    es.read().restart()
    es.topic += records[1:]
    assert es.read().ledger.head.size == 40_300
    log.witnesses = ()
    es.publish(log.add(leaves(9))).read().restart().read()
    log.witnesses = SimLog().witnesses
    assert es.publish(log.add(leaves(9))).read().restart().ledger.head == log.checkpoint().head
    assert es.alarms == ["ledger_untrusted", "ledger_untrusted"]


def a_log_that_could_not_be_followed_at_first_is_well_once_it_is(es):
    """Its head comes again with the cosignatures, and no other head after it: nothing is wrong any more."""
    log = SimLog(witnesses=()).add(leaves(300))
    es.publish(log).read()
    assert wrong(es) == ["ledger_untrusted"]
    log.witnesses = SimLog().witnesses
    es.publish(log).read()
    assert es.ledger.head.size == 300
    assert wrong(es) == []


def test_a_log_that_could_not_be_followed_at_first_is_well_once_it_is(es):
    """As it says; without the end of the alarm it would be wrong until the log grows."""
    a_log_that_could_not_be_followed_at_first_is_well_once_it_is(es)


def test_without_the_end_of_the_alarm_it_stays_wrong(es):
    with mutated(Mutant(ledger._take, dropped("ledger.wrong.pop"))), pytest.raises(AssertionError):
        a_log_that_could_not_be_followed_at_first_is_well_once_it_is(es)


def test_what_waits_for_witnesses_is_read_again_though_a_head_before_it_came_in_the_same_batch(es):
    """The head moves what the disk says was taken in, and must not move it over what waits behind."""
    log = SimLog().add(leaves(300))
    es.publish(log)
    log.witnesses = ()
    es.publish(log.add(leaves(9))).read().restart()
    log.witnesses = SimLog().witnesses
    es.publish(log.add(leaves(9))).read()
    assert es.ledger.head == log.checkpoint().head
    assert set(es.alarms) == {"ledger_untrusted"}


@pytest.mark.parametrize("seed", range(12))
def test_however_it_is_read_no_leaf_is_missed(es, seed: int):
    """Publications with and without their witnesses, in batches of any size, with restarts between."""
    chance = random.Random(seed)
    log = SimLog().add(leaves(3))
    es.publish(log).read()
    for _ in range(25):
        log.witnesses = SimLog().witnesses if chance.random() < 0.4 else ()
        es.publish(log.add(leaves(chance.randrange(1, 400))))
        if chance.random() < 0.5:
            es.read()
        if chance.random() < 0.4:
            es.restart()
    log.witnesses = SimLog().witnesses
    es.publish(log.add(leaves(1))).read()
    assert es.ledger.head == log.checkpoint().head
    assert set(es.alarms) <= {"ledger_untrusted"}


def test_a_damaged_disk_of_our_own_stops_nothing(es):
    """What is kept of a log does not fit together: said, and the log is joined anew."""
    log = SimLog().add(leaves(300))
    es.publish(log).read()
    with es.unit.context.transaction():
        es.unit.context.store.write("DELETE FROM ledger_tiles")
    es.restart().publish(log.add(leaves(5))).read()
    assert (es.alarms, es.ledger.head.size) == (["ledger_damaged"], 305)


def test_names_that_somebody_invents_are_one_alarm(es):
    """Neither memory nor the list of alarms is for whoever writes to the topic."""
    for number in range(5):
        es.publish(SimLog(origin=f"example.org/audit/201{number}h1").add(leaves(3)))
    assert es.read().alarms == ["ledger_untrusted"]


def test_what_was_wrong_with_a_strange_log_is_over_when_nobody_shows_one(es):
    """After an hour in which the feed was read, and not after one in which it was not; then it is said again."""
    stranger = SimLog(origin="example.org/audit/2026h2").add(leaves(3))
    es.publish(stranger).read()
    es.publish(SimLog().add(leaves(3))).read()
    for seconds, steady_since, known in (
        (3599, 0.0, True),
        (3601, None, True),
        (7000, 6000.0, True),
        (9601, 6000.0, False),
    ):
        es.unit.monotonic.seconds = seconds
        end_unknown_log_alarm(es.unit.context, es.ledger, steady_since=steady_since)
        assert (wrong(es) == ["ledger_untrusted"]) is known
    assert es.publish(stranger.add(leaves(1))).read().alarms == ["ledger_untrusted"] * 2


def test_two_logs_do_not_disturb_each_other(es):
    """One waits for witnesses while the other goes on; after a restart nothing looks like a rollback."""
    audit, directory = SimLog().add(leaves(3)), SimLog(origin=DIRECTORY).add(leaves(3))
    es.publish(audit).publish(directory).read()
    audit.witnesses = ()
    es.publish(audit.add(leaves(3))).publish(directory.add(leaves(2))).publish(directory.add(leaves(2)))
    es.read().restart().read()
    assert set(es.alarms) == {"ledger_untrusted"}
    assert es.ledger.logs[DIRECTORY].follower.head.size == 7


def test_a_full_disk_changes_nothing(es):
    """The job is done again, from what the disk holds."""
    log = SimLog().add(leaves(300))
    es.publish(log).read()
    es.publish(log.add(leaves(100)))
    pages = es.unit.context.store.row("PRAGMA page_count")[0]
    es.unit.context.store.row(f"PRAGMA max_page_count={pages}")
    es.publish(log.add(leaves(60_000)))
    with pytest.raises(StoreUnavailable):
        es.read()
    es.unit.context.store.row("PRAGMA max_page_count=1000000")
    assert es.read().ledger.head == log.checkpoint().head


def test_a_shard_that_does_not_continue_the_last_one_is_a_fork(es):
    """Its first leaf is the last checkpoint of the shard before, or something was cut off there."""
    log = SimLog().add(leaves(5))
    es.publish(log).read()
    cut = leaf_hash(SimLog().add(leaves(4)).checkpoint().body().encode())
    es.publish(SimLog(origin=NEXT_SHARD).add([cut])).read()
    assert es.alarms == ["ledger_fork"]


def test_a_shard_that_continues_the_last_one_is_followed(es):
    """And is the one whose head our messages carry."""
    log = SimLog().add(leaves(5))
    es.publish(log).read()
    after = SimLog(origin=NEXT_SHARD).add([leaf_hash(log.checkpoint().body().encode())])
    assert es.publish(after).read().alarms == []
    assert es.unit.context.ledger_head == after.checkpoint().head


@pytest.mark.parametrize("hidden", [True, False])
def test_a_half_year_that_is_left_out_is_a_gap(es, hidden: bool):
    """The next one begins with its last checkpoint, not with ours. A half-year without a log is no such thing."""
    log = SimLog().add(leaves(5))
    es.publish(log).read()
    between = SimLog(origin=NEXT_SHARD).add([leaf_hash(log.checkpoint().body().encode())])
    before = between if hidden else log
    later = SimLog(origin=LATER_SHARD).add([leaf_hash(before.checkpoint().body().encode())])
    es.publish(later).read()
    assert es.alarms == (["ledger_gap"] if hidden else [])
    assert es.unit.context.ledger_head == later.checkpoint().head


def first_of(log: SimLog) -> Digest:
    """The first leaf of the half-year behind this one."""
    return leaf_hash(log.checkpoint().body().encode())


MANY = 20_000
"""Leaves whose publication comes in parts."""


@pytest.mark.parametrize("cut", [False, True])
def test_a_shard_whose_first_publication_comes_in_parts_has_to_continue_the_last_one(es, cut: bool):
    """Its first leaf is in a part that names no checkpoint, and is looked at all the same."""
    log = SimLog().add(leaves(5))
    es.publish(log).read()
    begins = SimLog().add(leaves(4)) if cut else log
    after = SimLog(origin=NEXT_SHARD).add([first_of(begins), *leaves(MANY)])
    parts = after.publish()
    assert len(parts) > 1
    for part in parts:
        es.topic.append(part)
        es.read()
    assert es.alarms == (["ledger_fork"] if cut else [])
    assert es.unit.context.ledger_head == after.checkpoint().head


@pytest.mark.parametrize("cut", [False, True])
def test_a_shard_that_was_published_empty_has_to_continue_the_last_one(es, cut: bool):
    """Its first leaf comes later, and is looked at then."""
    log = SimLog().add(leaves(5))
    es.publish(log).read()
    begins = SimLog().add(leaves(4)) if cut else log
    after = SimLog(origin=NEXT_SHARD)
    es.publish(after).read()
    assert es.alarms == []
    es.publish(after.add([first_of(begins)])).read()
    assert es.alarms == (["ledger_fork"] if cut else [])


def test_a_shard_whose_beginning_is_not_shown_confirms_nothing(es):
    """Whoever leaves its first leaves out may have cut off the last ones of the shard before: a gap."""
    log = SimLog().add(leaves(5))
    es.publish(log).read()
    after = SimLog(origin=NEXT_SHARD).add([first_of(log), *leaves(600)])
    after.publish()
    es.publish(after.add(leaves(3))).read()
    assert es.alarms == ["ledger_gap"]
    assert "its beginning was not shown" in es.ledger.wrong["ledger_gap", NEXT_SHARD]
    es.publish(after.add(leaves(3))).read()
    assert es.ledger.head == after.checkpoint().head


@pytest.mark.parametrize("cut", [False, True])
def test_a_beginning_that_lacked_its_witnesses_is_remembered(es, cut: bool):
    """Whoever is away at the turn of the half-year: the leaves came, and count once a checkpoint over them is trusted."""
    log = SimLog().add(leaves(5))
    es.publish(log).read()
    begins = SimLog().add(leaves(4)) if cut else log
    after = SimLog(origin=NEXT_SHARD, witnesses=()).add([first_of(begins), *leaves(600)])
    es.publish(after).read()
    after.witnesses = SimLog().witnesses
    es.publish(after.add(leaves(3))).read()
    assert es.ledger.head == after.checkpoint().head
    assert es.alarms == ["ledger_untrusted", *(["ledger_fork"] if cut else [])]


def test_who_never_held_the_shard_before_misses_nothing_of_it(es):
    """A unit that has just enrolled begins in the middle."""
    log = SimLog().add(leaves(600))
    log.publish()
    assert es.publish(log.add(leaves(3))).read().alarms == []


def test_parts_of_a_stranger_spoil_no_first_publication(es):
    """Parts that do not fit what is signed are left aside: the log is followed, and its beginning was not shown."""
    log = SimLog().add(leaves(5))
    es.publish(log).read()
    after = SimLog(origin=NEXT_SHARD).add([first_of(log), *leaves(MANY)])
    false = SimLog(origin=NEXT_SHARD).add(leaves(MANY + 1)).publish()
    es.topic += [*after.publish()[:-1], *false[:-1]]
    es.publish(after.add(leaves(1)), old=MANY).read()
    assert es.ledger.logs[NEXT_SHARD].follower.head == after.checkpoint().head
    assert set(es.alarms) <= {"ledger_gap"}


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (
            Mutant(joining.join, dropped("begin")),
            lambda es: test_a_beginning_that_lacked_its_witnesses_is_remembered(es, cut=False),
        ),
        (
            Mutant(joining.begin, returning("None")),
            lambda es: test_a_shard_whose_first_publication_comes_in_parts_has_to_continue_the_last_one(
                es, cut=True
            ),
        ),
        (
            Mutant(joining.check_beginning, unchecked("begins_with")),
            lambda es: test_a_shard_that_continues_the_last_one_is_followed(es),
        ),
        (
            Mutant(ledger._go_on, unchecked("check_beginning")),
            lambda es: test_a_shard_that_was_published_empty_has_to_continue_the_last_one(es, cut=True),
        ),
        (
            Mutant(
                joining.check_beginning,
                rewritten(
                    "not advance.leaves and advance.before.size == 0",
                    "not advance.leaves or advance.before.size > 0",
                ),
            ),
            test_a_shard_whose_beginning_is_not_shown_confirms_nothing,
        ),
    ],
    ids=[
        "what lacks witnesses is forgotten",
        "parts are forgotten",
        "what continues is accused",
        "an empty one is never looked at",
        "not shown is well",
    ],
)
def test_the_chain_of_half_years_is_tested(es, mutant, promise):
    """Each rule, taken away, is missed."""
    with mutated(mutant), pytest.raises(AssertionError):
        promise(es)


def test_a_topic_that_was_made_anew_counts_from_its_beginning(es):
    """What was read of the old one says nothing about the places of the new one, and the loss is told."""
    log = SimLog().add(leaves(5))
    for size in (5, 6, 7):
        es.publish(log.add(leaves(size - log.tree.size, first=log.tree.size))).read()
    es.topic.clear()
    es.publish(log.add(leaves(1, first=7)), old=0)
    records = tuple(InputRecord(i, 0, value) for i, value in enumerate(es.topic))
    for fetched in (
        Fetched(topics.LEDGER, 0, (), 0, rewound_from=3),
        Fetched(topics.LEDGER, 0, records, len(records)),
    ):
        ledger.take_publications(es.unit.context, es.ledger, fetched, patient=False)

    assert es.alarms == ["feed_rewound"]
    assert es.unit.context.ledger_head == log.checkpoint().head


def test_without_a_policy_nothing_is_followed_and_nothing_is_promised(world, es, pt):
    """No rows, no head: the ledger costs nothing where it is not wanted."""
    es.unit.context.ledger = pt.unit.context.ledger = None
    exchange(world, es, pt)
    assert pt.unit.rows("SELECT count(*) FROM promises") == [(0,)]


def gossip(world: World, sender: Reader, reader: Reader) -> None:
    """A message with the head that one has seen, read by the other."""
    sender.unit.submit(reader.unit.unit)
    sender.unit.post()
    world.route(sender.unit.unit)
    reader.unit.deliveries()
    sender.unit.decisions()


def heads(reader: Reader) -> dict[str, float]:
    counter = reader.unit.context.metrics.heads_compared
    return {
        sample.labels["outcome"]: sample.value
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


def test_headers_carry_the_head_that_their_sender_saw(world, es):
    """The last trusted one; none before the first."""
    es.unit.submit("it")
    log = SimLog().add(leaves(9))
    es.publish(log).read()
    es.unit.submit("it")
    seen = [parse_submission(raw).header.core.ledger_head for raw in es.unit.pending()]
    assert seen == [NO_HEAD, log.checkpoint().head]


@pytest.mark.parametrize("behind", [0, 1, 600])
def test_two_who_see_the_same_log_agree(world, es, pt, behind: int):
    """Also when one of them is ahead of the other, or far behind: a head of any size is compared."""
    log = SimLog().add(leaves(700))
    es.publish(log)
    pt.publish(log, old=0)
    es.read()
    pt.publish(log.add(leaves(behind, first=700)), old=700) if behind else None
    pt.read()
    gossip(world, es, pt)
    gossip(world, pt, es)
    es.topic += pt.topic[1:]
    es.read()
    assert (es.alarms, pt.alarms) == ([], [])
    assert heads(pt) == {"same": 1}
    assert heads(es)["same"] == 1


def test_a_log_that_shows_two_trees_is_found_out_by_the_first_message(world, es, pt):
    """Each unit has a consistent log with all cosignatures; only together they can see it."""
    es.publish(SimLog().add(leaves(20))).read()
    pt.publish(SimLog().add(leaves(25, first=1))).read()
    gossip(world, es, pt)
    assert pt.alarms == ["ledger_gossip"]
    gossip(world, es, pt)
    assert pt.alarms == ["ledger_gossip"], "once for each sender"
    assert pt.unit.rows("SELECT count(*) FROM inbox") == [(2,)], "and it stops no message"


def test_a_head_ahead_of_ours_is_compared_when_we_come_to_it(world, es, pt):
    """The lie is noticed with the publication that should confirm it."""
    es.publish(SimLog().add(leaves(25, first=1))).read()
    log = SimLog().add(leaves(20))
    pt.publish(log).read()
    gossip(world, es, pt)
    assert (pt.alarms, heads(pt)) == ([], {"ahead": 1})
    pt.publish(log.add(leaves(20, first=20))).read()
    assert pt.alarms == ["ledger_gossip"]


def test_a_unit_that_came_back_to_our_tree_is_not_wrong_any_more(world, es, pt):
    """Once it has seen a larger tree that is ours; a tree from before the contradiction takes nothing back."""
    log = SimLog().add(leaves(20))
    pt.publish(log).publish(log.add(leaves(20, first=20))).read()
    seen = []
    for tree in (leaves(25, first=1), leaves(20), leaves(40)):
        es.ledger.logs.clear()
        es.ledger.audit = None
        es.publish(SimLog().add(tree)).read()
        gossip(world, es, pt)
        seen.append(wrong(pt))
    assert seen == [["ledger_gossip"], ["ledger_gossip"], []]
    assert pt.alarms == ["ledger_gossip"], "what was said stays in the list"


def test_who_has_seen_the_next_half_year_already_is_not_accused(world, es, pt):
    """Its head fits none of our logs, and may be of one that we have not seen: it is compared when we have."""
    old = SimLog().add(leaves(20))
    pt.publish(old).read()
    last = old.add(leaves(1, first=20)).publish()
    first = leaf_hash(old.checkpoint().body().encode())
    new = SimLog(origin=NEXT_SHARD).add([first, *leaves(4)])
    es.publish(new).read()
    es.unit.submit("pt")
    core = parse_submission(es.unit.pending()[-1]).header.core
    pt.unit.context.clock = lambda: parse_shard(NEXT_SHARD).start
    with pt.unit.context.transaction():
        compare(pt.unit.context, core.ledger_head, sender=core.sender)
    pt.topic += last
    pt.read()
    assert (pt.alarms, heads(pt)) == ([], {"ahead": 1})
    pt.publish(new, old=0).read()
    assert (pt.alarms, heads(pt)) == ([], {"ahead": 1, "same": 1})


def test_two_who_saw_different_heads_betray_the_log_to_a_third(world, es, pt, tmp_path):
    """Even one that has seen neither of the two trees."""
    it = Reader(UnitFixture(world, UnitId("gr"), tmp_path / "gr"))
    for unit in (es, pt):
        unit.unit.learn()
    it.publish(SimLog().add(leaves(2))).read()
    es.publish(SimLog().add(leaves(20))).read()
    pt.publish(SimLog().add(leaves(20, first=1))).read()
    for unit in (es, pt):
        unit.unit.submit("gr")
        unit.unit.post()
        world.route(unit.unit.unit)
    it.unit.deliveries()
    assert it.alarms == ["ledger_gossip"]


def names(reader: Reader, sender: str, *heads: TreeHead) -> None:
    """So many verified headers of a sender, each with a head."""
    with reader.unit.context.transaction():
        for head in heads:
            compare(reader.unit.context, head, sender=UnitId(sender))


def about(reader: Reader) -> set[str]:
    return {what for _, what in reader.ledger.wrong}


def test_invented_heads_put_out_nobody_elses(pt):
    """However many one unit names: the head that shows another log is compared when ours has come to it."""
    log, other = SimLog().add(leaves(20)), SimLog().add(leaves(25, first=1))
    pt.publish(log).read()
    names(pt, "es", other.checkpoint().head)
    names(pt, "ie", *(TreeHead(1_000 + number, bytes([number]) * 32) for number in range(250)))
    pt.publish(log.add(leaves(20, first=20))).read()
    assert about(pt) == {"unit es"}


def test_the_first_head_that_a_unit_named_stays(pt):
    """It may be the one that shows another log, and whoever names it may name others afterwards."""
    log, other = SimLog().add(leaves(20)), SimLog().add(leaves(25, first=1))
    pt.publish(log).read()
    names(pt, "es", other.checkpoint().head, *(TreeHead(1_000 + n, bytes(32)) for n in range(50)))
    assert len(pt.ledger.ahead["es"]) == MOST_AHEAD
    pt.publish(log.add(leaves(20, first=20))).read()
    assert about(pt) == {"unit es"}


def test_whoever_guesses_the_next_size_accuses_nobody_else(pt):
    """Until the log has that size nobody knows who is right, and both are named; then the one that was wrong."""
    log = SimLog().add(leaves(20))
    pt.publish(log).read()
    log.add(leaves(5, first=20))
    names(pt, "ie", TreeHead(25, b"\7" * 32))
    names(pt, "es", log.checkpoint().head)
    assert about(pt) == {AHEAD}
    detail = pt.ledger.wrong["ledger_gossip", AHEAD]
    assert "es saw" in detail and "ie saw" in detail
    pt.publish(log).read()
    assert about(pt) == {"unit ie"}


def test_evidence_of_one_thing_puts_out_no_other(pt):
    """The first piece and the newest of each; a unit that makes contradictions without end fills its own places."""
    pt.publish(SimLog().add(leaves(20))).read()
    with pt.unit.context.transaction():
        raise_once(pt.unit.context, pt.ledger, "ledger_fork", "the log", "", held=b"1", shown=b"fork")
        for number in range(300):
            raise_once(
                pt.unit.context, pt.ledger, "ledger_gossip", "unit ie", "", held=b"1", shown=b"%d" % number
            )
            pt.ledger.clear("unit ie")
    kept = [bytes(shown) for (shown,) in pt.unit.rows("SELECT shown FROM ledger_evidence ORDER BY id")]
    assert kept[:2] == [b"fork", b"0"]
    assert kept[2:] == [b"%d" % number for number in range(300 - KEPT_OF_EACH, 300)]


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (Mutant(remember, dropped("own[1]")), test_the_first_head_that_a_unit_named_stays),
        (Mutant(remember, instead("del own[0]", "own[1]")), test_the_first_head_that_a_unit_named_stays),
        (Mutant(remember, dropped("raise_once")), test_whoever_guesses_the_next_size_accuses_nobody_else),
        (Mutant(contradictions, returning("True")), test_whoever_guesses_the_next_size_accuses_nobody_else),
        (Mutant(raise_once, dropped("KEPT_OF_EACH")), test_evidence_of_one_thing_puts_out_no_other),
    ],
    ids=["no bound", "the first goes", "nobody is told", "it never ends", "no end of evidence"],
)
def test_the_bounds_of_accusations_are_tested(pt, mutant, promise):
    """Each, taken away, is missed."""
    with mutated(mutant), pytest.raises(AssertionError):
        promise(pt)


def test_the_log_of_the_directory_must_say_what_our_replica_says(world, es):
    """Statement for statement: another root at the same length is another directory."""
    good = SimLog(origin=DIRECTORY).add([leaf_hash(s) for s in world.directory.snapshot()])
    es.publish(good).read()
    compare_directory(es.unit.context, es.ledger, steady_since=0.0, replica_steady_since=0.0)
    assert es.alarms == []
    bad = SimLog(origin=DIRECTORY).add([leaf_hash(s) for s in world.directory.snapshot()[::-1]])
    es.ledger.logs.clear()
    es.publish(bad).read()
    compare_directory(es.unit.context, es.ledger, steady_since=0.0, replica_steady_since=0.0)
    assert es.alarms == ["ledger_directory"]


@pytest.mark.parametrize(("more", "alarm"), [(1, "ledger_directory"), (-1, "ledger_unlogged")])
def test_the_log_of_the_directory_and_our_replica_have_the_same_length(world, es, more: int, alarm: str):
    """For a minute they may differ; then somebody keeps statements from us, or from the log."""
    made = [leaf_hash(statement) for statement in world.directory.snapshot()]
    log = SimLog(origin=DIRECTORY).add([*made, leaf_hash(b"kept from us")] if more > 0 else made[:-1])
    es.publish(log).read()
    for seconds in (0.0, 59.0, 61.0):
        es.unit.monotonic.seconds = seconds
        assert es.alarms == []
        compare_directory(es.unit.context, es.ledger, steady_since=0.0, replica_steady_since=0.0)
    assert es.alarms == [alarm]


@pytest.mark.parametrize("more", [1, -1])
def test_who_has_not_read_to_the_end_does_not_say_what_is_missing(world, es, more: int):
    """A directory that Kafka does not give at present, or a ledger: nobody is accused of what was not read."""
    made = [leaf_hash(statement) for statement in world.directory.snapshot()]
    log = SimLog(origin=DIRECTORY).add([*made, leaf_hash(b"not read here")] if more > 0 else made[:-1])
    es.publish(log).read()
    others = {"steady_since": 0.0, "replica_steady_since": None}
    if more < 0:
        others = {"steady_since": None, "replica_steady_since": 0.0}
    for seconds in (0.0, 61.0, 200.0):
        es.unit.monotonic.seconds = seconds
        compare_directory(es.unit.context, es.ledger, **others)
    assert es.alarms == []


def test_what_is_shown_of_the_ledger(world, es, pt):
    """The status says what is held and what is wrong; trace and proofs say where a message is logged."""
    assert ledger_status(pt.unit.context, read=True)["logs"] == []
    log = SimLog().add(leaves(7))
    pt.publish(log).read()
    sent = es.unit.submit("pt")
    pump(world, es.unit, pt.unit)
    pt.publish(log.add(audited(world))).read()
    shown = ledger_status(pt.unit.context, read=True)
    assert [(one["origin"], one["size"], len(one["witnesses"])) for one in shown["logs"]] == [(SHARD, 9, 4)]
    assert (shown["promised"], shown["late"], shown["wrong"]) == (0, 0, [])
    steps = views.message_trace(pt.unit.context, read_id(sent.id))["steps"]
    assert [step["detail"].split(",")[0] for step in steps if step["event"] == "logged"] == [
        f"accepted: leaf 7 of {SHARD}", f"delivered: leaf 8 of {SHARD}",
    ]  # fmt: skip
    for one in ledger_views.proofs(pt.unit.context, read_id(sent.id))["proofs"]:
        record = parse_record(bytes.fromhex(one["record"])) if one["leaf"] == "accepted" else None
        t = parse_delivered(bytes.fromhex(one["record"])).t if record is None else record.t
        entry = entry_of(
            RecordType[one["leaf"].upper()], t, bytes.fromhex(one["salt"]), bytes.fromhex(one["record"])
        )
        verify_proof(parse_proof(one["proof"].encode()), leaf_hash(entry), POLICY)
