"""Where the PIN of a token is read: always a file or a terminal, never an argument or the environment.

In this order: the file that the URI names (`pin-source`), the credential `token.pin` of the service manager,
a file beside the one that names the token (`unit.secret` -> `unit.pin`), and whoever sits at the terminal. A
file that is named and is not there is an error; it is read under the rules of keys/store.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from keys.errors import TokenPinError
from keys.store import read_pin_file
from keys.token.uri import TokenUri

PIN_CREDENTIAL = "token.pin"
_HINT = f"name a file with pin-source, or bring the credential {PIN_CREDENTIAL}; docs/hardware-keys.md"


class PinPlace:
    """Where one token's PIN is looked for; what was typed is kept for the next login."""

    __slots__ = ("_beside", "_typed", "_uri")

    def __init__(self, uri: TokenUri, *, beside: Path | None) -> None:
        self._uri = uri
        self._beside = None if beside is None else beside.with_suffix(".pin")
        self._typed: str | None = None

    def __call__(self) -> str:
        """The PIN, read anew: it may have been changed."""
        if self._uri.pin_source is not None:
            return read_pin_file(self._uri.pin_source)
        brought = os.environ.get("CREDENTIALS_DIRECTORY")
        for path in (Path(brought) / PIN_CREDENTIAL if brought else None, self._beside):
            if path is not None and path.exists():
                return read_pin_file(path)
        if self._typed is None:
            self._typed = _typed(self._uri)
        return self._typed


def _typed(uri: TokenUri) -> str:
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise TokenPinError(f"nothing gives the PIN of {uri.shown}", hint=_HINT)
    from getpass import getpass  # noqa: PLC0415 - a service never asks

    return getpass(f"PIN of {uri.shown}: ")
