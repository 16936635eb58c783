"""One look at the exchange: everything that a page shows, as it was at one moment. Values only.

Made by one task for all who watch (looking.py), read by the pages (page_views.py). What Kafka or a process
did not tell is None or empty beside the reason, and is shown so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from broker.centre.progress import Reader, Standing
from broker.console.seeing.ledger_heads import ShownLog
from broker.console.seeing.open_requests import OpenRequest
from broker.console.seeing.trail_watch import RecentDecision, Released
from broker.console.seeing.window import Curves, Pair, PairCount
from protocol.identifiers import Millis

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailLook:
    """What the trail said by then."""

    curves: Curves
    reasons: tuple[tuple[str, int], ...]
    pairs: Mapping[Pair, PairCount]
    requests: tuple[OpenRequest, ...]
    recent: tuple[RecentDecision, ...]
    unverified: int
    counted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLook:
    """What the ledger published by then."""

    followed: bool
    heads: tuple[ShownLog, ...] = ()
    growth: tuple[tuple[Millis, int], ...] = ()
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineLook:
    """What lies in quarantine: the newest records, and how many were seen."""

    rows: tuple[Row, ...] = ()
    seen: int = 0
    unreadable: int = 0
    released: Mapping[Released, Millis] = field(default_factory=dict)
    """What the ledger was told to have been taken out, and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryLook:
    """What the directory had by then."""

    statements: int
    units: int
    suspended: int
    refused: int
    age: float | None
    """Seconds since it was known to be complete."""

    keys: tuple[Row, ...] = ()
    """A row for each party, as `centre keys` has it."""

    waiting: tuple[Row, ...] = ()
    """What waits for another registrar, as `centre agree ls` has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Everything, at one moment."""

    number: int
    moment: Millis
    error: str | None
    """Why Kafka was not to be asked; what is shown then is older."""

    directory: DirectoryLook
    trail: TrailLook
    ledger: LedgerLook
    quarantine: QuarantineLook
    missing: tuple[str, ...] = ()
    readers: tuple[Reader, ...] = field(default=(), repr=False)
    standing: tuple[Standing, ...] = ()
    processes: tuple[Row, ...] = ()
    """What routers and ledgers answer for their health."""

    took: float = 0.0
    """Seconds that the look took."""
