"""The errors that processes and commands share: the root of their error trees.

    ContradaError
    └── ProcessError
        ├── Unavailable      Kafka, a database, a disk or a port is not to be had now; trying again may help
        ├── Misconfigured    a setting is missing or wrong; trying again does not help
        ├── HomeError        a home directory is not as it must be
        ├── AlreadyRunning   another process works on this home
        ├── NotFound         there is no such thing here
        ├── TooLarge         a file or a request has more bytes than it may have
        ├── Ambiguous        what was said names several things
        ├── BadQuery         an address has a query that its page does not take
        ├── Conflict         it is there already, or contradicts what is there
        ├── NotVerified      something that was read does not verify
        └── TopicConflict    a topic is there, and not as it must be, and cannot be made so

Rule: a message is a lower-case sentence without a final period and carries no content. The code decides
how a command ends (runtime/cli/exits.py) and is stable.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocol.errors import ContradaError


class ProcessError(ContradaError):
    """The root of this package's errors."""

    code = "E_PROCESS"


class Unavailable(ProcessError):
    """Something that is needed is not available now; the caller waits and tries again."""

    code = "E_UNAVAILABLE"


class Misconfigured(ProcessError):
    """A setting is missing or wrong."""

    code = "E_CONFIG"


class HomeError(ProcessError):
    """The home directory is not as it must be."""

    code = "E_HOME"


class AlreadyRunning(ProcessError):
    """Another process works on this home."""

    code = "E_RUNNING"


class NotFound(ProcessError):
    """There is no such thing here."""

    code = "E_NOT_FOUND"


class TooLarge(ProcessError):
    """A file, a stream or a request has more bytes than what should be in it can have."""

    code = "E_SIZE"


class Ambiguous(ProcessError):
    """What was said names several things: the first digits of several ids."""

    code = "E_AMBIGUOUS"

    def __init__(self, begin: object, candidates: Sequence[str], *, more: bool = False) -> None:
        count = f"more than {len(candidates)}" if more else str(len(candidates))
        super().__init__(
            f"{count} ids begin with {begin}",
            hint="\n".join(["type more digits, or all of one of these:", *candidates]),
        )


class BadQuery(ProcessError):
    """The query of a request has parameters that the page does not take, or values that they do not."""

    code = "E_REQUEST"


class Conflict(ProcessError):
    """It is there already, or it contradicts what is there."""

    code = "E_CONFLICT"


class NotVerified(ProcessError):
    """Something that was read does not verify."""

    code = "E_VERIFICATION"


class TopicConflict(ProcessError):
    """A topic is there, and not as it must be, and cannot be made so."""

    code = "E_TOPIC_CONFLICT"
