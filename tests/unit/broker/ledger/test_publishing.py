"""Publishing and cosigning, with real witnesses: sizes never go back, nothing waits for a witness that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from broker.ledger.cosigning import Cosigner, WitnessAhead, missing
from broker.ledger.metrics import LedgerMetrics
from broker.ledger.published import Published, last_published
from broker.ledger.publishing import PUBLISHER, Publisher
from clients.witness.queue import WitnessQueue
from clients.witness.witness_api import witness_api
from keys.note_keys import NoteUse
from protocol import topics
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from protocol.limits import DAY, SECOND
from protocol.tlog.checkpoints import Checkpoint, parse_checkpoint, seconds, sign_checkpoint
from protocol.tlog.cosignatures import cosign
from protocol.tlog.following import Follower
from protocol.tlog.policy import parse_policy
from protocol.tlog.policy_text import WitnessEntry, ledger_policy
from protocol.tlog.publication import parse_publication
from runtime.kafka.ports import OutputRecord
from runtime.process.clock import ClockCheck
from runtime.process.worker import Worker
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called
from tests.sim.witnessing import NAME as WITNESS
from tests.sim.witnessing import Case, note_key
from tests.sim.world import NOON
from tests.unit.broker.ledger.rig import AUDIT, KEYS, NAME, MemoryTopics, Rig, world_of
from tests.waiting import until_async

LOGS = ledger_policy(NAME, now=NOON, log_keys=KEYS.vkeys)
POLICY = parse_policy(
    ledger_policy(
        NAME,
        now=NOON,
        log_keys=KEYS.vkeys,
        witnesses=[WitnessEntry("one", note_key(WITNESS).vkeys(WITNESS, NoteUse.WITNESS), "http://witness")],
        quorum=1,
    )
)


@asynccontextmanager
async def witness(path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A witness that knows the logs, behind a client."""
    path.mkdir()
    worker = Worker()
    case = await worker.do(lambda: Case(path, policy=LOGS))
    queue = WitnessQueue(case.witness, worker)
    transport = httpx.ASGITransport(app=witness_api(queue))
    try:
        async with httpx.AsyncClient(transport=transport) as client:
            yield client
    finally:
        await queue.close()


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def publisher(rig: Rig, client: httpx.AsyncClient, clock: Clock) -> Publisher:
    """A publisher of this rig's logs."""
    return Publisher(
        name=NAME,
        store=rig.store,
        policy=POLICY,
        cosigner=Cosigner(client, POLICY),
        reader=rig.writer().reader,
        metrics=LedgerMetrics.create(),
        monotonic=clock,
    )


async def publish(made: Publisher, bus: MemoryTopics) -> None:
    """Let it publish what it was told of."""
    async with bus.writing(alone=PUBLISHER) as writer:
        for due in list(made.due.values()):
            if due.is_behind or made.is_wanting(due):
                await made.publish(due, writer)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    path = tmp_path / "ledger"
    path.mkdir()
    return Rig(path, world_of(12))


async def test_what_is_published_is_cosigned_and_can_be_followed(rig: Rig, tmp_path: Path) -> None:
    """Step by step, a reader of the topic trusts each head by its quorum and comes to the committed one."""
    bus, writer = MemoryTopics(), rig.writer()
    async with witness(tmp_path / "w") as client:
        made = publisher(rig, client, Clock())
        writer.resume()
        for first in range(0, 12, 3):
            made.tell(writer.advance(rig.readings(first, first + 3), now=NOON).new)
            await publish(made, bus)
    first, *others = map(parse_publication, bus.records[topics.LEDGER])
    follower, _ = Follower.join(first, POLICY)
    for each in others:
        assert follower.take(each, POLICY) is not None
    assert (follower.head.size, follower.head.root) == (rig.state().size, rig.state().root)
    assert rig.store.get("audit/2026h2/checkpoint") == follower.note


async def test_without_its_witness_a_head_is_published_and_completed_later(rig: Rig, tmp_path: Path) -> None:
    """A witness that is gone costs the quorum, and nothing else; when it is back, the same head is published with it."""
    bus, clock = MemoryTopics(), Clock()
    gone = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    made = publisher(rig, gone, clock)
    made.tell(rig.run(rig.writer()))
    await publish(made, bus)
    (record,) = bus.records[topics.LEDGER]
    with pytest.raises(Rejected) as refused:
        Follower.join(parse_publication(record), POLICY)
    assert refused.value.reason is Code.E_QUORUM
    assert list(made.cosigner.failures) == [WITNESS]

    await publish(made, bus)
    assert len(bus.records[topics.LEDGER]) == 1, "asked again too soon"
    clock.now += 6
    async with witness(tmp_path / "w") as client:
        made.cosigner.client = client
        await publish(made, bus)
    follower, _ = Follower.join(parse_publication(bus.records[topics.LEDGER][-1]), POLICY)
    assert follower.head.size == rig.state().size
    assert not missing(POLICY, parse_checkpoint(rig.store.get("audit/2026h2/checkpoint") or b""))
    assert made.cosigner.failures == {}


async def test_a_witness_that_is_new_to_us_says_how_far_it_is(rig: Rig, tmp_path: Path) -> None:
    """After a restart of the ledger nothing is known of the witness: its 409 is enough to go on."""
    bus, writer = MemoryTopics(), rig.writer()
    async with witness(tmp_path / "w") as client:
        made = publisher(rig, client, Clock())
        writer.resume()
        made.tell(writer.advance(rig.readings(0, 5), now=NOON).new)
        await publish(made, bus)
        again = publisher(rig, client, Clock())
        again.tell(writer.advance(rig.readings(5), now=NOON).new)
        await publish(again, bus)
        assert again.cosigner.failures == {}
    assert not missing(POLICY, parse_checkpoint(rig.store.get("audit/2026h2/checkpoint") or b""))


async def test_a_witness_whose_clock_is_off_is_told_of_and_counted(rig: Rig) -> None:
    """What it signed holds: that the log only grew. Its time is heard, as that of one who was just asked."""
    signed, moments = parse_checkpoint(rig.run(rig.writer()).checkpoint), Clock()
    times = ClockCheck(lambda: NOON, moments)
    heard: list[tuple[str, int | None]] = []
    told = lambda name, signed_at: heard.append((name, signed_at))  # noqa: E731
    cosigner = Cosigner(httpx.AsyncClient(), POLICY, times=times, heard=told)
    for ahead in (10 * DAY, 0):

        def answer(_: httpx.Request, ahead: int = ahead) -> httpx.Response:
            signers = note_key(WITNESS).signers(WITNESS, NoteUse.WITNESS)
            now = seconds(Millis(NOON + ahead))
            lines = [cosign(signed.checkpoint, signer, now=now) for signer in signers]
            return httpx.Response(200, content="".join(lines).encode())

        cosigner.client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        with capture_logs() as said:
            lines = await cosigner.ask(missing(POLICY, signed), signed, rig.writer().reader(AUDIT))
        assert len(lines) == 2
        assert cosigner.clocks_off == ({WITNESS: ahead // SECOND} if ahead else {})
        assert [line["event"] for line in said] == (["witness_clock"] if ahead else [])
        fault = times.fault()
        assert (fault is not None) is bool(ahead)  # the only one that was heard
    assert heard == [(WITNESS, seconds(Millis(NOON + ahead))) for ahead in (10 * DAY, 0)]


async def dripping(cosigner: Cosigner, rig: Rig) -> None:
    """A witness that gives a byte now and then: each comes in time, and the answer never."""
    signed = parse_checkpoint(rig.run(rig.writer()).checkpoint)

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(100):
            await asyncio.sleep(0.01)
            yield b"x"

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=drip()))
    cosigner.client, cosigner.seconds = httpx.AsyncClient(transport=transport), 0.05
    assert await cosigner.ask(missing(POLICY, signed), signed, rig.writer().reader(AUDIT)) == ()
    assert set(cosigner.failures.values()) == {"TimeoutError"}
    metrics = LedgerMetrics.create()
    metrics.witnesses.show([WITNESS, "of-nobody"])
    cosigner.heard = metrics.witnesses.answered
    await cosigner.ask(missing(POLICY, signed), signed, rig.writer().reader(AUDIT))
    value = metrics.registry.get_sample_value
    assert value("contrada_ledger_witness_failures_total", {"witness": WITNESS}) == 1
    assert value("contrada_ledger_witness_failures_total", {"witness": "of-nobody"}) == 0
    assert value("contrada_ledger_cosigned_timestamp_seconds", {"witness": WITNESS}) == 0


async def test_a_witness_that_drips_is_not_waited_for(rig: Rig) -> None:
    """Its answer has a time for all of it, and not for each part."""
    await dripping(Cosigner(httpx.AsyncClient(), POLICY), rig)


async def test_without_its_deadline_a_dripping_witness_is_waited_for(rig: Rig) -> None:
    """The deadline is tested."""
    with (
        mutated(Mutant(Cosigner._asked, called("timeout", "asyncio.timeout(None)"))),
        pytest.raises(AssertionError),
    ):
        await dripping(Cosigner(httpx.AsyncClient(), POLICY), rig)


async def test_a_witness_that_proves_more_stops_the_ledger(rig: Rig, tmp_path: Path) -> None:
    """A witness has the log's own signature on a larger tree: the ledger here was rolled back, and says so."""
    old = rig.run(rig.writer(), upto=3)
    async with witness(tmp_path / "w") as client:
        made = publisher(rig, client, Clock())
        made.tell(rig.run(rig.writer()))
        await publish(made, MemoryTopics())
        signed, read = parse_checkpoint(old.checkpoint), rig.writer().reader(AUDIT)
        with pytest.raises(WitnessAhead) as ahead:
            await Cosigner(client, POLICY).ask(missing(POLICY, signed), signed, read)
    assert ahead.value.code == "E_ROLLED_BACK"


async def test_a_witness_that_only_claims_more_stops_nobody(rig: Rig) -> None:
    """A size in a 409 is a claim: without the log's signature on it the witness has failed, and that is all."""
    signed = parse_checkpoint(rig.run(rig.writer()).checkpoint)
    forged = sign_checkpoint(
        Checkpoint(AUDIT, 10**6, signed.checkpoint.root), note_key("x").signers(AUDIT), now=seconds(NOON)
    )

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            assert request.url.path == f"/{sha256(AUDIT.encode()).hexdigest()}/checkpoint"
            return httpx.Response(200, content=forged)
        return httpx.Response(409, content=b"1000000\n", headers={"content-type": "text/x.tlog.size"})

    cosigner = Cosigner(httpx.AsyncClient(transport=httpx.MockTransport(answer)), POLICY)
    assert await cosigner.ask(missing(POLICY, signed), signed, rig.writer().reader(AUDIT)) == ()
    assert cosigner.failures == {WITNESS: "Rejected"}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b"\xe2\x80\x94 wit-one.example AAAA\n"),
        httpx.Response(200, content=b"not a note"),
        httpx.Response(200, content=b"\xff" * 300_000),
        httpx.Response(409, content=b"many\n", headers={"content-type": "text/x.tlog.size"}),
        httpx.Response(409, content=b"3\n"),
        httpx.Response(302, headers={"location": "http://elsewhere"}),
        httpx.Response(500),
    ],
)
async def test_a_bad_answer_never_enters_a_checkpoint(rig: Rig, answer: httpx.Response) -> None:
    """Whatever a witness answers, a line that does not verify never gets into the note."""
    bus = MemoryTopics()
    client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer))
    made = publisher(rig, client, Clock())
    made.tell(rig.run(rig.writer()))
    await publish(made, bus)
    note = parse_publication(bus.records[topics.LEDGER][0]).note
    assert note == rig.state().checkpoint
    assert list(made.cosigner.failures) == [WITNESS]


async def test_the_older_publisher_is_fenced(rig: Rig) -> None:
    """Two publishers: the one that was there before cannot write behind the newer one's back."""
    bus = MemoryTopics()
    async with bus.writing(alone=PUBLISHER) as old, bus.writing(alone=PUBLISHER) as new:
        await new.write([OutputRecord(topics.LEDGER, b"", b"x")])
        with pytest.raises(Exception, match="fenced"):
            await old.write([OutputRecord(topics.LEDGER, b"", b"y")])


async def test_what_was_published_last_is_found_at_the_end(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the topic is, and whatever others wrote into it: the newest head that the log's keys signed."""
    monkeypatch.setattr("broker.ledger.published.STEP", 2)
    bus, writer = MemoryTopics(), rig.writer()
    gone = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    made = publisher(rig, gone, Clock())
    writer.resume()
    for first in range(0, 12, 2):
        made.tell(writer.advance(rig.readings(first, first + 2), now=NOON).new)
        await publish(made, bus)
    forged = sign_checkpoint(
        Checkpoint(AUDIT, 10**6, rig.state().root), note_key("x").signers(AUDIT), now=seconds(NOON)
    )
    bus.records[topics.LEDGER] += [b"garbage", *[bus.records[topics.LEDGER][0][:-1]] * 9, forged]
    found = await last_published(bus, POLICY, [AUDIT])
    assert found == {AUDIT: Published(found[AUDIT].checkpoint, found[AUDIT].note)}
    assert found[AUDIT].size == rig.state().size
    assert await last_published(MemoryTopics(), POLICY, [AUDIT]) == {}


async def test_it_goes_on_from_what_was_published(rig: Rig) -> None:
    """A publisher that starts publishes exactly what is missing, so that nobody who follows has a gap."""
    bus, writer = MemoryTopics(), rig.writer()
    gone = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    free = parse_policy(LOGS)
    first = publisher(rig, gone, Clock())
    writer.resume()
    first.tell(writer.advance(rig.readings(0, 4), now=NOON).new)
    await publish(first, bus)
    state = writer.advance(rig.readings(4), now=NOON).new
    second = publisher(rig, gone, Clock())
    second.begin([state], await last_published(bus, POLICY, [AUDIT]))
    await publish(second, bus)
    one, two = map(parse_publication, bus.records[topics.LEDGER])
    follower, _ = Follower.join(one, free)
    assert follower.take(two, free) is not None
    assert follower.head.size == state.size


async def test_it_runs_until_it_is_cancelled(rig: Rig) -> None:
    """What it is told while it waits is published without delay."""
    bus = MemoryTopics()
    gone = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    made = publisher(rig, gone, Clock())
    async with bus.writing(alone=PUBLISHER) as writer:
        task = asyncio.create_task(made.run(writer))
        await asyncio.sleep(0)
        made.tell(await asyncio.to_thread(rig.run, rig.writer()))
        await until_async(lambda: bus.records.get(topics.LEDGER), what="a publication", pause=0.01)
        task.cancel()
        await asyncio.wait([task])
