"""The files that a command is given: by name, or `-` for stdin.

A name is one whichever normal form it is typed in (UAX 15): a keyboard makes `é` one character, and a disk
that a Mac wrote has it as two. Where no file has the typed form, the one that has the other is meant.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from protocol.content.file_names import normal_name
from runtime.bounded import read_bounded, read_stream
from runtime.cli.errors import BadInput


class PathName(click.Path):
    """A path that is typed. An empty one is none: it would be the directory that one is in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, as `click.Path` has it."""
        if value == "":
            self.fail("it is empty; expected a path: is it a variable without a value?", param, ctx)
        return super().convert(value, param, ctx)


def read_input(name: str, limit: int, *, what: str) -> bytes:
    """The bytes of the file, or of stdin for `-`; `TooLarge` beyond the limit."""
    if name != "-":
        return read_bounded(as_on_disk(Path(name)), limit, what=what)
    try:
        return read_stream(sys.stdin.buffer, limit, name="stdin", what=what)
    except OSError as error:
        raise BadInput(
            f"stdin is closed or cannot be read ({(error.strerror or 'no reason given').lower()})",
            hint="name a file, or pipe something in",
        ) from None


def as_on_disk(path: Path) -> Path:
    """The path with its names as the disk has them; as typed, where that is there, or nothing else is."""
    if str(path).isascii() or path.exists():
        return path
    found = as_on_disk(path.parent) / path.name if path.name else path
    wanted, alike = normal_name(path.name), []
    with suppress(OSError):  # whoever reads the file will say what is wrong
        alike = [each for each in found.parent.iterdir() if normal_name(each.name) == wanted]
    return alike[0] if len(alike) == 1 else found
