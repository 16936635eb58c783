"""The form of the records file: ids, and the columns that ledger and auditor have alike."""

from __future__ import annotations

import pytest

from broker.ledger.store import schema
from protocol.trail import records_file
from protocol.trail.ledger_leaves import Row
from protocol.trail.records_file import LAST_INDEX, ROW_COLUMNS, SignedLeaves, first_id, index_in, number_in


@pytest.mark.parametrize("number", [0, 1, 7, 2**20])
@pytest.mark.parametrize("index", [0, 1, 255, LAST_INDEX])
def test_an_id_is_a_log_and_a_leaf(number: int, index: int) -> None:
    row_id = first_id(number) + index
    assert (number_in(row_id), index_in(row_id)) == (number, index)
    assert row_id < 2**63


def test_the_ledger_writes_the_columns_that_an_auditor_reads() -> None:
    tables = schema.metadata.tables
    assert tuple(tables[records_file.RECORDS].c.keys()) == ("id", *ROW_COLUMNS)
    assert tuple(tables[records_file.BATCHES].c.keys()) == ("id", *SignedLeaves._fields[1:])
    assert {"origin", "number", "checkpoint"} <= set(tables[records_file.LOGS].c.keys())
    assert set(tables[records_file.CONCERNS].c.keys()) == {"unit", "id"}


def test_a_row_has_a_value_for_each_column() -> None:
    assert len(Row._fields) == 1 + len(ROW_COLUMNS)
