"""The files that a command is given: by name, or `-` for stdin."""

from __future__ import annotations

import sys
from pathlib import Path

from runtime.bounded import read_bounded, read_stream
from runtime.cli.errors import BadInput


def read_input(name: str, limit: int, *, what: str) -> bytes:
    """The bytes of the file, or of stdin for `-`; `TooLarge` beyond the limit."""
    if name != "-":
        return read_bounded(Path(name), limit, what=what)
    try:
        return read_stream(sys.stdin.buffer, limit, name="stdin", what=what)
    except OSError as error:
        raise BadInput(
            f"stdin is closed or cannot be read ({(error.strerror or 'no reason given').lower()})",
            hint="name a file, or pipe something in",
        ) from None
