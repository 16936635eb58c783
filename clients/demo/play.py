"""The course of the demo: build, act, report, then stay up or end."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from clients.demo.case import Case
from clients.demo.console import tell_console
from clients.demo.exchange import EXAMPLES, Exchange
from clients.demo.ledger_case import LedgerCase
from clients.demo.scene import Scene
from runtime.cli.columns import Kind
from runtime.cli.exits import Exit
from runtime.cli.render import Column, say, write_json, write_table

_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

COLUMNS = (
    Column("name", "ACT"),
    Column("expected", "EXPECTED", kind=Kind.TEXT),
    Column("seen", "SEEN", kind=Kind.TEXT),
    Column("ok", "OK"),
)


def play(directory: Path, *, once: bool, resume: bool = False, plain: bool = False, as_json: bool) -> int:
    """The whole demo, or its going on; 0 only if every act came as it had to."""
    began = time.monotonic()
    exchange = Exchange(directory, guarded=not plain, with_console=True)
    with _ending(exchange) as leave:
        acts = _resumed(exchange) if resume else _founded(exchange)
        ok = all(act.ok for act in acts)
        _report(acts, ok=ok, seconds=time.monotonic() - began, as_json=as_json)
        if not once:
            _suggest(exchange, resumed=resume)
            leave.staying = True
            while not leave.wait(0.5):
                for sentence in exchange.processes.revive():
                    say(sentence)
        return Exit.OK if ok else Exit.FAILURE


def _founded(exchange: Exchange) -> list[Scene]:
    exchange.start()
    case = Case(exchange)
    acts = [_played(act) for act in case.acts()]
    return acts + [_played(act) for act in LedgerCase(exchange, case.vessel_id).acts()]


def _resumed(exchange: Exchange) -> list[Scene]:
    exchange.resume()
    case = Case(exchange)
    return [_played(act) for act in case.acts_again()]


class _Leave(threading.Event):
    """Set by a signal. Before the demo stays up there is nothing to wait for: then the signal interrupts."""

    staying = False

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.set()
        if not self.staying:
            raise KeyboardInterrupt


@contextmanager
def _ending(exchange: Exchange) -> Iterator[_Leave]:
    """Whatever ends the demo - Ctrl-C, SIGTERM, a closed terminal, an error - ends its processes in order."""
    leave = _Leave()
    # What whoever started it told it to ignore stays ignored: `nohup contrada demo`.
    chosen = [number for number in _ENDS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in chosen}
    try:
        for number in chosen:
            signal.signal(number, leave.on_signal)
        yield leave
    finally:
        for number in chosen:
            signal.signal(number, signal.SIG_IGN)  # a second one must not cut the end short
        if exchange.processes.were_started:
            with suppress(OSError):  # the terminal may be gone
                say("stopping")
        exchange.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _played(act: Callable[[], Scene]) -> Scene:
    done = act()
    say(f"{'ok  ' if done.ok else 'FAIL'}  {done.name}")
    return done


def suggestions(exchange: Exchange, here: Path) -> list[str]:
    """Command lines to try, which work from `here` as they stand."""
    contrada = _program(here)
    fr, it = (_typed(exchange.home(unit), here) for unit in ("fr", "it"))
    centre, ledger = _typed(exchange.centre, here), _typed(exchange.ledger, here)
    policy = _typed(exchange.home("it") / "ledger-policy", here)
    vessel, passport = (_typed(EXAMPLES / name, here) for name in ("vessel.json", "identity-document.json"))
    return [
        f"{contrada} --home {it} inbox ls",
        f"{contrada} --home {fr} send --to de --wait {vessel}",
        f"{contrada} --home {fr} send --to nz --wait {passport}   # refused: exit code 6",
        f"{contrada} --home {fr} outbox ls",
        f"{contrada} --home {fr} units ls",
        f"{contrada} --home {centre} centre status",
        f"{contrada} --home {centre} centre audit",
        f"{contrada} audit fsck --live {ledger} --policy {policy}",
        f"{contrada} audit search {ledger} --unit nz",
        f"{contrada} --home {fr} witness status   # evidence of the forged log: exit code 7",
        f"{contrada} --home {it} unit status",
    ]


def _program(here: Path) -> str:
    """How to call this installation's command line; the PATH may have none, or another one."""
    script = Path(sys.executable).parent / "contrada"
    if not script.exists():
        return f"{_typed(Path(sys.executable), here)} -m clients.cli.main"
    found = shutil.which("contrada")
    return "contrada" if found and Path(found).samefile(script) else _typed(script, here)


def _typed(path: Path, here: Path) -> str:
    """A path as a person types it: relative where it is below the current directory."""
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _report(acts: list[Scene], *, ok: bool, seconds: float, as_json: bool) -> None:
    rows: list[dict[str, Any]] = [act.row() for act in acts]
    if as_json:
        write_json({"ok": ok, "acts": rows, "seconds": round(seconds, 1)})
    else:
        write_table(rows, COLUMNS, as_json=False, none="no acts")


def _suggest(exchange: Exchange, *, resumed: bool) -> None:
    say("")
    if not resumed:
        say("The acts left their alarms, as they must: submission_unknown at fr, which never sent the")
        say("tampered record, and ledger_fork at every unit. The ledger that runs is the true one.")
    say(f"everything is up, on Kafka at {exchange.kafka}. Try, in another terminal, in this directory:")
    for line in suggestions(exchange, Path.cwd()):
        say(f"  {line}")
    tell_console(exchange.centre)
    say("Kill any of its processes, if you like: nothing is lost, and it is started again. Ctrl-C ends it;")
    say("'contrada demo --resume' goes on.")
