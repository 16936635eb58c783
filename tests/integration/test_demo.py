"""`contrada demo --once --json`, as the README promises it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.waiting import GENEROUS


@pytest.mark.kafka
@pytest.mark.slow
def test_the_demo_plays_every_act_as_expected() -> None:
    """Every act comes as it must, the exit code is 0, and no process is left behind."""
    with tempfile.TemporaryDirectory(prefix="cd-") as directory:
        command = [sys.executable, "-P", "-c", "from clients.cli.main import main; main()"]
        done = subprocess.run(
            [*command, "demo", "--once", "--json", "--dir", f"{directory}/demo"],
            capture_output=True, timeout=4 * GENEROUS, cwd=Path.cwd(),
        )  # fmt: skip

        assert done.returncode == 0, done.stderr.decode()[-2000:]
        report = json.loads(done.stdout)
        assert report["ok"] is True
        assert [act["expected"] for act in report["acts"]] == [act["seen"] for act in report["acts"]]
        assert len(report["acts"]) == 11
        assert not _processes_of(directory)


def _processes_of(directory: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if directory in line:
            found.append(line)
    return found
