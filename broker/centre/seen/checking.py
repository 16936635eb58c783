"""`centre check`: one answer for a monitoring system, of what it asks about, by thresholds that it names.

Owns what can be asked and the judgement. Pure: it is given what `read_status` found. How the answer is
written is check_forms.py beside this. Rule: what is not known is told as unknown, and never as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from broker.centre.seen.troubles import CRITICAL, troubles_in
from protocol.limits import CLOCK_OFF, DAY, SECOND

Status = Mapping[str, Any]


class CheckVerdict(IntEnum):
    """How it stands. The numbers are the exit codes of plugins for monitoring."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_WORST: Final = (CheckVerdict.OK, CheckVerdict.UNKNOWN, CheckVerdict.WARNING, CheckVerdict.CRITICAL)
"""From the best to the worst: what is known to be wrong is told before what is not known."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """From where on a number is a warning, and from where on it is critical."""

    warning: float
    critical: float
    below: bool = False
    """Whether less is worse, as of days that are left."""

    def judged(self, value: float) -> CheckVerdict:
        """What this number is."""
        for bound, verdict in ((self.critical, CheckVerdict.CRITICAL), (self.warning, CheckVerdict.WARNING)):
            if value <= bound if self.below else value >= bound:
                return verdict
        return CheckVerdict.OK


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that was judged."""

    name: str
    value: float
    unit: str
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class Answered:
    """What is answered to one question."""

    what: str
    verdict: CheckVerdict
    sentence: str
    measures: tuple[Measure, ...] = ()
    worst: tuple[str, ...] = ()
    """The things that are wrong, by name."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The bounds of every question."""

    lag: Bounds = field(default_factory=lambda: Bounds(1_000, 10_000))
    silent: Bounds = field(default_factory=lambda: Bounds(120, 900))
    """Seconds for which a unit was not heard."""

    days: Bounds = field(default_factory=lambda: Bounds(60, 7, below=True))
    clock: Bounds = field(default_factory=lambda: Bounds(60, CLOCK_OFF / SECOND))
    quarantine: Bounds = field(default_factory=lambda: Bounds(1, 100))
    disk: Bounds = field(default_factory=lambda: Bounds(10, 5, below=True))
    """Percent that are free."""


def thresholds_of(given: Mapping[str, tuple[int, int]]) -> Thresholds:
    """The bounds that options name: a warning and a critical level of each."""
    return Thresholds(
        lag=Bounds(*given["lag"]),
        silent=Bounds(*given["silent"]),
        days=Bounds(*given["days"], below=True),
        clock=Bounds(*given["clock"]),
        quarantine=Bounds(*given["unseen"]),
        disk=Bounds(*given["free"], below=True),
    )


def answers(status: Status, asked: Sequence[str], bounds: Thresholds) -> list[Answered]:
    """The answer to each of these questions, in their order."""
    if not status["kafka"]["reachable"]:
        why = str(status["kafka"].get("error", "Kafka is not reachable"))
        gone = {"kafka": Answered("kafka", CheckVerdict.CRITICAL, why)}
        if "alarms" in asked:
            gone["alarms"] = _alarms(status, bounds)
        return [gone.get(what, Answered(what, CheckVerdict.UNKNOWN, why)) for what in asked]
    return [QUESTIONS[what](status, bounds) for what in asked]


def worst_of(found: Iterable[Answered]) -> CheckVerdict:
    """The one verdict of several answers."""
    return max((one.verdict for one in found), key=_WORST.index, default=CheckVerdict.UNKNOWN)


def _kafka(status: Status, _: Thresholds) -> Answered:
    wrong = _of_codes(status, "topic_missing", "transaction_hangs", "hanging_not_told")
    return _listed("kafka", wrong, f"{status['topics']['declared']} topics are there")


def _lag(status: Status, bounds: Thresholds) -> Answered:
    kinds = ("outbox_lag", "inbox_lag", "receipts_lag")
    lags = [(f"{row['unit']} {kind[:-4]}", row[kind]) for row in status["units"] for kind in kinds]
    known = [(name, lag) for name, lag in lags if lag is not None]
    standing = _of_codes(status, "outbox_undecided", "inbox_unread", "ledger_stands")
    answer = _highest("lag", known, bounds.lag, unit="", sentence="records wait")
    if standing and answer.verdict is not CheckVerdict.CRITICAL:
        return Answered(
            "lag", CheckVerdict.CRITICAL, f"{len(standing)} stand still", answer.measures, _names(standing)
        )
    if len(known) < len(lags) and answer.verdict is CheckVerdict.OK:
        return Answered("lag", CheckVerdict.UNKNOWN, "of some outboxes it is not known", answer.measures)
    return answer


def _units(status: Status, bounds: Thresholds) -> Answered:
    there = [row for row in status["units"] if not row["suspended"]]
    # Whoever was never heard may not run yet; once something waits for it, that is wrong.
    never = [row["unit"] for row in there if row["heard"] is None and row["inbox_lag"]]
    heard = [(row["unit"], max(0, status["moment"] - row["heard"]) / SECOND) for row in there if row["heard"]]
    answer = _highest("units", heard, bounds.silent, unit="s", sentence="were not heard")
    if never and answer.verdict is CheckVerdict.OK:
        sentence = f"{len(never)} were never heard, and something waits for them"
        return Answered("units", CheckVerdict.WARNING, sentence, answer.measures, tuple(never))
    return answer


def _keys(status: Status, bounds: Thresholds) -> Answered:
    left = [(f"{row['kind']} {row['name']}", row["left"] / DAY) for row in status["ends"]]
    answer = _highest("keys", left, bounds.days, unit="", sentence="keys end soon", lowest=True)
    ending = status["certificates"]
    if ending and answer.verdict is not CheckVerdict.CRITICAL:
        ended = any(row["state"] == "ended" for row in ending)
        names = tuple(f"certificate {row['party']}" for row in ending)
        verdict = CheckVerdict.CRITICAL if ended else CheckVerdict.WARNING
        return Answered("keys", verdict, f"{len(ending)} certificates end", answer.measures, names)
    return answer


def _checkpoint(status: Status, _: Thresholds) -> Answered:
    if not status["ledgers"]:
        return Answered("checkpoint", CheckVerdict.UNKNOWN, "no ledger is named")
    return _listed(
        "checkpoint",
        _of_codes(status, "ledger_not_ready", "ledger_stands", "another_ledger"),
        "the ledger goes on",
    )


def _witnesses(status: Status, _: Thresholds) -> Answered:
    if not any("witnesses" in ledger["checks"] for ledger in status["ledgers"]):
        return Answered("witnesses", CheckVerdict.UNKNOWN, "no ledger told of its witnesses")
    return _listed("witnesses", _of_codes(status, "witness_fails"), "every witness cosigns")


def _clock(status: Status, bounds: Thresholds) -> Answered:
    wrong = [one for one in _of_codes(status, "clock_off") if one.about != "centre"]
    if wrong:
        return _listed("clock", wrong, "")
    ahead = status["clock"]["ahead"]
    if ahead is None:
        return Answered("clock", CheckVerdict.UNKNOWN, str(status["clock"]["error"]))
    return _highest("clock", [("centre", abs(ahead) / SECOND)], bounds.clock, unit="s", sentence="is off")


def _quarantine(status: Status, bounds: Thresholds) -> Answered:
    held = status["quarantine"]
    unseen = [("quarantine", float(held["unseen"]))]
    return _highest("quarantine", unseen, bounds.quarantine, unit="", sentence="has records nobody looked at")


def _alarms(status: Status, _: Thresholds) -> Answered:
    still_open = [row for row in status["alarms"] if row["state"] == "open"]
    names = tuple(f"{row['id']} {row['code']} {row['about']}" for row in still_open)
    bad = any(row["over"] is None and row["severity"] == CRITICAL for row in still_open)
    verdict = CheckVerdict.CRITICAL if bad else CheckVerdict.WARNING if names else CheckVerdict.OK
    return Answered("alarms", verdict, f"{len(names)} alarms are open", (), names)


def _disk(status: Status, bounds: Thresholds) -> Answered:
    disk = status["disk"]
    free = 100 * disk["free"] / max(1, disk["of"])
    return _highest("disk", [("centre", free)], bounds.disk, unit="%", sentence="is full", lowest=True)


def _routers(status: Status, _: Thresholds) -> Answered:
    if not status["routers"]:
        return Answered("routers", CheckVerdict.UNKNOWN, "no router is named")
    return _listed("routers", _of_codes(status, "router_not_ready"), f"{len(status['routers'])} are ready")


QUESTIONS: Final[Mapping[str, Callable[[Status, Thresholds], Answered]]] = {
    "kafka": _kafka,
    "routers": _routers,
    "lag": _lag,
    "units": _units,
    "checkpoint": _checkpoint,
    "witnesses": _witnesses,
    "keys": _keys,
    "clock": _clock,
    "quarantine": _quarantine,
    "alarms": _alarms,
    "disk": _disk,
}
"""What can be asked, in the order in which all of it is answered."""


def _of_codes(status: Status, *codes: str) -> list[Any]:
    return [one for one in troubles_in(status) if one.code in codes]


def _names(troubles: Iterable[Any]) -> tuple[str, ...]:
    return tuple(one.about for one in troubles)


def _listed(what: str, wrong: list[Any], well: str) -> Answered:
    """Well where nothing is wrong; else as bad as the worst of it."""
    if not wrong:
        return Answered(what, CheckVerdict.OK, well)
    bad = any(one.severity == CRITICAL for one in wrong)
    verdict = CheckVerdict.CRITICAL if bad else CheckVerdict.WARNING
    return Answered(what, verdict, f"{wrong[0].about}: {wrong[0].detail}", (), _names(wrong))


def _highest(
    what: str,
    values: list[tuple[str, float]],
    bounds: Bounds,
    *,
    unit: str,
    sentence: str,
    lowest: bool = False,
) -> Answered:
    """By the worst of some numbers, which is the one that is measured."""
    if not values:
        return Answered(what, CheckVerdict.OK, "there is none")
    name, value = (min if lowest else max)(values, key=lambda one: one[1])
    verdict = bounds.judged(value)
    wrong = tuple(each for each, number in values if bounds.judged(number) is not CheckVerdict.OK)
    measure = Measure(what, round(value, 3), unit, bounds)
    if not wrong:
        return Answered(what, verdict, f"worst {name}: {value:.4g}{unit}", (measure,))
    return Answered(
        what, verdict, f"{len(wrong)} {sentence}, worst {name}: {value:.4g}{unit}", (measure,), wrong
    )
