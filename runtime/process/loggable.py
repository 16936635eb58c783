"""The closed list of log keys: ids, codes, counts and times may be logged by name; content never.

A log line's keys are taken from a closed list, so that a new one is a decision that somebody reviews.
A value under a listed key is cut to a length in which no text of a message fits. Pure: the daemons put
`only_loggable` into their chain of structlog processors, and hand their stderr to `LossyStream`.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Protocol

_WHAT_EVERY_LINE_HAS = ("event", "level", "timestamp", "logger", "withheld")
_WHO_AND_WHERE = (
    "unit", "router", "ledger", "witness", "origin", "topic", "partition", "offset", "process", "pid", "port",
    "path", "bootstrap", "program", "version", "node", "generation", "transactional_id",
    "uid",
)  # fmt: skip
_WHICH_MESSAGE = (
    "message_id", "thread", "subject", "submission", "kind", "kid", "epoch", "stream", "seq", "sender",
    "rowid",
)  # fmt: skip
_WHAT_HAPPENED = (
    "decision", "code", "reasons", "hint", "state", "stage", "error", "attempt", "signal", "check", "step",
    "status",
)  # fmt: skip
_HOW_MUCH = (
    "count", "accepted", "rejected", "duplicates", "quarantined", "bytes", "size", "entries", "signatures",
    "seconds", "millis", "wait", "shards", "beginning", "signed", "in_kafka",
)  # fmt: skip
ALLOWED = frozenset(_WHAT_EVERY_LINE_HAS + _WHO_AND_WHERE + _WHICH_MESSAGE + _WHAT_HAPPENED + _HOW_MUCH)

_LONGEST = 200


def only_loggable(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: unlisted keys become their own name, long values are cut, bytes are hex."""
    withheld = sorted(key for key in event if key not in ALLOWED)
    kept = {key: _short(value) for key, value in event.items() if key in ALLOWED}
    if withheld:
        kept["withheld"] = [name[:40] for name in withheld]
    event.clear()
    event.update(kept)
    return event


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes):
        return value[:32].hex()
    if isinstance(value, list | tuple | set | frozenset):
        return [_short(entry) for entry in list(value)[:20]]
    return str(value)[:_LONGEST]


class TextStream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object:
        """Take the text."""

    def flush(self) -> object:
        """Pass on what was taken."""


class LossyStream:
    """A log's stream that drops what cannot be written, and says how much once it can again.

    A full disk or a closed pipe under the log must not stop the work that it reports: structlog would raise
    the stream's `OSError` in the code that logs, often while it handles that same full disk.
    """

    __slots__ = ("__weakref__", "_lost", "_stream")  # structlog keeps one lock per stream, weakly

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream
        self._lost = 0

    def write(self, text: str, /) -> None:
        """Write one line, or count it as lost."""
        try:
            if self._lost:
                self._stream.write(f'{{"count": {self._lost}, "event": "lines_lost", "level": "warning"}}\n')
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._lost += 1
        else:
            self._lost = 0

    def flush(self) -> None:
        """Nothing is held back: every line was flushed."""
