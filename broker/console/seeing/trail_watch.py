"""The audit trail as it grows: each batch verified, then counted. What does not verify is a number.

Owns what the console keeps of the trail. Rules: only what a router or an operator signed is counted or shown;
what is kept is bounded; nothing that stands in a record ends the reading.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from broker.console.seeing.open_requests import AskedRequests, is_reply, is_request
from broker.console.seeing.window import Counted, DecisionWindow
from keys.directory import Directory
from protocol.codes import Role
from protocol.content.code_forms import show_code
from protocol.errors import Rejected
from protocol.identifiers import Millis
from protocol.trail.acts import Act
from protocol.trail.batches import Record, verify_decisions
from protocol.trail.decision_text import header_in_words
from protocol.trail.records import RecordType
from protocol.trail.stated_acts import is_acts, verify_acts
from runtime.kafka.ports import Fetched

log = structlog.get_logger()

RECENT: Final = 200
RELEASES: Final = 500
_TO: Final = show_code(Role.TO)

Released = tuple[str, int, int]
"""Where a record stood that was taken out of quarantine: outbox, partition, offset."""


@dataclass(frozen=True, slots=True)
class RecentDecision:
    """One decision, for the list of the newest."""

    t: Millis
    outcome: str
    sender: str
    to: tuple[str, ...]
    kind: str | None
    message: str | None
    reasons: tuple[str, ...]
    router: str


class TrailWatch:
    """What was read of the trail so far."""

    def __init__(self, directory: Callable[[], Directory], clock: Callable[[], Millis]) -> None:
        self.window = DecisionWindow()
        self.requests = AskedRequests()
        self.recent: deque[RecentDecision] = deque(maxlen=RECENT)
        self.released: dict[Released, Millis] = {}
        self.unverified = 0
        self._directory = directory
        self._clock = clock

    async def take(self, fetched: Fetched) -> None:
        """Records of the audit topic."""
        for record in fetched.records:
            self.take_record(record.value)

    def take_record(self, value: bytes) -> None:
        """One of them."""
        try:
            if is_acts(value):
                for act in verify_acts(value, parties=self._directory()).acts:
                    self._take_act(act)
                return
            decisions = verify_decisions(value, parties=self._directory())
        except Rejected as rejected:
            self.unverified += 1
            log.warning("trail_not_verified", code=rejected.code)
            return
        for each in decisions.records:
            self._take_decision(each, decisions.batch.router)

    def _take_act(self, act: Act) -> None:
        if act.type is not RecordType.QUARANTINE_RELEASE:
            return
        unit, partition, offset = act.detail[:3]
        if isinstance(partition, int) and isinstance(offset, int):
            self.released[str(unit), partition, offset] = act.t
        while len(self.released) > RELEASES:
            del self.released[next(iter(self.released))]

    def _take_decision(self, record: Record, router: str) -> None:
        said, outcome = header_in_words(record), record.type.name.lower()
        to = tuple(said["to"])
        reasons = tuple(reason.code.value for reason in record.reasons)
        counted = Counted(record.t, outcome, record.source.unit, to, reasons)
        self.window.count(counted, now=self._clock())
        self.recent.append(
            RecentDecision(
                record.t, outcome, record.source.unit, to, said["kind"], said["id"], reasons, router
            )
        )
        if outcome == "accepted" and said["thread"] is not None:
            asked = [unit for unit, role in zip(to, said["roles"], strict=True) if role == _TO]
            self._follow(record, said["id"], said["thread"], said["kind"], said["urgency"], asked)

    def _follow(
        self, record: Record, message: str, thread: str, kind: str | None, urgency: str | None, to: list[str]
    ) -> None:
        if is_request(kind):
            self.requests.asked(
                message=message,
                thread=thread,
                asker=record.source.unit,
                to=to,
                urgency=urgency,
                t=record.t,
            )
        elif is_reply(kind):
            self.requests.replied(thread=thread, by=record.source.unit, to=to)
