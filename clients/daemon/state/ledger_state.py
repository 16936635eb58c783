"""The state of the followed logs, in memory; the worker's thread owns it.

Owns the state only; `following`, `promises` and `gossip` change it. Everything here can be read from disk
again, and is after a transaction that failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Final

from clients.daemon.state.open_promises import OpenPromises
from clients.daemon.store.ledger_tables import Tiles
from protocol.errors import Rejected
from protocol.limits import MAX_POLICY_TEXT
from protocol.parties import NO_HEAD, TreeHead
from protocol.tlog.following import Follower, SeenTiles
from protocol.tlog.policy import Policy, parse_policy
from protocol.tlog.shards import Shard, parse_shard
from protocol.tlog.tiles import TreeWriter
from runtime.bounded import read_bounded
from runtime.errors import HomeError, TooLarge

ROOTS_KEPT: Final = 4096


class FollowedLog:
    """One followed log."""

    __slots__ = ("follower", "grown", "next_offset", "shard", "tiles", "waits_from", "writer")

    def __init__(self, follower: Follower, writer: TreeWriter, tiles: Tiles, next_offset: int) -> None:
        self.follower = follower
        self.writer = writer
        self.tiles = tiles
        self.next_offset = next_offset
        """Publications before it were taken in."""

        self.waits_from: int | None = None
        """The first publication that no trusted checkpoint covers; reading begins there after a restart."""

        self.grown = False
        """Whether there is something to write."""

        self.shard = _shard(follower.origin)
        """The half-year of an audit log; None for the log of the directory."""

    @property
    def origin(self) -> str:
        """Its name."""
        return self.follower.origin

    def read(self, offset: int) -> None:
        """A publication was processed."""
        self.next_offset = offset + 1
        if not self.follower.waits:
            self.waits_from = None
        elif self.waits_from is None:
            self.waits_from = offset


@dataclass(slots=True)
class Ledger:
    """All logs that the policy names, what is promised in them, and what is wrong with them."""

    policy: Policy
    logs: dict[str, FollowedLog] = field(default_factory=dict)
    audit: FollowedLog | None = None
    """The newest audit log."""

    head: TreeHead = NO_HEAD
    """Its head, which this unit's headers name."""

    wrong: dict[tuple[str, str], str] = field(default_factory=dict)
    """What is wrong now: (alarm, about what) and its detail. Raised once, when it begins."""

    roots: dict[int, bytes] = field(default_factory=dict)
    """Roots of the newest audit log by size, to compare with the heads of others."""

    ahead: dict[str, list[TreeHead]] = field(default_factory=dict)
    """Heads ahead of this unit's log that other units named."""

    differs: dict[str, int] = field(default_factory=dict)
    """Units that saw another tree than this unit, and at which size."""

    unknown_log_seen: float | None = None
    """When a log was last shown that the policy does not name; None once that is over."""

    uneven: tuple[int, float] | None = None
    """The lengths of the directory's log and of the replica where they differ, and since when."""

    heard_at: float = -inf
    """When the signed times of a publication were looked at last, by the monotonic clock."""

    begun: tuple[str, SeenTiles] | None = None
    """The log of the policy whose first publication is under way, and its parts so far."""

    book: OpenPromises = field(default_factory=OpenPromises)
    opened: bool = False

    def put(self, held: FollowedLog) -> None:
        """Follow a log, the newest of the audit logs first among them."""
        self.logs[held.origin] = held
        if held.shard is None:
            return
        newest = None if self.audit is None else self.audit.shard
        if newest is None or (newest.year, newest.half) <= (held.shard.year, held.shard.half):
            self.audit = held
            self.roots.clear()
            self.note_root(held)

    @property
    def directory(self) -> FollowedLog | None:
        """The log of the key directory."""
        return next((held for held in self.logs.values() if held.shard is None), None)

    def before(self, held: FollowedLog) -> FollowedLog | None:
        """The log of the half-year before this one, of those that are held; None of the directory's log."""
        if held.shard is None:
            return None
        shards = {one.shard: one for one in self.logs.values() if one.shard is not None}
        earlier = [shard for shard in shards if shard < held.shard]
        return shards[max(earlier)] if earlier else None

    def note_root(self, held: FollowedLog) -> None:
        """A log has come to a new head."""
        if held is self.audit:
            self.head = held.follower.head
            self.roots[self.head.size] = self.head.root
            if len(self.roots) > ROOTS_KEPT:
                del self.roots[next(iter(self.roots))]

    def waits_from(self) -> Iterator[int]:
        """The offset from which logs that wait for a trusted checkpoint are read again."""
        return (held.waits_from for held in self.logs.values() if held.waits_from is not None)

    def begin_again(self, position: int) -> None:
        """The topic is another one from this place on: every publication there counts."""
        for held in self.logs.values():
            held.next_offset = min(held.next_offset, position)
            if held.waits_from is not None:
                held.waits_from = min(held.waits_from, position)

    def clear(self, about: str) -> None:
        """End the alarms about it."""
        for key in [key for key in self.wrong if key[1] == about]:
            del self.wrong[key]

    def forget(self) -> None:
        """Forget the state after a failed transaction: the disk's counts."""
        self.logs.clear()
        self.roots.clear()
        self.audit, self.head = None, NO_HEAD
        self.book = OpenPromises()
        self.opened = False


def read_followed_policy(path: Path) -> Policy | None:
    """The policy in this file; None where there is no file, and `HomeError` where it is invalid."""
    try:
        return parse_policy(read_bounded(path, MAX_POLICY_TEXT, what="a policy"))
    except FileNotFoundError:
        return None
    except OSError as error:
        what = (error.strerror or "cannot be read").lower()
    except (Rejected, TooLarge) as error:
        what = error.sentence
    raise HomeError(
        f"{path}: {what}", hint="get the policy file of the ledger from the centre again, or correct it"
    )


def _shard(origin: str) -> Shard | None:
    try:
        return parse_shard(origin)
    except Rejected:
        return None
