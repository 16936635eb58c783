"""What may be written to a log: ids, codes, counts and times, by name; never content.

A log line's keys are taken from a closed list, so that a new one is a decision that somebody reviews.
A value under a listed key is cut to a length in which no text of a message fits. Pure: the daemons put
`only_loggable` into their chain of structlog processors.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

ALLOWED = frozenset({
    # what every line has
    "event", "level", "timestamp", "logger",
    # who and where
    "unit", "router", "topic", "partition", "offset", "process", "pid", "port", "path", "bootstrap", "version",
    # which message
    "message_id", "thread", "subject", "submission", "kind", "kid", "epoch", "stream", "seq", "sender", "rowid",
    # what happened
    "decision", "code", "reasons", "hint", "state", "stage", "error", "attempt", "signal", "check", "step",
    # how much
    "count", "accepted", "rejected", "duplicates", "quarantined", "bytes", "size", "seconds", "millis", "wait",
})  # fmt: skip

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
