"""The errors of the daemon, beside those of runtime/errors.py that all processes share.

    ContradaError
    └── DaemonError
        ├── StoreUnavailable   the disk is full or the database cannot be written: not now
        │   └── StoreDamaged   the database's file is damaged: not until it was restored
        ├── Stopping           the daemon ends and takes nothing in any more
        ├── ForbiddenMove      a message was to go into a state that it cannot have: a fault of the program
        ├── BadRequest         the request is not one of the local API's
        ├── KeyReused          another request was taken in under this idempotency key
        ├── RequestInHand      a request with this idempotency key is not answered yet
        ├── OutOfOrder         a message may not follow the one that it refers to
        └── RouterWouldRefuse  the header alone breaks a rule of the exchange

`status` is the HTTP status that the local API answers with. No message carries content.
"""

from __future__ import annotations

from protocol.errors import HINTS, MAX_FAULTS, ContradaError, Fault, with_fault_lines
from protocol.trail.batches import Reason


class DaemonError(ContradaError):
    """The root of this package's errors."""

    code = "E_DAEMON_ERROR"
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


class StoreDamaged(StoreUnavailable):
    """The database's file is damaged. What is written to it may never be found again: nothing is taken in."""

    code = "E_STORE_CORRUPT"

    def __init__(self, what: str) -> None:
        DaemonError.__init__(
            self,
            f"the unit's database is damaged ({what}): nothing is taken in, it might not be found again",
            hint="stop the daemon, and restore the home from a backup: docs/runbooks/store-damaged.md",
        )
        self.status = 503


class Stopping(DaemonError):
    """The daemon was told to end. The client does not know whether its request was taken in."""

    code = "E_STOPPING"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            "the daemon is stopping",
            hint="ask again when it runs; under the same idempotency key a message is taken in once",
        )


class UnitStateLost(DaemonError):
    """The home was in use, and its database is gone."""

    code = "E_STATE_LOST"


class ForbiddenMove(DaemonError):
    """A message was to go into a state that it cannot have now: a fault of the program.

    Nothing was changed.
    """

    def __init__(self, row: int, event: str) -> None:
        super().__init__(f"row {row}: it may not happen now that {event}", hint="see the log, and report it")


class BadRequest(DaemonError):
    """The request is not one of this API's. Its faults go back to whoever sent it, and are never logged."""

    code = "E_REQUEST"
    status = 400

    def __init__(self, message: str, *, hint: str = "", faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(with_fault_lines(message, faults), hint=hint)
        self.faults = faults[:MAX_FAULTS]


class KeyReused(DaemonError):
    """An idempotency key stands for one request, and this is another one. Nothing was taken in."""

    code = "E_KEY_REUSED"
    status = 422

    def __init__(self) -> None:
        super().__init__(
            "this idempotency key was used for another request", hint="use a fresh key for each request"
        )


class RequestInHand(DaemonError):
    """The first request with this idempotency key is still worked on. Its answer will be the answer."""

    code = "E_IN_HAND"
    status = 409

    def __init__(self) -> None:
        super().__init__(
            "a request with this idempotency key is not answered yet", hint="ask again in a moment"
        )


class OutOfOrder(DaemonError):
    """A message may not follow the one that it refers to. Nothing was taken in."""

    code = "E_OUT_OF_ORDER"
    status = 409


class RouterWouldRefuse(DaemonError):
    """The header breaks rules of the exchange that every router judges by the header alone."""

    status = 422

    def __init__(self, reasons: tuple[tuple[Reason, str], ...]) -> None:
        first = reasons[0][0].code
        told = "; ".join(found for _, found in reasons)
        super().__init__(f"the router would refuse the message: {told}", hint=HINTS[first])
        self.code = first.value
        self.reasons = reasons
        """Each with what was found, in words."""


class DirectoryBehind(DaemonError):
    """What was read can perhaps be judged with statements that have not arrived here yet."""

    def __init__(self, size: int) -> None:
        super().__init__(f"statement {size} of the directory is not here yet")
        self.size = size
