"""The centre's alarms: what was wrong since when, who looks after it, and when somebody closed it.

    open -> acknowledged -> closed        who, when and with what note stands beside each step
    over                                  it is not so any more; only a person closes it

Owns the book and its moves. Pure: times and troubles come in. Where it lies is alarm_file.py beside this.
Rules, in the words that units' alarms have (clients/daemon/store/alarms.py):
- What has one code and is about one thing is one alarm until it is closed: it says how often it came.
- Who acknowledges it last has it. What occurs after it was closed is another alarm, and open.
- Of each code the newest `KEPT` stay, open ones before closed ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from broker.centre.seen.troubles import CODES, NO_MARK, Trouble
from protocol.identifiers import Millis
from runtime.errors import Conflict, NotFound

KEPT: Final = 200
MOST_STEPS: Final = 16
STATES: Final = ("open", "acknowledged", "closed")


@dataclass(frozen=True, slots=True)
class AlarmStep:
    """What somebody did with an alarm."""

    t: Millis
    to: str
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreAlarm:
    """One alarm."""

    number: int
    code: str
    about: str
    detail: str
    raised: Millis
    """When it was seen first."""

    since: Millis
    """Since when it is so this time."""

    last: Millis
    """When it was seen last."""

    count: int = 1
    """So often it began."""

    over: Millis | None = None
    """When it was seen to be so no more."""

    mark: int = NO_MARK
    steps: tuple[AlarmStep, ...] = ()

    @property
    def state(self) -> str:
        """Where it stands."""
        return self.steps[-1].to if self.steps else "open"

    def row(self) -> dict[str, Any]:
        """For people and programs; the owner is whoever did the last step."""
        last = self.steps[-1] if self.steps else None
        times = {step.to: step.t for step in self.steps}
        return {
            "id": self.number,
            "raised": self.raised,
            "state": self.state,
            "code": self.code,
            "severity": CODES[self.code][0],
            "about": self.about,
            "detail": self.detail,
            "since": self.since,
            "count": self.count,
            "last": self.last,
            "over": self.over,
            "by": None if last is None else last.by,
            "acknowledged": times.get("acknowledged"),
            "closed": times.get("closed"),
            "note": "" if last is None else last.note,
        }


@dataclass(frozen=True, slots=True)
class AlarmBook:
    """All alarms, by their numbers."""

    alarms: Mapping[int, CentreAlarm] = field(default_factory=dict)
    following: int = 1
    """The number of the next one."""

    looked: Mapping[str, int] = field(default_factory=dict)
    """How far somebody has looked, of each code whose alarms have a mark."""

    def unclosed(self) -> dict[tuple[str, str], CentreAlarm]:
        """The alarms that nobody has closed, by what they are about."""
        return {(one.code, one.about): one for one in self.alarms.values() if one.state != "closed"}

    def noted(self, troubles: Iterable[Trouble], *, now: Millis, whole: bool = True) -> AlarmBook:
        """After a look: what is new is raised; after a `whole` one, what is not so any more is over."""
        alarms, following = dict(self.alarms), self.following
        before = self.unclosed()
        seen: set[tuple[str, str]] = set()
        for trouble in troubles:
            key = (trouble.code, trouble.about)
            seen.add(key)
            known = before.get(key)
            if known is None:
                alarms[following] = _raised(following, trouble, now)
                following += 1
            else:
                alarms[known.number] = _seen_again(known, trouble, now)
        for key, known in before.items():
            if whole and key not in seen and known.over is None:
                alarms[known.number] = replace(known, over=now)
        return AlarmBook(_kept(alarms), following, self.looked)

    def since(self, trouble: Trouble) -> Millis | None:
        """Since when it is so: as the facts say, or else as it was seen first."""
        known = self.unclosed().get((trouble.code, trouble.about))
        if trouble.since is not None or known is None or known.over is not None:
            return trouble.since
        return known.since

    def moved(self, numbers: Collection[int], to: str, *, by: str, note: str, now: Millis) -> AlarmBook:
        """Somebody acknowledges or closes these; `NotFound` without it, `Conflict` once it is closed.

        All of them, or none.
        """
        alarms, looked = dict(self.alarms), dict(self.looked)
        for number in numbers:
            alarm = alarms.get(number)
            if alarm is None:
                raise NotFound(f"there is no alarm {number} here", hint="see 'contrada centre alarms ls'")
            if alarm.state == "closed":
                raise Conflict(f"alarm {number} is closed", hint="what occurs of it anew is another alarm")
            steps = (*alarm.steps, AlarmStep(now, to, by, note))[-MOST_STEPS:]
            alarms[number] = replace(alarm, steps=steps)
            if to == "closed" and alarm.mark != NO_MARK:
                looked[alarm.code] = alarm.mark
        return AlarmBook(alarms, self.following, looked)

    def counted(self) -> dict[tuple[str, str], int]:
        """How many alarms of each code are in each state."""
        found: dict[tuple[str, str], int] = {}
        for one in self.alarms.values():
            found[one.code, one.state] = found.get((one.code, one.state), 0) + 1
        return found


def _raised(number: int, trouble: Trouble, now: Millis) -> CentreAlarm:
    return CentreAlarm(
        number=number,
        code=trouble.code,
        about=trouble.about,
        detail=trouble.detail,
        raised=now,
        since=now if trouble.since is None else trouble.since,
        last=now,
        mark=trouble.mark,
    )


def _seen_again(known: CentreAlarm, trouble: Trouble, now: Millis) -> CentreAlarm:
    began = known.over is not None
    since = trouble.since if trouble.since is not None else now if began else known.since
    return replace(
        known,
        detail=trouble.detail,
        since=since,
        last=now,
        over=None,
        count=known.count + began,
        mark=max(known.mark, trouble.mark),
    )


def _kept(alarms: dict[int, CentreAlarm]) -> dict[int, CentreAlarm]:
    by_code: dict[str, list[CentreAlarm]] = {}
    for one in alarms.values():
        by_code.setdefault(one.code, []).append(one)
    kept: dict[int, CentreAlarm] = {}
    for same in by_code.values():
        best = sorted(same, key=lambda one: (one.state == "closed", one.over is not None, -one.number))
        kept |= {one.number: one for one in best[:KEPT]}
    return dict(sorted(kept.items()))
