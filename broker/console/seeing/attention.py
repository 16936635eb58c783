"""What a person should look at now, the worst first: one list from a look. Pure.

The same judgement as `contrada centre status`, and what only a console sees: quarantine, deadlines, what
waits for another registrar. Owns the order and the words; each line names the page that has more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from broker.console.seeing.look import Look
from protocol.limits import DAY, SECOND

NEAR: Final = 2 * 3600 * SECOND
"""A request that is due so soon is told of."""

STALE: Final = 30.0
"""Seconds after which the directory is not taken for current."""

COSIGNED_WITHIN: Final = 60 * SECOND
"""A head that its log alone has signed for so long is told of."""


@dataclass(frozen=True, slots=True)
class Attention:
    """One line: how bad, what, and where more is."""

    level: str
    """`bad`, or `warn`."""

    text: str
    about: str
    """Whom or what it is about: text of others."""

    page: str


def attention(look: Look) -> list[Attention]:
    """All lines, the worst first."""
    found = [*_of_kafka(look), *_of_processes(look), *_of_progress(look), *_of_ledger(look)]
    found += [*_of_people(look), *_of_keys(look)]
    return sorted(found, key=lambda one: one.level != "bad")


def _of_kafka(look: Look) -> Iterator[Attention]:
    if look.error is not None:
        yield Attention("bad", "Kafka is not to be asked; what is shown is older:", look.error, "/")
    age = look.directory.age
    if age is None or age > STALE:
        yield Attention("bad", "the directory is not current", "", "/directory")
    if look.missing:
        yield Attention("bad", "topics are missing:", _some(look.missing), "/")
    if look.trail.unverified:
        count = look.trail.unverified
        yield Attention("bad", "records of the audit trail do not verify:", str(count), "/decisions")


def _of_processes(look: Look) -> Iterator[Attention]:
    for process in look.processes:
        if not process["ready"]:
            yield Attention("bad", f"a {process['kind']} is not ready:", str(process["url"]), "/lag")


def _of_progress(look: Look) -> Iterator[Attention]:
    names = dict.fromkeys(one.reader.name for one in look.standing)
    if names:
        yield Attention("bad", "stand still while something waits:", _some(tuple(names)), "/lag")


def _of_ledger(look: Look) -> Iterator[Attention]:
    if look.ledger.followed and not look.ledger.heads:
        yield Attention("warn", "the ledger has published nothing that its policy believes", "", "/ledger")
    if look.ledger.refused is not None:
        yield Attention(
            "warn", "a publication of the ledger is not believed:", look.ledger.refused, "/ledger"
        )
    for head in look.ledger.heads:
        if head.forked:
            yield Attention("bad", "the ledger signed two trees of one size:", head.origin, "/ledger")
        if head.ahead_since is not None and look.moment - head.ahead_since > COSIGNED_WITHIN:
            yield Attention("bad", "too few witnesses cosign", head.origin, "/ledger")


def _of_people(look: Look) -> Iterator[Attention]:
    late = [one for one in look.trail.requests if one.due < look.moment]
    near = [one for one in look.trail.requests if 0 <= one.due - look.moment <= NEAR]
    if late:
        yield Attention("bad", "requests are overdue:", str(len(late)), "/deadlines")
    if near:
        yield Attention("warn", "requests are due within two hours:", str(len(near)), "/deadlines")
    lying = [row for row in look.quarantine.rows if row["t"] > look.moment - DAY]
    if lying:
        yield Attention(
            "warn", "records came into quarantine since yesterday:", str(len(lying)), "/quarantine"
        )
    if look.directory.waiting:
        count = len(look.directory.waiting)
        yield Attention("warn", "statements and acts wait for another registrar:", str(count), "/quarantine")


def _of_keys(look: Look) -> Iterator[Attention]:
    ended = [str(row["name"]) for row in look.directory.keys if row["state"] == "ended"]
    ending = [str(row["name"]) for row in look.directory.keys if row["state"] == "ending"]
    if ended:
        yield Attention("bad", "keys have ended:", _some(tuple(ended)), "/directory")
    if ending:
        yield Attention("warn", "keys end within 60 days:", _some(tuple(ending)), "/directory")


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
