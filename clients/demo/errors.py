"""The errors of the demo itself."""

from __future__ import annotations

from runtime.cli.errors import CommandError
from runtime.cli.exits import Exit


class DemoError(CommandError):
    """A part of the demo did not start, or did not do what it must."""

    code = "E_DEMO"
    exit = Exit.UNAVAILABLE
