"""The findings of an audit: a closed list, each with its meaning and what to do about it.

Rules: a finding says where (log, file, leaf) and what, never content. A notice is no accusation: an auditor
needs it to read the result correctly. A kind, once released, keeps its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class FindingKind(StrEnum):
    """What was found."""

    CHECKPOINT_MISSING = "checkpoint-missing"
    CHECKPOINT_FORM = "checkpoint-form"
    CHECKPOINT_SIGNATURE = "checkpoint-signature"
    QUORUM = "quorum"
    ROOT = "root"
    ROLLED_BACK = "rolled-back"
    FORK = "fork"
    TILE_MISSING = "tile-missing"
    TILE_ALTERED = "tile-altered"
    ENTRIES_MISSING = "entries-missing"
    ENTRY_ALTERED = "entry-altered"
    ENTRY_FORM = "entry-form"
    SHARD_CHAIN = "shard-chain"
    LOG_MISSING = "log-missing"
    RECORD_ALTERED = "record-altered"
    RECORD_MISSING = "record-missing"
    RECORD_ORPHAN = "record-orphan"
    RECORD_FORM = "record-form"
    RECORD_KEPT = "record-kept"
    RECORD_INDEX = "record-index"
    RECORDS_UNREADABLE = "records-unreadable"
    DECISION_TWICE = "decision-twice"
    DELIVERY_MISSING = "delivery-missing"
    DELIVERY_STRAY = "delivery-stray"
    DECISION_UNSIGNED = "decision-unsigned"
    ACT_UNSIGNED = "act-unsigned"
    ACT_ALONE = "act-alone"
    ACT_TWICE = "act-twice"
    STATEMENT_INVALID = "statement-invalid"
    STATEMENT_UNANNOUNCED = "statement-unannounced"
    STATEMENT_TWICE = "statement-announced-twice"
    STATEMENT_OTHER = "statement-other"
    UNVERIFIED = "unverified"
    AUDIT_GAP = "audit-gap"
    AUDIT_REWOUND = "audit-rewound"
    KAFKA_PUT_BACK = "kafka-put-back"
    SIGNED_BY = "signed-by"
    NOT_CHECKED = "not-checked"
    AHEAD = "ahead"
    DELETED = "deleted"


MEANINGS: dict[FindingKind, str] = {
    FindingKind.CHECKPOINT_MISSING: "without its checkpoint nothing vouches for this log; ask for the file",
    FindingKind.CHECKPOINT_FORM: "this is not a checkpoint; it was damaged or replaced",
    FindingKind.CHECKPOINT_SIGNATURE: (
        "the log did not sign this: forged, or signed with keys that the policy lacks"
    ),
    FindingKind.QUORUM: "too few witnesses saw this; it may be shown to you alone",
    FindingKind.ROOT: "the log signed another tree than the one that is stored here",
    FindingKind.ROLLED_BACK: "the log was longer once: what came after this checkpoint was taken away",
    FindingKind.FORK: "the log signed two histories; keep both checkpoints, they prove it",
    FindingKind.TILE_MISSING: (
        "a file of the tree was removed or the copy is not whole; the entries rebuild it"
    ),
    FindingKind.TILE_ALTERED: "a file of the tree was changed; the entries are as they were signed",
    FindingKind.ENTRIES_MISSING: "entries were removed or the copy is not whole; their hashes remain",
    FindingKind.ENTRY_ALTERED: "an entry was changed after it was signed",
    FindingKind.ENTRY_FORM: "an entry that no ledger of ours would write",
    FindingKind.SHARD_CHAIN: "this half-year does not continue the one before it",
    FindingKind.LOG_MISSING: "another log rests on it, and it is not in the copy: withheld, or not copied",
    FindingKind.RECORD_ALTERED: "the record was changed after it was logged, or stands at another's place",
    FindingKind.RECORD_MISSING: "the record was removed, and no deletion of it is in the log",
    FindingKind.RECORD_ORPHAN: "a record without a leaf: it was put there and never logged",
    FindingKind.RECORD_FORM: "a logged record that no program of ours would write",
    FindingKind.RECORD_KEPT: "the log orders that this record be deleted, and it is still there",
    FindingKind.RECORD_INDEX: "the search columns say something else than the record; searches can miss it",
    FindingKind.RECORDS_UNREADABLE: "the store of records is damaged; the tree is checked without it",
    FindingKind.DECISION_TWICE: (
        "one submission was decided twice, or Kafka was put back to an older copy and nobody stated it"
    ),
    FindingKind.DELIVERY_MISSING: "an accepted message without a delivery leaf for each addressee",
    FindingKind.DELIVERY_STRAY: "a delivery leaf that belongs to no accepted message",
    FindingKind.DECISION_UNSIGNED: (
        "no router's signature covers this decision; the ledger may have made it up"
    ),
    FindingKind.ACT_UNSIGNED: (
        "no operator who may state this act has signed it; the ledger may have made it up"
    ),
    FindingKind.ACT_ALONE: (
        "an act that takes two registrars does not have the signatures of two; one person may have done it"
    ),
    FindingKind.ACT_TWICE: (
        "what was stated once stands in the log twice; somebody put it into the topic again"
    ),
    FindingKind.STATEMENT_INVALID: "the directory holds a statement that does not verify",
    FindingKind.STATEMENT_UNANNOUNCED: "a statement entered the directory and the audit log does not say so",
    FindingKind.STATEMENT_TWICE: "one statement is announced more than once",
    FindingKind.STATEMENT_OTHER: "the audit log announces another statement than the directory holds",
    FindingKind.UNVERIFIED: "the ledger met a record that it could not verify, and logged that",
    FindingKind.AUDIT_GAP: (
        "records were deleted before the ledger read them; what they decided has no leaf: ask the units"
    ),
    FindingKind.AUDIT_REWOUND: (
        "Kafka came back from an older copy; only a statement of two people explains what is decided again"
    ),
    FindingKind.KAFKA_PUT_BACK: (
        "places that the copy did not have were given out again; each may be decided once more, behind this"
    ),
    FindingKind.SIGNED_BY: "who signed what names two people; one registrar alone may have typed both names",
    FindingKind.NOT_CHECKED: "this was not checked",
    FindingKind.AHEAD: "the store is ahead of its checkpoint; normal when it was copied while it ran",
    FindingKind.DELETED: "records whose deletion the log orders; their leaves remain and verify",
}

NOTICES = frozenset({
    FindingKind.NOT_CHECKED, FindingKind.AHEAD, FindingKind.DELETED, FindingKind.UNVERIFIED,
    FindingKind.AUDIT_GAP, FindingKind.AUDIT_REWOUND, FindingKind.KAFKA_PUT_BACK, FindingKind.SIGNED_BY,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    kind: FindingKind
    log: str
    """The origin of the log, or the file where there is none."""

    what: str
    place: str = ""
    """The file, as it is named in the copy."""

    index: int | None = None
    """The leaf, counted from 0."""

    @property
    def is_notice(self) -> bool:
        """Whether it is information only."""
        return self.kind in NOTICES

    @property
    def means(self) -> str:
        """What it means."""
        return MEANINGS[self.kind]

    def as_row(self) -> dict[str, Any]:
        """The finding, as it is printed."""
        return {
            "kind": self.kind.value,
            "log": self.log,
            "leaf": self.index,
            "file": self.place or None,
            "what": self.what,
            "means": self.means,
        }


Tell = Callable[[Finding], None]
"""Where findings go."""


def span(first: int, last: int) -> str:
    """`leaf 7`, or `leaves 7 to 9`; both ends belong to it."""
    return f"leaf {first}" if first == last else f"leaves {first} to {last}"
