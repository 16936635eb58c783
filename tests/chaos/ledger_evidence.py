"""What is left of the ledger when a run is over: its files, its topic, and what witnesses and units have of it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.structs import ConsumerRecord

from broker.ledger.log_storage import prefix_of, stored_tiles
from broker.ledger.store.record_store import LogState, RecordStore
from broker.ledger.store.tile_store import TileStore
from clients.audit.checks.fsck import AuditBasis, audit_copy
from clients.audit.copy.ledger_copy import open_copy
from clients.witness.evidence import EvidenceFolder, EvidenceKind
from keys.ceremony import read_pin
from protocol.errors import ContradaError, Rejected
from protocol.identifiers import Digest
from protocol.merkle import leaf_hash
from protocol.parties import Parties
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.publication import parse_publication
from protocol.tlog.tiles import entries_between, read_entries
from protocol.trail.acts import Act, parse_any_record
from protocol.trail.batches import Leaf, verify_decisions
from protocol.trail.ledger_leaves import leaves_of_row
from protocol.trail.records import Delivered, Record, RecordType
from protocol.trail.stated_acts import is_acts, verify_acts
from tests.chaos.history import (
    ACCEPTED,
    DUPLICATE,
    REJECTED,
    Decision,
    Delivery,
    Head,
    Ledger,
    Says,
    Source,
    StatedAct,
    Unverified,
    Watch,
    WentBack,
)
from tests.chaos.ledger_site import NAME, LedgerSite
from tests.chaos.load import call

KINDS = {RecordType.ACCEPTED: ACCEPTED, RecordType.REJECTED: REJECTED, RecordType.DUPLICATE: DUPLICATE}
ACCUSATIONS = ("ledger_fork", "ledger_rollback", "ledger_gossip", "ledger_gap", "ledger_damaged")


@dataclass(slots=True)
class Trail:
    """What stands in the audit topic."""

    decisions: list[Decision] = field(default_factory=list)
    acts: list[StatedAct] = field(default_factory=list)
    unverified: list[Unverified] = field(default_factory=list)


def trail_of(records: Iterable[ConsumerRecord], parties: Parties) -> Trail:
    """Read the audit topic, or a topic of receipts, as the ledger must."""
    trail = Trail()
    for record in records:
        try:
            if is_acts(record.value):
                acts = verify_acts(record.value, parties=parties)
                trail.acts += map(_act, acts.acts, acts.leaves)
            else:
                trail.decisions += map(decision, verify_decisions(record.value, parties=parties).records)
        except Rejected:
            trail.unverified.append(Unverified(record.offset))
    return trail


def decision(record: Record) -> Decision:
    """What a router decided."""
    source = Source(record.source.unit, record.source.partition, record.source.offset)
    return Decision(
        KINDS[record.type],
        source,
        None if record.header is None else record.header[0],
        explained=record.type is RecordType.ACCEPTED or bool(record.reasons),
    )


def _act(act: Act, leaf: Leaf) -> StatedAct:
    return StatedAct(leaf.hash, act.detail[0] if act.type is RecordType.DIRECTORY_STATEMENT else None)


async def collect_ledger(
    site: LedgerSite, *, published: Sequence[ConsumerRecord], trail: Trail, watches: dict[str, Watch]
) -> Ledger:
    """Everything about a ledger whose processes have ended."""
    findings: list[str] = []
    leaves: list[Says | None] = []
    trees: dict[str, list[Digest]] = {}
    for state in site.states():
        try:
            entries = _entries(site, state)
        except ContradaError as error:
            findings.append(f"the files of {state.origin} cannot be read: {error}")
            entries = []
        trees[state.origin] = [leaf_hash(entry) for entry in entries]
        if "/audit/" in state.origin:
            says = _opened(site, state.origin, trees[state.origin])
            # A half-year begins with the last head of the one before, which is about nothing else.
            leaves += says[1:] if entries and _is_head(entries[0]) else says
    return Ledger(
        leaves=leaves,
        acts=trail.acts,
        unverified=trail.unverified,
        trees=trees,
        heads=[*_published(published), *_stored(site), *_cosigned(site), *_late(site)],
        trusted=site.trusted(),
        watches=watches,
        findings=[*findings, *await asyncio.to_thread(_fsck, site)],
        evidence=[
            f"{kept.kind} of {kept.origin} at {kept.offered_size}, cosigned {kept.cosigned_size}"
            for home in site.homes.values()
            for kept in EvidenceFolder(home.evidence).all()
            if kept.kind is not EvidenceKind.OLDER
        ],
    )


async def watch(socket: Path) -> Watch:
    """What a daemon says of the ledger now; it waits for everything where it does not answer."""
    try:
        _, shown = await call(socket, "GET", "/v1/status")
    except (OSError, TimeoutError) as error:
        return Watch(wrong=[f"nothing: {type(error).__name__}"])
    ledger = shown["ledger"]
    return Watch(
        promised=ledger["promised"],
        late=ledger["late"],
        wrong=[f"{each['code']} {each['about']}: {each['detail']}" for each in ledger["wrong"]],
        sizes={log["origin"]: log["size"] for log in ledger["logs"]},
        accused=[
            f"{alarm['code']}: {alarm['detail']}" for alarm in shown["alarms"] if alarm["code"] in ACCUSATIONS
        ],
    )


def _is_head(entry: bytes) -> bool:
    """Whether this is the body of a checkpoint: three lines, of which the first names an audit log."""
    lines = entry.split(b"\n")
    return len(lines) == 4 and b"/audit/" in lines[0] and lines[1].isdigit()


def _entries(site: LedgerSite, state: LogState) -> list[bytes]:
    store = TileStore.open(str(site.directory))
    read = stored_tiles(store, prefix_of(state.origin, NAME))
    try:
        return [entry for tile in entries_between(0, state.size) for entry in read_entries(read, tile)]
    finally:
        store.close()


def _opened(site: LedgerSite, origin: str, hashes: Sequence[Digest]) -> list[Says | None]:
    """What each leaf says, if a record and its salt make exactly this leaf."""
    says: list[Says | None] = [None] * len(hashes)
    records = RecordStore(site.records_url, read_only=True)
    try:
        for row in records.rows(origin):
            leaves = leaves_of_row(row)
            for index, (leaf, meaning) in enumerate(zip(leaves, _meanings(leaves), strict=True), row.index):
                if index < len(hashes) and leaf.hash == hashes[index]:
                    says[index] = meaning
    finally:
        records.close()
    return says


def _meanings(leaves: Sequence[Leaf]) -> Iterator[Says]:
    first = parse_any_record(leaves[0].record)
    for leaf in leaves:
        match parse_any_record(leaf.record):
            case Record() as record:
                yield decision(record)
            case Delivered() as delivered:
                assert isinstance(first, Record)
                yield Delivery(delivered.unit, first.header[2], first.header[0])
            case Act(type=RecordType.UNVERIFIED) as act:
                yield Unverified(act.detail[0])
            case Act(type=RecordType.AUDIT_REWOUND) as act:
                yield WentBack(act.detail[0])
            case act:
                yield _act(act, leaf)


def _published(records: Iterable[ConsumerRecord]) -> Iterator[Head]:
    for record in records:
        try:
            note = parse_publication(record.value).note
            made = None if note is None else parse_checkpoint(note).checkpoint
        except Rejected:
            continue  # whoever wrote it, it is no head
        if made is not None:
            yield Head(f"published at {record.offset}", made.origin, made.size, made.root)


def _stored(site: LedgerSite) -> Iterator[Head]:
    for state in site.states():
        yield Head("in the lock row", state.origin, state.size, state.root)
        if (signed := site.checkpoint(state.origin)) is not None:
            made = signed.checkpoint
            yield Head("in the store", made.origin, made.size, made.root)


def _cosigned(site: LedgerSite) -> Iterator[Head]:
    for unit, home in site.homes.items():
        with closing(sqlite3.connect(f"file:{home.heads}?mode=ro", uri=True)) as heads:
            rows = heads.execute(
                "SELECT origin, size, root FROM signed UNION SELECT origin, size, root FROM head"
            ).fetchall()
        for origin, size, root in rows:
            yield Head(f"by the witness of {unit}", origin, size, root)


def _late(site: LedgerSite) -> Iterator[Head]:
    # No proof against the log by itself: of two ledgers the slower one may ask late. Its tree must fit.
    for unit, home in site.homes.items():
        for kept in EvidenceFolder(home.evidence).all():
            if kept.kind is EvidenceKind.OLDER:
                where = f"late by the witness of {unit}"
                yield Head(where, kept.origin, kept.offered_size, bytes.fromhex(kept.offered_root))


def _fsck(site: LedgerSite) -> list[str]:
    wanted = AuditBasis(site.policy, read_pin(site.place / "root.pin"))
    try:
        found = audit_copy(open_copy(site.directory), wanted).wrong
    except ContradaError as error:
        return [str(error)]
    return [f"{each.kind} of {each.log} at {each.index}: {each.what}" for each in found]
