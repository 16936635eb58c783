"""The format of the records file, which the ledger writes and an auditor reads without trust in it.

A database with these tables, as SQLite in an auditor's copy (`records.sqlite`), or in the ledger's own store:

    logs      origin, number, size, root, checkpoint, position, directory_next, next
                      one row for each log; `checkpoint` is the last one that the log has signed
    records   id, leaves, type, t, record, salt, mid, thread, sender, units, reasons, subject, erased_by
                      what opens `leaves` leaves from this one on, and what it is searched by; where the
                      record was deleted, only `leaves`, `type`, `t` and `erased_by` are left
    concerns  unit, id
                      which units each record concerns
    batches   id, leaves, signed
                      what a router or an operator has signed of `leaves` leaves from this one on

    id = number of the log << 40 | index of the leaf

A leaf that follows from a decision (a delivery) has no row: the decision's says how many follow. The ledger's
store has more columns' types and indexes than this, and a table of its own for files that are on their way
(broker/ledger/store/schema.py); a reader needs none of them.

Pure. Owns the numbers and names that both sides must have alike, not the access to a database. Nothing in the
file is trusted: every row is verified against the leaf that commits to it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

LOGS: Final = "logs"
RECORDS: Final = "records"
CONCERNS: Final = "concerns"
BATCHES: Final = "batches"

INDEX_BITS: Final = 40
LAST_INDEX: Final = (1 << INDEX_BITS) - 1
"""The largest index of a leaf; as a mask, what takes the index out of an id."""

ROW_COLUMNS: Final = (
    "leaves", "type", "t", "record", "salt", "mid", "thread", "sender", "units", "reasons", "subject",
    "erased_by",
)  # fmt: skip
"""The columns of `records` behind the id, in the order of `protocol.trail.ledger_leaves.Row`."""


class SignedLeaves(NamedTuple):
    """A row of `batches`: what a router or an operator signed together, with the index for the id."""

    first: int
    """The index of the first leaf that it is about."""

    leaves: int
    """How many of the log's leaves: decisions with the deliveries that follow from them, or acts."""

    signed: bytes
    """As protocol/trail/batches.py or stated_acts.py has it. No record, no salt: nothing of it is deleted."""


def first_id(number: int) -> int:
    """The id of leaf 0 of the log with this number; the index of a leaf is added to it."""
    return number << INDEX_BITS


def number_in(row_id: int) -> int:
    """The number of the log that a row is of."""
    return row_id >> INDEX_BITS


def index_in(row_id: int) -> int:
    """The index of the leaf at which a row stands."""
    return row_id & LAST_INDEX
