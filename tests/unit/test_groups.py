"""What shares a broker runs in one process (tests/groups.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.waiting import GENEROUS

TESTS = """
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(6))
@pytest.mark.xdist_group("one")
def test_it(number):
    pathlib.Path(os.environ["PYTEST_XDIST_WORKER"]).touch()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("keeping", "workers"), [("groups.keep_together(config, items)", 1), ("", 2)])
def test_a_group_is_one_process(tmp_path: Path, keeping: str, workers: int) -> None:
    """Two processes share twelve tests of one group in two files: one of them runs all. Without our words it is both.

    If the second case fails, xdist keeps groups together again by itself, and tests/groups.py can go.
    """
    hook = "def pytest_collection_modifyitems(config, items):"
    (tmp_path / "conftest.py").write_text(f"from tests import groups\n{hook}\n    {keeping or 'pass'}\n")
    for name in ("a", "b"):
        (tmp_path / f"test_{name}.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider", "."],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=GENEROUS,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("gw*"))) == workers
