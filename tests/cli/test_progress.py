"""How far something has come is for a person at a terminal, and for nobody else."""

from __future__ import annotations

import sys

import pytest

from runtime.cli.progress import progress


def run(total: int) -> None:
    """Something long, in two parts."""
    with progress("enrolling", total) as done:
        done(total // 2)
        done(total)


def test_nothing_is_shown_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """A script that keeps stderr keeps errors alone."""
    run(5_000)
    assert capsys.readouterr() == ("", "")


def test_a_person_sees_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stderr, to the end; and nothing for what is done at once."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run(99)
    assert capsys.readouterr() == ("", "")
    run(5_000)
    out, err = capsys.readouterr()
    assert out == ""
    assert "enrolling" in err and "50%" in err and "100%" in err
