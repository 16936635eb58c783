"""The witness over HTTP: statuses, types and bodies of tlog-witness, and what a request may cost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from clients.witness.errors import SourceUnavailable
from clients.witness.mirror import Mirror
from clients.witness.queue import WitnessQueue
from clients.witness.witness_api import IN_HAND, READING, Arriving, monitoring_api, witness_api
from protocol.tlog.checkpoints import SignedCheckpoint
from protocol.tlog.witnessing import MAX_REQUEST
from runtime.log_files import DirectoryLogFiles
from runtime.process.worker import Worker
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called, dropped
from tests.sim.witnessing import SHARD, Branch, Case, cosigners
from tests.waiting import GENEROUS

log = Branch()


@asynccontextmanager
async def queue_of(tmp_path: Path, mirror: Mirror | None = None) -> AsyncIterator[tuple[WitnessQueue, Case]]:
    worker = Worker()
    case = await worker.do(lambda: Case(tmp_path))
    queue = WitnessQueue(case.witness, worker, mirror)
    try:
        yield queue, case
    finally:
        await queue.close()


def client(pages: object) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=pages), base_url="http://witness")


async def test_a_log_is_answered_as_the_protocol_says(tmp_path: Path) -> None:
    """200 with note lines, 409 with the size and its type, 404 and 403 and 400 and 422 as plain text."""
    async with queue_of(tmp_path) as (queue, _), client(witness_api(queue)) as http:
        first = await http.post("/add-checkpoint", content=log.request(0, 6))
        conflict = await http.post("/add-checkpoint", content=log.request(0, 8))
        others = [
            (await http.post("/add-checkpoint", content=data)).status_code
            for data in (
                b"old",
                Branch(origin="elsewhere.example").request(0, 6),
                Branch(pq=False).request(6, 8),
                Branch("other").request(6, 8),
            )
        ]

    assert first.status_code == 200
    assert cosigners(first.content, log.checkpoint(6)) == 2
    assert first.text.startswith("— ") and first.text.endswith("\n") and "\n\n" not in first.text
    assert (conflict.status_code, conflict.content) == (409, b"6\n")
    assert conflict.headers["content-type"] == "text/x.tlog.size"
    assert others == [400, 404, 403, 422]


async def test_a_monitor_gets_the_newest_note(tmp_path: Path) -> None:
    """GET <origin hash>/checkpoint: the cosigned note, or 404 for what was never cosigned."""
    address = f"/{sha256(SHARD.encode()).hexdigest()}/checkpoint"
    async with queue_of(tmp_path) as (queue, _), client(witness_api(queue)) as http:
        before = await http.get(address)
        await http.post("/add-checkpoint", content=log.request(0, 6))
        after = await http.get(address)
        strange = await http.get("/../checkpoint")

    assert (before.status_code, after.status_code, strange.status_code) == (404, 200, 404)
    assert cosigners(after.text.partition("\n\n")[2].encode(), log.checkpoint(6)) == 2


async def test_only_the_methods_of_the_protocol(tmp_path: Path) -> None:
    """405 for another method; monitoring is on a port of its own."""
    async with queue_of(tmp_path) as (queue, _), client(witness_api(queue)) as http:
        assert (await http.get("/add-checkpoint")).status_code == 405
        assert (await http.get("/metrics")).status_code == 404


async def test_a_request_is_bounded(tmp_path: Path) -> None:
    """413 as soon as there are more bytes than any request has, whatever was announced."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_REQUEST // 1000 + 2):
            yield bytes(1000)

    async with queue_of(tmp_path) as (queue, _), client(witness_api(queue)) as http:
        assert (await http.post("/add-checkpoint", content=endless())).status_code == 413


async def test_more_requests_than_can_be_served_are_turned_away(tmp_path: Path) -> None:
    """503 at once, and nobody waits in a queue without end."""
    gate = threading.Event()

    class Copies(Mirror):
        def follow(self, signed: SignedCheckpoint) -> None:
            assert gate.wait(GENEROUS)

    mirror = Copies(tmp_path / "mirror", DirectoryLogFiles(tmp_path), monotonic=lambda: 0.0)
    async with queue_of(tmp_path, mirror) as (queue, _), client(witness_api(queue)) as http:
        held = [
            asyncio.create_task(http.post("/add-checkpoint", content=log.request(0, 6)))
            for _ in range(IN_HAND + 1)
        ]
        done, held = await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED)
        assert [(await each).status_code for each in done] == [503]

        gate.set()
        answers = await asyncio.gather(*held)
        assert {answer.status_code for answer in answers} == {200, 409}
        assert (await http.post("/add-checkpoint", content=log.request(6, 9))).status_code == 200


async def test_slow_requests_hold_no_place_that_another_needs(tmp_path: Path) -> None:
    """However many drip: a log that asks is answered, and of them the first ones are given up."""
    gate = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"old 0\n"
        await gate.wait()

    async with queue_of(tmp_path) as (queue, _), client(witness_api(queue)) as http:
        held = [asyncio.create_task(http.post("/add-checkpoint", content=slow())) for _ in range(READING)]
        for _ in range(200):
            await asyncio.sleep(0)
        assert (await http.post("/add-checkpoint", content=log.request(0, 6))).status_code == 200
        assert (await held[0]).status_code == 408
        assert (await http.post("/add-checkpoint", content=log.request(6, 7))).status_code == 200
        assert not held[1].done(), "there was room"

        gate.set()
        assert {answer.status_code for answer in await asyncio.gather(*held[1:])} <= {400, 503}


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(Arriving.read, dropped("reschedule")),
        Mutant(Arriving.read, called(next, "list(self._deadlines)[-1]")),
        Mutant(Arriving.read, dropped("pop")),
    ],
)
async def test_without_it_slow_requests_keep_others_out(
    tmp_path: Path, mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or those that came in time are given up."""
    monkeypatch.setattr("clients.witness.witness_api.READ_WITHIN", 1)
    with mutated(mutant), pytest.raises((AssertionError, TimeoutError)):
        async with asyncio.timeout(5):
            await test_slow_requests_hold_no_place_that_another_needs(tmp_path)


async def test_two_forks_at_once_over_http(tmp_path: Path) -> None:
    """Of forty requests at once for two histories all that are signed belong to one."""
    branches = (log, Branch("other"))
    async with queue_of(tmp_path) as (queue, case), client(witness_api(queue)) as http:
        asked = [(branch, branch.request(0, 6)) for branch in branches * 10]
        answers = await asyncio.gather(*(http.post("/add-checkpoint", content=data) for _, data in asked))
        signed = [
            branch.name
            for (branch, _), answer in zip(asked, answers, strict=True)
            if answer.status_code == 200 and cosigners(answer.content, branch.checkpoint(6))
        ]

    assert len(set(signed)) == 1
    assert case.evidence() == [("fork", 6)]


async def test_what_cannot_be_stored_is_said(tmp_path: Path) -> None:
    """503 while the disk does not take it, and readiness says why; health goes on."""
    async with (
        queue_of(tmp_path) as (queue, case),
        client(witness_api(queue)) as http,
        client(monitoring_api(queue)) as own,
    ):
        assert (await own.get("/readyz")).status_code == 200
        (tmp_path / "heads.sqlite").chmod(0o600)
        await queue._worker.do(lambda: case.witness.heads._connection.execute("PRAGMA query_only=ON"))

        answer = await http.post("/add-checkpoint", content=log.request(0, 6))
        assert (answer.status_code, answer.text.partition(":")[0]) == (503, "E_STORE")
        assert (await own.get("/healthz")).status_code == 200
        ready = await own.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["state"]) == (503, {"ok": False})


async def test_a_witness_whose_copy_does_not_follow_is_not_ready(tmp_path: Path) -> None:
    """It signs what it mirrors and nothing else: while the log's tiles are not to be had it is of no use."""

    class Copies(Mirror):
        there = False

        def follow(self, signed: SignedCheckpoint) -> None:
            if not self.there:
                raise SourceUnavailable("nobody there")

    mirror = Copies(tmp_path / "mirror", DirectoryLogFiles(tmp_path), monotonic=lambda: 0.0)
    async with (
        queue_of(tmp_path, mirror) as (queue, _),
        client(witness_api(queue)) as http,
        client(monitoring_api(queue)) as own,
    ):
        assert (await own.get("/readyz")).status_code == 200
        assert (await http.post("/add-checkpoint", content=log.request(0, 6))).status_code == 503
        assert (await own.get("/readyz")).json()["checks"]["mirror"] == {"ok": False}
        mirror.there = True
        assert (await http.post("/add-checkpoint", content=log.request(0, 6))).status_code == 200
        assert (await own.get("/readyz")).status_code == 200


async def test_metrics_name_outcomes_and_logs(tmp_path: Path) -> None:
    """Counts by outcome, the size of each log, and evidence by kind."""
    async with (
        queue_of(tmp_path) as (queue, _),
        client(witness_api(queue)) as http,
        client(monitoring_api(queue)) as own,
    ):
        for data in (log.request(0, 6), log.request(0, 6), Branch("other").request(6, 6)):
            await http.post("/add-checkpoint", content=data)
        text = (await own.get("/metrics")).text

    for line in (
        'contrada_witness_requests_total{outcome="cosigned"} 1.0',
        'contrada_witness_requests_total{outcome="conflict"} 1.0',
        'contrada_witness_requests_total{outcome="consistency"} 1.0',
        f'contrada_witness_checkpoint_leaves{{log="{SHARD}"}} 6.0',
        'contrada_witness_evidence{kind="fork"} 1.0',
        'contrada_witness_alarms_total{kind="fork"} 1.0',
    ):
        assert line in text
