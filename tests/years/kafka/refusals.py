"""Refusals of a kind that fits a request, and by which nothing was done: one of the model's faults.

Owns which refusal that is, for each request that has one. A client asks again, as it would of a broker that has just
taken over, or of a coordinator that still writes the markers of the transaction before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tests.years.kafka import codes
from tests.years.kafka.codes import Refusal
from tests.years.kafka.group_state import Reply


def _refuse_produce(asked: Any, reply: Reply) -> None:
    is_new = asked.API_VERSION >= 12
    code = Refusal.TOO_FEW_REPLICAS
    rows: list[Any] = []
    for name, partitions, *_ in asked.topics:
        done = [(row[0], code, -1, -1, -1, *(([], None, {}) if is_new else ())) for row in partitions]
        rows.append((name, done, {}) if is_new else (name, done))
    reply(*((rows, 0, {}) if is_new else (rows, 0)))


def _refuse_txn_commit(asked: Any, reply: Reply) -> None:
    reply(
        0, [(name, [(row[0], Refusal.LOADING, {}) for row in rows], {}) for name, rows, _ in asked.topics], {}
    )


def _refuse_positions(asked: Any, reply: Reply) -> None:
    code = Refusal.NOT_COORDINATOR
    reply(*((0, [], code, {}) if asked.API_VERSION >= 7 else (0, [], code)))


REFUSALS: Final[dict[int, Callable[[Any, Reply], None]]] = {
    codes.PRODUCE: _refuse_produce,
    codes.TXN_COMMIT: _refuse_txn_commit,
    codes.POSITIONS: _refuse_positions,
    codes.END: lambda asked, reply: reply(0, Refusal.CONCURRENT, -1, -1, {}),
    codes.PRODUCER_ID: lambda asked, reply: reply(0, Refusal.CONCURRENT, -1, -1),
    codes.FIND: lambda asked, reply: reply(0, Refusal.NO_COORDINATOR, "", -1, "", -1),
    codes.FETCH: lambda asked, reply: reply(0, Refusal.NO_SESSION, 0, []),
    codes.BEAT: lambda asked, reply: reply(0, Refusal.NOT_COORDINATOR),
}
