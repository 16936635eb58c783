"""Reading the audit trail from Kafka: each batch's signature is verified before a row of it is shown.

A batch that does not verify is reported on stderr with its offset and makes the command end in 7; nothing of
it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from broker.centre.registry import read_directory_topic
from keys.directory import Directory
from protocol import topics
from protocol.errors import Rejected
from protocol.trail.batches import Batch, Record, verify_decisions
from protocol.trail.decision_text import header_in_words
from protocol.trail.stated_acts import is_acts, verify_acts
from runtime.cli.command import Invocation
from runtime.cli.home import bootstrap, chosen_home
from runtime.cli.kafka_calls import follow, read_to_end, run_quietly
from runtime.cli.render import reasons_text, say
from runtime.errors import Ambiguous, NotFound, NotVerified
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.ports import InputRecord
from runtime.kafka.security.access import KafkaAddress
from runtime.process.homes import Home

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows are asked for."""

    unit: str | None = None
    decision: str | None = None
    since: int | None = None
    until: int | None = None
    """Milliseconds, this one not included."""

    message: str | None = None
    """The id of a message, or what it begins with, as it is shown."""

    reason: str | None = None
    """A code among the reasons, as of `E_DATA_BASIS`."""

    def takes(self, row: Row) -> bool:
        """Whether this row is one of them."""
        return (
            self.unit in (None, row["unit"], *row["to"])
            and self.decision in (None, row["decision"])
            and (self.since is None or row["t"] >= self.since)
            and (self.until is None or row["t"] < self.until)
            and (self.message is None or str(row["id"]).startswith(self.message))
            and (self.reason is None or any(one["code"] == self.reason for one in row["reasons"]))
        )


@dataclass(slots=True)
class Trail:
    """A reading of the audit topic."""

    home: Home
    kafka: KafkaAddress
    directory: Directory
    wanted: RowFilter
    show: Callable[[Row], None]
    unverified: list[int] = field(default_factory=list)

    def take(self, record: InputRecord) -> None:
        """Verify one batch, and show its rows that are asked for. Acts of the centre are verified only."""
        try:
            if is_acts(record.value):
                verify_acts(record.value, parties=self.directory)
                return
            decisions = verify_decisions(record.value, parties=self.directory)
        except Rejected as rejected:
            self.unverified.append(record.offset)
            say(f"contrada: the batch at offset {record.offset} does not verify ({rejected.code})")
            return
        for decision in decisions.records:
            row = decision_row(decision, decisions.batch, record.offset)
            if self.wanted.takes(row):
                self.show(row)

    async def read(self, *, go_on: bool) -> None:
        """From the start to the end of now, and then on if that is asked for."""
        feeds = KafkaFeeds(self.kafka)
        position = await read_to_end(feeds, topics.AUDIT, self.take)
        if go_on:
            await follow(feeds, topics.AUDIT, self.take, start=position)


async def read_trail(
    invocation: Invocation, wanted: RowFilter, show: Callable[[Row], None], *, go_on: bool = False
) -> None:
    """Read the trail; `NotVerified` at the end if some of it did not hold."""
    home = chosen_home(invocation)
    kafka = bootstrap(invocation, home)
    directory, _ = await read_directory_topic(home, kafka)
    trail = Trail(home, kafka, directory, wanted, show)
    await trail.read(go_on=go_on)
    if trail.unverified:
        raise NotVerified(
            f"{len(trail.unverified)} batches of the audit trail do not verify",
            hint="keep the topic as it is, and compare with the receipts that units hold",
        )


def trace_in_audit(invocation: Invocation, message_id: str) -> dict[str, Any]:
    """The trace of one message in the audit trail."""
    rows: list[Row] = []
    run_quietly(read_trail(invocation, RowFilter(message=message_id), rows.append))
    found = sorted({row["id"] for row in rows})
    if not found:
        raise NotFound(f"the audit trail says nothing of {message_id}")
    if len(found) > 1:
        raise Ambiguous(message_id, found[:10], more=len(found) > 10)
    return {"id": found[0], "steps": [step for row in rows for step in _steps(row)], "decisions": rows}


def _steps(row: Row) -> Iterator[Row]:
    if row["created"] is not None:
        yield {"t": row["created"], "event": "created", "unit": row["unit"], "detail": "as its sender says"}
    reasons = reasons_text(row["reasons"])
    place = f"{topics.outbox(row['unit'])}/{row['partition']}@{row['offset']}"
    detail = f"{reasons}; {place}" if reasons else place
    yield {"t": row["t"], "event": row["decision"], "unit": row["router"], "detail": detail}
    if row["decision"] == "accepted":
        for unit, role in zip(row["to"], row["roles"], strict=True):
            yield {"t": row["t"], "event": "delivered", "unit": unit, "detail": role}


def decision_row(record: Record, batch: Batch, offset: int) -> Row:
    """One decision, as it is printed."""
    return {
        "t": record.t,
        "decision": record.type.name.lower(),
        "unit": record.source.unit,
        "partition": record.source.partition,
        "offset": record.source.offset,
        "reasons": [{"code": reason.code.value, "unit": reason.unit} for reason in record.reasons],
        **header_in_words(record),
        "submission": record.submission.hex(),
        "subject": None if record.header_digest is None else record.header_digest.hex(),
        "directory_size": record.directory_size,
        "router": batch.router,
        "audit_offset": offset,
    }
