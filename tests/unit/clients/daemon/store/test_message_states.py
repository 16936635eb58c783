"""The tables of a message's states: what the database allows, what is forbidden, and what the page draws."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clients.daemon.errors import ForbiddenMove
from clients.daemon.store import outbox
from clients.daemon.store.database import Store
from clients.daemon.store.message_states import (
    INBOX,
    OUTBOX,
    UNDECIDED,
    InboxEvent,
    InboxState,
    OutboxEvent,
    OutboxState,
)

ROOT = Path(__file__).parents[5]
SCHEMA = (ROOT / "clients/daemon/store/schema.sql").read_text(encoding="utf-8")


def test_the_database_knows_the_same_states() -> None:
    checks = [
        tuple(re.findall(r"'(\w+)'", each)) for each in re.findall(r"CHECK \(state IN \((.*?)\)\)", SCHEMA)
    ]
    assert checks == [tuple(OutboxState), tuple(InboxState)]
    indexed = re.search(r"outbox_under_way .* WHERE state IN \((.*)\);", SCHEMA)
    assert tuple(re.findall(r"'(\w+)'", indexed[1])) == UNDECIDED


@pytest.mark.parametrize(
    ("machine", "states", "events"), [(OUTBOX, OutboxState, OutboxEvent), (INBOX, InboxState, InboxEvent)]
)
def test_every_state_has_a_row_is_reached_and_every_event_leads_to_one(machine, states, events) -> None:
    assert set(machine.moves) == set(states)
    assert {machine.target(event) for event in events} | set(machine.start) == set(states)


@pytest.mark.parametrize("state", OutboxState)
@pytest.mark.parametrize("event", OutboxEvent)
def test_a_move_that_is_not_in_the_table_changes_nothing(tmp_path, state, event) -> None:
    """Each event in each state: it leads where the table says, or is an error of ours and leaves the row alone."""
    store = Store(tmp_path / "state.sqlite")
    with store.transaction():
        store.write(
            "INSERT INTO outbox (mid, thread, kind, recipients, state, automatic, created, changed)"
            " VALUES (?, ?, 1, '[]', ?, 0, 1, 1)", bytes(16), bytes(16), state,
        )  # fmt: skip
    target = OUTBOX.moves[state].get(event)
    if target is None:
        with pytest.raises(ForbiddenMove), store.transaction():
            outbox._move(store, 1, event, (), 2)
    else:
        with store.transaction():
            outbox._move(store, 1, event, (), 2)
    row = store.row("SELECT state, changed FROM outbox")
    assert tuple(row) == ((state, 1) if target is None else (target, 2))
    store.close()


@pytest.mark.parametrize(("machine", "name"), [(OUTBOX, "outbox"), (INBOX, "inbox")])
def test_the_page_draws_the_same_table(machine, name) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert f"<!-- states: {name} -->\n```mermaid\n{machine.drawing()}\n```\n<!-- end -->" in page, (
        machine.drawing()
    )
