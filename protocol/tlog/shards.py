"""The names of an exchange's logs: one audit log for each half-year, and one log of the key directory.

    <name>/audit/2026h2        from 2026-07-01T00:00:00Z up to, not including, 2027-01-01T00:00:00Z
    <name>/directory           for ever

`<name>` is chosen once, when the ledger is founded: a host name of the operator, perhaps with a path, lower
case. Rules: half-years are UTC. A shard's first entry is the body of the last checkpoint of the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from protocol.errors import Code, Rejected
from protocol.identifiers import Millis

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,98}[a-z0-9])?(?:/[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?){0,3}")
_SHARD = re.compile(r"(.+)/audit/([0-9]{4})h([12])")
_FIRST_YEAR = 1970


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """One half-year of the audit log."""

    name: str
    year: int
    half: int

    @property
    def origin(self) -> str:
        """The origin line of its checkpoints."""
        return f"{self.name}/audit/{self.year:04}h{self.half}"

    @property
    def start(self) -> Millis:
        """The first millisecond of it."""
        begin = datetime(self.year, 1 if self.half == 1 else 7, 1, tzinfo=UTC)
        return Millis(int(begin.timestamp()) * 1000)

    @property
    def end(self) -> Millis:
        """The first millisecond after it."""
        return self.next().start

    def next(self) -> Shard:
        """The half-year after it."""
        return Shard(self.name, self.year, 2) if self.half == 1 else Shard(self.name, self.year + 1, 1)


def shard_at(name: str, t: Millis) -> Shard:
    """The shard to which a record of this time belongs."""
    check_log_name(name)
    try:
        then = datetime.fromtimestamp(t // 1000, UTC)
    except (OverflowError, ValueError, OSError):
        raise Rejected(Code.E_LOG_UNKNOWN, "a time for which there is no shard") from None
    if not _FIRST_YEAR <= then.year < 9999:
        raise Rejected(Code.E_LOG_UNKNOWN, "a time for which there is no shard")
    return Shard(name, then.year, 1 if then.month < 7 else 2)


def shard_of(name: str, t: Millis) -> str:
    """The origin to which a record of this time belongs: `<name>/audit/2026h2`."""
    return shard_at(name, t).origin


def parse_shard(origin: str) -> Shard:
    """The shard behind an origin."""
    found = _SHARD.fullmatch(origin)
    if found is None or not _FIRST_YEAR <= int(found[2]) < 9999:
        raise Rejected(Code.E_LOG_UNKNOWN, "not the origin of an audit log")
    check_log_name(found[1])
    return Shard(found[1], int(found[2]), int(found[3]))


def shards_from(name: str, t: Millis, *, count: int) -> tuple[Shard, ...]:
    """The shard of this time, and those after it: `count` in all."""
    shards = [shard_at(name, t)]
    while len(shards) < count:
        shards.append(shards[-1].next())
    return tuple(shards)


def named_until(origins: Iterable[str]) -> Millis | None:
    """When the last half-year ends that these names are of; None where none is an audit log's."""
    ends = []
    for origin in origins:
        try:
            ends.append(parse_shard(origin).end)
        except Rejected:
            continue  # the directory's log, or another exchange's
    return max(ends, default=None)


def directory_origin(name: str) -> str:
    """The origin of the key directory's log."""
    check_log_name(name)
    return f"{name}/directory"


def check_log_name(name: str) -> None:
    """The part that all origins of one exchange have in common."""
    if _NAME.fullmatch(name) is None:
        raise Rejected(
            Code.E_LOG_UNKNOWN,
            "not a name for logs",
            hint="a host name of yours in lower case, such as contrada.example",
        )
