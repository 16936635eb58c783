"""The ledger as a process on a real Kafka: complete, once, in order; published, so that everybody can follow."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal

import httpx
import pytest

from broker.ledger.admin.inspection import check_start
from broker.ledger.settings import LedgerSettings
from deploy.kafka.ports import free
from protocol import topics
from protocol.merkle import leaf_hash, root_of
from protocol.tlog.following import Follower
from protocol.tlog.publication import parse_publication
from protocol.trail.records import RecordType
from tests.integration.exchange import Exchange
from tests.integration.ledgers import NAME, Ledgers
from tests.waiting import ended, until_async


@pytest.fixture
def ledgers(exchange: Exchange):
    made = Ledgers(exchange)
    yield made
    made.stop()


async def test_every_decision_and_every_delivery_is_one_leaf(exchange: Exchange, ledgers: Ledgers) -> None:
    """What the router decided and delivered stands in the log, once each; so does every statement of the directory."""
    world = exchange.world
    exchange.start_router()
    ledgers.start()
    await exchange.submit("fr", *[world.compose("fr", ["it", "de"]) for _ in range(20)], b"garbage")
    statements = world.directory.head.size
    await ledgers.until(
        lambda: (
            ledgers.audit().size >= 20 * 3 + 1 + statements + 1
            and ledgers.audit().directory_next == statements
            # The tiles come behind the commit.
            and ledgers.types()
            and ledgers.entries(ledgers.states()[f"{NAME}/directory"])
        )
    )

    types = ledgers.types()
    assert types[RecordType.ACCEPTED] == 20
    assert types[RecordType.DELIVERED] == 40
    assert types[RecordType.REJECTED] == 1
    assert types[RecordType.DIRECTORY_STATEMENT] == statements
    assert types[RecordType.UNVERIFIED] == 0
    state = ledgers.states()[f"{NAME}/directory"]
    assert (state.size, state.root) == (statements, world.directory.head.root)
    assert ledgers.entries(state) == world.directory.snapshot()


async def said_behind(port: int) -> int:
    """What a ledger's own page says."""
    async with httpx.AsyncClient() as client:
        checks = (await client.get(f"http://127.0.0.1:{port}/readyz")).json()["checks"]
    return checks["ledger"]["behind"]


async def test_a_ledger_that_has_read_everything_is_not_behind(exchange: Exchange, ledgers: Ledgers) -> None:
    """`contrada ledger check` and the process itself say 0, though markers of transactions stand at the end."""
    exchange.start_router()
    (port,) = free(1)
    process = ledgers.start(http_port=port)
    statements = exchange.world.directory.head.size
    await ledgers.until(lambda: ledgers.types()[RecordType.DIRECTORY_STATEMENT] == statements)
    await exchange.submit("fr", *[exchange.world.compose("fr", ["it"]) for _ in range(20)])
    await ledgers.until(lambda: ledgers.types()[RecordType.DELIVERED] == 20)
    settings = LedgerSettings.load(exchange.directory / "ledger-0.toml")

    async def both() -> tuple[int, int]:
        return await said_behind(port), (await asyncio.to_thread(check_start, settings))["behind"]

    await until_async(both, lambda found: found == (0, 0), what="the process and the command to say 0")
    await asyncio.to_thread(end, process)


async def followed(exchange: Exchange, ledgers: Ledgers, origin: str) -> tuple[Follower, list[int]]:
    """A unit's view of a log: everything that was published of it, followed from the first record."""
    follower, sizes = None, []
    for value in await exchange.all(topics.LEDGER):
        publication = parse_publication(value)
        if publication.origin != origin:
            continue
        if follower is None:
            follower, _ = Follower.join(publication, ledgers.policy)
        else:
            follower.take(publication, ledgers.policy)
        sizes.append(follower.head.size)
    assert follower is not None
    return follower, sizes


async def test_everybody_can_follow_what_is_published(exchange: Exchange, ledgers: Ledgers) -> None:
    """From the topic alone a reader recomputes each root, and comes to the head that is committed."""
    world = exchange.world
    exchange.start_router()
    process = ledgers.start()
    for _ in range(3):
        await exchange.submit("fr", *[world.compose("fr", ["it"]) for _ in range(150)])
    await ledgers.until(lambda: ledgers.types()[RecordType.DELIVERED] == 450)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(ended, process) == 0
    ledgers.start()
    statements = world.directory.head.size
    await ledgers.until(
        lambda: (
            ledgers.types()[RecordType.SOFTWARE_START] == 3 and ledgers.audit().directory_next == statements
        )
    )
    audit = ledgers.audit()
    await published(ledgers, audit.size)

    follower, sizes = await followed(exchange, ledgers, audit.origin)
    assert (follower.head.size, follower.head.root) == (audit.size, audit.root)
    assert sizes == sorted(sizes)


async def published(ledgers: Ledgers, size: int) -> None:
    """Wait until a ledger says that a head of this size is in the topic: the stored checkpoint is there before."""
    await ledgers.until(lambda: published_size(ledgers) >= size)


def published_size(ledgers: Ledgers) -> int:
    """The largest head of the audit log that a ledger says is in the topic."""
    origin = ledgers.audit().origin
    lines = (line for number in range(len(ledgers.processes)) for line in ledgers.said(number))
    heads = (line for line in lines if line["event"] == "published" and line.get("origin") == origin)
    return max((head["size"] for head in heads), default=0)


async def test_killed_at_any_moment_it_completes_the_log(exchange: Exchange, ledgers: Ledgers) -> None:
    """kill -9 again and again while messages come: nothing is missing, nothing is there twice, nothing forks."""
    world, dice = exchange.world, random.Random(4)
    exchange.start_router()
    for turn in range(6):
        process, size = ledgers.start(), ledgers.audit().size
        await exchange.submit("fr", *[world.compose("fr", ["it", "de"]) for _ in range(40)])
        # It is at work; where in its work it dies is chance. Once it dies before it has done anything.
        if turn:
            await ledgers.until(
                lambda size=size: ledgers.audit().size > size, what="the ledger to be at work"
            )
        await asyncio.sleep(dice.random() * 0.3)
        process.kill()
        process.wait()
    ledgers.start()
    statements = world.directory.head.size
    await ledgers.until(
        lambda: ledgers.types()[RecordType.DELIVERED] == 480 and ledgers.audit().directory_next == statements
    )
    await published(ledgers, ledgers.audit().size)

    types, rows = ledgers.types(), ledgers.rows()
    assert types[RecordType.ACCEPTED] == 240
    assert types[RecordType.DIRECTORY_STATEMENT] == statements
    assert types[RecordType.UNVERIFIED] == 0
    submissions = [row.subject for row in rows if row.type == RecordType.ACCEPTED]
    assert len(set(submissions)) == len(submissions) == 240
    audit = ledgers.audit()
    assert audit.root == root_of([leaf_hash(entry) for entry in ledgers.entries(audit)])
    follower, sizes = await followed(exchange, ledgers, audit.origin)
    assert sizes == sorted(sizes)
    assert (
        root_of([leaf_hash(entry) for entry in ledgers.entries(audit)[: follower.head.size]])
        == follower.head.root
    )


async def test_two_ledgers_at_once_make_one_log(exchange: Exchange, ledgers: Ledgers) -> None:
    """A second process on the same directory: each decision is one leaf all the same, and sizes never go back."""
    world = exchange.world
    exchange.start_router()
    first, second = ledgers.start(batch_ms=20), ledgers.start(batch_ms=20)
    for _ in range(20):
        await exchange.submit("fr", *[world.compose("fr", ["it"]) for _ in range(10)])
    await ledgers.until(lambda: ledgers.types()[RecordType.DELIVERED] == 200)
    assert (first.poll(), second.poll()) == (None, None)
    await published(ledgers, ledgers.audit().size)

    def tree_is_whole() -> bool:
        audit = ledgers.audit()
        return audit.root == root_of([leaf_hash(entry) for entry in ledgers.entries(audit)])

    # Either ledger may commit one more step, whose tiles are not in the store yet.
    await ledgers.until(lambda: ledgers.types()[RecordType.ACCEPTED] == 200)
    await ledgers.until(tree_is_whole)
    _, sizes = await followed(exchange, ledgers, ledgers.audit().origin)
    assert sizes == sorted(sizes)


async def test_a_record_that_nobody_signed_is_named_and_stops_nothing(
    exchange: Exchange, ledgers: Ledgers
) -> None:
    """Garbage in the audit topic becomes one leaf UNVERIFIED; what stands behind it is sequenced."""
    exchange.start_router()
    ledgers.start()
    await exchange.produce(topics.AUDIT, b"garbage")
    await exchange.submit("fr", exchange.world.compose("fr", ["it"]))
    await ledgers.until(lambda: ledgers.types()[RecordType.DELIVERED] == 1)
    assert ledgers.types()[RecordType.UNVERIFIED] == 1


async def refused(ledgers: Ledgers) -> tuple[int, str]:
    """How a ledger ends that is started now, and what it says."""
    process = ledgers.start()
    code = await asyncio.to_thread(ended, process)
    return code, ledgers.log(len(ledgers.processes) - 1).read_text()


@pytest.fixture
async def kept(exchange: Exchange, ledgers: Ledgers) -> Ledgers:
    """A ledger that ran, published, and was stopped; a copy of it from the middle of that."""
    world = exchange.world
    exchange.start_router()
    process = ledgers.start()
    await exchange.submit("fr", *[world.compose("fr", ["it"]) for _ in range(20)])
    await ledgers.until(lambda: ledgers.types()[RecordType.DELIVERED] == 20)
    await asyncio.to_thread(end, process)
    shutil.copytree(ledgers.directory, ledgers.directory.with_name("copy"))
    process = ledgers.start()
    await exchange.submit("fr", *[world.compose("fr", ["it"]) for _ in range(20)])
    await ledgers.until(lambda: ledgers.types()[RecordType.DELIVERED] == 40)
    for _ in range(20):
        await published(ledgers, ledgers.audit().size)
        await asyncio.to_thread(end, process)
        # A step may be committed as it stops: the next start would write its tiles, over what a test does to them.
        if published_size(ledgers) == ledgers.audit().size:
            return ledgers
        process = ledgers.start()
    raise AssertionError("the ledger never stopped with all of its log published")


def end(process) -> None:
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 0


def put_back(kept: Ledgers, pattern: str) -> None:
    """Bring files of the ledger's directory back as they were in the copy."""
    copy = kept.directory.with_name("copy")
    for there in kept.directory.glob(pattern):
        shutil.rmtree(there) if there.is_dir() else there.unlink()
    for old in copy.glob(pattern):
        shutil.copytree(old, kept.directory / old.name) if old.is_dir() else shutil.copy(old, kept.directory)


async def test_a_store_that_disagrees_is_refused(kept: Ledgers) -> None:
    """Altered tiles, an older database beside newer tiles, all of it an hour older: refused, with what to do."""
    whole = kept.directory.with_name("whole")
    shutil.copytree(kept.directory, whole)
    state = kept.audit()
    tile = kept.directory / "audit" / state.origin.rpartition("/")[2] / f"tile/0/000.p/{state.size % 256}"
    data = bytearray(tile.read_bytes())
    data[0] ^= 1
    tile.write_bytes(data)
    code, said = await refused(kept)
    assert (code, "E_STORE_CORRUPT" in said, "restore the tile store" in said) == (7, True, True)

    shutil.rmtree(kept.directory)
    shutil.copytree(whole, kept.directory)
    put_back(kept, "records.sqlite*")
    code, said = await refused(kept)
    assert (code, "E_ROLLED_BACK" in said, "the tile store" in said) == (7, True, True)

    put_back(kept, "*")
    code, said = await refused(kept)
    assert (code, "E_ROLLED_BACK" in said, "the topic ledger" in said) == (7, True, True)
    assert "restore the newest copy" in said
