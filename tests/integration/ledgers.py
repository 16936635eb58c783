"""The ledger as a real process beside an exchange (exchange.py), and what it published, followed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from broker.ledger.admin.ledger_founding import begin_logs
from broker.ledger.log_storage import prefix_of, stored_tiles
from broker.ledger.store.record_store import LogState, RecordStore
from broker.ledger.store.tile_store import TileStore
from broker.ledger.trust import OwnKeys
from keys.key_files import write_identity
from keys.note_keys import NoteKey, write_note_key
from keys.unlock import Credential
from protocol.errors import Rejected
from protocol.identifiers import Millis
from protocol.tlog.policy import parse_policy
from protocol.tlog.policy_text import WitnessEntry, ledger_policy
from protocol.tlog.tiles import entries_between, read_entries
from protocol.trail.ledger_leaves import Row
from tests.guarded import lines_as
from tests.integration.exchange import Exchange
from tests.waiting import until_async

NAME = "contrada.example"


class Ledgers:
    """The ledgers of one exchange: one directory, any number of processes on it."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        witnesses: list[WitnessEntry] | None = None,
        quorum: int = 0,
        founded: Millis | None = None,
    ) -> None:
        self.exchange = exchange
        self.directory = exchange.directory / "ledger"
        self.directory.mkdir(mode=0o700)
        self.processes: list[subprocess.Popen[bytes]] = []
        secret = Credential((exchange.directory / "router.secret").read_bytes())
        world = exchange.world
        write_identity(exchange.directory / "ledger.key", world.ledger, secret=secret, entropy=os.urandom)
        note_key = NoteKey.generate(os.urandom)
        write_note_key(exchange.directory / "note.key", note_key, secret=secret, entropy=os.urandom)
        self.keys = OwnKeys(note_key)
        now = founded or Millis(time.time_ns() // 1_000_000)
        text = ledger_policy(
            NAME, now=now, log_keys=self.keys.vkeys, witnesses=witnesses or [], quorum=quorum
        )
        (self.directory / "policy").write_text(text)
        self.policy = parse_policy(text)
        records = RecordStore(self.url)
        begin_logs(records, self.keys, NAME, now=now)
        records.close()

    @property
    def url(self) -> str:
        return f"sqlite:///{self.directory / 'records.sqlite'}"

    def start(self, *, off: Path | None = None, **settings: object) -> subprocess.Popen[bytes]:
        """One more ledger process on the same directory; with the clock of the file `off` (off_clock.py)."""
        number, centre = len(self.processes), self.exchange.directory
        config = centre / f"ledger-{number}.toml"
        values = {
            **lines_as(self.exchange.bootstrap, "ledger"),
            "origin": NAME,
            "directory": str(self.directory),
            "root": str(centre / "root.pin"),
            "key": f"file:{centre}/ledger.key",
            "note_key": str(centre / "note.key"),
            "secret": str(centre / "router.secret"),
            **settings,
        }
        config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
        log = self.log(number).open("wb")
        program = (
            ["broker.ledger"] if off is None else ["tests.integration.off_clock", str(off), "broker.ledger"]
        )
        environment = os.environ if off is None else {**os.environ, "PYTHONPATH": str(Path.cwd())}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *program, str(config)],
            stderr=log, stdout=log, cwd=Path.cwd(), env=environment,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def log(self, number: int) -> Path:
        """What a process said."""
        return self.exchange.directory / f"ledger-{number}.log"

    def said(self, number: int) -> list[dict]:
        """The same, line by line."""
        return [json.loads(line) for line in self.log(number).read_text().splitlines() if line[:1] == "{"]

    def stop(self) -> None:
        """End every process that still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()

    def states(self) -> dict[str, LogState]:
        """The lock rows."""
        records = RecordStore(self.url, read_only=True)
        try:
            return {state.origin: state for state in records.states()}
        finally:
            records.close()

    def audit(self) -> LogState:
        """The open audit log."""
        return next(s for o, s in self.states().items() if "/audit/" in o and s.next is None)

    def rows(self) -> list[Row]:
        """All rows of the open audit log."""
        records = RecordStore(self.url, read_only=True)
        try:
            return list(records.rows(self.audit().origin))
        finally:
            records.close()

    def entries(self, state: LogState) -> list[bytes]:
        """All entries, from the tiles."""
        read = stored_tiles(TileStore.open(str(self.directory)), prefix_of(state.origin, NAME))
        # Of every file of entries the widest: the others are its beginning.
        return [entry for tile in entries_between(0, state.size) for entry in read_entries(read, tile)]

    def types(self) -> Counter[int]:
        """How many leaves there are of each type, as the entries say."""
        from protocol.canonical import decode

        return Counter(decode(entry)[1] for entry in self.entries(self.audit()))

    async def until(self, good: Callable[[], object], *, what: str = "the ledger's log") -> None:
        """Wait until this holds of the ledger."""
        # Refused: committed, and its tiles are on their way to the store.
        await until_async(good, what=what, despite=(Rejected,), alive=self._lives, pause=0.1)

    def _lives(self) -> None:
        assert self.processes[-1].poll() is None, self.log(len(self.processes) - 1).read_text()[-3000:]
