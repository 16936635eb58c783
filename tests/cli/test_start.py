"""What the program loads before it knows what is asked of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.waiting import GENEROUS

HEAVY = {"pydantic", "cryptography", "rich", "aiokafka", "asyncio", "structlog", "keys"}


def _loaded(*arguments: str) -> set[str]:
    code = (
        "import sys, json\n"
        "from clients.cli.main import run_line\n"
        f"run_line({list(arguments)!r})\n"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=GENEROUS
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"], ["--version"], ["send", "--help"], ["inbox", "show", "--help"], ["centre", "--help"],
        ["centre", "enrol", "--help"], ["centre", "audit", "--help"], ["route", "explain", "--help"],
        ["unit", "run", "--help"], ["witness", "init", "--help"], ["witness", "run", "--help"], ["demo", "--help"], ["errors", "ls"],
        ["--home", "/nowhere", "send", "--to", "it", "x.json"], ["--home", "/nowhere", "inbox", "ls"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_nothing_heavy_is_loaded(arguments: list[str]) -> None:
    """Help, and whatever only asks the daemon, runs without models, cryptography, tables and event loops."""
    assert _loaded(*arguments) & HEAVY == set()
