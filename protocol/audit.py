"""The router's decisions: records, log entries, batches, and the receipts made of them.

    record  = everything about one decision that may be known without reading content
    entry   = [ 1, type, t, c ]       c = HMAC-SHA256(salt, record): the leaf of the log, salted so that
                                      a record can be deleted and not be guessed from its leaf
    root    = RFC 6962 root over the entries of one router transaction
    batch   = signed [ 1, router, t, count, root ]           one signature for the whole transaction
    decisions = [ 1, [ [record, salt], ... ], batch ]         to the audit topic and to the sender
    receipt   = [ 1, record, salt, index, path, batch ]       travels with each delivery

One signature per transaction instead of one per message: the tree makes each receipt stand alone. Owns
the layouts and their verification. Does not decide (protocol/policy.py) and keeps no log.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from protocol import limits
from protocol.canonical import Item, decode, encode
from protocol.errors import Code, Rejected
from protocol.header import Core, number_of, uint
from protocol.identifiers import Digest, Entropy, KeyId, Millis, UnitId, parse_unit_id
from protocol.merkle import inclusion_paths, leaf_hash, root_from_path, root_of
from protocol.parties import Parties
from protocol.signatures import BATCH, Signer, Suite, parse_signed, sign, verify
from protocol.summary import check_summary

VERSION = 1
RECORD_SALT = 16
MAX_PATH = 32


class RecordType(IntEnum):
    """What a record says happened. Numbers of the ledger's closed list."""

    ACCEPTED = 1
    REJECTED = 2
    DUPLICATE = 17


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a decision: the code, and the unit that it concerns, if one."""

    code: Code
    unit: UnitId | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a submission stood in Kafka."""

    unit: UnitId
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What the header said, as far as statistics and disputes need it (DIR 18, EUDPR 88)."""

    subject: Digest
    core: Core


@dataclass(frozen=True, slots=True)
class Record:
    """One decision."""

    type: RecordType
    t: Millis
    source: Source
    submission: Digest
    """SHA-256 of the submission as received: it names even what could not be parsed."""

    reasons: tuple[Reason, ...]
    directory_size: int
    """How many statements of the directory the router had read: the state it decided by."""

    subject: Digest | None = None
    header: Item = None
    """A summary of the header, as `summarize` lays it out; None when nothing could be parsed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The signed root of one router transaction."""

    router: str
    t: Millis
    count: int
    root: Digest
    kid: KeyId


@dataclass(frozen=True, slots=True)
class Decisions:
    """All decisions of one transaction, verified."""

    batch: Batch
    records: tuple[Record, ...]
    entries: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SignedBatch:
    """What a router makes of one transaction's records."""

    decisions: bytes
    receipts: tuple[bytes, ...]


def summarize(core: Core) -> Item:
    """The header's part of a record: ids, codes and times, in a fixed order."""
    return [
        core.mid, core.thread, core.sender, core.position.stream, core.position.seq, int(core.kind),
        [[a.unit, int(a.role)] for a in core.to], sorted(map(int, core.handling)), int(core.classification),
        int(core.data_class), sorted(map(int, core.purposes)), number_of(core.urgency),
        number_of(core.ground), number_of(core.basis), [[int(r.kind), r.subject] for r in core.refs],
        core.created, core.expires, core.review, number_of(core.copy_exemption),
    ]  # fmt: skip


SUMMARY_FIELDS = (
    "mid", "thread", "sender", "stream", "seq", "kind", "to", "handling", "classification", "data_class",
    "purposes", "urgency", "ground", "basis", "refs", "created", "expires", "review", "copy_exemption",
)  # fmt: skip


def encode_record(record: Record) -> bytes:
    """The one encoding of a record."""
    source = record.source
    return encode([
        VERSION, int(record.type), record.t, [source.unit, source.partition, source.offset],
        record.submission, record.subject, record.header,
        [[reason.code.value, reason.unit] for reason in record.reasons], record.directory_size,
    ])  # fmt: skip


def parse_record(data: bytes) -> Record:
    """A record, checked in form."""
    row = decode(data, limit=limits.MAX_DECISION)
    match row:
        case [1, kind, t, [unit, partition, offset], bytes(submission), *rest]:
            source = Source(parse_unit_id(unit), uint(partition), uint(offset))
        case _:
            raise Rejected(Code.E_SCHEMA, "not an audit record of version 1")
    match rest:
        case [subject, header, [*reasons], size] if len(reasons) <= limits.MAX_REASONS:
            record = Record(
                type=_type(uint(kind)),
                t=Millis(uint(t)),
                source=source,
                submission=Digest(_hash(submission)),
                reasons=tuple(_reason(reason) for reason in reasons),
                directory_size=uint(size),
                subject=None if subject is None else Digest(_hash(subject)),
                header=_header(header),
            )
        case _:
            raise Rejected(Code.E_SCHEMA, "not an audit record of version 1")
    if encode_record(record) != data:
        raise Rejected(Code.E_SCHEMA, "a record that we would not write")
    return record


def entry_of(kind: RecordType, t: Millis, salt: bytes, record: bytes) -> bytes:
    """The log entry of a record: the data of its leaf."""
    return encode([VERSION, int(kind), t, hmac.digest(salt, record, "sha256")])


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
        encode([VERSION, raw, salt, index, list(path), batch])
        for index, ((raw, salt), path) in enumerate(zip(rows, paths, strict=True))
    )
    return SignedBatch(encode([VERSION, [[raw, salt] for raw, salt in rows], batch]), receipts)


def verify_receipt(data: bytes, *, parties: Parties) -> Record:
    """The decision that a delivery carries, proved by the router's signature over its batch."""
    match decode(data, limit=limits.MAX_HEADER):
        case [version, bytes(raw), bytes(salt), index, [*path], bytes(signed)] if (
            len(salt) == RECORD_SALT and len(path) <= MAX_PATH and all(_is_hash(step) for step in path)
        ):
            _check_version(version)
            record = parse_record(raw)
            batch = verify_batch(signed, parties=parties)
            leaf = leaf_hash(entry_of(record.type, record.t, salt, raw))
            if root_from_path(leaf, index=uint(index), size=batch.count, path=path) != batch.root:
                raise Rejected(Code.E_RECEIPT, "the decision is not part of the signed batch")
            return record
        case _:
            raise Rejected(Code.E_SCHEMA, "not a receipt of version 1")


def verify_decisions(data: bytes, *, parties: Parties) -> Decisions:
    """All decisions of one transaction, proved by the router's signature."""
    match decode(data):
        case [version, [*rows], bytes(signed)]:
            _check_version(version)
            pairs = [_row(row) for row in rows]
            records = tuple(parse_record(raw) for raw, _ in pairs)
            entries = tuple(
                entry_of(record.type, record.t, salt, raw)
                for record, (raw, salt) in zip(records, pairs, strict=True)
            )
            batch = verify_batch(signed, parties=parties)
            if batch.count != len(rows) or root_of([leaf_hash(entry) for entry in entries]) != batch.root:
                raise Rejected(Code.E_RECEIPT, "the decisions are not those that were signed")
            return Decisions(batch, records, entries)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a list of decisions of version 1")


def verify_batch(data: bytes, *, parties: Parties) -> Batch:
    """A batch signed by a key that the directory gives to a router, within the key's validity."""
    signed = parse_signed(data)
    match decode(signed.payload, limit=256):
        case [version, str(router), time, number, bytes(root)] if len(root) == 32 and number != 0:
            _check_version(version)
            t, count = uint(time), uint(number)
            key = parties.router_key(signed.kid)
            if key is None:
                raise Rejected(Code.E_RECEIPT, "signed by a key that no router has")
            compromised = key.revoked and (key.compromised_since is None or key.compromised_since <= t)
            if compromised or not key.not_before <= t <= key.not_after:
                raise Rejected(Code.E_RECEIPT, "the router's key was not valid then")
            verify(signed, key.public, context=BATCH)
            return Batch(router, Millis(t), count, Digest(root), signed.kid)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a batch of version 1")


def _check_version(value: Item) -> None:
    # `True == 1`: the version is compared as the item that it is, or one receipt would have two encodings.
    if uint(value) != VERSION:
        raise Rejected(Code.E_VER, f"version {value}, known is {VERSION}")


def _is_hash(value: Item) -> bool:
    return type(value) is bytes and len(value) == 32


def _hash(value: Item) -> bytes:
    if type(value) is not bytes or len(value) != 32:
        raise Rejected(Code.E_SCHEMA, "a hash does not have 32 bytes")
    return value


def _type(number: int) -> RecordType:
    try:
        return RecordType(number)
    except ValueError:
        raise Rejected(Code.E_SCHEMA, "a record of an unknown type") from None


def _header(value: Item) -> Item:
    if value is not None:
        check_summary(value)
    return value


def _reason(value: Item) -> Reason:
    match value:
        case [str(code), unit] if code in Code.__members__:
            return Reason(Code(code), None if unit is None else parse_unit_id(unit))
        case _:
            raise Rejected(Code.E_SCHEMA, "a reason is not [code, unit]")


def _row(value: Item) -> tuple[bytes, bytes]:
    match value:
        case [bytes(raw), bytes(salt)] if len(salt) == RECORD_SALT:
            return raw, salt
        case _:
            raise Rejected(Code.E_SCHEMA, "a row of decisions is not [record, salt]")
