"""What the ledger can take in, what that costs when it is large, and what it takes from the exchange beside it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from broker.ledger import log_head
from broker.ledger.log_storage import LogStorage
from broker.ledger.record_judge import JudgedRecord, RecordJudge
from broker.ledger.sequencer import Sequencer
from broker.ledger.store.record_store import LogState, RecordStore
from broker.ledger.store.tile_store import TileStore
from protocol import topics
from protocol.envelope.core import Position
from protocol.identifiers import Millis, UnitId, digest, new_message_id
from protocol.tlog.proofs import inclusion_proof
from protocol.tlog.tiles import TreeWriter
from protocol.trail.batches import sign_batch
from protocol.trail.ledger_leaves import Row
from protocol.trail.records import OutboxPlace, Record, RecordType, summarize
from runtime.kafka.ports import InputRecord
from tests.bench import drain
from tests.bench.cli import contrada
from tests.bench.figures import Figure
from tests.bench.stage import Stage
from tests.integration.ledgers import NAME, Ledgers
from tests.sim.ledger import Ledger
from tests.sim.world import World

BATCH = 375
"""Decisions of one transaction: 750 leaves with the deliveries, one addressee each."""

DECISIONS = 120_000
SMALL, LARGE = 10_240, 10_000_128
"""Whole tiles, so that a log can begin at this size without its last entries."""

STEPS = 12
ROUNDS = 3


def batches(world: World, count: int) -> Iterator[bytes]:
    """The audit topic's records of so many accepted messages, as a router writes them."""
    core = world.core("fr", ["it"])
    for first in range(0, count, BATCH):
        records = []
        for offset in range(first, min(first + BATCH, count)):
            core = replace(
                core,
                message_id=new_message_id(world.now, world.entropy),
                position=Position(core.position.stream, offset),
            )
            name = digest(core.message_id)
            records.append(
                Record(
                    type=RecordType.ACCEPTED, t=world.now, source=OutboxPlace(UnitId("fr"), 0, offset),
                    submission=name, reasons=(), directory_size=world.directory.head.size,
                    header_digest=name, header=summarize(core),
                )
            )  # fmt: skip
        yield sign_batch(
            records, router="router", now=world.now, signer=world.router, entropy=world.entropy
        ).decisions


async def throughput(stage: Stage) -> list[Figure]:
    """Leaves a second of one ledger process: records of Kafka in, tiles and checkpoints out."""
    ledgers = Ledgers(stage.exchange)
    await stage.load(topics.AUDIT, list(batches(stage.world, DECISIONS)))
    process = ledgers.start(log_level="warning")
    try:
        came, began = await _size(ledgers, DECISIONS // 5)
        done, ended = await _size(ledgers, DECISIONS * 2 * 9 // 10)
    finally:
        process.terminate()
        process.wait(20)
    return [Figure("ledger_leaves_per_s", (done - came) / (ended - began), bare_rows(done - came))]


def bare_rows(count: int) -> float:
    """Rows a second that plain SQLite takes: as large, in as large transactions, each one flushed to the disk."""
    with tempfile.TemporaryDirectory(prefix="cb-") as place:
        connection = sqlite3.connect(Path(place) / "bare.sqlite", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, record BLOB, salt BLOB, name BLOB)")
        began = time.perf_counter()
        for first in range(0, count, 2 * BATCH):
            rows = (
                (at, b"r" * 280, b"s" * 16, b"n" * 32) for at in range(first, min(first + 2 * BATCH, count))
            )
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", rows)
            connection.execute("COMMIT")
        taken = time.perf_counter() - began
        connection.close()
    return count / taken


async def _size(ledgers: Ledgers, least: int) -> tuple[int, float]:
    until = time.monotonic() + 120
    while (size := ledgers.audit().size) < least:
        if time.monotonic() > until:
            raise TimeoutError(ledgers.log(len(ledgers.processes) - 1).read_text()[-2000:])
        await asyncio.sleep(0.1)
    return size, time.monotonic()


async def beside(stage: Stage) -> list[Figure]:
    """The drain of a backlog with a ledger that sequences what is decided, against the same without."""
    ledgers = Ledgers(stage.exchange)
    await drain.one(stage, processes=1, backlog=drain.BACKLOG)
    ratios = []
    for _ in range(2 * ROUNDS - 1):  # single rounds differ by a tenth
        alone, _ = await drain.one(stage, processes=1, backlog=drain.BACKLOG)
        process = ledgers.start(log_level="warning")
        try:
            await _caught_up(ledgers)
            both, _ = await drain.one(stage, processes=1, backlog=drain.BACKLOG)
            await _caught_up(ledgers)
        finally:
            process.terminate()
            process.wait(20)
        ratios.append(both / alone)
    return [Figure("drain_with_ledger_ratio", statistics.median(ratios))]


async def _caught_up(ledgers: Ledgers) -> None:
    """Nothing was added for a second and a half, after something was."""
    until, last, since = time.monotonic() + 120, -1, time.monotonic()
    while time.monotonic() - since < 1.5 or last <= 0:
        if (size := ledgers.audit().size) != last:
            last, since = size, time.monotonic()
        if time.monotonic() > until:
            raise TimeoutError("the ledger does not come to an end")
        await asyncio.sleep(0.1)


async def large() -> list[Figure]:
    """CPU per leaf at ten million leaves against ten thousand, and a proof made at ten million."""
    with tempfile.TemporaryDirectory(prefix="cb-", ignore_cleanup_errors=True) as place:
        return await asyncio.to_thread(grown_large, Path(place), LARGE)


def grown_large(place: Path, most: int) -> list[Figure]:
    """The same with `most` leaves, whole tiles of them, in this directory."""
    world = World(now=Millis(time.time_ns() // 1_000_000))
    judge = RecordJudge(world.directory, UnitId("ledger"), world.entropy)
    small, big = (_grown(place / str(size), world, size) for size in (SMALL, most))
    feed = [
        judge.read(InputRecord(offset, 0, value), first=0)
        for offset, value in enumerate(batches(world, BATCH * STEPS * (ROUNDS + 1)))
    ]
    ratios = []
    for number in range(ROUNDS + 1):
        steps = feed[number * STEPS : (number + 1) * STEPS]
        large, little = (_cost(grown.sequencer, steps, world.now) for grown in (big, small))
        ratios.append(large / little)
    state = big.sequencer.resume()
    read = big.storage.reader(state.origin)
    made, bare = [], []
    for number in range(400):
        index = (number * 6_700_417 + 12_345) % most
        paths: list[str] = []

        def noted(path: str, paths: list[str] = paths) -> bytes:
            paths.append(path)
            return read(path)

        began = time.perf_counter()
        inclusion_proof(index, state.size, noted)
        made.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        for path in paths:
            read(path)
        bare.append((time.perf_counter() - began) * 1000)
    return [
        Figure("ledger_cost_ratio_10m", statistics.median(ratios[1:])),
        Figure("ledger_proof_ms_10m", statistics.median(made), statistics.median(bare)),
    ]


def _cost(ledger: Sequencer, steps: Sequence[JudgedRecord], now: Millis) -> float:
    ledger.resume()
    began, leaves = time.process_time(), 0
    for reading in steps:
        ledger.advance([reading], now=now)
        leaves += len(reading.entries)
    return (time.process_time() - began) / leaves


@dataclass(frozen=True)
class GrownLedger:
    """A ledger that has many leaves already."""

    storage: LogStorage
    sequencer: Sequencer


def _grown(place: Path, world: World, size: int) -> GrownLedger:
    """A ledger of this size with all its rows and tiles, made without what signing each batch would take."""
    made = Ledger(_fresh(place), world=World(now=world.now))
    made.publish()
    origin, signers = made.log.origin, made.key.signers
    tree, state = TreeWriter(with_entries=False), made.store.state(origin)
    assert state is not None
    home, chunk = made.log.home, 65_536
    while tree.size < size:
        first = tree.size
        rows = []
        for index in range(first, min(first + chunk, size), 2):
            name = digest(index.to_bytes(8, "big"))
            tree.append_leaf(name)
            tree.append_leaf(name)
            rows.append(Row(index, 2, 1, world.now, name * 9, name[:16], name[:16], name[16:], "fr", "fr it"))
        for path, data in tree.take().items():
            file = home / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        new = _state(state, tree, signers if tree.size == size else None)
        made.store.commit(state, new, rows)
        state = new
    made.store.close()
    os.sync()
    records = RecordStore(f"sqlite:///{place / 'records.sqlite'}")
    storage = LogStorage(records, TileStore.open(str(place)), NAME)
    return GrownLedger(storage, Sequencer(storage, signers))


def _state(state: LogState, tree: TreeWriter, signers: log_head.Signers | None) -> LogState:
    note = state.checkpoint
    if signers is not None:
        head = log_head.Checkpoint(state.origin, tree.size, tree.root())
        note = log_head.sign_checkpoint(head, signers(state.origin), now=1)
    return replace(state, size=tree.size, root=tree.root(), checkpoint=note)


def _fresh(place: Path) -> Path:
    place.mkdir(parents=True)
    return place


async def fsck() -> list[Figure]:
    """`contrada audit fsck` of a million leaves with their records, the whole command."""
    with tempfile.TemporaryDirectory(prefix="cb-", ignore_cleanup_errors=True) as place:
        return await asyncio.to_thread(_fsck, Path(place) / "ledger")


def _fsck(place: Path) -> list[Figure]:
    made = Ledger(_fresh(place))
    made.start()
    for data in batches(made.world, 500_000 - made.log.tree.size):
        made._take(data)
        if len(made.log.rows) > 20_000:
            made.publish()
    made.publish()
    made.store.close()
    taken, bare = [], []
    for _ in range(ROUNDS):
        bare.append(_bare_hashes(1_000_000))
        began = time.perf_counter()
        command = [contrada(), "audit", "fsck", str(place), "--policy", str(place / "policy")]
        done = subprocess.run(command, capture_output=True, text=True)
        taken.append(time.perf_counter() - began)
        if done.returncode:
            print(done.stdout[-1500:], done.stderr[-1500:], file=sys.stderr)
            raise RuntimeError(f"fsck found something: exit code {done.returncode}")
    return [Figure("ledger_fsck_s_1m", statistics.median(taken), statistics.median(bare))]


def _bare_hashes(leaves: int) -> float:
    """Seconds in which one process hashes so many leaves and the nodes above them."""
    began, digest_of = time.perf_counter(), b"\0" * 32
    for _ in range(2 * leaves):
        digest_of = sha256(b"\1" + digest_of + digest_of).digest()
    return time.perf_counter() - began
