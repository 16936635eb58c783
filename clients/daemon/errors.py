"""The errors of the daemon.

    ContradaError
    └── DaemonError
        ├── StoreUnavailable   the disk is full or the database cannot be written: not now
        ├── AlreadyRunning     another daemon works on this home
        ├── HomeError          the home directory is not as it must be
        ├── NotFound           no such message, unit or key
        └── Conflict           the same idempotency key with another content; an id that names two messages

`status` is the HTTP status that the local API answers with. No message carries content.
"""

from __future__ import annotations

from protocol.errors import ContradaError


class DaemonError(ContradaError):
    """The root of this package's errors."""

    code = "E_DAEMON"
    status = 500


class StoreUnavailable(DaemonError):
    """The database cannot be written now. Nothing was taken; it goes on by itself once there is room."""

    code = "E_STORE"
    status = 503

    def __init__(self, what: str, *, full: bool) -> None:
        super().__init__(
            f"the unit's database cannot be used ({what})",
            hint="make room on the disk of the unit's home; the daemon goes on by itself"
            if full
            else "check the disk and the rights of the unit's home; the daemon goes on by itself",
        )
        self.status = 507 if full else 503


class AlreadyRunning(DaemonError):
    """Another daemon works on this home."""

    code = "E_RUNNING"
    status = 409


class HomeError(DaemonError):
    """The home directory is not as it must be."""

    code = "E_HOME"


class NotFound(DaemonError):
    """There is no such thing here."""

    code = "E_NOT_FOUND"
    status = 404


class Conflict(DaemonError):
    """It contradicts what is there."""

    code = "E_CONFLICT"
    status = 409
