"""What Kafka had, and has not any more: it came back from an older copy of its disks, or audit records were deleted.

Owns what of that must be counted as done, and what must be said of it: docs/runbooks/kafka-put-back.md, and "Records are
gone for good" in docs/runbooks/ledger-does-not-start.md. It is looked at once more when the run is judged:

    leaves       of decisions that nobody will ever log: a unit that was told of one misses its leaf, and says so
    undone       what the ledger had logged of what is undone: its leaves stay, and the places are decided again
    unstated     of which time each copy was, and when it was put back: two people state it, once the ledger went back
    accepted     messages that a router accepted; who knows that does not send them again
    refused      the same of what it refused
    delivered    what lay in inboxes: an acknowledgement that nobody had read is sent again by nobody
    sent_again   messages that people sent again by hand, each of which is decided and delivered once more
    due          the places of which a unit had read what is undone: it must say `feed_rewound`
    expired      submissions whose decision is undone, and that an outbox keeps no more: nobody can decide them again
    deleted      the audit records that the ledger did not get: it goes on behind them when two people have stated it
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from broker.ledger.store.queries import RecordQuery
from broker.ledger.store.record_store import RecordStore
from clients.daemon.ledger.promises import SENT, received_leaves
from keys.directory import Directory
from protocol import topics
from protocol.envelope.wire import parse_delivery
from protocol.errors import Rejected
from protocol.identifiers import Digest, UnitId, digest
from protocol.trail.acts import parse_act
from protocol.trail.batches import SUMMARY_FIELDS, Decisions, open_decisions, verify_decisions
from protocol.trail.records import Record, RecordType
from protocol.trail.stated_acts import is_acts, verify_acts
from tests.chaos.evidence import connect
from tests.chaos.history import ACCEPTED, REJECTED, Delivery, KafkaLoss, Name, Says, Source
from tests.chaos.ledger_evidence import decision, trail_of

if TYPE_CHECKING:
    from tests.years.exchange import Exchange


OUTBOX_KEPT = int(topics.of_unit(UnitId("fr"))[0].config["retention.ms"])
"""Milliseconds."""


@dataclass
class Losses:
    """Everything that Kafka has lost in a simulation."""

    leaves: set[Digest] = field(default_factory=set)
    accepted: set[Name] = field(default_factory=set)
    refused: set[Name] = field(default_factory=set)
    delivered: set[tuple[str, str, bytes]] = field(default_factory=set)
    sent_again: set[Name] = field(default_factory=set)
    due: set[tuple[str, str]] = field(default_factory=set)
    expired: set[Source] = field(default_factory=set)
    deleted: dict[int, Any] = field(default_factory=dict)
    """By offset in the audit topic."""

    undone: Counter[Says] = field(default_factory=Counter)
    unstated: list[tuple[int, int]] = field(default_factory=list)
    """In Unix milliseconds."""

    must: set[str] = field(default_factory=set)
    """What some unit must say, since it happened."""

    times: int = 0
    """How often Kafka came back from a copy."""

    def note(self, undone: dict[str, list[Any]], directory: Directory, logged: Logged, *, now: int) -> None:
        """These committed records are gone. `now` is in Unix milliseconds."""
        self.times += 1
        audit = undone.get(topics.AUDIT, [])
        known = logged.among(audit, directory)
        self.undone.update(_says(known, directory))
        for record in audit:
            self._note_decisions(record.value, directory, now, is_logged=record in known)
        for name, records in undone.items():
            if name.startswith(topics.INBOX_PREFIX):
                unit = name.removeprefix(topics.INBOX_PREFIX)
                self.delivered |= {(unit, *name_) for name_ in map(_delivered, records) if name_ is not None}

    def note_deleted(self, records: Iterable[Any], directory: Directory) -> None:
        """These audit records were deleted before the ledger had read them."""
        for record in records:
            self.deleted[record.offset] = record
            if (decisions := _decisions(record.value, directory)) is not None:
                self.leaves |= _leaves(decisions)
        self.must.add("ledger_audit_gap")

    def _note_decisions(self, value: bytes, directory: Directory, now: int, *, is_logged: bool) -> None:
        decisions = _decisions(value, directory)
        if decisions is None:
            return
        if not is_logged:
            self.leaves |= _leaves(decisions)
        for made in map(decision, decisions.records):
            if now - decisions.batch.t > OUTBOX_KEPT:
                self.expired.add(made.source)
            if made.kind == ACCEPTED and made.message_id is not None:
                self.accepted.add((made.source.unit, made.message_id))
            if made.kind == REJECTED and made.message_id is not None:
                self.refused.add((made.source.unit, made.message_id))

    def unkept(self, exchange: Exchange, unit: str) -> tuple[int, int]:
        """The promises of a unit that no ledger can keep, and of how many of them it has told."""
        if not self.leaves:
            return 0, 0
        with connect(exchange.units[unit].home.database) as rows:
            found = rows.execute("SELECT side, subject, leaf, late FROM promises").fetchall()
            lost = [row for row in found if self.leaves & _promised(rows, row, unit)]
        return len(lost), sum(row["late"] for row in lost)

    def excused(self, arrived: Iterable[tuple[str, str, bytes]], directory: Directory) -> KafkaLoss:
        """What the checker must know, of a run in which these came to their addressees."""
        unlogged: set[Source] = set()
        deliveries: Counter[Delivery] = Counter()
        for record in self.deleted.values():
            decisions = _decisions(record.value, directory)
            for made in () if decisions is None else decisions.records:
                unlogged.add(decision(made).source)
                if made.type is RecordType.ACCEPTED:
                    deliveries.update(_deliveries(made))
        return KafkaLoss(
            accepted=frozenset(self.accepted),
            refused=frozenset(self.refused),
            sent_again=frozenset(self.sent_again),
            gone=frozenset(self.delivered - set(arrived)),
            unlogged=frozenset(unlogged),
            unlogged_deliveries=deliveries,
            undone=self.undone,
            put_back=self.times,
        )


@dataclass(frozen=True, slots=True)
class Logged:
    """What the ledger's database has leaves of."""

    records: RecordStore

    def among(self, audit: Iterable[Any], directory: Directory) -> list[Any]:
        """Those of these audit records that it has logged."""
        found = self.records.find(RecordQuery(types=(int(RecordType.UNVERIFIED),), limit=1_000_000))
        garbage = {(row.subject, parse_act(row.record or b"").detail[0]) for _, row in found}
        return [
            record
            for record in audit
            if (
                (digest(record.value), record.offset) in garbage
                if (made := _signed(record.value, directory)) is None
                else made[1] in self.records.signed_at({made[0]})
            )
        ]


def _signed(value: bytes, directory: Directory) -> tuple[int, bytes] | None:
    """When a record of the audit topic was signed, and what was; None where it does not verify."""
    try:
        if is_acts(value):
            acts = verify_acts(value, parties=directory)
            return acts.by.t, acts.signed
        return verify_decisions(value, parties=directory).batch.t, open_decisions(value)[1]
    except Rejected:
        return None


def _says(records: Iterable[Any], directory: Directory) -> Iterator[Says]:
    """What the leaves of these audit records say."""
    trail = trail_of(records, directory)
    yield from (*trail.decisions, *trail.acts, *trail.unverified)
    for record in records:
        decisions = _decisions(record.value, directory)
        for made in () if decisions is None else decisions.records:
            if made.type is RecordType.ACCEPTED:
                yield from _deliveries(made)


def _decisions(value: bytes, directory: Directory) -> Decisions | None:
    """The decisions of a record of the audit topic; None where it is an act, or of nobody."""
    try:
        return None if is_acts(value) else verify_decisions(value, parties=directory)
    except Rejected:
        return None


def _leaves(decisions: Decisions) -> set[Digest]:
    return {leaf.hash for leaf in decisions.leaves}


def _deliveries(accepted: Record) -> Iterator[Delivery]:
    summary: Any = accepted.header
    for unit, _ in summary[SUMMARY_FIELDS.index("to")]:
        yield Delivery(unit, summary[SUMMARY_FIELDS.index("sender")], summary[SUMMARY_FIELDS.index("mid")])


def _promised(rows: sqlite3.Connection, promise: sqlite3.Row, unit: str) -> set[Digest]:
    """The leaves of a promise; of a received message the decision's, from which the others follow."""
    if promise["side"] == SENT:
        return {Digest(promise["leaf"])}
    leaves = received_leaves(_Rows(rows), promise["subject"], UnitId(unit))  # type: ignore[arg-type]
    return {leaf.hash for leaf in leaves.values()}


@dataclass(frozen=True, slots=True)
class _Rows:
    """A daemon's database, as the daemon's own code asks it."""

    connection: sqlite3.Connection

    def row(self, statement: str, *values: object) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self.connection.execute(statement, values).fetchone()
        return found


def _delivered(record: Any) -> Name | None:
    try:
        core = parse_delivery(record.value).header.core
    except Rejected:
        return None
    return core.sender, core.message_id
