"""Judging a record of the audit topic: does it verify, and which leaves does it make. Keeps no state.

    decisions of a router     one leaf for each decision, and behind an accepted one a leaf for each delivery
    acts of the centre        one leaf each
    anything else             one leaf UNVERIFIED, with the record's offset, SHA-256 and what was wrong

Rules:
- Every record of the topic makes a leaf. The exceptions are the ledger's own announcement of a statement that
  is announced already, judged in sequencer.py, and a gap whose leaf stands at its place already (gaps.py).
- That Kafka was put back is stated alone, and of a leaf at which this ledger went back. What another ledger
  before it has logged is what somebody stated.
- A record is judged unverified only by a directory that was read to its end after the record: keys
  are appointed there, and a leaf is never changed. run.py waits for that.
- Whatever a parser raises on a record is a refusal: no bytes of the topic end the ledger's step.
- The time of a record is the one that was signed. What does not verify has none, and moves no shard.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from broker.ledger.store.record_store import Erasure
from keys.directory import Directory
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest, Entropy, Millis, UnitId, digest
from protocol.trail.acts import Act, Rewinding, audit_rewound, gap_of, put_back_of, unverified
from protocol.trail.batches import verify_batch
from protocol.trail.ledger_leaves import Row, leaves_of_acts, leaves_of_decisions, own_leaf
from protocol.trail.records import RECORD_SALT, RecordType
from protocol.trail.stated_acts import is_acts, verify_acts
from runtime.kafka.ports import InputRecord
from runtime.process.clock import ClockCheck


@dataclass(frozen=True, slots=True)
class JudgedRecord:
    """One record of the audit topic, judged."""

    offset: int
    t: int | None
    """When its signer says that it happened, Unix milliseconds; None where it does not verify."""

    entries: Sequence[bytes]
    rows: Sequence[Row]
    """With indexes as if the log had `first` leaves before it."""

    first: int = 0
    announced: int | None = None
    """The position of the statement that it announces: the record counts only if that is the next one."""

    deletions: Sequence[tuple[int, Act]] = ()
    """The acts among the rows that order a deletion, each with the place of its row."""

    code: str = ""
    """Why it is unverified; empty where it is not."""

    content: Digest | None = None
    """The SHA-256 of a record that is unverified."""

    signed: bytes | None = None
    """What a router or an operator signed; None where the record does not verify."""

    by: str = ""
    """Whose clock `t` was; empty where the record does not verify."""


@dataclass(frozen=True, slots=True)
class RecordJudge:
    """Judges records by a directory."""

    directory: Directory
    name: UnitId
    """The ledger's, for the leaves that it makes of its own."""

    entropy: Entropy
    ledger: str = ""
    """What the names of its logs begin with."""

    passed: Collection[bytes] = ()
    """The statements of gaps that have their leaf."""

    went_back: Callable[[str, int], bool] = lambda *_: False
    """Whether this ledger went back at this leaf of this log."""

    def read(self, record: InputRecord, *, first: int) -> JudgedRecord:
        """The leaves of a record, or `Rejected` if it does not verify."""
        try:
            return self._read(record, first=first)
        except Rejected:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours over somebody else's bytes ends no log
            raise Rejected(Code.E_SCHEMA, f"reading it failed ({type(error).__name__})") from None

    def _read(self, record: InputRecord, *, first: int) -> JudgedRecord:
        if record.value in self.passed:
            return JudgedRecord(record.offset, None, (), (), first)
        if is_acts(record.value):
            return self._acts(record, first=first)
        made = leaves_of_decisions(record.value, first=first, parties=self.directory)
        # Verified a moment ago and remembered. By its key and not by its name: nobody is two by two names.
        router = self.directory.router_key(verify_batch(made.signed, parties=self.directory).kid)
        return JudgedRecord(
            record.offset,
            made.rows[0].t,
            made.entries,
            made.rows,
            first,
            signed=made.signed,
            by="" if router is None else router.unit,
        )

    def unverified(self, record: InputRecord, code: Code, *, first: int, now: Millis) -> JudgedRecord:
        """The leaf that stands for a record that does not verify."""
        content = digest(record.value)
        act = unverified(now, self.name, offset=record.offset, record=content, code=code)
        entry, row = own_leaf(act, self.entropy(RECORD_SALT), index=first)
        return JudgedRecord(record.offset, None, (entry,), (row,), first, code=code.value, content=content)

    def rewound(self, way: Rewinding, *, now: Millis) -> JudgedRecord:
        """The leaf that says that the ledger goes back, and where it goes on."""
        entry, row = own_leaf(audit_rewound(now, self.name, way), self.entropy(RECORD_SALT), index=0)
        # As if it were the last record before the place at which it goes on.
        return JudgedRecord(way.beginning - 1, None, (entry,), (row,))

    def _acts(self, record: InputRecord, *, first: int) -> JudgedRecord:
        acts = verify_acts(record.value, parties=self.directory)
        self._check_gaps(acts.acts)
        self._check_put_back(acts.acts)
        announced = [act for act in acts.acts if act.type is RecordType.DIRECTORY_STATEMENT]
        for act in announced:
            self._check_announcement(act)
        if announced and len(acts.acts) > 1:
            raise Rejected(Code.E_SCHEMA, "a statement is announced alone")
        made = leaves_of_acts(acts, first=first)
        by, t = acts.by.last
        return JudgedRecord(
            record.offset,
            t,
            made.entries,
            made.rows,
            first,
            signed=made.signed,
            by=by,
            announced=position_of(announced[0]) if announced else None,
            deletions=[(i, a) for i, a in enumerate(acts.acts) if a.type is RecordType.DELETION],
        )

    def _check_gaps(self, acts: Sequence[Act]) -> None:
        # Of another ledger before this one it is what somebody stated. Of this one, and not passed when the
        # log stood before it, it is none: the ledger has read those records.
        gaps = [gap for act in acts if (gap := gap_of(act)) is not None]
        if any(map(self._is_ours, (gap.log for gap in gaps))):
            raise Rejected(Code.E_LOG_GAP, "a gap that is not one of this log")

    def _check_put_back(self, acts: Sequence[Act]) -> None:
        stated = [back for act in acts if (back := put_back_of(act)) is not None]
        if stated and len(acts) > 1:
            raise Rejected(Code.E_SCHEMA, "that Kafka was put back is stated alone")
        if any(self._is_ours(back.log) and not self.went_back(back.log, back.leaf) for back in stated):
            raise Rejected(Code.E_LOG_ROLLBACK, "the ledger did not go back at this leaf")

    def _is_ours(self, log: str) -> bool:
        return log.startswith(f"{self.ledger}/")

    def _check_announcement(self, act: Act) -> None:
        # The root covers the statement and all before it: what is announced is what everybody has.
        if self.directory.root_at(position_of(act) + 1) != act.detail[4]:
            raise Rejected(Code.E_STATEMENT, "announced is not what the directory has at this position")


def hear_signers(times: ClockCheck | None, readings: Sequence[JudgedRecord], *, me: UnitId) -> None:
    """What the clocks of others who signed these records have shown; one's own only agrees with itself."""
    if times is not None:
        for source, t in {reading.by: reading.t for reading in readings}.items():
            if source not in ("", me) and t is not None:
                times.heard(source, t)


def position_of(announcement: Act) -> int:
    """The place of the announced statement in the directory."""
    position: int = announcement.detail[0]
    return position


def erasures(reading: JudgedRecord, rows: Sequence[Row], origin: str) -> list[Erasure]:
    """The deletions that acts of this reading order, whose rows are these."""
    return [
        Erasure(origin=act.detail[0], indexes=act.detail[1], by=f"{origin}#{rows[at].index}")
        for at, act in reading.deletions
    ]


def placed(reading: JudgedRecord, first: int) -> Sequence[Row]:
    """The rows of a reading, with the indexes that they have in a log of `first` leaves."""
    by = first - reading.first
    return reading.rows if by == 0 else [row._replace(index=row.index + by) for row in reading.rows]
