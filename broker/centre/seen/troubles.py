"""What is wrong in a status of the exchange: one row for each thing, with its code and since when.

Owns the list of codes and the judgement. Pure: it is given what `read_status` found. Where the facts tell
since when, that is told; else the alarm book knows when it was seen first (alarm_book.py beside this). Rules:
- `about` names one thing, so that two troubles are the same if both words are: alarms are kept by it.
- Names that come from outside are cut: an answer of a process that is none of ours is as long as it likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from keys.lifecycle import ENDING
from protocol.identifiers import Millis
from protocol.limits import CLOCK_OFF, MINUTE, SECOND
from runtime.cli.columns import printable

Status = Mapping[str, Any]

CRITICAL: Final = "critical"
WARNING: Final = "warning"
NOTICE: Final = "notice"
"""For somebody to look at: the exchange is well all the same."""

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "kafka_unreachable": (CRITICAL, "routing-stalled.md"),
    "topic_missing": (CRITICAL, "routing-stalled.md"),
    "transaction_hangs": (CRITICAL, "hanging-transactions.md"),
    "hanging_not_told": (WARNING, "hanging-transactions.md"),
    "router_not_ready": (CRITICAL, "routing-stalled.md"),
    "ledger_not_ready": (CRITICAL, "ledger-does-not-start.md"),
    "ledger_stands": (CRITICAL, "ledger-does-not-start.md"),
    "another_ledger": (CRITICAL, "ledger.md"),
    "witness_fails": (WARNING, "ledger.md"),
    "outbox_undecided": (CRITICAL, "routing-stalled.md"),
    "inbox_unread": (WARNING, "unit-does-not-start.md"),
    "unit_silent": (WARNING, "unit-does-not-start.md"),
    "quarantined": (NOTICE, "quarantine.md"),
    "key_ending": (WARNING, "renew-keys.md"),
    "key_ended": (CRITICAL, "renew-keys.md"),
    "certificate_ending": (WARNING, "certificates.md"),
    "certificate_ended": (CRITICAL, "certificates.md"),
    "clock_off": (CRITICAL, "wrong-clock.md"),
    "disk_full": (CRITICAL, "store-down.md"),
}
"""Of each code how bad it is, and the page of docs/runbooks."""

NO_MARK: Final = -1

MOST: Final = 1_000
LONGEST: Final = 200
LEAST_FREE: Final = 0.05
"""Of the disk on which the centre's home lies."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong."""

    code: str
    about: str
    detail: str
    since: Millis | None = None
    """None: the status does not tell."""

    mark: int = NO_MARK
    """How far whoever closes its alarm has looked: the newest record of the quarantine."""

    @property
    def severity(self) -> str:
        """`critical`, `warning` or `notice`."""
        return CODES[self.code][0]

    @property
    def page(self) -> str:
        """What to do about it."""
        return f"docs/runbooks/{CODES[self.code][1]}"

    def row(self) -> dict[str, Any]:
        """For people and programs."""
        return {
            "code": self.code,
            "about": self.about,
            "severity": self.severity,
            "since": self.since,
            "detail": self.detail,
            "page": self.page,
        }


def troubles_in(status: Status) -> tuple[Trouble, ...]:
    """Everything that is wrong, the worst first; of more than `MOST` the rest is left out."""
    found = {(one.code, one.about): one for one in _all(status)}
    order = list(CODES)
    ranked = sorted(found.values(), key=lambda one: (order.index(one.code), one.about))
    return tuple(ranked[:MOST])


def _all(status: Status) -> Iterator[Trouble]:
    if not status["kafka"]["reachable"]:
        yield _trouble("kafka_unreachable", "kafka", status["kafka"].get("error", ""))
        return
    yield from _of_topics(status["topics"])
    for kind in ("router", "ledger"):
        for process in status[f"{kind}s"]:
            yield from _of_process(kind, process)
    for one in status["standing"]:
        yield _standing(one)
    yield from _ending(status)
    yield from _of_machine(status)


def _of_topics(topics: Mapping[str, Any]) -> Iterator[Trouble]:
    for name in topics["missing"]:
        yield _trouble("topic_missing", name, "declared, and not in Kafka")
    if topics["hanging"] is None:
        yield _trouble("hanging_not_told", "kafka", topics["hanging_error"])
    for row in topics["hanging"] or ():
        place = f"{row['topic']} {row['partition']}"
        yield _trouble("transaction_hangs", place, f"from {row['offset']} on nobody reads", row["t"])


def _of_process(kind: str, process: Mapping[str, Any]) -> Iterator[Trouble]:
    checks = process["checks"]
    if not process["ready"]:
        failing = ", ".join(name for name, check in checks.items() if not check.get("ok"))
        yield _trouble(f"{kind}_not_ready", process["url"], process.get("error") or failing or "not ready")
    if checks.get("clock", {}).get("ok") is False:
        yield _trouble("clock_off", process["url"], f"the {kind}'s clock is wrong, as most others say")
    for unit in _names(checks.get("ledger", {}).get("accused")):
        yield _trouble("another_ledger", unit, "it saw another ledger than the one that is published")
    for witness in _names(checks.get("witnesses", {}).get("failing")):
        yield _trouble("witness_fails", witness, "it does not cosign")


def _standing(one: Mapping[str, Any]) -> Trouble:
    """A reader that stands still: by what it reads, and whether something waits."""
    topic = str(one["topic"])
    if topic.startswith("outbox."):
        return _trouble("outbox_undecided", f"{topic} {one['partition']}", one["why"])
    since = one["moved"] if one["lag"] else one["heard"]
    if one["name"].startswith("unit "):
        if not one["lag"]:
            return _trouble("unit_silent", one["name"], one["why"], since)
        return _trouble("inbox_unread", f"{topic} {one['partition']}", one["why"], since)
    return _trouble("ledger_stands", one["name"], one["why"], since)


def _ending(status: Status) -> Iterator[Trouble]:
    for row in status["keys"]:
        code, until = ("key_ended" if row["state"] == "ended" else "key_ending"), row["until"]
        since = until if code == "key_ended" else until - ENDING
        yield _trouble(code, f"{row['kind']} {row['name']}", f"{row['days_left']} days are left", since)
    for row in status["certificates"]:
        code = "certificate_ended" if row["state"] == "ended" else "certificate_ending"
        about = " ".join(part for part in (row["party"], row["place"]) if part)
        yield _trouble(code, about, row["when"], row["until"] if row["state"] == "ended" else None)


def _of_machine(status: Status) -> Iterator[Trouble]:
    held = status.get("quarantine")
    if held and held["unseen"]:
        detail = f"{held['unseen']} records that nobody has looked at"
        yield replace(_trouble("quarantined", "quarantine", detail, held["since"]), mark=held["newest"])
    ahead = status.get("clock", {}).get("ahead")
    if ahead is not None and abs(ahead) > CLOCK_OFF:
        way = "ahead of" if ahead > 0 else "behind"
        yield _trouble("clock_off", "centre", f"this machine is {abs(ahead) // SECOND} s {way} Kafka")
    disk = status.get("disk")
    if disk and disk["free"] < LEAST_FREE * disk["of"]:
        yield _trouble("disk_full", "centre", f"{disk['free'] // 1_000_000} MB are free")


def _names(found: object) -> Iterable[str]:
    return [str(name) for name in found] if isinstance(found, list) else ()


def _trouble(code: str, about: object, detail: object, since: int | None = None) -> Trouble:
    moment = None if since is None else Millis(since)
    return Trouble(code, _cut(about), _cut(detail), moment)


def _cut(value: object) -> str:
    return printable(str(value)[:LONGEST])[:LONGEST]


def age_words(since: Millis | None, now: Millis) -> str:
    """How long it is so: `4 h 12 min`; nothing where nobody knows."""
    if since is None:
        return ""
    minutes = max(0, now - since) // MINUTE
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"
