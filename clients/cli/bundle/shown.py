"""What may stand in a bundle: an allow-list of keys, and of each the form that its value must have.

Owns the lists. Pure. Rules:
- What is not on a list is left out, whatever it is: a new setting, field or label is hidden until somebody
  has thought of it here. Nothing is searched for secrets: nobody knows all of their forms.
- Free text is never shown: no hint, no detail, no path, no address, no name that a person chose. A word
  passes where its key says that it is one of ours, and only in the form of such a word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from protocol.errors import Rejected
from protocol.identifiers import parse_unit_id

NUMBERS: Final = frozenset(
    [
        "http_port",
        "port",
        "watch_port",
        "spacing_ms",
        "fetch_wait_ms",
        "batch_ms",
        "batch_entries",
        "witness_ms",
        "nice",
        "renew_key",
    ]
)
WORDS: Final[Mapping[str, frozenset[str]]] = {
    "kafka_security": frozenset(("tls", "plain", "tunnel")),
    "log_level": frozenset(("debug", "info", "warning", "error")),
}
PATHS: Final = frozenset(
    [
        "kafka_ca",
        "kafka_certificate",
        "kafka_key",
        "secret",
        "passphrase",
        "root",
        "verified",
        "ledger_policy",
        "directory",
        "note_key",
        "authority",
    ]
)
"""Of these it is told whether something is there, and who may read it."""

OTHERS: Final = frozenset(
    ["kafka", "key", "records", "store", "mirror", "name", "origin", "router", "ledger"]
)
"""Known, and never shown: addresses, which may hold a password, and names."""

_WORD: Final = re.compile(r"[a-z][a-z_]{0,39}", re.ASCII)
_CODE: Final = re.compile(r"E_[A-Z0-9_]{1,40}", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,15}(Z|\+00:00)", re.ASCII)
_TOPIC: Final = re.compile(
    r"(directory|audit|quarantine|ledger|shards)|(outbox|inbox|receipts)\.([a-z0-9-]{1,40})", re.ASCII
)
_SAMPLE: Final = re.compile(
    r"((?:contrada|process)_[a-z_]{1,80})(?:\{([^{}\n]{0,400})\})? ([-+0-9.eEinfNa]{1,32})", re.ASCII
)
_LABEL: Final = re.compile(r'([a-z]{1,16})="([^"\\]{0,64})"(?:,|$)', re.ASCII)
_VERSION: Final = re.compile(r"[0-9][0-9a-z.+-]{0,30}", re.ASCII)

MOST: Final = 2_000
"""Entries of one list or object."""

DEEPEST: Final = 8

CODES: Final = frozenset(("code", "reason", "reasons"))
STATES: Final = frozenset(
    (
        "code",
        "state",
        "event",
        "level",
        "decision",
        "stage",
        "severity",
        "outcome",
        "kind",
        "program",
        "step",
        "check",
    )
)
"""Keys whose value is a word of ours."""

LOGGED_NUMBERS: Final = frozenset(
    [
        "partition",
        "offset",
        "count",
        "accepted",
        "rejected",
        "duplicates",
        "quarantined",
        "bytes",
        "size",
        "entries",
        "signatures",
        "seconds",
        "millis",
        "wait",
        "shards",
        "beginning",
        "generation",
        "attempt",
        "status",
        "pid",
        "port",
        "version",
        "epoch",
        "seq",
    ]
)

LABELS: Final[Mapping[str, re.Pattern[str]]] = {
    **dict.fromkeys(("outcome", "kind", "state", "stage", "work", "log", "limit", "type", "what"), _WORD),
    "reason": _CODE,
    "code": re.compile(f"{_WORD.pattern}|{_CODE.pattern}", re.ASCII),
    "le": re.compile(r"[0-9.+Inf]{1,12}", re.ASCII),
    "version": _VERSION,
}


def shown_setting(name: str, value: object) -> object:
    """A setting as it may be shown: its value, or that it is set."""
    if name in NUMBERS and isinstance(value, int):
        return value
    if name in WORDS and value in WORDS[name]:
        return value
    if name == "unit" and is_unit(value):
        return value
    return "set, and not shown"


def is_known_setting(name: str) -> bool:
    """Whether a setting's own name may be shown."""
    return name in NUMBERS or name in WORDS or name in PATHS or name in OTHERS or name == "unit"


def is_unit(value: object) -> bool:
    """Whether this is a unit's id, which every party of the exchange knows."""
    try:
        return isinstance(value, str) and bool(parse_unit_id(value))
    except Rejected:
        return False


def shown_value(value: object, *, key: str = "", depth: int = 0) -> object:
    """A value of a status: numbers and truth, words where the key says so; None where it is hidden."""
    match value:
        case bool() | int() | float() | None:
            return value
        case dict() if depth < DEEPEST:
            items = list(value.items())[:MOST]
            return {
                name: shown_value(each, key=name, depth=depth + 1) for name, each in items if _is_word(name)
            }
        case list() if depth < DEEPEST:
            return [shown_value(each, key=key, depth=depth + 1) for each in value[:MOST]]
        case str() if key in STATES | CODES and (_is_word(value) or _CODE.fullmatch(value)):
            return value
        case _:
            return None


def shown_line(line: str) -> str | None:
    """A line of a log with what may be shown of it; None where nothing of it is ours."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not _is_word(found.get("event")):
        return None
    kept = {key: value for key, value in found.items() if _may_be_logged(key, value)}
    return json.dumps(kept)


def _may_be_logged(key: object, value: object) -> bool:
    match value:
        case bool():
            return False
        case int() | float():
            return key in LOGGED_NUMBERS
        case str():
            return (
                (key in STATES and _is_word(value))
                or (key in CODES and _CODE.fullmatch(value) is not None)
                or (key == "timestamp" and _TIME.fullmatch(value) is not None)
                or (key == "topic" and is_topic(value))
            )
        case list():
            return key == "reasons" and all(isinstance(one, str) and _CODE.fullmatch(one) for one in value)
        case _:
            return False


def shown_metrics(page: str) -> Iterator[str]:
    """The samples of a page that are ours, with the labels whose values have the form of ours."""
    for line in page.splitlines()[:20_000]:
        found = _SAMPLE.fullmatch(line)
        if found is None:
            continue
        name, labels, value = found.groups()
        shown = ",".join(_labels(labels or ""))
        yield f"{name}{{{shown}}} {value}" if shown else f"{name} {value}"


def _labels(text: str) -> Iterable[str]:
    for name, value in _LABEL.findall(text):
        form = LABELS.get(name)
        if (form is not None and form.fullmatch(value)) or (name == "unit" and is_unit(value)):
            yield f'{name}="{value}"'


def is_topic(name: str) -> bool:
    """Whether this is the name of a topic of an exchange."""
    found = _TOPIC.fullmatch(name)
    return found is not None and (found[3] is None or is_unit(found[3]))


def _is_word(value: object) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None
