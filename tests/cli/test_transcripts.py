"""Every transcript beside this file is what the program says now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.homes import fixture_homes
from tests.cli.terminal import WRITE, play

HERE = Path(__file__).parent


@pytest.mark.parametrize("path", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_output_and_exit_code_are_those_of_the_transcript(path: Path, tmp_path: Path) -> None:
    """What is printed, where it is printed and how it ends are as written down."""
    fixture_homes(tmp_path)

    written, now = play(path, tmp=tmp_path)
    if os.environ.get(WRITE) == "write":
        path.write_text(now, encoding="utf-8")

    assert written == now
