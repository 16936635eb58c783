"""The router's decisions: batches of records, and the receipts made of them.

    root      = RFC 6962 root over the entries (protocol/trail/records.py) of one router transaction
    batch     = signed [ 1, router, t, count, root ]          one signature for the whole transaction
    decisions = [ 1, [ [record, salt], ... ], batch ]         to the audit topic and to the sender
    receipt   = [ 1, record, salt, index, path, batch ]       travels with each delivery

One signature per transaction instead of one per message: the tree makes each receipt stand alone. What a
decision brings about follows from it: one leaf in the ledger for each delivery, with a salt of its own,

    salt_i    = first 16 bytes of HMAC-SHA256(salt, "delivery" || uint16(i))

so that the holder of a receipt can compute which leaves the ledger must have. Owns the layouts and their
verification. Does not decide (protocol/exchange_rules.py) and keeps no log.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from protocol import limits
from protocol.canonical import Item, decode, encode
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest, Entropy, Millis, digest
from protocol.item_forms import uint
from protocol.merkle import inclusion_paths, leaf_hash, root_from_path
from protocol.parties import Parties
from protocol.signatures import BATCH, Signer, Suite, sign
from protocol.trail.records import (
    DECISIONS,
    RECORD_SALT,
    SUMMARY_FIELDS,
    VERSION,
    DecisionType,
    Delivered,
    OutboxPlace,
    Reason,
    Record,
    RecordType,
    encode_delivered,
    encode_record,
    entry_of,
    parse_delivered,
    parse_record,
    summarize,
)
from protocol.trail.signed_batches import Batch, check_batch, check_time, check_version, verify_batch

__all__ = [
    "DECISIONS",
    "RECORD_SALT",
    "SUMMARY_FIELDS",
    "Batch",
    "DecisionType",
    "Decisions",
    "Delivered",
    "Leaf",
    "OutboxPlace",
    "Reason",
    "Record",
    "RecordType",
    "SignedBatch",
    "check_batch",
    "decision_leaf",
    "delivery_leaf",
    "delivery_leaves",
    "delivery_salt",
    "encode_delivered",
    "encode_record",
    "entry_of",
    "open_decisions",
    "parse_delivered",
    "parse_record",
    "receipt_of",
    "sign_batch",
    "summarize",
    "verify_batch",
    "verify_decisions",
    "verify_receipt",
]

MAX_PATH = 32

_TO = SUMMARY_FIELDS.index("to")


class Leaf(NamedTuple):
    """A leaf of the ledger, with what opens it."""

    record: bytes
    salt: bytes
    entry: bytes

    @property
    def hash(self) -> Digest:
        """The leaf hash."""
        return leaf_hash(self.entry)


@dataclass(frozen=True, slots=True)
class Decisions:
    """All decisions of one transaction, verified."""

    batch: Batch
    records: tuple[Record, ...]
    leaves: tuple[Leaf, ...]

    @property
    def entries(self) -> tuple[bytes, ...]:
        """The log entry of each record."""
        return tuple(leaf.entry for leaf in self.leaves)


@dataclass(frozen=True, slots=True)
class SignedBatch:
    """What a router makes of one transaction's records."""

    decisions: bytes
    receipts: tuple[bytes, ...]


def decision_leaf(record: Record, raw: bytes, salt: bytes) -> Leaf:
    """The ledger's leaf of a decision."""
    return Leaf(raw, salt, entry_of(record.type, record.t, salt, raw))


def delivery_leaves(record: Record, raw: bytes, salt: bytes) -> tuple[Leaf, ...]:
    """The leaves that follow a decision in the ledger: one for each addressee of an accepted message."""
    if record.type is not RecordType.ACCEPTED or record.header_digest is None or record.header is None:
        return ()
    decision = digest(raw)
    return tuple(
        delivery_leaf(Delivered(record.t, decision, record.header_digest, index, unit), salt)
        for index, (unit, _) in enumerate(record.header[_TO])
    )


def delivery_leaf(delivered: Delivered, salt: bytes) -> Leaf:
    """The leaf of one delivery; the salt is that of its decision."""
    made, own = encode_delivered(delivered), delivery_salt(salt, delivered.index)
    return Leaf(made, own, entry_of(RecordType.DELIVERED, delivered.t, own, made))


def delivery_salt(salt: bytes, index: int) -> bytes:
    """The salt of the delivery to the addressee at `index`."""
    return hmac.digest(salt, b"delivery" + index.to_bytes(2, "big"), "sha256")[:RECORD_SALT]


def sign_batch(
    records: Sequence[Record], *, router: str, now: Millis, signer: Signer, entropy: Entropy
) -> SignedBatch:
    """One root over the records, signed once, and what each party gets of it."""
    salts = entropy(RECORD_SALT * len(records))
    rows = [
        (encode_record(record), salts[i * RECORD_SALT : (i + 1) * RECORD_SALT])
        for i, record in enumerate(records)
    ]
    leaves = [
        leaf_hash(entry_of(record.type, record.t, salt, raw))
        for record, (raw, salt) in zip(records, rows, strict=True)
    ]
    root, paths = inclusion_paths(leaves)
    batch = sign(
        encode([VERSION, router, now, len(records), root]),
        suite=Suite.CLASSICAL,
        signer=signer,
        context=BATCH,
    )
    receipts = tuple(
        _receipt(row, index, path, batch) for index, (row, path) in enumerate(zip(rows, paths, strict=True))
    )
    return SignedBatch(encode([VERSION, [[raw, salt] for raw, salt in rows], batch]), receipts)


def receipt_of(data: bytes, record: bytes) -> bytes:
    """The receipt of one of these decisions, byte for byte as its router gave it to the addressees."""
    rows, signed = open_decisions(data)
    _, paths = inclusion_paths([leaf_hash(decision_leaf(parse_record(raw), raw, s).entry) for raw, s in rows])
    for index, (row, path) in enumerate(zip(rows, paths, strict=True)):
        if row[0] == record:
            return _receipt(row, index, path, signed)
    raise Rejected(Code.E_RECEIPT, "the record is none of these decisions")


def verify_receipt(data: bytes, *, parties: Parties) -> Record:
    """The decision that a delivery carries, proved by the router's signature over its batch."""
    return verify_signed_receipt(data, parties=parties)[0]


def verify_signed_receipt(data: bytes, *, parties: Parties) -> tuple[Record, Batch]:
    """The same, and the batch, which says who signed it."""
    match decode(data, limit=limits.MAX_HEADER):
        case [version, bytes(raw), bytes(salt), index, [*path], bytes(signed)] if (
            len(salt) == RECORD_SALT and len(path) <= MAX_PATH and all(_is_hash(step) for step in path)
        ):
            check_version(version)
            record = parse_record(raw)
            batch = verify_batch(signed, parties=parties)
            entry = entry_of(record.type, record.t, salt, raw)
            check_time(entry, batch)
            if root_from_path(leaf_hash(entry), index=uint(index), size=batch.count, path=path) != batch.root:
                raise Rejected(Code.E_RECEIPT, "the decision is not part of the signed batch")
            return record, batch
        case _:
            raise Rejected(Code.E_SCHEMA, "not a receipt of version 1")


def verify_decisions(data: bytes, *, parties: Parties) -> Decisions:
    """All decisions of one transaction, proved by the router's signature."""
    rows, signed = open_decisions(data)
    records = tuple(parse_record(raw) for raw, _ in rows)
    leaves = tuple(
        decision_leaf(record, raw, salt) for record, (raw, salt) in zip(records, rows, strict=True)
    )
    batch = check_batch(signed, [leaf.entry for leaf in leaves], parties=parties)
    return Decisions(batch, records, leaves)


def open_decisions(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Records with their salts, and the signed batch; nothing of it is judged yet but its form."""
    match decode(data, items=limits.MAX_ROW_ITEMS):
        case [version, [*rows], bytes(signed)]:
            check_version(version)
            return [_row(row) for row in rows], signed
        case _:
            raise Rejected(Code.E_SCHEMA, "not a list of decisions of version 1")


def _receipt(row: tuple[bytes, bytes], index: int, path: Sequence[Digest], batch: bytes) -> bytes:
    raw, salt = row
    return encode([VERSION, raw, salt, index, list(path), batch])


def _is_hash(value: Item) -> bool:
    return type(value) is bytes and len(value) == 32


def _row(value: Item) -> tuple[bytes, bytes]:
    match value:
        case [bytes(raw), bytes(salt)] if len(salt) == RECORD_SALT:
            return raw, salt
        case _:
            raise Rejected(Code.E_SCHEMA, "a row of decisions is not [record, salt]")
