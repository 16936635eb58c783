"""The leaves of a record of the audit topic, and the rows that open them again.

    decisions   each decision's leaf; behind an accepted one a leaf for each delivery, in the header's order
    acts        each act's leaf
    otherwise   `Rejected`: the ledger writes an UNVERIFIED act in its place, and never skips it

    row         = (index of its first leaf, how many leaves, record, salt, and what is searched by)

The leaves of deliveries follow from the decision's record and salt, so they have no row of their own: one row
opens them all, and without it none can be opened. `leaves_of_row` is the way back.

Pure; called for every message of the exchange, so it is quick where records have the form that routers write
(protocol/trail/record_scan.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from protocol.canonical import encode
from protocol.errors import Code, Rejected
from protocol.parties import Parties
from protocol.trail.acts import Act, act_leaf, parse_any_record, unit_named
from protocol.trail.batches import (
    Leaf,
    check_batch,
    decision_leaf,
    delivery_leaves,
    delivery_salt,
    open_decisions,
)
from protocol.trail.record_scan import Scanned, scan, scanned_of, words
from protocol.trail.records import VERSION, Delivered, RecordType, entry_of, parse_record
from protocol.trail.stated_acts import StatedActs, is_acts, verify_acts

# Plain numbers: to ask an enumeration for one is a tenth of a microsecond each time.
_ACCEPTED: Final = int(RecordType.ACCEPTED)
_DELIVERED: Final = int(RecordType.DELIVERED)


class Row(NamedTuple):
    """What is kept of one record, and what it is searched by. A plain tuple, for speed at 20,000 a second."""

    index: int  # type: ignore[assignment]  # what it is called everywhere; nobody looks for values in a row
    """Of its first leaf."""

    leaves: int
    """How many follow from it, its own included."""

    type: int
    t: int
    record: bytes | None
    """None: deleted, and so is all that follows but `erased_by`."""

    salt: bytes | None
    message_id: bytes | None = None
    thread: bytes | None = None
    sender: str | None = None
    units: str = ""
    """Every unit that it concerns, once each, with a space between."""

    reasons: str = ""
    """The codes of the reasons, likewise."""

    subject: bytes | None = None
    erased_by: str | None = None
    """`ORIGIN#INDEX` of the act that ordered the deletion."""


class Sequenced(NamedTuple):
    """What one record of the audit topic adds: entries in their order, and the rows that open them."""

    entries: list[bytes]
    rows: list[Row]
    signed: bytes
    """What a router or an operator signed. It proves to others that the ledger invented none of them."""


def leaves_of(data: bytes, *, first: int, parties: Parties) -> Sequenced:
    """What a record of the audit topic adds to a log of `first` leaves, or `Rejected`."""
    if is_acts(data):
        return leaves_of_acts(verify_acts(data, parties=parties), first=first)
    return leaves_of_decisions(data, first=first, parties=parties)


def leaves_of_acts(made: StatedActs, *, first: int) -> Sequenced:
    """What verified acts add."""
    pairs = zip(made.acts, made.leaves, strict=True)
    rows = [row_of_act(act, leaf, index=first + at) for at, (act, leaf) in enumerate(pairs)]
    return Sequenced([leaf.entry for leaf in made.leaves], rows, made.signed)


def leaves_of_decisions(data: bytes, *, first: int, parties: Parties) -> Sequenced:
    """What the decisions of one transaction add, or `Rejected`: where and as `verify_decisions` rejects."""
    pairs, signed = open_decisions(data)
    entries: list[bytes] = []
    decided: list[bytes] = []
    rows: list[Row] = []
    for raw, salt in pairs:
        record = scan(raw) or scanned_of(parse_record(raw))
        row = _row(record, raw, salt, first + len(entries))
        entry = entry_of(record.type, record.t, salt, raw)
        rows.append(row)
        decided.append(entry)
        entries.append(entry)
        if row.leaves > 1:
            entries += _delivery_entries(record, raw, salt)
    check_batch(signed, decided, parties=parties)
    return Sequenced(entries, rows, signed)


def open_decision(raw: bytes, salt: bytes, *, index: int) -> tuple[Row, list[bytes]]:
    """The row that a decision's record must have, and the entries of all leaves that it opens."""
    record = scan(raw) or scanned_of(parse_record(raw))
    row = _row(record, raw, salt, index)
    entries = [entry_of(record.type, record.t, salt, raw)]
    if row.leaves > 1:
        entries += _delivery_entries(record, raw, salt)
    return row, entries


def own_leaf(act: Act, salt: bytes, *, index: int) -> tuple[bytes, Row]:
    """A leaf that the ledger writes of its own: nobody states it."""
    leaf = act_leaf(act, salt)
    return leaf.entry, row_of_act(act, leaf, index=index)


def row_of_act(act: Act, leaf: Leaf, *, index: int) -> Row:
    """The row of an act."""
    return Row(
        index=index,
        leaves=1,
        type=int(act.type),
        t=act.t,
        record=leaf.record,
        salt=leaf.salt,
        sender=act.actor,
        units=words([act.actor, unit_named(act)]),
        reasons=act.detail[1] if act.type is RecordType.UNVERIFIED else "",
        subject=act.subject,
    )


def leaves_of_row(row: Row) -> tuple[Leaf, ...]:
    """The leaves that a row opens, in their order; none if it was deleted."""
    if row.record is None or row.salt is None:
        return ()
    made = parse_any_record(row.record)
    if isinstance(made, Act):
        return (act_leaf(made, row.salt),)
    if isinstance(made, Delivered):
        raise Rejected(Code.E_SCHEMA, "a delivery has no row of its own")
    return (decision_leaf(made, row.record, row.salt), *delivery_leaves(made, row.record, row.salt))


def _row(record: Scanned, raw: bytes, salt: bytes, index: int) -> Row:
    kind, t, header_digest, message_id, thread, (sender, units, reasons, _) = record
    leaves = 1 + len(_deliveries(record))
    return Row(index, leaves, kind, t, raw, salt, message_id, thread, sender, units, reasons, header_digest)


def _deliveries(record: Scanned) -> tuple[bytes, ...]:
    # As `delivery_leaves` has it: what was not accepted, or names nobody, is delivered to nobody.
    return record.shape.deliveries if record.type == _ACCEPTED and record.header_digest is not None else ()


def _delivery_entries(record: Scanned, raw: bytes, salt: bytes) -> Iterator[bytes]:
    """The entries of `delivery_leaves`, put together from encoded parts."""
    assert record.header_digest is not None
    # 58 20: a byte string of 32 bytes.
    told = b"".join((_delivered_head(record.t), b"X ", sha256(raw).digest(), b"X ", record.header_digest))
    for index, ending in enumerate(record.shape.deliveries):
        yield entry_of(_DELIVERED, record.t, delivery_salt(salt, index), told + ending)


@lru_cache(maxsize=1024)
def _delivered_head(t: int) -> bytes:
    return encode([VERSION, _DELIVERED, t, 0, 0, 0, 0])[:-4]
