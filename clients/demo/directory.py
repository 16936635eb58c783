"""The demo's directory: held by one demo, cleared by the next, or gone on with.

Rules: what no demo made is not touched; nothing is removed while a demo works there, or a process that an
earlier one left. The lock is the directory's own, so that clearing it cannot lose it. Every process of the
demo inherits it: a demo that was killed leaves some for a few seconds.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Final

from runtime.cli.render import say
from runtime.errors import AlreadyRunning, HomeError
from runtime.files import replace_file
from runtime.process.lock import LOCK, HomeLock, holder_of, lock_home

MARKER: Final = "contrada-demo"
FOUNDED: Final = "founded"
"""A file that is there once the exchange in the directory is complete."""

PATIENCE: Final = 60.0
"""Seconds that the processes of a demo that was killed may take to end."""


def claim_directory(path: Path) -> HomeLock:
    """Hold the directory, empty but for the lock and the mark that it is a demo's."""
    if path.exists() and not (path / MARKER).exists() and {each.name for each in path.iterdir()} - {LOCK}:
        raise HomeError(f"{path} is not a demo's directory", hint="name an empty one with --dir")
    path.mkdir(parents=True, mode=0o700, exist_ok=True)
    held = _held(path)
    try:
        path.chmod(0o700)
        # First, so that a demo that is killed while it clears leaves what the next one may clear.
        replace_file(path / MARKER, b"made by 'contrada demo'; may be removed\n")
        for each in path.iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            elif each.name not in (LOCK, MARKER):
                each.unlink()
    except BaseException:
        held.close()
        raise
    return held


def keep_directory(path: Path) -> HomeLock:
    """Hold a directory in which an exchange was founded, as it is."""
    if not (path / MARKER).exists() or not (path / FOUNDED).exists():
        raise HomeError(
            f"there is no exchange in {path} to start again",
            hint="found one: 'contrada demo' without --resume",
        )
    place = os.fsencode(path.resolve())
    if (founded := (path / FOUNDED).read_bytes().partition(b"\n")[2].strip()) not in (b"", place):
        raise HomeError(
            f"the exchange in {path} was founded in {os.fsdecode(founded)}, and its settings name that place",
            hint="put it back there: from here its processes would work on what is there",
        )
    return _held(path)


def note_founded(path: Path) -> None:
    """The exchange in this directory is complete: it can be started again, in this place."""
    said = b"the exchange here is complete: 'contrada demo --resume' starts it again, in this place:\n"
    replace_file(path / FOUNDED, said + os.fsencode(path.resolve()) + b"\n")


def _held(path: Path) -> HomeLock:
    until = time.monotonic() + PATIENCE
    waits = False
    while True:
        running = holder_of(path)
        try:
            return lock_home(
                path,
                program="demo",
                hint="use that one, or end it with Ctrl-C in its terminal"
                + (f" or 'kill {running}'" if running else "")
                + "; another directory (--dir) has room for another demo",
            )
        except AlreadyRunning:
            if running is not None or time.monotonic() > until:
                raise
        if not waits:
            say("waiting until the processes of an earlier demo have ended")
        waits = True
        time.sleep(0.1)
