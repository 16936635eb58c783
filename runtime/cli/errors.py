"""The errors of the command line itself, beside those of protocol, keys and processes.

    ContradaError
    └── CommandError              ends the command with its own exit code
        ├── NoHome                which unit or centre is meant was not said, or is not there
        ├── DaemonUnreachable     nobody listens on the home's socket
        ├── DaemonProblem         the daemon answered with a problem
        ├── RefusedByPolicy       the router refused, or would refuse
        ├── NotInTime             what was waited for did not happen in time
        ├── BadInput              a file is not what it should be
        ├── NotInstalled          a part of the program is not there
        ├── OutputLost            what there was to say cannot be written to stdout
        └── Declined              the person at the terminal said no

Rules: a message is a lower-case sentence without a final period and carries no content.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.errors import ContradaError, Fault, with_fault_lines
from runtime.cli.exits import Exit


class CommandError(ContradaError):
    """Ends the command with its own exit code."""

    code = "E_COMMAND"
    exit = Exit.FAILURE


class NoHome(CommandError):
    """Which unit or centre is meant was not said, or is not there."""

    code = "E_HOME"
    exit = Exit.USAGE


class DaemonUnreachable(CommandError):
    """Nobody listens on the home's socket."""

    code = "E_DAEMON"
    exit = Exit.UNAVAILABLE


class DaemonProblem(CommandError):
    """The daemon answered with a problem (RFC 9457)."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        hint: str,
        exit_: Exit,
        faults: tuple[Fault, ...] = (),
        reasons: tuple[Mapping[str, Any], ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.exit = exit_
        self.faults = faults
        self.reasons = reasons
        """Those of the router, as the daemon answers them."""


class RefusedByPolicy(CommandError):
    """The router refused, or would refuse."""

    code = "E_REFUSED"
    exit = Exit.REFUSED

    def __init__(self, message: str, *, reasons: tuple[dict[str, str | None], ...] = ()) -> None:
        super().__init__(message)
        self.reasons = reasons


class NotInTime(CommandError):
    """What was waited for did not happen in time."""

    code = "E_TIMEOUT"
    exit = Exit.UNAVAILABLE


class BadInput(CommandError):
    """A file is not what it should be."""

    code = "E_DRAFT"
    exit = Exit.USAGE

    def __init__(self, message: str, *, hint: str = "", faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(with_fault_lines(message, faults), hint=hint)
        self.faults = faults


class NotInstalled(CommandError):
    """A part of the program is not there."""

    code = "E_INSTALLATION"


class OutputLost(CommandError):
    """What there was to say cannot be written to stdout: a full disk, a closed stream."""

    code = "E_OUTPUT"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"stdout cannot be written: {why[:1].lower()}{why[1:]}",
            hint="the work itself may be done: look before you repeat it",
        )


class Declined(CommandError):
    """The person at the terminal said no."""

    code = "E_DECLINED"
