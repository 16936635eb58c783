"""What joins the command line by an entry point is what the packaging says."""

from __future__ import annotations

import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from runtime.cli.errors import NotInstalled
from runtime.cli.joined import COMMANDS, TRACES, added, load_added


@pytest.mark.parametrize("group", [COMMANDS, TRACES])
def test_we_find_what_importlib_finds(group: str) -> None:
    """The short way through the file and the long one through importlib.metadata say the same."""
    entries = distribution("contrada").entry_points.select(group=group)

    assert added(group) == {entry.name: entry.value for entry in entries}
    assert added(group)
    assert [load_added(group, entry.name) for entry in entries] == [entry.load() for entry in entries]


def test_no_other_group_and_no_other_distribution_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands under another heading, or belongs to somebody else, adds nothing."""
    for name, target in {"contrada": "ours:command", "contradance": "theirs:command"}.items():
        place = tmp_path / f"{name}-1.0.dist-info"
        place.mkdir()
        text = f"[console_scripts]\nx = {target}\n\n[{COMMANDS}]\ncentre = {target}\n"
        (place / "entry_points.txt").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "nothing"), str(tmp_path)])

    assert added(COMMANDS) == {"centre": "ours:command"}
    assert added(TRACES) == {}


def test_a_part_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run from sources that are not installed, the command says what is missing."""
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(NotInstalled):
        load_added(TRACES, "centre")
