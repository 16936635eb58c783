"""Is memory flat? Router, ledger and daemons at work for many messages, without faults; their size now and then.

Slow by nature: a daemon seals and opens each message, follows the ledger, and is a witness. Flat means: after a
warm-up of a fifth, what a process holds at the end is no more than a tenth, or 16 MiB, above what it held then.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
import uuid
from pathlib import Path

from tests.chaos.exchange import Exchange
from tests.chaos.load import call, draft, ready
from tests.chaos.processes import say

WARM = 0.2
ROOM = 16 * 2**20
LANES = 16
SAMPLE_S = 2.0


async def run(messages: int, *, guarded: bool = True) -> dict[str, object]:
    """Send so many messages from FR to IT, wait until all are accepted, and judge each process' memory."""
    place = Path(tempfile.mkdtemp(prefix="cx-"))
    exchange = Exchange(place, units=("fr", "it"), brokers=1, routers=1, guarded=guarded)
    try:
        await exchange.start()
        await ready({unit: exchange.home(unit).socket for unit in exchange.units})
        return await _measure(exchange, messages)
    finally:
        exchange.stop()
        shutil.rmtree(place, ignore_errors=True)


async def _measure(exchange: Exchange, messages: int) -> dict[str, object]:
    socket, began = exchange.home("fr").socket, time.monotonic()
    samples: list[tuple[int, dict[str, int]]] = []
    sent = 0

    async def lane(thread: str) -> None:
        nonlocal sent
        while sent < messages:
            sent += 1
            body = {"kind": "information", "to": ["it"], "draft": draft(f"number {sent}"), "thread": thread}
            status, answer = await call(socket, "POST", "/v1/messages", body, timeout=60)
            assert status == 202, answer

    sending = asyncio.gather(*(lane(str(uuid.uuid4())) for _ in range(LANES)))
    settled = False
    while not settled:
        await asyncio.sleep(SAMPLE_S)
        samples.append((sent, {process.name: process.resident() for process in exchange.processes()}))
        if len(samples) % 10 == 0:
            say(f"{sent} sent; MiB: " + ", ".join(f"{n} {size >> 20}" for n, size in samples[-1][1].items()))
        settled = sending.done() and await _settled(socket)
    await sending
    return judge(samples, messages, seconds=time.monotonic() - began)


async def _settled(socket: Path) -> bool:
    _, page = await call(socket, "GET", "/v1/outbox?limit=1", timeout=60)
    return page["items"][0]["state"] == "accepted"


def judge(samples: list[tuple[int, dict[str, int]]], messages: int, *, seconds: float) -> dict[str, object]:
    """Each process' size after the warm-up and at the end."""
    warm = next((sizes for sent, sizes in samples if sent >= messages * WARM), samples[0][1])
    last = [sizes for _, sizes in samples[-5:]]
    ends = {name: min(sizes[name] for sizes in last) for name in warm}
    grown = {name: ends[name] - warm[name] for name in warm}
    flat = {name: grown[name] <= max(ROOM, warm[name] // 10) for name in warm}
    return {
        "ok": all(flat.values()),
        "messages": messages,
        "seconds": round(seconds, 1),
        "processes": {
            name: {"warm_mib": warm[name] >> 20, "end_mib": ends[name] >> 20, "flat": flat[name]}
            for name in warm
        },
    }
