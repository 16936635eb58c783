"""The drill of docs/runbooks/backup.md, line by line: everything is copied, destroyed and put back, and goes on."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import GENEROUS

PAGE = Path(__file__).parents[2] / "docs" / "runbooks" / "backup.md"
UNITS = ("fr", "it", "de", "centre")


def lines_of_the_drill() -> list[str]:
    """The commands of the page's section, in their order."""
    section = PAGE.read_text(encoding="utf-8").partition("## Try it")[2].partition("\n## ")[0]
    return re.findall(r"^\$ (.+)$", section, re.MULTILINE)


class Drill:
    """A directory in which lines of a page are typed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        command = f'#!/bin/sh\nexec {sys.executable} -P -c "from clients.cli.main import main; main()" "$@"\n'
        (directory / "bin").mkdir()
        (directory / "bin" / "contrada").write_text(command)
        (directory / "bin" / "contrada").chmod(0o700)
        places = f"{directory / 'bin'}:{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": places, "PYTHONPATH": str(Path.cwd())}

    def type(self, line: str) -> str:
        """What it prints; it ends in 0."""
        done = subprocess.run(
            ["sh", "-c", line], capture_output=True, timeout=4 * GENEROUS, cwd=self.directory,
            env=self.environment, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.stderr[-3000:]}"
        return done.stdout

    def held(self) -> dict[str, Any]:
        """What every unit has of every message, and the ledger of every decision, read without any program of them."""
        units = self.directory / "demo" / "units"
        search = "contrada audit search demo/centre/ledger --policy demo/units/it/ledger-policy --json"
        return {
            "units": {unit: _messages(units / unit / "state.sqlite") for unit in UNITS},
            "leaves": json.loads(self.type(search)),
        }


def _messages(store: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as database:
        ask = database.execute
        return {
            "sent": dict(ask("SELECT hex(mid), state FROM outbox").fetchall()),
            "received": ask("SELECT sender, hex(mid) FROM inbox ORDER BY id").fetchall(),
            "acknowledged": set(ask(
                "SELECT hex(o.mid), a.unit FROM acknowledgements a JOIN outbox o ON o.id = a.message"
            ).fetchall()),
        }  # fmt: skip


@pytest.mark.kafka
@pytest.mark.slow
def test_everything_is_put_back_from_one_copy_and_goes_on() -> None:
    """Nothing that was acknowledged is lost, nothing is there twice, and the ledger continues what it signed."""
    with tempfile.TemporaryDirectory(prefix="cd-") as directory:
        drill, before = Drill(Path(directory)), {}
        checkpoint = Path(directory) / "seen"
        for line in lines_of_the_drill():
            if line.startswith("tar") and not before:
                before = drill.held()
                (log,) = (drill.directory / "demo/centre/ledger/audit").iterdir()
                checkpoint.write_bytes((log / "checkpoint").read_bytes())
            drill.type(line)
            if line.startswith("rm "):
                assert not (drill.directory / "demo").exists()
        after = drill.held()
        drill.type(
            f"contrada audit fsck demo/centre/ledger --policy demo/units/it/ledger-policy --seen {checkpoint}"
        )
    assert before["units"]["fr"]["acknowledged"] and before["units"]["it"]["received"]
    for unit, had in before["units"].items():
        has = after["units"][unit]
        assert had["sent"].items() <= has["sent"].items(), unit
        assert has["received"][: len(had["received"])] == had["received"], unit
        assert had["acknowledged"] <= has["acknowledged"], unit
        assert len(set(has["received"])) == len(has["received"]), f"{unit} has a message twice"
    assert after["leaves"][: len(before["leaves"])] == before["leaves"]
    accepted = Counter(row["message"] for row in after["leaves"] if row["type"] == "accepted")
    assert max(accepted.values()) == 1
    assert len(after["leaves"]) > len(before["leaves"]), "one more message has gone through it"


def test_the_two_archives_are_apart() -> None:
    """What opens the keys is in the second one alone."""
    lines = lines_of_the_drill()
    assert sum("--exclude='*.secret'" in line for line in lines) == 1
    assert sum("-name '*.secret'" in line for line in lines) == 1
    assert lines.index("rm -rf demo") > max(n for n, line in enumerate(lines) if "-cpf" in line)
