"""What the demo tells the reader to type."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clients.demo.exchange import CHECKOUT, Exchange
from clients.demo.play import suggestions
from tests.waiting import GENEROUS

SCRIPT = Path(sys.executable).parent / "contrada"


@pytest.mark.parametrize("here", [CHECKOUT, Path("/")], ids=["in the checkout", "elsewhere"])
def test_what_is_printed_can_be_typed(here: Path) -> None:
    """Program and files of every line are there, seen from where the reader is."""
    lines = suggestions(Exchange(CHECKOUT / "demo"), here)
    assert lines
    for line in lines:
        words = shlex.split(line, comments=True)
        assert shutil.which(words[0]) or (here / words[0]).exists()
        places = ("units/fr", "units/it", "centre", "centre/ledger")
        named = [here / word for word in words[1:] if "/" in word and not word.endswith(".json")]
        assert named
        assert set(named) <= {CHECKOUT / "demo" / part for part in places}
        assert all((here / word).exists() for word in words if word.endswith(".json"))


def test_below_the_reader_paths_are_short() -> None:
    """In the checkout nothing is written out that one need not type."""
    assert not [line for line in suggestions(Exchange(CHECKOUT / "demo"), CHECKOUT) if f" {CHECKOUT}" in line]


@pytest.mark.parametrize("on_path", [True, False])
def test_the_program_is_this_installations(on_path: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`contrada` alone where the shell finds this one; else its path; never another one of that name."""
    if not SCRIPT.exists():
        pytest.skip(f"no contrada in {SCRIPT.parent}: install the project")
    monkeypatch.setenv("PATH", str(SCRIPT.parent) if on_path else "/usr/bin:/bin")
    [word] = {shlex.split(line)[0] for line in suggestions(Exchange(CHECKOUT / "demo"), CHECKOUT)}
    assert word == "contrada" if on_path else (CHECKOUT / word).samefile(SCRIPT)
    done = subprocess.run(
        [word, "--version"], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=GENEROUS
    )
    assert done.stdout.startswith("contrada ")
