"""No query that runs for each message, or each time that monitoring asks, walks over a whole table."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

import clients.daemon
from clients.daemon.store.message_states import UNDECIDED, among

PLACE = Path(clients.daemon.__file__).parent
QUERY = re.compile(r'"""(\s*SELECT\b.+?)"""|"(SELECT\b[^"]+)"', re.DOTALL)
# Small by their own bound, or by their nature.
ALARMS = (
    "FROM alarms",
    "FROM rejected",
    "FROM meta",
    "FROM ledger_evidence",
    "FROM ledger_logs",
    "FROM received_requests",
)


def queries() -> list[str]:
    found = []
    for path in sorted(PLACE.rglob("*.py")):
        for long, short in QUERY.findall(path.read_text("utf-8")):
            query = (long or short).replace("{_LISTED}", "*")
            if "{chosen}" in query:
                continue  # the lists: tests/unit/clients/daemon/api/test_lists.py
            found.append(query.replace("{_UNDECIDED}", among(UNDECIDED)))
    return found


@pytest.mark.parametrize("query", queries())
def test_it_uses_an_index(query: str):
    """A table grows for years; SCAN is for partial indexes that only hold what is under way."""
    connection = sqlite3.connect(":memory:")
    connection.executescript((PLACE / "store" / "schema.sql").read_text("utf-8"))
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", (1,) * query.count("?"))]
    walks = [
        step for step in plan if step.startswith("SCAN") and "INDEX" not in step and "CONSTANT" not in step
    ]
    assert not walks or any(small in query for small in ALARMS), plan


def test_there_are_queries():
    """The test finds what it looks for."""
    assert len(queries()) > 20
