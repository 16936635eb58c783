"""The errors of the daemon.

    ContradaError
    └── DaemonError
        ├── StoreUnavailable   the disk is full or the database cannot be written: not now
        ├── Stopping           the daemon ends and takes nothing in any more
        ├── AlreadyRunning     another daemon works on this home
        ├── HomeError          the home directory is not as it must be
        ├── NotFound           no such message, unit or key
        ├── BadRequest         the request is not one of the local API's
        ├── TooLarge           the request has more bytes than any message could need
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


class Stopping(DaemonError):
    """The daemon was told to end. Whether it had taken in what was in hand is not known to whoever asked."""

    code = "E_STOPPING"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            "the daemon is stopping",
            hint="ask again when it runs; under the same idempotency key a message is taken in once",
        )


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


class BadRequest(DaemonError):
    """The request is not one of this API's."""

    code = "E_REQUEST"
    status = 400


class TooLarge(DaemonError):
    """The request has more bytes than any message could need."""

    code = "E_SIZE"
    status = 413
