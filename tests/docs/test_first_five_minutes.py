"""docs/first-five-minutes.md, run as it is written."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import demo_picture
from tests.docs.pages import ROOT, page
from tests.waiting import GENEROUS, ended, until

ENDS_IN = re.compile(r"#\s*ends in (\d+)\s*$")
PAGE = "docs/first-five-minutes.md"
ONE_DEMO = pytest.mark.xdist_group("first-five-minutes")
"""Both tests look at one demo: in one process, so that it is started once."""


def script() -> str:
    """The page's commands in their order, each with the exit code that the page says."""
    lines = ["set -u", "trap 'kill $(jobs -p) 2>/dev/null' EXIT"]  # what the page starts ends with it
    for number, line in enumerate(
        line for block in page(PAGE).blocks("console") for line in block.splitlines()
    ):
        command = line.removeprefix("$ ")
        ends = ENDS_IN.search(command)
        expected = ends[1] if ends else "0"
        lines += [
            ENDS_IN.sub("", command) if command.endswith("&") else f"{ENDS_IN.sub('', command)} </dev/null",
            f"code=$?; if [ $code -ne {expected} ]; then echo \"line {number} ended in $code: $(cat <<'END'\n{command}\nEND\n)\" >&2; exit 99; fi",
        ]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory like a checkout, in which the demo is up."""
    with tempfile.TemporaryDirectory(prefix="cd-") as name:
        directory = Path(name)
        shutil.copytree(ROOT / "examples", directory / "examples")
        terminal = demo_picture.Terminal(directory / "demo.log")
        screen = {"stdin": subprocess.DEVNULL, "stdout": terminal.slave, "stderr": terminal.slave}
        environment = demo_picture.terminal_environment()
        demo = subprocess.Popen(
            demo_picture.PROGRAM, cwd=directory, env=environment, start_new_session=True, **screen
        )
        try:
            until(
                lambda: (directory / "demo.log").read_text(),
                lambda said: "everything is up" in said or demo.poll() is not None,
                what="the demo to be up",
                within=4 * GENEROUS,  # all acts are played first
            )
            assert demo.poll() is None, (directory / "demo.log").read_text()
            yield directory
        finally:
            demo.send_signal(signal.SIGINT)
            try:
                ended(demo)
            finally:
                demo.kill()
                terminal.close()


@pytest.mark.kafka
@pytest.mark.slow
@ONE_DEMO
def test_the_picture_shows_what_the_demo_prints(place: Path) -> None:
    """The README's picture shows the same words on a terminal, act by act; ports and leaves differ from run to run."""
    printed = demo_picture.shown_lines((place / "demo.log").read_text(encoding="utf-8"))
    shown = demo_picture.drawn_lines(demo_picture.PICTURE.read_text(encoding="utf-8"))

    assert demo_picture.acts(shown) == demo_picture.acts(printed)
    assert demo_picture.talk(shown) == demo_picture.talk(printed)


@pytest.mark.kafka
@pytest.mark.slow
@ONE_DEMO
def test_every_command_ends_as_the_page_says(place: Path) -> None:
    """Typed one after the other, each command of the page ends in the code that stands beside it, or in 0."""
    beside = Path(sys.executable).parent
    if not (beside / "contrada").exists():
        pytest.skip(f"no contrada in {beside}: install the project")
    env = {**os.environ, "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}"}

    done = subprocess.run(
        ["bash", "-c", script()], cwd=place, env=env, capture_output=True, text=True, timeout=4 * GENEROUS
    )

    assert done.returncode == 0, done.stderr[-3000:]
