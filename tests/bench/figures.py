"""The figures of `make bench`: what each is, what bounds it, what it should be, and how a measured one is printed.

Owns the one table of figures; docs/figures.md shows the same (a test compares). A figure is judged by its
ratio: to a floor that was measured in the same run, or between two halves of the run. So a slower machine
is not read as a slower program. The value beside it is what a person feels on that machine.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What one figure is. `target` bounds the ratio; None where none is set."""

    name: str
    unit: str
    floor: str
    """What the value is divided by, in words; empty where the value is a ratio of the run itself."""

    target: float | None
    at_least: bool = False
    """Whether the ratio should be no smaller than the target; otherwise no larger."""

    of_value: bool = False
    """Whether the target bounds the value itself: memory and files are the same on a slow machine, and for a start
    people wait by the clock."""

    @property
    def target_text(self) -> str:
        """The target as the table has it."""
        if self.target is None:
            return "none set"
        unit = f" {self.unit}" if self.of_value else ""
        return f"{self.target:g}{unit} or {'more' if self.at_least else 'less'}"


_TEN = "the same with 10 units"
_PLAIN = "the same without certificates, in turn"

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("drain_msgs_per_s", "1/s", "a bare exactly-once copy of the same records", 0.3, at_least=True),
        Kind("drain_msgs_per_s_tls", "1/s", _PLAIN, None),
        Kind(
            "drain_over_floor",
            "1/s",
            "a bare exactly-once copy with one signature check for each record",
            0.8,
            at_least=True,
        ),
        Kind("drain_2proc_ratio", "ratio", "", 1.5, at_least=True),
        Kind("hub_cpu_ms_drain", "ms", "CPU of the bare copy, and one signature check with its hashes", 2.5),
        Kind("hub_cpu_ms_at_1000", "ms", "CPU of the bare copy at the same rate", 1.8),
        Kind("hub_cpu_ms_at_200_spread", "ms", "the same while a backlog drains", 4),
        Kind("spread_cpu_ratio", "ratio", "", 1.3),
        Kind("spread_cpu_ratio_beside_load", "ratio", "", 1.3),
        Kind("latency_p50_ms_at_200_spread", "ms", "the same from 2 units", None),
        Kind(
            "latency_p50_ms_idle", "ms", "a bare relay: append, copy exactly once, read; one at a time", 2.5
        ),
        Kind("latency_p50_ms_at_200", "ms", "the bare relay, one record at a time", 3.5),
        Kind("latency_p99_ms_at_200", "ms", "the bare relay, one record at a time", 12),
        Kind("latency_p99_over_p50_at_200", "ratio", "", 4),
        Kind("total_cpu_ms_at_200", "ms", "", None),
        Kind("latency_p50_ms_at_200_tls", "ms", _PLAIN, None),
        Kind("latency_p99_ms_at_200_tls", "ms", _PLAIN, None),
        Kind("total_cpu_ms_at_200_tls", "ms", _PLAIN, None),
        Kind("latency_p50_ms_idle_tls", "ms", _PLAIN, None),
        Kind("hub_cpu_vs_nats_w8", "ms", "CPU of nats-server, the same loop", 3),
        Kind("hub_cpu_vs_nats_saturated", "ms", "CPU of nats-server, the same loop", 1),
        Kind("end_to_end_msgs_per_s_w1", "1/s", "NATS, the same loop", None),
        Kind("end_to_end_msgs_per_s_w8", "1/s", "NATS, the same loop", None),
        Kind("end_to_end_msgs_per_s_w64", "1/s", "NATS, the same loop", None),
        Kind("latency_p50_ms_with_ledger", "ms", "the same without a ledger", None),
        Kind("flood_p99_ratio", "ratio", "", 3),
        Kind("idle_cpu_ratio_5000", "ratio", "", 3),
        Kind("router_rss_mb_5000", "MB", _TEN, 600, of_value=True),
        Kind("router_files_5000", "files", _TEN, 500, of_value=True),
        Kind("start_5000_s", "s", _TEN, 5, of_value=True),
        Kind("start_daemon_5000_s", "s", _TEN, 5, of_value=True),
        Kind("first_start_5000_s", "s", _TEN, None),
        Kind("daemon_rss_mb_5000", "MB", _TEN, None),
        Kind("centre_units_5000_s", "s", _TEN, None),
        Kind("console_cpu_pct", "%", "", 10, of_value=True),
        Kind("console_router_cpu_ratio", "ratio", "", 1.1),
        Kind("rights_cpu_ratio_5000", "ratio", "", 1.3),
        Kind("cli_help_ms", "ms", "a bare Python process", 8),
        Kind("cli_send_ms", "ms", "a bare Python process", 16),
        Kind("ledger_leaves_per_s", "1/s", "bare SQLite, the same rows", 0.1, at_least=True),
        Kind("drain_with_ledger_ratio", "ratio", "", 0.9, at_least=True),
        Kind("ledger_cost_ratio_10m", "ratio", "", 1.3),
        Kind("ledger_proof_ms_10m", "ms", "reading the same tiles", 4),
        Kind("ledger_fsck_s_1m", "s", "one process that hashes so many leaves and nodes", 12),
    )
}


AGAINST: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("end_to_end_msgs_per_s_w64", "1/s", "", 2, at_least=True),
        Kind("total_cpu_ms_at_200", "ms", "", 0.5),
        Kind("hub_cpu_ms_at_200", "ms", "", None),
        Kind("latency_p50_ms_at_200", "ms", "", 1),
        Kind("latency_p99_ms_at_200", "ms", "", None),
    )
}
"""What `make bench-against` measures of two trees: the target bounds the ratio of this one to the older one."""


@dataclass(frozen=True)
class Figure:
    """One measured figure, and the floor of the same run where it has one."""

    figure: str
    value: float
    floor: float | None = None

    @property
    def kind(self) -> Kind:
        """What it is."""
        return KINDS[self.figure]

    @property
    def ratio(self) -> float | None:
        """The value over its floor, or the value where it is a ratio already."""
        if self.kind.unit == "ratio":
            return self.value
        return None if self.floor is None else self.value / self.floor

    @property
    def met(self) -> bool | None:
        """Whether what the target bounds is on the right side of it; None where either is missing."""
        bounded = self.value if self.kind.of_value else self.ratio
        if bounded is None or self.kind.target is None:
            return None
        return bounded >= self.kind.target if self.kind.at_least else bounded <= self.kind.target

    def line(self, speed: float) -> str:
        """The figure as a line of JSON, the ratio first, the machine's speed (`machine.py`) last."""
        row: dict[str, object] = {"figure": self.figure}
        if self.ratio is not None:
            row["ratio"] = round(self.ratio, 3)
        row |= {"value": round(self.value, 3), "unit": self.kind.unit}
        if self.floor is not None:
            row["floor"] = round(self.floor, 3)
        return json.dumps(row | {"machine_ms": round(speed, 1)})


def table(figures: Iterable[Figure]) -> list[str]:
    """The figures as the table of docs/figures.md."""
    head = ("Figure", "Ratio", "Target", "Value", "Floor")
    rows: list[Sequence[str]] = [head, ["---"] * len(head)]
    rows += [_row(figure) for figure in figures]
    return ["| " + " | ".join(row) + " |" for row in rows]


@dataclass(frozen=True)
class Compared:
    """One figure of two trees that were measured in turn, round by round."""

    figure: str
    now: Sequence[float]
    before: Sequence[float]

    @property
    def ratio(self) -> float:
        """This tree's over the older one's: the median of the rounds, since the machine changes between them."""
        return statistics.median(now / before for now, before in zip(self.now, self.before, strict=True))

    @property
    def medians(self) -> tuple[float, float]:
        """This tree's value, and the older one's."""
        return statistics.median(self.now), statistics.median(self.before)

    def row(self) -> dict[str, object]:
        """For a line of JSON."""
        now, before = self.medians
        values = {"ratio": self.ratio, "now": now, "before": before}
        return {"figure": self.figure} | {name: round(value, 3) for name, value in values.items()}


def against_table(compared: Iterable[Compared]) -> list[str]:
    """The figures of two trees as the table of docs/figures.md."""
    head = ("Figure", "Ratio", "Target", "Now", "Before")
    rows: list[Sequence[str]] = [head, ["---"] * len(head)]
    for one in compared:
        kind = AGAINST[one.figure]
        values = (f"{_short(value)} {kind.unit}" for value in one.medians)
        rows.append((f"`{kind.name}`", f"{one.ratio:.2f}", kind.target_text, *values))
    return ["| " + " | ".join(row) + " |" for row in rows]


def _row(figure: Figure) -> Sequence[str]:
    kind = figure.kind
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    value = "" if kind.unit == "ratio" else f"{_short(figure.value)} {kind.unit}"
    floor = "" if figure.floor is None else f"{_short(figure.floor)} {kind.unit} ({kind.floor})"
    return f"`{kind.name}`", ratio, kind.target_text, value, floor


def _short(number: float) -> str:
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"
