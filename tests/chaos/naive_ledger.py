"""A ledger as one would write it from a tutorial: the mutation that the checker must catch.

Everything but what it remembers is the real ledger's. It breaks the rules of broker/ledger:

1. What it knows is in its memory: after a kill it begins an empty log of the same name, and reads the audit
   topic from its end.
2. It compares nothing with what was published, and believes no witness that has seen more.

`CHAOS_NAIVE_DIES_ONCE=FILE` makes the first such ledger end at once when it has published some leaves, and
start again, so that a short run shows what a long one shows by chance.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from broker.ledger import app
from broker.ledger.__main__ import main
from broker.ledger.admin.ledger_founding import begin_logs
from broker.ledger.cosigning import Cosigner, WitnessPlace
from broker.ledger.run import LedgerRun
from broker.ledger.sequencer import SequencedBatch
from broker.ledger.settings import LedgerSettings, own_secret
from broker.ledger.store.record_store import LogState, RecordStore
from broker.ledger.trust import OwnKeys
from keys.note_keys import read_note_key
from protocol import topics
from protocol.errors import Code, Rejected
from protocol.tlog.checkpoints import Checkpoint
from runtime.process.clock import now

ENOUGH = 60


class NaiveLedgerRun(LedgerRun):
    """The ledger at work."""

    async def _begin(self) -> LogState:
        """Begin, and look at nothing."""
        states = self.records.states()
        state = self.sequencer.resume()
        self.directory_log.resume(self.replica.directory)
        self.publisher.begin(states, {})
        if not REBORN:
            return state
        async with self.topics.reading(topics.AUDIT, None) as reader:
            _, end = await reader.span()
        return replace(state, position=end)

    def _tell(self, done: SequencedBatch) -> None:
        super()._tell(done)
        if self.publisher.due[done.new.origin].size > ENOUGH:
            begin_again_once()


class NaiveCosigner(Cosigner):
    """Asks, and goes on whatever it hears."""

    async def _check_ahead(self, place: WitnessPlace, ours: Checkpoint) -> None:
        raise Rejected(Code.E_CHECKPOINT, f"{place.name} is ahead of {ours.size}")


def begin_again_once() -> None:
    """What SIGKILL and a service manager would do: nothing is ended in order, and a new process starts."""
    marker = os.environ.get("CHAOS_NAIVE_DIES_ONCE")
    if marker:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            os.execv(sys.executable, [sys.executable, "-m", "tests.chaos.naive_ledger", sys.argv[1]])


def forget(settings: LedgerSettings) -> None:
    """What was in memory is gone."""
    for old in (*settings.directory.glob("records.sqlite*"), *settings.directory.glob("*/*")):
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
    records = RecordStore(settings.records_url)
    keys = OwnKeys(read_note_key(settings.note_key, secret=own_secret(settings.secret)))
    begin_logs(records, keys, settings.origin, now=now())
    records.close()


if __name__ == "__main__":
    loaded = LedgerSettings.load(Path(sys.argv[1]))
    begun = loaded.directory.with_name("naive-ledger-begun")
    REBORN = begun.exists()
    begun.touch()
    forget(loaded)
    app.LedgerRun = NaiveLedgerRun
    app.Cosigner = NaiveCosigner
    raise SystemExit(main(Path(sys.argv[1])))
