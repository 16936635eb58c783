"""Writing a file that the user asked for: a new one, never over an existing one."""

from __future__ import annotations

from pathlib import Path

from runtime.errors import Conflict


def write_new_file(path: Path, data: bytes, *, hint: str = "name another directory") -> None:
    """Write a new file; `Conflict` where there is one of that name."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise Conflict(f"{path} is there already", hint=hint) from None
