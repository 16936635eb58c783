"""A whole ledger directory without its process: real keys, records, tiles and cosigned checkpoints.

    ledger = Ledger(tmp_path)
    ledger.decide(20)           twenty decisions of the router, with the deliveries that follow from them
    ledger.publish()            tiles, rows and checkpoints are on disk, as an auditor would copy them

Deterministic: the same calls make the same leaves. Attack tests take one, do one wrong thing to its files,
and look at what an audit finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from broker.ledger.store.record_store import Erasure, LogState, RecordStore
from keys.note_keys import NoteKey, NoteUse
from keys.soft_keys import SoftIdentity
from keys.statement_types import body_type
from keys.statements import parse_statement
from protocol.canonical import encode
from protocol.envelope.core import Position
from protocol.errors import Code
from protocol.identifiers import Digest, Millis, UnitId, digest, new_message_id
from protocol.limits import DAY, HOUR
from protocol.merkle import Frontier, leaf_hash, root_of
from protocol.signatures import ACTS, Suite, sign
from protocol.tlog.checkpoints import Checkpoint, seconds, sign_checkpoint
from protocol.tlog.cosignatures import cosign, with_cosignatures
from protocol.tlog.policy_text import WitnessEntry, ledger_policy
from protocol.tlog.shards import directory_origin, shard_at
from protocol.tlog.tiles import TreeWriter
from protocol.trail.acts import (
    Act,
    PutBack,
    Rewinding,
    audit_rewound,
    deletion,
    directory_statement,
    kafka_put_back,
    software_start,
)
from protocol.trail.batches import SignedBatch, sign_batch
from protocol.trail.ledger_leaves import Row, Sequenced, leaves_of, own_leaf
from protocol.trail.records import OutboxPlace, Reason, Record, RecordType, summarize
from protocol.trail.records_file import SignedLeaves
from protocol.trail.stated_acts import sign_acts
from tests.sim.world import World

NAME = "contrada.example"
WITNESSES = ("witness-fr", "witness-it")
LEDGER = UnitId("ledger")
BATCH = 100


@dataclass
class Log:
    """One log while it grows."""

    origin: str
    home: Path
    tree: TreeWriter = field(default_factory=TreeWriter)
    rows: list[Row] = field(default_factory=list)
    signed: list[SignedLeaves] = field(default_factory=list)
    state: LogState | None = None
    note: bytes = b""

    @property
    def head(self) -> Checkpoint:
        return Checkpoint(self.origin, self.tree.size, self.tree.root())


class Ledger:
    """The centre's ledger, and everybody whose keys it takes."""

    def __init__(self, path: Path, *, world: World | None = None) -> None:
        self.path = path
        self.world = world or World()
        self.key = NoteKey.generate(self.world.entropy)
        self.witnesses = {name: NoteKey.generate(self.world.entropy) for name in WITNESSES}
        self.store = RecordStore(f"sqlite:///{path / 'records.sqlite'}")
        self.log = self._begin(shard_at(NAME, self.world.now).origin)
        self.shards = [self.log]
        self.directory = self._begin(directory_origin(NAME))
        self.announced = 0
        self.offset = 0
        self.batches: list[SignedBatch] = []
        self.submissions: list[bytes] = []
        self._core = self.world.core("fr", ["it", "de"])
        (path / "policy").write_text(self.policy())
        (path / "root.cbor").write_bytes(self.world.directory.root.encoded())

    def policy(self, *, quorum: int = 2) -> str:
        """The policy of the exchange: its logs, and how many of the witnesses it takes."""
        entries = [
            WitnessEntry(name, key.vkeys(name, NoteUse.WITNESS)) for name, key in self.witnesses.items()
        ]
        return ledger_policy(
            NAME, now=self.world.now, log_keys=self.key.vkeys, witnesses=entries, quorum=quorum
        )

    # What happens in the exchange.

    def start(self) -> None:
        """The ledger says that it has started, and announces the directory as it is."""
        self.state_act(software_start(self.world.now, LEDGER, program="ledger", version="1"))
        self.announce()

    def announce(self) -> None:
        """Announce the statements that are new in the directory."""
        statements = self.world.directory.snapshot()
        frontier = Frontier()
        for position, data in enumerate(statements):
            frontier.append(leaf_hash(data))
            if position >= self.announced:
                self.directory.tree.append(data)
                self.state_act(self.announcement(position, data, frontier.root()))
        self.announced = len(statements)

    def decide(self, count: int, *, refused: Sequence[int] = ()) -> None:
        """So many decisions: accepted for two addressees each, but those at the places in `refused`."""
        for first in range(0, count, BATCH):
            places = range(first, min(first + BATCH, count))
            self._take(self.route([place in refused for place in places]))

    def route(self, refused: Sequence[bool] = (False,)) -> bytes:
        """One transaction of a router: what it puts into the audit topic."""
        batch = sign_batch(
            [self._record(refused=each) for each in refused],
            router="router",
            now=self.world.now,
            signer=self.world.router,
            entropy=self.world.entropy,
        )
        self.batches.append(batch)
        return batch.decisions

    def delete(self, *indexes: int, carried_out: bool = True) -> None:
        """Delete the records of these leaves, as a leaf orders it."""
        origin = self.log.origin
        self.state_act(
            deletion(
                self.world.now, UnitId("registrar"), origin=origin, indexes=indexes, ground="court order"
            ),
            by="registrar",
        )
        self.publish()
        if carried_out:
            self.store.erase(Erasure(origin, indexes, by=f"{origin}#{self.log.tree.size - 1}"))
            self.store.close()

    def state_act(self, act: Act, *, by: str = "ledger") -> None:
        """An operator states an act, and the ledger logs it."""
        self._take(self.stated(act, by=by))

    def stated(self, act: Act, *, by: str) -> bytes:
        """What an operator puts into the audit topic."""
        return sign_acts([act], actor=act.actor, now=act.t, signer=self._role(by), entropy=self.world.entropy)

    def signed_by(self, role: str, made: Sequenced) -> bytes:
        """This role's signature over these leaves, whether it may state them or not."""
        root = root_of([leaf_hash(entry) for entry in made.entries])
        payload = encode([1, role, self.world.now, len(made.entries), root])
        return sign(payload, suite=Suite.HYBRID, signer=self._role(role), context=ACTS)

    def go_back(self, first: int, *, offset: int, log: str | None = None) -> int:
        """The audit topic is another one, and the leaves from `first` on are undone; the leaf that says so.

        The outbox goes on behind `offset`.
        """
        way = Rewinding(90, 40, log or self.log.origin, first)
        index, self.offset = self.log.tree.size, offset
        act = audit_rewound(self.world.now, LEDGER, way)
        entry, row = own_leaf(act, self.world.entropy(16), index=index)
        self.append([entry], [row])
        return index

    def put_back(self, leaf: int, *, log: str | None = None) -> None:
        """Two people state that Kafka was put back, and name a leaf."""
        self.state_act(self.kafka_put_back(leaf, log=log), by="registrar")

    def kafka_put_back(self, leaf: int, *, log: str | None = None) -> Act:
        """What they state."""
        t = self.world.now
        back = PutBack(log or self.log.origin, leaf, Millis(t - 2 * HOUR), Millis(t - HOUR))
        return kafka_put_back(t, UnitId("registrar"), back, why="disks", by="A. Costa", second="M. Smit")

    def _role(self, name: str) -> SoftIdentity:
        return {
            "ledger": self.world.ledger, "registrar": self.world.registrar, "router": self.world.router
        }[name]  # fmt: skip

    def next_half_year(self, *, first: bytes | None = None) -> None:
        """Time goes on into the next shard, which begins with the last checkpoint of this one, or not."""
        self.publish()
        old = self.log
        self.world.now = Millis(shard_at(NAME, self.world.now).end + DAY)
        self.log = self._begin(shard_at(NAME, self.world.now).origin)
        self.log.tree.append(first or old.head.body().encode())
        self.shards.append(self.log)

    # What is on disk afterwards.

    def publish(self) -> None:
        """Rows, tiles, checkpoints: everything that there is until now."""
        for log in (self.log, self.directory):
            note = self.checkpoint(log.head)
            state = LogState(
                origin=log.origin, size=log.head.size, root=log.head.root, checkpoint=self.signed(log.head),
                position=self.offset, directory_next=self.announced,
            )  # fmt: skip
            files = log.tree.take()
            self.store.commit(log.state, state, log.rows, files, signed=log.signed)
            self.store.clear_staged(log.origin, size=log.head.size)
            log.state, log.rows, log.signed, log.note = state, [], [], note
            for path, data in files.items():
                put(log.home / path, data)
            put(log.home / "checkpoint", note)
        # Nothing stays in SQLite's log: what an auditor copies, and an attacker changes, is one file.
        self.store.close()

    def signed(self, head: Checkpoint, *, key: NoteKey | None = None) -> bytes:
        """A checkpoint as its log signs it, or as whoever has `key` does."""
        signers = (key or self.key).signers(head.origin)
        return sign_checkpoint(head, signers, now=seconds(self.world.now))

    def checkpoint(self, head: Checkpoint, *, witnesses: Sequence[str] = WITNESSES) -> bytes:
        """A checkpoint signed by its log and cosigned by these witnesses."""
        lines = [
            cosign(head, signer, now=seconds(self.world.now))
            for name in witnesses
            for signer in self.witnesses[name].signers(name, NoteUse.WITNESS)
        ]
        return with_cosignatures(self.signed(head), lines)

    def _begin(self, origin: str) -> Log:
        home = self.path / origin.removeprefix(f"{NAME}/")
        home.mkdir(parents=True)
        return Log(origin, home)

    def append(self, entries: Sequence[bytes], rows: Sequence[Row], signed: bytes | None = None) -> None:
        """Leaves and rows as they are, right or wrong, and what was signed of them."""
        if signed is not None:
            self.log.signed.append(SignedLeaves(self.log.tree.size, len(entries), signed))
        for entry in entries:
            self.log.tree.append(entry)
        self.log.rows += rows

    def made_of(self, data: bytes) -> Sequenced:
        """What a record of the audit topic would add."""
        return leaves_of(data, first=self.log.tree.size, parties=self.world.directory)

    def _take(self, data: bytes) -> None:
        made = self.made_of(data)
        self.append(made.entries, made.rows, made.signed)

    def announcement(self, position: int, data: bytes, root: Digest) -> Act:
        """What the ledger states of a directory statement."""
        applied = parse_statement(data)
        return directory_statement(
            self.world.now, LEDGER, position=position, statement=applied.digest,
            stype=int(body_type(applied.statement.body)), about=applied.statement.about,
            issuer=applied.statement.issuer, root=root,
        )  # fmt: skip

    def _record(self, *, refused: bool) -> Record:
        self.offset += 1
        self._core = replace(
            self._core,
            message_id=new_message_id(self.world.now, self.world.entropy),
            position=Position(self._core.position.stream, self.offset),
        )
        self.submissions.append(f"submission {self.offset}".encode())
        return Record(
            type=RecordType.REJECTED if refused else RecordType.ACCEPTED,
            t=self.world.now,
            source=OutboxPlace(UnitId("fr"), 0, self.offset),
            submission=digest(self.submissions[-1]),
            reasons=(Reason(Code.E_DATA_BASIS, UnitId("nz")),) if refused else (),
            directory_size=self.world.directory.head.size,
            header_digest=digest(self._core.message_id),
            header=summarize(self._core),
        )


def put(path: Path, data: bytes) -> None:
    """Write a file of the ledger, wherever it lies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
