"""What is known of a run when it is over, and what is said of it. Plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from protocol.identifiers import Digest

ACCEPTED, REJECTED, DUPLICATE = "accepted", "rejected", "duplicate"

AUTOMATIC: Final = "automatic"
"""The lane of what daemons send by themselves: acknowledgements."""

ANOMALIES: Final = (
    "lost", "duplicated", "reordered", "misdelivered", "unaudited", "unlogged", "forked", "unproven",
)  # fmt: skip

Name = tuple[str, bytes]
"""What names a message: its sender and its id."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a daemon has promised to deliver."""

    sender: str
    message_id: bytes
    thread: bytes
    to: frozenset[str]
    place: int
    """Its rank among the messages of its lane."""

    lane: str = "load"
    """Order is promised within one sender, conversation and lane: the load's own, or the daemon's."""

    denied: bool = False
    """Policy must refuse it."""

    label: str | None = None
    """What its content says, where that is known."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message in an inbox. Arrivals are given in the order in which they stand there."""

    unit: str
    sender: str
    message_id: bytes
    thread: bytes
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A record of an outbox."""

    unit: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What the router decided about a record; `mid` where a proven sender named it."""

    kind: str
    source: Source
    message_id: bytes | None = None
    explained: bool = True
    """Whether it names a reason, or needs none: what is accepted has none."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """That a message went to a unit, as a leaf says it."""

    unit: str
    sender: str
    message_id: bytes


@dataclass(frozen=True, slots=True)
class StatedAct:
    """What an operator stated."""

    leaf: bytes
    """The hash of its leaf: record, salt and all."""

    position: int | None = None
    """Of the directory's statement that it announces. A ledger that was killed may announce one again."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """A record of the audit topic that nobody signed."""

    offset: int


@dataclass(frozen=True, slots=True)
class WentBack:
    """The ledger found another audit topic than it had read."""

    position: int
    """The offset that it had come to."""


Says = Decision | Delivery | StatedAct | Unverified | WentBack
"""What a leaf of the audit log is about."""


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint that a log signed, and where it was seen."""

    where: str
    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Watch:
    """What a daemon says of the ledger at the end."""

    promised: int = 0
    late: int = 0
    wrong: Sequence[str] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    """How far it has followed each log."""

    accused: Sequence[str] = ()
    """Alarms that no outage excuses: a fork, a log that went back, gossip that does not fit."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything that is known of the ledger."""

    leaves: Sequence[Says | None]
    """Of the audit log, in order, as the record behind each says; None where no record opens it."""

    acts: Sequence[StatedAct]
    """What was stated in the audit topic."""

    unverified: Sequence[Unverified]
    """What stands in the audit topic and does not verify."""

    trees: Mapping[str, Sequence[Digest]]
    """The leaf hashes of each log, as its final files have them."""

    heads: Sequence[Head]
    """Every checkpoint that was seen anywhere: published, cosigned, followed."""

    trusted: Mapping[str, int]
    """The size of each log's final checkpoint, if the policy trusts it."""

    watches: Mapping[str, Watch]
    findings: Sequence[str] = ()
    """Of `contrada audit fsck`."""

    evidence: Sequence[str] = ()
    """What witnesses keep against the log."""


@dataclass(frozen=True, slots=True)
class KafkaLoss:
    """What Kafka had and has lost: it came back from an older copy, or records were deleted before they were read."""

    accepted: frozenset[Name] = frozenset()
    """Messages that were accepted there; they need not be accepted once more."""

    refused: frozenset[Name] = frozenset()
    """The same of what was refused there: its sender knows, and does not send it again."""

    sent_again: frozenset[Name] = frozenset()
    """Messages that people sent again by hand: each time one is decided and delivered once more, behind its place."""

    gone: frozenset[tuple[str, str, bytes]] = frozenset()
    """Deliveries that nobody had read: unit, sender and id."""

    unlogged: frozenset[Source] = frozenset()
    """What was decided in records that the ledger did not get: people have stated that they are gone."""

    unlogged_deliveries: Counter[Delivery] = field(default_factory=Counter)

    undone: Counter[Says] = field(default_factory=Counter)
    """What stood in audit records that the ledger has logged, and that are not there any more."""

    put_back: int = 0
    """How often Kafka came back from an older copy."""


@dataclass(frozen=True, slots=True)
class History:
    """Everything that is known of a run when it is over."""

    messages: Sequence[Message]
    inputs: Sequence[Source]
    delivered: Sequence[Arrival]
    """The committed records of the inbox topics."""

    received: Sequence[Arrival]
    """The rows of the daemons' inboxes."""

    audit: Sequence[Decision]
    receipts: Mapping[str, Sequence[Decision]]
    """By unit: the committed records of its receipts topic."""

    outcomes: Mapping[Name, str] = field(default_factory=dict)
    """What the sender's daemon says became of a message: accepted, refused, or something unfinished."""

    ledger: Ledger | None = None
    """None: the run had none."""

    loss: KafkaLoss = field(default_factory=KafkaLoss)


@dataclass(slots=True)
class Verdict:
    """The counts, and some words on each finding."""

    submitted: int = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    misdelivered: int = 0
    unaudited: int = 0
    unlogged: int = 0
    forked: int = 0
    unproven: int = 0
    leaves: int = 0
    """Of the audit log."""

    owed: int = 0
    """How many deliveries were promised. A clean run has delivered as many."""

    findings: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether everything that was promised held."""
        wrong = sum(getattr(self, anomaly) for anomaly in ANOMALIES)
        return wrong == 0 and self.delivered == self.owed and self.submitted > 0

    def add(self, anomaly: str, finding: str) -> None:
        """Count one."""
        setattr(self, anomaly, getattr(self, anomaly) + 1)
        self.findings.append(f"{anomaly}: {finding}")
