"""Playing the demo: build, act, report, and stay or leave."""

from __future__ import annotations

import shlex
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from clients.cli.exits import Exit
from clients.cli.render import Column, say, write_json, write_table
from clients.demo.case import Act, Case
from clients.demo.exchange import Exchange

COLUMNS = (
    Column("name", "ACT"),
    Column("expected", "EXPECTED"),
    Column("seen", "SEEN"),
    Column("ok", "OK"),
)


def play(directory: Path, *, once: bool, as_json: bool) -> int:
    """The whole demo; 0 only if every act came as it had to."""
    began = time.monotonic()
    leave = threading.Event()

    def on_signal(number: int, _: FrameType | None) -> None:
        leave.set()
        if number == signal.SIGINT and not staying:
            raise KeyboardInterrupt

    staying = False
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    exchange = Exchange(directory)
    try:
        exchange.start()
        acts = []
        for act in Case(exchange).acts():
            acts.append(act())
            say(f"{'ok  ' if acts[-1].ok else 'FAIL'}  {acts[-1].name}")
        ok = all(act.ok for act in acts)
        _report(acts, ok=ok, seconds=time.monotonic() - began, as_json=as_json)
        if not once:
            staying = True
            _suggest(exchange)
            while not leave.wait(0.5):
                exchange.processes.check()
        return Exit.OK if ok else Exit.FAILURE
    finally:
        say("stopping")
        exchange.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(acts: list[Act], *, ok: bool, seconds: float, as_json: bool) -> None:
    rows: list[dict[str, Any]] = [act.row() for act in acts]
    if as_json:
        write_json({"ok": ok, "acts": rows, "seconds": round(seconds, 1)})
    else:
        write_table(rows, COLUMNS, as_json=False, none="no acts")


def _suggest(exchange: Exchange) -> None:
    fr, it = (shlex.quote(str(exchange.home(unit))) for unit in ("fr", "it"))
    office = shlex.quote(str(exchange.office))
    say("")
    say(f"everything is up, on Kafka at {exchange.kafka}. Try, in another terminal:")
    for line in (
        f"contrada --home {it} inbox ls",
        f"contrada --home {fr} send --to de --wait examples/vessel.json",
        f"contrada --home {fr} send --to nz --wait examples/identity-document.json   # refused: exit code 6",
        f"contrada --home {fr} outbox ls",
        f"contrada --home {fr} units ls",
        f"contrada --home {office} centre status",
        f"contrada --home {office} centre audit",
    ):
        say(f"  {line}")
    say("Ctrl-C ends it.")
