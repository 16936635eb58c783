"""From submit to opened, between two real daemons through a real router; and what `contrada send` takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from clients.demo.exchange import Exchange
from runtime.process.homes import UnitHome
from tests.bench.bare import relay
from tests.bench.cli import beside_bare_python, contrada, milliseconds
from tests.bench.figures import Figure
from tests.bench.unix_http import Connection

RATE = 200
WARM_UP_RATE = 250
WARM_UP_S = 90
"""Kafka compiles what is used often. Of its CPU at this rate the compiler takes half in the first 30 seconds and
a fifth after a minute: that of a broker which was started just now, and of no other."""

SECONDS = 12
IDLE_MESSAGES = 60
SEND_ROUNDS = 9
PAUSE = 0.15
RECORD = 3_200
"""Bytes of a submission of this size on its way; the bare relay carries as many."""
CONNECTIONS = 8


@contextlib.contextmanager
def exchange(*, ledger: bool) -> Iterator[Exchange]:
    """Two units and a router on a broker of their own, warmed by nothing yet."""
    with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as directory:
        built = Exchange(Path(directory) / "x", daemons=("fr", "it"), profile="bench", with_ledger=ledger)
        try:
            built.start()
            yield built
        finally:
            built.stop()


def measure() -> list[Figure]:
    """All figures of this group, on one exchange without a ledger; and the first again beside one."""
    with exchange(ledger=False) as built:
        figures = asyncio.run(_measure(built))
    with exchange(ledger=True) as built:
        latencies = asyncio.run(_loaded(built))
    without = next(one.value for one in figures if one.figure == "latency_p50_ms_at_200")
    return [*figures, Figure("latency_p50_ms_with_ledger", _quantile(latencies, 0.50), without)]


async def _loaded(built: Exchange) -> list[float]:
    """Latencies at the rate, in order, on a broker that is warm."""
    await _steady(built, WARM_UP_RATE, WARM_UP_S)
    rounds = [await _steady(built, RATE, SECONDS) for _ in range(2)]
    return sorted(value for found in rounds for value in found)


async def _measure(built: Exchange) -> list[Figure]:
    latencies = await _loaded(built)
    async with relay(built.kafka) as bare:
        floor = statistics.median(await bare.one_by_one(IDLE_MESSAGES, RECORD, pause=PAUSE))
    idle = await _one_by_one(built, IDLE_MESSAGES)
    return [
        Figure("latency_p50_ms_at_200", _quantile(latencies, 0.50), floor),
        Figure("latency_p99_ms_at_200", _quantile(latencies, 0.99), floor),
        Figure("latency_p50_ms_idle", statistics.median(idle), floor),
        _send_figure(built),
    ]


def _quantile(ordered: list[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def _socket(built: Exchange, unit: str) -> Path:
    return UnitHome(built.home(unit)).socket


def _message() -> bytes:
    draft = {
        "subject": "bench",
        "language": "en",
        "crime_areas": ["migrant-smuggling"],
        "items": [
            {"type": "narrative", "text": "x" * 1500, "purposes": ["operational"], "data_class": "personal"}
        ],
    }
    return json.dumps({"kind": "information", "to": ["it"], "draft": draft}).encode()


class Arrivals:
    """Follows a unit's inbox by long polling, and notes when each message is there, opened and stored."""

    def __init__(self, socket: Path) -> None:
        self._connection = Connection(socket)
        self.seen: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._after = 0

    async def start(self) -> asyncio.Task[None]:
        """Skip what is there already, then follow."""
        while items := (await self._page(0))["items"]:
            del items
        return asyncio.create_task(self._follow())

    async def _page(self, wait: int) -> dict:
        page = await self._connection.ask("GET", f"/v1/inbox?limit=500&after={self._after}&wait={wait}")
        if page["items"]:
            self._after = page["cursor"]
        return page

    async def _follow(self) -> None:
        while True:
            page = await self._page(10)
            now = time.perf_counter()
            for item in page["items"]:
                self.seen[item["id"]] = now
            self._changed.set()

    async def all_of(self, ids: list[str], *, within: float) -> None:
        """Wait until every one has arrived."""
        async with asyncio.timeout(within):
            while not all(one in self.seen for one in ids):
                self._changed.clear()
                await self._changed.wait()


async def _steady(built: Exchange, rate: int, seconds: float) -> list[float]:
    """Latencies in milliseconds at a rate that does not wait for answers (open loop)."""
    arrivals = Arrivals(_socket(built, "it"))
    following = await arrivals.start()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(Connection(_socket(built, "fr")))
    sent: dict[str, float] = {}
    body = _message()

    async def send(due: float) -> None:
        connection = await free.get()
        try:
            answer = await connection.ask("POST", "/v1/messages", body)
            sent[answer["id"]] = due  # from when it was due: waiting for a connection counts
        finally:
            free.put_nowait(connection)

    began = time.perf_counter()
    tasks = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(send(due)))
    await asyncio.gather(*tasks)
    await arrivals.all_of(list(sent), within=60)
    following.cancel()
    return [(arrivals.seen[one] - due) * 1000 for one, due in sent.items()]


async def _one_by_one(built: Exchange, count: int) -> list[float]:
    arrivals = Arrivals(_socket(built, "it"))
    following = await arrivals.start()
    connection = Connection(_socket(built, "fr"))
    found = []
    for _ in range(count):
        began = time.perf_counter()
        answer = await connection.ask("POST", "/v1/messages", _message())
        await arrivals.all_of([answer["id"]], within=30)
        found.append((arrivals.seen[answer["id"]] - began) * 1000)
        await asyncio.sleep(PAUSE)
    following.cancel()
    return found


def _send_figure(built: Exchange) -> Figure:
    """A warm `contrada send`, the whole process, with the daemon running."""
    draft = built.directory / "draft.json"
    draft.write_text(json.dumps(json.loads(_message())["draft"]))
    command = (contrada(), "--home", str(built.home("fr")), "send", "--to", "it", str(draft))
    milliseconds(*command)
    return Figure("cli_send_ms", *beside_bare_python(SEND_ROUNDS, *command))
