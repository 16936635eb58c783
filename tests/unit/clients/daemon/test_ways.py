"""docs/architecture.md lists the files that a message comes through, in both directions: held against a real one."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from clients.daemon.api.routes import LocalApi, application
from clients.daemon.daemon import Daemon
from clients.daemon.receiving.deliveries import VerifiedDelivery
from clients.daemon.sending.outbox_log import Appended, OutboxRecord
from clients.daemon.sending.requests import SendRequest
from clients.daemon.store.order import Order
from clients.daemon.store.sealings import ToSend, Window
from protocol import topics
from protocol.content.bodies import Information
from protocol.content.parts import Part
from protocol.envelope.core import Core
from protocol.envelope.header import Header
from protocol.envelope.sealing import Sealed
from protocol.envelope.wire import Delivery
from protocol.identifiers import UnitId
from protocol.verification import Opened
from runtime.kafka.ports import Fetched, InputRecord
from runtime.process.wakeup import Watermark
from runtime.process.worker import Worker
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, draft

ROOT = Path(__file__).parents[4]
FORMS = (
    *(SendRequest, Information, Part, Order, Core, Sealed, ToSend, Window, OutboxRecord),
    *(Delivery, Header, Opened, VerifiedDelivery),
)
"""What a message is on its way, each time that it has a type of its own. Bytes, batches of records, rows and JSON are not it."""


def is_form(value: Any) -> bool:
    if isinstance(value, list | tuple) and value:
        return is_form(value[0])
    return isinstance(value, FORMS)


@contextmanager
def watched() -> Iterator[set[str]]:
    """The files of ours whose functions are handed a form of the message, or hand one on, in any thread."""
    found: set[str] = set()

    def look(frame: FrameType, event: str, result: Any) -> None:
        code = frame.f_code
        path = code.co_filename
        if event not in ("call", "return") or not path.startswith(f"{ROOT}/") or code.co_name.startswith("<"):
            return
        file = path.removeprefix(f"{ROOT}/")
        if file in found or not file.startswith(("broker/", "clients/", "keys/", "protocol/", "runtime/")):
            return
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        given = (result,) if event == "return" else tuple(frame.f_locals.get(name) for name in arguments)
        if any(is_form(value) for value in given):
            found.add(file)

    threading.setprofile(look)
    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


class Kafka:
    """Keeps what is appended. Implements `clients.daemon.sending.outbox_log.OutboxLog`."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.there = asyncio.Event()

    async def append(self, partition: int, records: Any) -> Appended:
        self.values += [record.value for record in records]
        self.there.set()
        return Appended(0, len(records))


def documented(direction: str) -> list[str]:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.split(f"<!-- way: {direction} -->")[1].split("<!-- end -->")[0]
    return re.findall(r"^\d+\. `([^`]+)`", section, re.MULTILINE)


async def opened(daemon: Daemon) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=application(LocalApi(daemon, None)))
    return httpx.AsyncClient(transport=transport, base_url="http://unit")


async def test_a_message_goes_the_ways_that_the_page_lists(tmp_path: Path) -> None:
    """From the draft to Kafka, and from the inbox topic to the screen: these files and no others."""
    world, kafka = World(), Kafka()
    with watched() as sent:
        # The threads begin inside, so that they are watched.
        sender, reader = Worker(), Worker()
        es = await sender.do(lambda: UnitFixture(world, UnitId("es"), tmp_path / "es"))
        pt = await reader.do(lambda: UnitFixture(world, UnitId("pt"), tmp_path / "pt"))
        await sender.do(es.learn)
        sending = Daemon(es.context, sender, log_=kafka, feeds=None, directory=None, marks=None)
        receiving = Daemon(pt.context, reader, log_=kafka, feeds=None, directory=None, marks=None)
        tasks = [
            asyncio.create_task(sending.intake.run()),
            asyncio.create_task(sending.lanes.run(Watermark(), look_every=3600)),
        ]
        async with await opened(sending) as http:
            # The first message of a run is read back from the database; after it the lane is in step.
            for _ in range(2):
                sent.clear()
                kafka.there.clear()
                message = {"kind": "information", "to": ["pt"], "draft": draft()}
                answer = await http.post("/v1/messages", json=message)
                assert answer.status_code == 202
                await kafka.there.wait()
        way_out = set(sent)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        world.submit(UnitId("es"), *kafka.values)
        world.route(UnitId("es"))
        values = world.inboxes[UnitId("pt")]
        sent.clear()
        records = tuple(InputRecord(offset, 0, value) for offset, value in enumerate(values))
        await receiving._on_deliveries(Fetched(topics.inbox(UnitId("pt")), 0, records, len(records)))
        async with await opened(receiving) as http:
            shown = await http.get(f"/v1/inbox/{answer.json()['id']}")
            assert shown.json()["body"]["items"][0]["text"] == "three persons on deck"
        way_in = set(sent)
    for daemon, unit, worker in ((sending, es, sender), (receiving, pt, reader)):
        daemon.disk.close()
        await worker.do(unit.context.store.close)
        worker.close()

    assert set(documented("out")) == way_out
    assert set(documented("in")) == way_in
    assert len(way_out) <= 18
    assert len(way_in) <= 14
