"""Settings files: their size, and writing one for the `init` commands: flat TOML. Reading is settings.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runtime.errors import HomeError

MAX_SETTINGS: Final = 1_048_576
"""Bytes of a settings file; nobody writes so many."""


def toml_text(values: Mapping[str, str | int]) -> str:
    """Flat settings as TOML: strings and numbers. `HomeError` if a string is not printable."""
    return "".join(f"{name} = {_value(value)}\n" for name, value in values.items())


def _value(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    # A line break would begin another setting.
    if not escaped.isprintable():
        raise HomeError("a setting has characters that cannot be printed", hint="use a plain path")
    return f'"{escaped}"'
