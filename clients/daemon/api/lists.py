"""The local API's lists of messages: what is chosen, in which order, page by page.

Owns choosing rows; their JSON is `views`. Runs in the worker's thread.

Rules, the same for inbox and outbox:
- Whatever a query asks for is asked of the database, before the page is cut.
- The oldest comes first, so that a program that follows misses nothing; `order=newest` turns the list round.
- `next` is set where there is more: it goes on as `after`, and with `order=newest` as `before`. `cursor` is
  the last row's, for a program that asks again later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from clients.daemon.api import views
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import message_ids
from clients.daemon.store.database import Row
from clients.daemon.store.message_states import UNDECIDED, InboxState, OutboxState, among
from protocol.identifiers import IdPrefix, Millis

MAX_LIMIT: Final = 500

INBOX_STATES: Final = tuple(state.value for state in InboxState)
UNACKNOWLEDGED: Final = "unacknowledged"
"""No state of a message, but asked for as one: accepted, and an addressee has not acknowledged it in time."""

OUTBOX_STATES: Final = (*(state.value for state in OutboxState), UNACKNOWLEDGED)

# Everything of a received message but its content.
_LISTED: Final = (
    "id, sender, mid, thread, kind, subject, role, state, received, opened, acknowledged, signed_header"
)
_BEYOND: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What is asked of a list; a field that is None is not compared."""

    limit: int = 100
    order: str = "oldest"
    """Which end comes first: `oldest` or `newest`."""

    after: int | None = None
    """The cursor of a row: only later ones."""

    before: int | None = None
    """The cursor of a row: only earlier ones."""

    state: str | None = None
    thread: bytes | IdPrefix | None = None
    since: Millis | None = None
    """Only what came in, or was handed over, from then on."""

    until: Millis | None = None
    """Only what did before then."""


def inbox_page(context: UnitContext, query: ListQuery) -> views.Shown:
    """What was received; acknowledgements of this unit's messages are left out."""
    # Constants, and not values: the partial indexes have them.
    chosen = "kind <> 5" if query.state is None else f"kind <> 5 AND state = '{InboxState(query.state)}'"
    select = f"SELECT {_LISTED} FROM inbox WHERE {chosen}"  # noqa: S608 - constants
    return _page(context, query, _spanned(select, "received"), views.received_item)


def outbox_page(context: UnitContext, query: ListQuery) -> views.Shown:
    """What was sent; acknowledgements that the daemon made by itself are left out."""
    match query.state:
        case None:
            chosen = "automatic = 0"
        case OutboxState.SEALED | OutboxState.SENT:
            # For a moment only the memory knows which of the two it is: told apart by what is shown.
            chosen = f"automatic = 0 AND {among(UNDECIDED)} AND state <> 'queued'"
        case "unacknowledged":
            chosen = "id IN (SELECT message FROM unacknowledged WHERE told = 1) AND state = 'accepted'"
        case state:
            chosen = f"automatic = 0 AND state = '{OutboxState(state)}'"
    select = f"SELECT * FROM outbox WHERE {chosen}"  # noqa: S608 - constants
    return _page(context, query, _spanned(select, "created"), views.sent_item)


def _spanned(select: str, when: str) -> str:
    return f"{select} AND {when} >= ? AND {when} < ?"


def _page(
    context: UnitContext, query: ListQuery, select: str, show: Callable[[UnitContext, Row], views.Shown]
) -> views.Shown:
    found = [
        (row["id"], shown) for row, shown in islice(_shown(context, query, select, show), query.limit + 1)
    ]
    kept = found[: query.limit]
    for _, shown in kept:
        shown["short"] = message_ids.short_form(context.store, bytes.fromhex(shown["id"].replace("-", "")))
    last = kept[-1][0] if kept else (query.after or 0) if query.order == "oldest" else query.before
    cursor = None if last is None else str(last)
    return {
        "items": [shown for _, shown in kept],
        "cursor": cursor,
        "next": cursor if len(found) > query.limit else None,
    }


def _shown(
    context: UnitContext, query: ListQuery, select: str, show: Callable[[UnitContext, Row], views.Shown]
) -> Iterator[tuple[Row, views.Shown]]:
    """Rows with what is shown of them, so many at a time as a page has."""
    after, before = query.after or 0, _BEYOND if query.before is None else query.before
    values: tuple[Any, ...] = (query.since or 0, _BEYOND if query.until is None else query.until)
    if query.thread is not None:
        thread = message_ids.find_thread(context.store, query.thread)
        select, values = f"{select} AND thread = ?", (*values, thread)
    order = "ORDER BY id" if query.order == "oldest" else "ORDER BY id DESC"
    asked = f"{select} AND id > ? AND id < ? {order} LIMIT ?"
    while rows := context.store.rows(asked, *values, after, before, query.limit + 1):
        for row in rows:
            shown = show(context, row)
            if query.state in (None, UNACKNOWLEDGED, shown["state"]):
                yield row, shown
        if len(rows) <= query.limit:
            return
        if query.order == "oldest":
            after = rows[-1]["id"]
        else:
            before = rows[-1]["id"]
