"""A daemon that stops: every request is answered, and none of the answers is a fault."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from clients.daemon.api.routes import LocalApi, application, loopback_application
from clients.daemon.app import _serve
from clients.daemon.daemon import Daemon
from clients.daemon.settings import UnitSettings
from protocol.identifiers import UnitId
from runtime.process.homes import UnitHome
from tests.unit.clients.daemon.unit_contexts import draft
from tests.waiting import GENEROUS

MESSAGE = {"kind": "information", "to": ["it"], "draft": draft()}


def is_stopping(answer: httpx.Response) -> bool:
    problem = answer.json()
    return answer.status_code == problem["status"] == 503 and (
        (problem["code"], answer.headers["content-type"]) == ("E_STOPPING", "application/problem+json")
        and "idempotency key" in problem["hint"]
    )


async def test_what_comes_too_late_is_told_so(daemon: Daemon) -> None:
    """Every page says 503 with our code and a hint, whatever is closed by then."""
    api = LocalApi(daemon, None)
    await api.stop()
    await daemon.worker.do(daemon.context.store.close)
    for pages, paths in (
        (application(api), ("/v1/outbox", "/v1/inbox?wait=30", "/v1/status", "/readyz", "/metrics")),
        (loopback_application(api), ("/readyz", "/metrics")),
    ):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=pages), base_url="http://es") as http:
            assert all([is_stopping(await http.get(path)) for path in paths])
            if pages.routes[0].path == "/v1/messages":
                assert is_stopping(await http.post("/v1/messages", json=MESSAGE))


async def test_what_is_in_hand_when_its_parts_close_is_told_so(daemon: Daemon) -> None:
    """A request that had begun fails with the database: not as a fault of the program or of the disk."""
    api = LocalApi(daemon, None)
    body = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        await body.wait()
        yield b"{}"

    transport = httpx.ASGITransport(app=application(api))
    async with httpx.AsyncClient(transport=transport, base_url="http://es") as http:
        path = "/v1/inbox/019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a/ack"
        answer = asyncio.create_task(http.post(path, content=slowly()))
        await asyncio.sleep(0.1)
        await api.stop()
        await daemon.worker.do(daemon.context.store.close)
        body.set()

        assert is_stopping(await answer)


@pytest.mark.slow
async def test_everybody_is_answered_when_the_daemon_is_told_to_stop(daemon: Daemon, tmp_path: Path) -> None:
    """Who waits for mail at once, a message being taken in with 202, and what does not end in time with 503."""
    home, stop, go_on = UnitHome(tmp_path), asyncio.Event(), threading.Event()
    settings = UnitSettings.model_construct(unit=UnitId("es"), kafka="none", http_port=0)
    served = asyncio.create_task(_serve(home, settings, daemon, stop, []))
    while not home.socket.exists():
        await asyncio.sleep(0.01)
    transport = httpx.AsyncHTTPTransport(uds=str(home.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://es", timeout=GENEROUS) as http:
        assert (await http.get("/v1/outbox")).status_code == 200
        reader, writer = await asyncio.open_unix_connection(home.socket)
        writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: es\r\ncontent-length: 9\r\n\r\n{")
        waiting = asyncio.create_task(http.get("/v1/inbox?wait=30"))
        await asyncio.sleep(0.2)
        busy = asyncio.create_task(daemon.worker.do(partial(go_on.wait, GENEROUS)))
        sending = asyncio.create_task(http.post("/v1/messages", json=MESSAGE))
        while daemon.worker._jobs.empty():
            await asyncio.sleep(0.01)
        stop.set()
        await asyncio.sleep(0.1)
        go_on.set()
        await busy

        assert (await waiting).json()["items"] == []
        assert (await sending).status_code == 202
        never_sent = await asyncio.wait_for(reader.read(), GENEROUS)
        assert never_sent.startswith(b"HTTP/1.1 503 ")
        assert b"E_STOPPING" in never_sent
        writer.close()
    await served
    assert not home.socket.exists()
