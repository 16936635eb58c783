"""What must hold of a simulation, beyond what the other campaign's checker says of any run.

accused      a unit raised an alarm that no fault of this run accounts for; an honest party is blamed
stalled      something is still on its way long after the last fault, or everything waits for nothing
fallen       a program ended for good, or by an error that is none of ours
kept         what should have been deleted by now is there
unheard      a fault that somebody must speak of, and nobody did
broken       the simulation itself failed over something that a program gave it
missed       Kafka forgot what nobody had read: the simulation itself is at fault
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from keys import key_files
from protocol.epochs import is_to_be_destroyed
from protocol.identifiers import Millis
from tests.chaos.checker import check
from tests.chaos.history import ANOMALIES, History
from tests.years.harvest import alarms
from tests.years.nemesis import FAULTS, GAPS, HOUR

if TYPE_CHECKING:
    from tests.years.campaign import Campaign

KINDS: Final = (*ANOMALIES, "accused", "stalled", "fallen", "kept", "unheard", "broken", "missed")

UPKEEP: Final = int(4 * HOUR * 1000)
"""Milliseconds within which a running daemon has destroyed what is to be destroyed."""


@dataclass
class Findings:
    """What was found, by kind."""

    found: list[tuple[str, str]] = field(default_factory=list)

    def add(self, kind: str, what: str) -> None:
        """One finding."""
        self.found.append((kind, what))

    def count(self, kind: str) -> int:
        """How many of a kind."""
        return sum(each == kind for each, _ in self.found)


async def judge(campaign: Campaign, history: History) -> None:
    """Judge a simulation that came to its end."""
    findings = campaign.findings
    if history.messages:
        verdict = check(history)
        for line in verdict.findings:
            kind, _, what = line.partition(": ")
            findings.add(kind, what)
    _judge_alarms(campaign)
    _judge_ends(campaign)
    _judge_keys(campaign)
    for kind, what in campaign.exchange.seen:
        findings.add(kind, what)
    for missed in campaign.harvest.missed:
        findings.add("missed", missed)


def judge_stopped(campaign: Campaign) -> None:
    """Of a simulation that came to a stop: what units say that no fault accounts for may be the reason."""
    kinds = [FAULTS.get(name) or GAPS[name][0] for name in campaign.struck]
    for unit, code, detail, _ in alarms(campaign.exchange):
        if not any(code in kind.alarms | kind.must for kind in kinds):
            campaign.findings.add("accused", f"{unit} says {code}: {detail}")


def _judge_alarms(campaign: Campaign) -> None:
    kinds = [FAULTS.get(name) or GAPS[name][0] for name in campaign.struck]
    accounted = frozenset[str]().union(*(kind.alarms | kind.must for kind in kinds))
    together = Counter(
        code for kind in kinds for code in kind.together for _ in range(campaign.struck[kind.name])
    )
    accounted |= {code for code, times in together.items() if times > 1}
    said: set[str] = set()
    due = set(campaign.exchange.losses.due)
    for unit, code, detail, _ in alarms(campaign.exchange):
        said.add(code)
        if code == "feed_rewound":
            due.discard((unit, detail.partition(":")[0]))
        if code not in accounted:
            campaign.findings.add("accused", f"{unit} says {code}: {detail}")
    for kind in kinds:
        for code in kind.must - said:
            campaign.findings.add("unheard", f"nobody says {code} of {kind.name}")
    for code in sorted(campaign.exchange.losses.must - said):
        campaign.findings.add("unheard", f"nobody says {code}")
    for unit, place in sorted(due):
        campaign.findings.add("unheard", f"{unit} had read what Kafka lost of {place}, and does not say so")


def _judge_ends(campaign: Campaign) -> None:
    for party in campaign.exchange.parties():
        if not party.runs:
            campaign.findings.add("fallen", f"{party.name} does not run at the end: {party.fallen[-1:]}")
        for end in party.fallen:
            if not end.startswith("E_"):
                campaign.findings.add("fallen", f"{party.name}: {end}")


def _judge_keys(campaign: Campaign) -> None:
    """Epoch keys are destroyed in time: who copies a disk later opens no old message.

    In time is by the latest decision that the unit has seen: a clock that jumped destroys nothing (docs/promises.md).
    """
    for name, unit in campaign.exchange.units.items():
        if unit.daemon is None:
            continue
        moment = Millis(min(campaign.exchange.clocks.millis(), unit.daemon.context.seen()) - UPKEEP)
        for epoch, _, path in key_files.epoch_files(unit.home.keys):
            if is_to_be_destroyed(epoch, moment):
                campaign.findings.add("kept", f"{name} still has {path.name} of epoch {epoch}")
