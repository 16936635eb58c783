"""How a router ends."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.terminal import contrada
from tests.unit.broker.files import write, write_router
from tests.waiting import GENEROUS

pytestmark = pytest.mark.slow


def test_the_command_line_tells_it_as_json(tmp_path) -> None:
    """`contrada router run --json`: one object with the code, the hints and the exit code."""
    config = write_router(tmp_path / "router")
    (tmp_path / "router" / "router.key").unlink()
    # A process of its own: a router that has read its settings configures the log of its whole process.
    done = subprocess.run(
        [sys.executable, "-m", "clients.cli.main", "router", "run", "--config", str(config), "--json"],
        capture_output=True, text=True, check=False, timeout=GENEROUS,
    )  # fmt: skip
    error = json.loads(done.stderr)["error"]
    assert (done.returncode, done.stdout, error["code"], error["exit"]) == (5, "", "E_KEYFILE_MISSING", 5)


def test_a_wrong_setting_is_told_without_its_value(tmp_path) -> None:
    """What stands in a setting may be secret; its name and what is wrong are enough."""
    config = write(tmp_path / "router.toml", kafka="127.0.0.1:9", root="r", key="k", http_port="Wanda-1984")
    seen = contrada("router", "run", "--config", str(config))
    assert seen.exit == 2
    assert seen.err.startswith("contrada: router setting 'http_port': ")
    assert "Wanda" not in seen.err


@pytest.mark.parametrize("arguments", [["router"], ["router", "run"]], ids=" ".join)
def test_help_looks_like_the_others(arguments: list[str]) -> None:
    """Examples first, the tag in the listing, and no mark-up that was meant for a program."""
    seen = contrada(*arguments, "--help")
    assert (seen.exit, seen.err) == (0, "")
    assert "\\b" not in seen.out
    assert "[rw]" not in seen.out
    expected = "Examples:\n  $ contrada router run" if "run" in arguments else "\n  run     rw  run a router"
    assert expected in seen.out
