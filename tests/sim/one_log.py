"""A log of our own for tests: a tree, its keys, its witnesses, and what it publishes. Honest unless told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from keys.note_keys import NoteKey, NoteUse
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest
from protocol.merkle import leaf_hash
from protocol.tlog.checkpoints import Checkpoint, Seconds, sign_checkpoint
from protocol.tlog.cosignatures import cosign, with_cosignatures
from protocol.tlog.policy import Policy, parse_policy
from protocol.tlog.policy_text import WitnessEntry, policy_text
from protocol.tlog.publication import publications
from protocol.tlog.tiles import Tile, TreeWriter

NOW = Seconds(1_795_000_000)
NAME = "contrada.example"
SHARD = f"{NAME}/audit/2026h2"
DIRECTORY = f"{NAME}/directory"


def note_key(name: str) -> NoteKey:
    return NoteKey(sha256(name.encode()).digest())


LOG_KEY = note_key("log")
WITNESSES = ("wit-one.example", "wit-two.example")


def policy_of(*origins: str, quorum: int = 2) -> str:
    """A policy file for these logs; both witnesses must have signed, unless told otherwise."""
    keys = [key for origin in origins or (SHARD, DIRECTORY) for key in LOG_KEY.vkeys(origin)]
    witnesses = [WitnessEntry(name, note_key(name).vkeys(name, NoteUse.WITNESS)) for name in WITNESSES]
    return policy_text(keys, witnesses=witnesses, quorum=quorum)


def policy(*origins: str, quorum: int = 2) -> Policy:
    """The same, read."""
    return parse_policy(policy_of(*origins, quorum=quorum))


def leaves(count: int, *, first: int = 0) -> list[Digest]:
    return [leaf_hash(b"entry %d" % number) for number in range(first, first + count)]


@dataclass
class SimLog:
    """One log with its files."""

    origin: str = SHARD
    witnesses: tuple[str, ...] = WITNESSES
    files: dict[str, bytes] = field(default_factory=dict)
    published: int = 0
    now: Seconds = NOW
    """When it signs, and its witnesses do."""

    clocks: dict[str, int] = field(default_factory=dict)
    """Seconds by which a witness's clock is ahead."""

    def __post_init__(self) -> None:
        self.tree = TreeWriter(with_entries=False)

    def add(self, leaves: Sequence[Digest]) -> SimLog:
        for leaf in leaves:
            self.tree.append_leaf(leaf)
        self.files |= self.tree.take()
        return self

    def read(self, tile: Tile) -> bytes:
        if tile.path not in self.files:
            raise Rejected(Code.E_TILE, tile.path)
        return self.files[tile.path]

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.origin, self.tree.size, self.tree.root())

    def note(self, *, key: NoteKey = LOG_KEY) -> bytes:
        head = self.checkpoint()
        note = sign_checkpoint(head, key.signers(self.origin), now=self.now)
        lines = [
            cosign(head, signer, now=Seconds(self.now + self.clocks.get(name, 0)))
            for name in self.witnesses
            for signer in note_key(name).signers(name, NoteUse.WITNESS)
        ]
        return with_cosignatures(note, lines)

    def publish(self, *, old: int | None = None, key: NoteKey = LOG_KEY) -> list[bytes]:
        """What goes to the topic for what was added since the last time."""
        since = self.published if old is None else old
        self.published = self.tree.size
        return list(
            publications(self.origin, old=since, new=self.tree.size, note=self.note(key=key), read=self.read)
        )
