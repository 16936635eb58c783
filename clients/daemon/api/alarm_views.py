"""The local API's JSON for alarms: which are open, which acknowledged, by whom, and the request to do so.

Owns these shapes. Runs in the worker's thread.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clients.daemon.api.lists import ListQuery
from clients.daemon.api.views import Shown
from clients.daemon.sending.requests import Form
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import alarms
from clients.daemon.store.database import Row
from protocol.content.fields import Line
from protocol.limits import MAX_UINT

MOST_AT_ONCE = 1_000


class AlarmAckRequest(Form):
    """POST /v1/alarms/ack."""

    alarms: tuple[Annotated[int, Field(ge=1, le=MAX_UINT, strict=True)], ...] = Field(
        min_length=1, max_length=MOST_AT_ONCE
    )
    by: Line
    """Who has looked at them, as their unit knows them."""

    note: Line | None = None


def alarm_page(context: UnitContext, query: ListQuery) -> Shown:
    """The alarms that are chosen, from one end."""
    newest = query.order == "newest"
    rows = alarms.listed_alarms(
        context.store,
        state=query.state,
        after=query.after,
        before=query.before,
        newest=newest,
        most=query.limit + 1,
    )
    kept = rows[: query.limit]
    last = kept[-1]["id"] if kept else query.before if newest else query.after or 0
    cursor = None if last is None else str(last)
    return {
        "items": [_alarm(row) for row in kept],
        "cursor": cursor,
        "next": cursor if len(rows) > query.limit else None,
    }


def newest_alarms(context: UnitContext) -> list[Shown]:
    """The newest alarms of each code, for the status."""
    return [_alarm(row) for row in alarms.alarms_at_a_glance(context.store)]


def record_alarm_ack(context: UnitContext, request: AlarmAckRequest) -> Shown:
    """Record that they were looked at; each as it is then, and which were open before."""
    with context.transaction():
        done = alarms.acknowledge_alarms(
            context.store, request.alarms, by=request.by, note=request.note, now=context.clock()
        )
    rows = [alarms.alarm_of(context.store, number) for number in dict.fromkeys(request.alarms)]
    return {"items": [_alarm(row) for row in rows if row is not None], "acknowledged": done}


def _alarm(row: Row) -> Shown:
    done = row["acknowledged"] is not None
    return {
        "id": row["id"],
        "raised": row["raised"],
        "code": row["code"],
        "detail": row["detail"],
        "count": row["count"],
        "last": row["last"],
        "last_detail": row["last_detail"],
        "state": "acknowledged" if done else "open",
        "acknowledged": row["acknowledged"],
        "by": row["by"],
        "note": row["note"] or None,
    }
