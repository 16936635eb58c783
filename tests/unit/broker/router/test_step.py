"""One step of the router: everything is decided once, in order, and written together or not at all."""

from __future__ import annotations

import gc
import random
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broker.router import step
from broker.router.step import Budget, Step, claimed_directory, parse_input
from keys.soft_keys import SoftEpochKey, SoftOpener
from protocol import topics
from protocol.canonical import decode, encode
from protocol.content.parts import Part
from protocol.envelope.replay import ReplayState
from protocol.envelope.sealing import content_aad, open_content, wrap_info
from protocol.envelope.wire import parse_delivery, parse_submission, parse_wrap
from protocol.errors import Code, Rejected
from protocol.identifiers import digest
from protocol.limits import MAX_QUARANTINED, MAX_RECORD
from protocol.parties import TreeHead
from protocol.trail.batches import RecordType, verify_decisions, verify_receipt
from runtime.kafka.ports import InputRecord
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.sim.steps import run_step
from tests.sim.world import NOON, World


def records(*values: bytes, first: int = 0) -> list[InputRecord]:
    """Records as they stand in a partition."""
    return [InputRecord(first + at, NOON + at, value) for at, value in enumerate(values)]


def run(
    world: World, *values: bytes, entropy=None, budget: Budget | None = None, state: ReplayState | None = None
):
    """One step over these records, without committing it."""
    desk = world.desk("fr")
    if entropy is not None:
        desk = replace(desk, entropy=entropy)
    parsed = [parse_input(record) for record in records(*values)]
    return run_step(parsed, state=state or ReplayState(), context=desk, budget=budget or Budget())


def of(done, topic: str) -> list[bytes]:
    """What goes to a topic."""
    return [output.value for output in done.outputs if output.topic == topic]


def mixture(world: World) -> list[bytes]:
    """Good, bad and unreadable records."""
    good = world.compose("fr", ["it", "de"])
    forged = world.seal(world.core("fr", ["de"]), by="it").submission
    return [good, b"junk", world.compose("fr", ["nz"]), good, forged, world.compose("it", ["de"])]


def test_the_same_input_gives_the_same_step(world):
    """Records, state, directory, time and entropy determine every byte that is written."""
    values = mixture(world)
    one, two = (run(world, *values, entropy=lambda size: bytes(size)) for _ in range(2))

    assert (one.outputs, one.position, one.state) == (two.outputs, two.position, two.state)


def test_a_step_does_not_change_what_it_began_with(world):
    """State and records are as they were, so that a step that is not committed never happened."""
    state = ReplayState()
    run(world, *mixture(world), state=state)

    assert state == ReplayState()


def test_each_record_has_one_decision_in_order(world):
    """As many audit records as input records, with their offsets in order, whatever was in them."""
    values = mixture(world)
    done = run(world, *values)
    decisions = verify_decisions(of(done, topics.AUDIT)[0], parties=world.directory)

    assert [record.source.offset for record in decisions.records] == list(range(len(values)))
    assert [record.type for record in decisions.records] == [
        RecordType.ACCEPTED,
        RecordType.REJECTED,
        RecordType.REJECTED,
        RecordType.DUPLICATE,
        RecordType.REJECTED,
        RecordType.REJECTED,
    ]
    assert [record.submission for record in decisions.records] == [digest(value) for value in values]
    assert done.position == len(values)


def test_sender_and_auditor_get_the_same_decisions(world):
    """The receipts of the sender are the bytes of the audit trail."""
    done = run(world, *mixture(world))

    assert of(done, topics.receipts("fr")) == of(done, topics.AUDIT)
    assert len(of(done, topics.AUDIT)) == 1


def test_only_what_was_accepted_is_delivered(world):
    """One good message of six: two deliveries, under the key of its thread, each with its receipt."""
    values = mixture(world)
    done = run(world, *values)
    good = parse_submission(values[0])
    inboxes = [output for output in done.outputs if output.topic.startswith(topics.INBOX_PREFIX)]

    assert [output.topic for output in inboxes] == ["inbox.it", "inbox.de"]
    assert {output.key for output in inboxes} == {good.header.core.thread}
    for output in inboxes:
        delivery = parse_delivery(output.value)
        assert delivery.header_digest == good.header_digest
        assert verify_receipt(delivery.receipt, parties=world.directory).header_digest == good.header_digest


def test_a_crash_before_the_commit_repeats_the_same_decisions(world):
    """Whoever comes after a crash decides alike: nothing is lost, nothing is done twice."""
    world.submit("fr", *mixture(world))
    lost = world.route("fr", crash=True)
    assert not world.audit and not world.inboxes and not world.quarantine
    done = world.route("fr")

    assert [one.record for one in done.decided] == [one.record for one in lost.decided]
    assert len(world.inboxes["it"]) == 1 and len(world.audit) == 1
    assert done.position == lost.position and done.state == lost.state


def test_a_crash_after_the_commit_repeats_nothing(world):
    """The state that was committed with the position refuses a record that comes again."""
    raw = world.compose("fr", ["it"])
    world.submit("fr", raw)
    world.route("fr")
    world.submit("fr", raw)

    assert world.codes(world.route("fr")) == [Code.E_REPLAY]
    assert len(world.inboxes["it"]) == 1


def test_what_cannot_be_read_goes_to_quarantine_with_its_coordinates(world):
    """A quarantine row says where the record stood, when, why it is there, and what it was."""
    done = run(world, world.compose("fr", ["it"]), b"junk")

    assert decode(of(done, topics.QUARANTINE)[0]) == [
        1, ["fr", 0, 1, NOON + 1], world.now, "E_CBOR", digest(b"junk"), 4, b"junk",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [MAX_QUARANTINED, MAX_QUARANTINED + 1, MAX_RECORD + 10])
def test_of_a_large_record_quarantine_holds_the_beginning(world, size: int):
    """Whoever writes garbage does not fill the topic; digest and size are those of the whole."""
    garbage = random.Random(size).randbytes(size)
    (row,) = of(run(world, garbage), topics.QUARANTINE)
    *_, name, told, held = decode(row)

    assert (name, told, held) == (digest(garbage), size, garbage[:MAX_QUARANTINED])


async def test_cutting_is_needed(world):
    mutant = Mutant(step._quarantined, rewritten("raw.value[:MAX_QUARANTINED]", "raw.value"))
    promise = test_of_a_large_record_quarantine_holds_the_beginning
    await assert_missed(mutant, promise, (MAX_QUARANTINED + 1,), world=world)


def test_bad_records_block_nobody(world):
    """Good messages among bad ones are delivered."""
    good = [world.compose("fr", ["it"]) for _ in range(3)]
    done = run(world, b"", good[0], b"\xff" * 100, good[1], good[2][:-1], good[2])

    assert len(of(done, topics.inbox("it"))) == 3
    assert len(of(done, topics.QUARANTINE)) == 3


@pytest.mark.parametrize("where", ["parse_submission", "verify_submission", "decide_exchange"])
def test_a_fault_of_ours_over_one_record_blocks_nobody(world, monkeypatch, where: str):
    """Whatever is raised, that record is refused and quarantined, and those behind it are decided."""
    good, odd = world.compose("fr", ["it"]), world.compose("fr", ["de"])
    whole = getattr(step, where)

    def faulty(*args, **kwargs):
        if args[0] == odd or "unit='de'" in repr(args[0]) or "'de'" in repr(getattr(args[0], "core", "")):
            raise ZeroDivisionError
        return whole(*args, **kwargs)

    monkeypatch.setattr(step, where, faulty)
    done = run(world, odd, good)
    assert [one.record.type for one in done.decided] == [RecordType.REJECTED, RecordType.ACCEPTED]
    assert [reason.code for reason in done.decided[0].record.reasons] == [Code.E_SCHEMA]
    assert len(of(done, topics.QUARANTINE)) == 1


@pytest.mark.parametrize(
    ("mutant", "where"),
    [
        (
            Mutant(parse_input, rewritten("ParsedRecord(record, _failed(error))", "1 // 0")),
            "parse_submission",
        ),
        (
            Mutant(
                Step.decide, rewritten("_quarantined(parsed, _failed(error), self._context, None)", "1 // 0")
            ),
            "verify_submission",
        ),
    ],
    ids=["in a parser", "in the decision"],
)
def test_that_a_fault_blocks_nobody_is_tested(world, monkeypatch, mutant, where: str):
    """Without it the router would fail at that record, at each attempt."""
    with mutated(mutant), pytest.raises(ZeroDivisionError):
        test_a_fault_of_ours_over_one_record_blocks_nobody(world, monkeypatch, where)


def test_an_unproven_header_is_not_recorded(world):
    """What nobody is proven to have said does not stand in the audit trail as if somebody had."""
    forged = world.seal(world.core("fr", ["de"]), by="it").submission
    foreign = world.compose("it", ["de"])
    for raw in (forged, foreign):
        record = run(world, raw).decided[0].record
        assert record.type is RecordType.REJECTED
        assert (record.header, record.header_digest) == (None, None)


def test_a_proven_sender_learns_of_the_damage(world):
    """Where the sender is proven, the refusal names its message."""
    row = decode(world.compose("fr", ["it"]))
    row[2] = bytes(len(row[2]))
    raw = encode(row)
    record = run(world, raw).decided[0].record

    assert [reason.code for reason in record.reasons] == [Code.E_CT_HASH]
    assert record.header_digest == parse_submission(raw).header_digest
    assert record.header is not None


def test_forgeries_do_not_advance_a_stream(world):
    """Somebody else cannot burn a unit's sequence numbers."""
    forged = world.seal(world.core("fr", ["de"], seq=10**6), by="it").submission

    assert run(world, forged).state == ReplayState()


def test_a_refused_message_is_decided(world):
    """A refusal is final: the same record later is a replay, even if policy would now allow it."""
    world.suspend("it")
    raw = world.compose("fr", ["it"])
    world.submit("fr", raw)
    assert world.codes(world.route("fr")) == [Code.E_RCPT_SUSPENDED]
    world.suspend("it", suspended=False)
    world.submit("fr", raw)

    assert world.codes(world.route("fr")) == [Code.E_REPLAY]


@pytest.mark.parametrize(
    "budget", [Budget(records=1), Budget(records=3), Budget(output_bytes=1), Budget(output_bytes=9000), Budget(decision_bytes=1), Budget(decision_bytes=2000)]
)  # fmt: skip
def test_a_budget_splits_a_batch_and_skips_nothing(world, budget):
    """Many small steps decide just what one large step decides, each record once."""
    values = mixture(world) + [world.compose("fr", ["it"]) for _ in range(6)]
    whole = run(world, *values)
    world.submit("fr", *values)
    steps = []
    while world.routed["fr"] < len(values):
        steps.append(world.route("fr", budget=budget))

    assert len(steps) > 1
    split = [one.record for done in steps for one in done.decided]
    assert split == [one.record for one in whole.decided]
    assert len(world.inboxes["it"]) == len(of(whole, topics.inbox("it")))


def test_one_record_always_fits(world):
    """A budget of nothing still moves on by one record."""
    done = run(world, *mixture(world), budget=Budget(records=1, output_bytes=0, decision_bytes=0))

    assert (len(done.decided), done.position) == (1, 1)


def test_positions_follow_the_offsets(world):
    """Offsets may have gaps, as transactions leave them: the next position is one past the last decided."""
    parsed = [parse_input(InputRecord(offset, NOON, world.compose("fr", ["it"]))) for offset in (7, 9, 20)]
    done = run_step(parsed, state=ReplayState(), context=world.desk("fr"), budget=Budget(records=2))

    assert done.position == 10


def test_the_longest_directory_that_was_seen(world):
    """A router learns from its input how long the directory must at least be."""
    seen = [
        parse_input(record)
        for record in records(
            b"junk",
            world.compose("fr", ["it"], directory_head=TreeHead(70, bytes(32))),
            world.compose("fr", ["it"], directory_head=TreeHead(7, bytes(32))),
        )
    ]

    assert claimed_directory(seen) == 70
    assert claimed_directory(seen[:1]) == claimed_directory([]) == 0


# The router holds no key that opens content.


def reachable(*roots: object) -> list[object]:
    """Every object that can be reached from these, through whatever Python knows of them."""
    seen: dict[int, object] = {}
    todo = list(roots)
    while todo:
        thing = todo.pop()
        # Modules and types lead to the whole program; what matters hangs on instances.
        if (
            id(thing) in seen
            or isinstance(thing, type)
            or type(thing).__name__ in ("module", "function", "builtin_function_or_method")
        ):
            continue
        seen[id(thing)] = thing
        todo += gc.get_referents(thing)
    return list(seen.values())


def test_the_router_holds_no_key_that_opens_content(world):
    """Nothing that hangs on the router's desk and state is a private decryption key of any kind."""
    world.submit("fr", *mixture(world))
    world.route("fr")
    # A desk as a router process has it: the world's entropy would lead back to the whole world.
    held = reachable(replace(world.desk("fr"), entropy=bytes), world.states["fr"])
    private = (SoftOpener, SoftEpochKey, mlkem.MLKEM768PrivateKey, x25519.X25519PrivateKey)

    assert len(held) > 100
    assert not [thing for thing in held if isinstance(thing, private)]
    # The search finds such a key where there is one.
    assert [thing for thing in reachable(world.parties["it"]) if isinstance(thing, private)]


def test_the_router_cannot_open_what_it_routes(world):
    """With its identity, its state and all bytes of all topics, tried as keys, the router opens nothing."""
    secret = b"the name of a witness"
    core = world.core("fr", ["it", "de"])
    world.submit("fr", world.seal(core, Part(0, secret)).submission)
    done = world.route("fr")
    everything = b"".join(output.value for output in done.outputs) + b"".join(world.directory.snapshot())
    everything += done.state.to_text().encode() + world.router.secret_bytes() + b"".join(world.outboxes["fr"])
    submission = parse_submission(world.outboxes["fr"][0])
    seeds = decode(world.router.secret_bytes())[2:]
    opener = _TriesAll([SoftEpochKey("it", epoch=1, seed=seed) for seed in seeds])

    assert secret not in everything
    for wrap in submission.wraps:
        with pytest.raises(Rejected) as caught:
            open_content(submission.header, submission.ciphertext, parse_wrap(wrap), opener=opener)
        assert caught.value.reason is Code.E_OPEN
    assert opener.tried == 2 * len(submission.wraps)
    assert _opens_with_any_window(submission, everything) is None
    # The same search finds the content key where it lies in the open.
    assert (
        _opens_with_any_window(submission, b"\x00" * 5 + _content_key(world, submission) + b"\x00" * 5)
        == secret
    )


class _TriesAll:
    """An opener that tries every key it has on every wrap, whatever key the wrap names."""

    def __init__(self, keys: list[SoftEpochKey]) -> None:
        self.keys, self.tried = keys, 0

    def open(self, *, kid: bytes, enc: bytes, ciphertext: bytes, info: bytes) -> bytes:
        for key in self.keys:
            self.tried += 1
            try:
                return key.open(enc=enc, ciphertext=ciphertext, info=info)
            except Rejected:
                continue
        raise Rejected(Code.E_OPEN, "none")


def _opens_with_any_window(submission, data: bytes) -> bytes | None:
    """The content, if any 32 bytes in a row of the data are its key."""
    aad = content_aad(submission.header.core_hash)
    for window in {data[at : at + 32] for at in range(len(data) - 31)}:
        try:
            plaintext = AESGCM(window).decrypt(submission.header.seal.iv, submission.ciphertext, aad)
        except InvalidTag:
            continue
        return decode(plaintext)[1][0][1]
    return None


def _content_key(world: World, submission) -> bytes:
    wrap = parse_wrap(submission.wraps[0])
    info = wrap_info(wrap.kid, submission.header.core_hash)
    return world.parties["it"].opener.open(kid=wrap.kid, enc=wrap.enc, ciphertext=wrap.wrapped, info=info)


def test_a_record_copied_into_another_partition_is_not_decided_again() -> None:
    """An outbox of two partitions has two memories: a record counts in its conversation's partition only."""
    world = World()
    submission = world.compose("fr", ["it"])
    thread = parse_submission(submission).header.core.thread
    codes = {}
    for partition in (0, 1):
        desk = replace(world.desk("fr"), partition=partition, partitions=2)
        done = run_step(
            [parse_input(InputRecord(0, 0, submission))], state=ReplayState(), context=desk, budget=Budget()
        )
        codes[partition] = World.codes(done)

    home = topics.partition_of(thread, 2)
    assert codes == {home: [], 1 - home: ["E_PARTITION"]}
