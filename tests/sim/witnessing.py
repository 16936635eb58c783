"""A log that may fork, and the requests with which it asks a witness. Proofs come from the naive tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from clients.witness.evidence import EvidenceFolder
from clients.witness.head_store import HeadStore
from clients.witness.metrics import WitnessMetrics
from clients.witness.service import HttpAnswer, RootAt, WitnessService
from keys.note_keys import NoteKey, NoteUse
from protocol.identifiers import Digest, Millis
from protocol.merkle import leaf_hash
from protocol.tlog.checkpoints import Checkpoint, Seconds, parse_checkpoint, sign_checkpoint
from protocol.tlog.cosignatures import accept_cosignatures
from protocol.tlog.policy import parse_policy
from protocol.tlog.policy_text import policy_text
from protocol.tlog.witnessing import AddCheckpoint, format_add_checkpoint
from tests.unit.protocol.tlog import naive

SHARD = "contrada.example/audit/2026h2"
DIRECTORY = "contrada.example/directory"
NAME = "wit-one.example"
T = Millis(1_795_000_000_000)


def note_key(name: str) -> NoteKey:
    return NoteKey(sha256(name.encode()).digest())


LOG_KEY = note_key("log")


def logs_policy(*origins: str, pq: bool = True) -> str:
    """A policy file with logs and no witness; without the second algorithm it is quicker to test."""
    keys = [key for origin in origins or (SHARD,) for key in LOG_KEY.vkeys(origin)[: 2 if pq else 1]]
    return policy_text(keys)


@dataclass
class Branch:
    """A history of a log. Two branches with another `name` differ from the entry `forked_at` on."""

    name: str = "true"
    forked_at: int = 0
    origin: str = SHARD
    key: NoteKey = LOG_KEY
    pq: bool = True
    _leaves: list[Digest] = field(default_factory=list)

    first: bytes | None = None
    """The first entry, where it is not made up: a half-year's is the last head of the one before."""

    def entry(self, index: int) -> bytes:
        if index == 0 and self.first is not None:
            return self.first
        return b"%s %d" % ((b"true" if index < self.forked_at else self.name.encode()), index)

    def leaves(self, size: int) -> list[Digest]:
        self._leaves += [leaf_hash(self.entry(index)) for index in range(len(self._leaves), size)]
        return self._leaves[:size]

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(self.origin, size, Digest(naive.root(self.leaves(size))))

    def note(self, size: int, *, after: int = 0) -> bytes:
        """The checkpoint of this size, signed so many seconds after `T`."""
        signers = self.key.signers(self.origin)[: 2 if self.pq else 1]
        return sign_checkpoint(self.checkpoint(size), signers, now=Seconds(T // 1000 + after))

    def proof(self, old: int, size: int) -> tuple[Digest, ...]:
        return tuple(map(Digest, naive.consistency(old, self.leaves(size)))) if old <= size else ()

    def request(self, old: int, size: int, *, after: int = 0) -> bytes:
        """What an honest log of this history sends."""
        return format_add_checkpoint(old, self.proof(old, size), self.note(size, after=after))

    def followed_by(self, origin: str, *, at: int, name: str = "true") -> Branch:
        """The half-year of this name that begins with this log's head of this size."""
        first = self.checkpoint(at).body().encode()
        return Branch(name, origin=origin, key=self.key, pq=self.pq, first=first)


@dataclass
class Case:
    """A witness with its files in a directory; `reopen` is what a new process finds."""

    path: Path
    policy: str = ""
    pq: bool = True
    root_at: RootAt | None = None
    name: str = NAME
    now: Millis = T
    """What its clock shows."""

    def __post_init__(self) -> None:
        HeadStore.create(self.path / "heads.sqlite")
        self.witness = self._opened()

    def _opened(self) -> WitnessService:
        return WitnessService(
            signers=note_key(self.name).signers(self.name, NoteUse.WITNESS)[: 2 if self.pq else 1],
            policy=parse_policy(self.policy or logs_policy(pq=self.pq)),
            heads=HeadStore(self.path / "heads.sqlite"),
            folder=EvidenceFolder(self.path / "evidence"),
            metrics=WitnessMetrics.create(),
            clock=lambda: self.now,
            root_at=self.root_at,
        )

    def reopen(self) -> None:
        self.witness.heads.close()
        self.witness = self._opened()

    def ask(self, data: bytes) -> HttpAnswer:
        prepared = self.witness.prepare(data)
        return self.witness.answer(prepared) if isinstance(prepared, AddCheckpoint) else prepared

    def evidence(self) -> list[tuple[str, int]]:
        return [(kept.kind.value, kept.offered_size) for kept in self.witness.folder.all()]

    def alarms(self, kind: str) -> float:
        return (
            self.witness.metrics.registry.get_sample_value("contrada_witness_alarms_total", {"kind": kind})
            or 0
        )


def cosigners(answer: bytes, checkpoint: Checkpoint, *, name: str = NAME) -> int:
    """How many of the witness's keys signed this checkpoint, each verified."""
    return len(accept_cosignatures(answer, checkpoint, note_key(name).vkeys(name, NoteUse.WITNESS)))


def checkpoint_of(data: bytes) -> Checkpoint:
    return parse_checkpoint(data).checkpoint
