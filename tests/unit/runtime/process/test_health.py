"""What monitoring asks of the router, over a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from broker.router.metrics import RouterMetrics
from keys.note_keys import NoteKey
from protocol.identifiers import Millis
from protocol.limits import DAY
from protocol.tlog.policy import NO_QUORUM, Policy, parse_policy
from protocol.tlog.policy_text import ledger_policy
from protocol.tlog.shards import shards_from
from runtime.errors import Unavailable
from runtime.process.health import health_pages, health_routes, policy_lasts
from runtime.process.http import MAX_HEAD, bind_loopback, serve
from tests.sim.world import NOON
from tests.waiting import GENEROUS


class Pages:
    """A server, and the checks behind its /readyz."""

    def __init__(self) -> None:
        self.checks: dict[str, dict[str, object]] = {}
        self.metrics = RouterMetrics.create()
        self.listener = bind_loopback(0)
        self.port = self.listener.getsockname()[1]

    async def get(self, path: str, method: str = "GET") -> tuple[int, str, bytes]:
        """Status, content type and body."""
        return await self.answer(
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )

    async def answer(self, sent: bytes) -> tuple[int, str, bytes]:
        """The same for any bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        head, _, body = (await asyncio.wait_for(reader.read(), GENEROUS)).partition(b"\r\n\r\n")
        writer.close()
        lines = head.decode().splitlines()
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
        return int(lines[0].split()[1]), headers.get("content-type", ""), body


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    """The router's pages, served."""
    pages = Pages()
    serving = asyncio.create_task(
        serve(health_pages(pages.metrics.registry, lambda: pages.checks), pages.listener)
    )
    yield pages
    serving.cancel()
    await asyncio.wait([serving])


async def test_alive_is_not_ready(pages: Pages) -> None:
    """While a check fails /healthz answers 200 and /readyz 503, with every check and its reasons."""
    pages.checks = {"directory": {"ok": False, "age_seconds": None}, "group": {"ok": True, "claims": 2}}
    assert (await pages.get("/healthz"))[0] == 200
    status, kind, body = await pages.get("/readyz")
    assert (status, kind) == (503, "application/json")
    assert json.loads(body) == {"ready": False, "checks": pages.checks}


async def test_ready_when_every_check_holds(pages: Pages) -> None:
    """/readyz answers 200 once nothing is missing, and asks anew each time."""
    pages.checks = {"directory": {"ok": True}, "group": {"ok": True}}
    status, _, body = await pages.get("/readyz")
    assert status == 200
    assert json.loads(body)["ready"] is True
    pages.checks["group"]["ok"] = False
    assert (await pages.get("/readyz"))[0] == 503


async def test_metrics_are_what_prometheus_reads(pages: Pages) -> None:
    """/metrics is Prometheus' text format with the router's counters."""
    pages.metrics.batches.inc(3)
    status, kind, body = await pages.get("/metrics")
    assert status == 200
    assert kind.startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert families["contrada_router_transactions"].samples[0].value == 3


@pytest.mark.parametrize("path", ["/", "/metrics/", "/readyz/../secret", "/docs"])
async def test_there_are_no_other_pages(pages: Pages, path: str) -> None:
    """Whatever else is asked for is not there."""
    status, kind, body = await pages.get(path)
    assert (status, kind) == (404, "application/problem+json")
    assert json.loads(body)["detail"] == f"there is no {path} here"
    assert "/readyz" in json.loads(body)["hint"] or "did you mean /" in json.loads(body)["hint"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_nothing_can_be_changed(pages: Pages, path: str) -> None:
    """The pages are for reading."""
    status, kind, body = await pages.get(path, "POST")
    assert (status, kind) == (405, "application/problem+json")
    assert (json.loads(body)["code"], json.loads(body)["hint"]) == ("E_REQUEST", "it takes GET, HEAD")


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "E_REQUEST"),
        (b"what is this\r\n\r\n", 400, "E_REQUEST"),
        (b"GET / HTTP/9\r\n\r\n", 400, "E_REQUEST"),
        (b"GET \xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400, "E_REQUEST"),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400, "E_REQUEST"),
        (b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431, "E_SIZE"),
        (b"GET / HTTP/1.1\r\na: " + b"b" * MAX_HEAD + b"\r\n\r\n", 431, "E_SIZE"),
        (b"GET / HTTP/1.1\r\na: " + b"b" * MAX_HEAD, 431, "E_SIZE"),
    ],
    ids=["TLS", "words", "version", "not ASCII", "length", "address", "header", "endless"],
)
async def test_what_is_no_request_is_answered_with_a_problem(
    pages: Pages, sent: bytes, status: int, code: str
) -> None:
    """Also what no page ever sees; and a head without end fills no memory."""
    seen, kind, body = await pages.answer(sent)
    problem = json.loads(body)
    assert (seen, kind) == (status, "application/problem+json")
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["detail"] and problem["hint"]


async def test_a_page_that_fails_says_nothing_of_why(pages: Pages) -> None:
    """An error's words may quote what it failed on; whoever asked gets a problem without them."""
    del pages.checks
    status, kind, body = await pages.get("/readyz")
    assert (status, kind) == (500, "application/problem+json")
    assert "checks" not in json.loads(body)["detail"]


async def test_only_this_machine_can_ask(pages: Pages) -> None:
    """The port is bound to loopback and to nothing else."""
    assert pages.listener.getsockname()[0] == "127.0.0.1"


def test_a_port_in_use_is_one_of_our_errors() -> None:
    """Who listens already is not disturbed, and the message names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port} on 127.0.0.1"):
            bind_loopback(port, fault=Unavailable)


async def test_a_process_that_cannot_even_check_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that waits for a worker or a disk for ever is an answer in time, and the answer is no."""
    monkeypatch.setattr("runtime.process.health.CHECKED_WITHIN", 0.05)
    routes = health_routes(RouterMetrics.create().registry, asyncio.Future)
    transport = httpx.ASGITransport(app=Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://any") as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert answer.json()["checks"]["answer"]["ok"] is False


def test_a_policy_is_told_of_before_it_ends() -> None:
    """From 60 days before the end of its last half-year; it makes nobody unready."""
    policy = parse_policy(ledger_policy("contrada.example", now=NOON, log_keys=NoteKey(bytes(32)).vkeys))
    end = shards_from("contrada.example", NOON, count=4)[-1].end
    assert policy_lasts(policy, Millis(end - 61 * DAY)) == {"until": end, "days_left": 61}
    assert policy_lasts(policy, Millis(end - 60 * DAY))["ending"] is True
    assert policy_lasts(policy, Millis(end + DAY))["days_left"] == 0
    assert policy_lasts(Policy((), (), (), NO_QUORUM), NOON) == {}
