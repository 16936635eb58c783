"""A console on loopback over a simulated exchange: real records, real pages, and no Kafka.

Owns what is in it: units with names that are hostile to a browser, messages that were routed and refused, records in quarantine
that anybody could have written, a thousand units that are read from, requests that wait. The look is made by the console's own
task from what its feeds would have brought; only the answers about readers and health are given.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from broker.centre.progress import Reader, Standing
from broker.console.app import console_application
from broker.console.home import ConsoleHome
from broker.console.metrics import ConsoleMetrics
from broker.console.pages.console_window import ConsoleWindow
from broker.console.pages.guard import own_hosts
from broker.console.pages.live import Streams
from broker.console.people.links import ConsoleRole, Grant, make_link
from broker.console.people.release_desk import ReleaseDesk
from broker.console.people.sessions import Sessions
from broker.console.seeing.ledger_heads import LedgerHeads
from broker.console.seeing.looking import Looking, LookingParts
from broker.replica import Replica
from broker.statement_feed import KafkaStatements
from keys.directory import Directory
from protocol.canonical import encode
from protocol.codes import MessageKind, UrgencyGround
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY, SECOND
from runtime.kafka.ports import Fetched, InputRecord, ReadingMark
from runtime.process.http import bind_loopback, serve
from tests.sim.world import World

NOWHERE = "127.0.0.1:1"

MARKUP = (
    '<script>document.body.dataset.owned = 1</script><img src=x onerror="document.body.dataset.owned = 1">'
)
ATTRIBUTE = '" autofocus onfocus="document.body.dataset.owned = 1" x=\''
TURNED = "file\u202egpj.exe\u202c \u2066\u2067abc"
RIGHT_TO_LEFT = "\u0645\u0631\u0643\u0632 \u05de\u05e9\u05d8\u05e8\u05d4"
LONG = "W" * 190
MARKED = "Z" + "\u0300\u0489" * 60 + "algo"
BLANK = "\u3164\u200b\u2800"
HOSTILE = (MARKUP, ATTRIBUTE, TURNED, RIGHT_TO_LEFT, LONG, MARKED, BLANK)
"""What a member may be called, or write into an outbox."""

ACCEPTED_NAMES = (MARKUP, ATTRIBUTE, RIGHT_TO_LEFT, LONG, MARKED)
"""Those of them that a registrar's program lets through as a unit's name."""


def hostile_world() -> World:
    """An exchange in which every name is out to break a page."""
    world = World()
    for number, name in enumerate(ACCEPTED_NAMES):
        world.enrol(f"hostile-{number}", name=name)
    long = "unit-with-a-name-of-sixty-four-letters-" + "x" * 25
    world.enrol(long, name="a long id")
    for count, (sender, to) in enumerate(
        (("fr", "it"), ("it", "fr"), ("fr", long), (long, "de"), ("de", "hostile-0"))
    ):
        for _ in range(3 + count):
            world.send(sender, [to])
    world.send("fr", ["it"], kind=MessageKind.REQUEST, urgency=UrgencyGround.LIFE)
    world.send("fr", ["hostile-1"], kind=MessageKind.REQUEST)
    return world


def quarantined(number: int, unit: str, code: str, moment: int) -> InputRecord:
    """A record of quarantine that says this."""
    row = encode([1, [unit, 0, number, moment], moment, code, bytes(32), 10**7, b"sealed"])
    return InputRecord(number, moment, row)


class Rig:
    """A window with everything in it."""

    def __init__(self, folder: Path, world: World | None = None, *, agreeing: int = 2) -> None:
        self.world = hostile_world() if world is None else world
        self.moment = self.world.now
        self.monotonic = 1000.0
        home = ConsoleHome(folder / "console")
        home.links.mkdir(parents=True, mode=0o700)
        home.path.chmod(0o700)
        replica = Replica(
            KafkaStatements(NOWHERE), self.world.directory.root, monotonic=lambda: self.monotonic
        )
        replica.directory = self.world.directory
        replica._current_at = self.monotonic
        looking = Looking(
            LookingParts(
                kafka=NOWHERE, replica=replica, heads=LedgerHeads(None), clock=lambda: self.moment, every=5.0,
            )
        )  # fmt: skip
        self.window = ConsoleWindow(
            home=home,
            looking=looking,
            sessions=Sessions(monotonic=lambda: self.monotonic, entropy=self.world.entropy),
            streams=Streams(looking),
            desk=ReleaseDesk(),
            metrics=ConsoleMetrics.create(),
            clock=lambda: self.moment,
            replica=replica,
            agreeing=agreeing,
        )
        self.port = 0
        for record in self.world.audit:
            looking.trail.take_record(record)

    @property
    def directory(self) -> Directory:
        return self.world.directory

    def fill(self, units: int = 1000) -> None:
        """So many units that read, and quarantine with what hostile ones wrote."""
        looking = self.window.looking
        asyncio.run(
            looking._take_quarantine(Fetched("quarantine", 0, tuple(self._hostile_rows()), len(HOSTILE)))
        )
        readers = list(self._readers(units))
        looking._readers = {reader.place: reader for reader in readers}
        looking._stands = (Standing(readers[5], f"{MARKUP} waits, and nothing has moved for 99 s"),)
        looking._there = {"audit"}
        health = (
            {"kind": "router", "url": "http://127.0.0.1:9470", "ready": True, "checks": {}},
            {"kind": "ledger", "url": MARKUP, "ready": False, "checks": {}, "error": TURNED},
        )
        keys = (
            {
                "kind": "router",
                "name": RIGHT_TO_LEFT,
                "kid": "00",
                "state": "ending",
                "until": self.moment + DAY,
            },
            {"kind": "unit", "name": LONG, "kid": "00", "state": "ended", "until": self.moment - DAY},
        )
        waiting = (
            {
                "ballot": "0f3a9c1e5b7d",
                "what": MARKUP + TURNED,
                "by": ["registrar"],
                "release": True,
                "until": self.moment + DAY,
            },
        )
        looking._seldom, looking._health = (keys, waiting), health
        self.look()

    def look(self) -> None:
        """Take a look, as the task does."""
        looking = self.window.looking
        number = 1 if looking.newest is None else looking.newest.number + 1
        looking._publish(looking._made(number, error=None, took=0.1))

    def _hostile_rows(self) -> Iterator[InputRecord]:
        for number, name in enumerate(HOSTILE):
            yield quarantined(number, name, "E_CBOR" if number % 2 else name[:40], self.moment - 1000)

    def _readers(self, units: int) -> Iterator[Reader]:
        for number in range(units):
            name = UnitId(f"u{number:04}")
            mark = ReadingMark(7, Millis(self.moment - 2 * SECOND), Millis(self.moment - 3 * SECOND))
            yield Reader("routers", (f"outbox.{name}", 0), 10 + number % 7, 10)
            yield Reader(f"unit {name}", (f"inbox.{name}", 0), 7 + number % 3, 7, mark)

    def link(self, role: ConsoleRole = ConsoleRole.WATCH, name: str = "A. Costa") -> str:
        """A link that opens the console."""
        token, _ = make_link(self.window.home, Grant(role, name), minutes=10, moment=self.moment)
        return f"http://127.0.0.1:{self.port}/enter/{token}"

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its pages on loopback, in a thread of their own; the address."""
        listener = bind_loopback(0)
        self.port = listener.getsockname()[1]
        application = console_application(self.window, own_hosts(self.port))
        loop = asyncio.new_event_loop()
        task = loop.create_task(serve(application, listener))

        def run() -> None:
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(task)
            except asyncio.CancelledError:
                pass
            finally:
                loop.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.call = lambda work: loop.call_soon_threadsafe(work)
        try:
            yield f"http://127.0.0.1:{self.port}"
        finally:
            loop.call_soon_threadsafe(self.window.streams.stop)
            time.sleep(0.05)
            loop.call_soon_threadsafe(task.cancel)
            thread.join(30)
