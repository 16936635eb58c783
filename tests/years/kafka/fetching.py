"""Fetch 11 at a broker of the model: sessions (KIP-227), and the wait for something new.

Owns what a session remembers, which partitions an answer names, and when a fetch is answered. Source of the rules:
Kafka 4.1, FetchSession and DelayedFetch. An answer of a session names the partitions of which the client learns
something: records, an error, or another end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.years.kafka.codes import Refusal
from tests.years.kafka.group_state import Reply
from tests.years.kafka.log import PartitionLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.years.kafka.cluster import KafkaModel
    from tests.years.kafka.nodes import Node

Place = tuple[str, int]

READ_COMMITTED: Final = 1
FINAL_EPOCH: Final = -1
MOST_SESSIONS: Final = 1_000
REFUSED_AFTER: Final = 0.001
"""Seconds until a broker has answered that it does not lead a partition."""

_LAST_EPOCH: Final = 2**31 - 1


@dataclass(slots=True)
class Asking:
    """One partition of a session: where its client reads, and what it was told of the ends."""

    offset: int
    most: int
    told: tuple[int, int, int] = (-1, -1, -1)


@dataclass(slots=True)
class Session:
    """What a broker remembers between two fetches of a client."""

    number: int
    epoch: int
    asking: dict[Place, Asking] = field(default_factory=dict)


def fetch(model: KafkaModel, node: Node, asked: Any, reply: Reply) -> Callable[..., None] | None:
    """Answer, or wait; what is returned ends the wait."""
    session, code = _session_of(model, node, asked)
    if session is None:
        reply(0, code, 0, [])
        return None
    waiting = _Waiting(model, node, asked, session, reply)
    return None if waiting.answer_if_any() else waiting.wait()


def _session_of(model: KafkaModel, node: Node, asked: Any) -> tuple[Session | None, int]:
    number, epoch = asked.session_id, asked.session_epoch
    if epoch in (0, FINAL_EPOCH):
        node.sessions.pop(number, None)
        if epoch == FINAL_EPOCH:
            session = Session(0, FINAL_EPOCH)
        else:
            if len(node.sessions) >= MOST_SESSIONS:
                del node.sessions[next(iter(node.sessions))]
            session = Session(model.random.randrange(1, 2**31), 1)
            node.sessions[session.number] = session
    else:
        found = node.sessions.get(number)
        if found is None:
            return None, Refusal.NO_SESSION
        if found.epoch != epoch:
            return None, Refusal.WRONG_SESSION_EPOCH
        session = found
        session.epoch = session.epoch % _LAST_EPOCH + 1
    for name, partitions in asked.topics:
        for partition, _, offset, _, most in partitions:
            known = session.asking.get((name, partition))
            if known is None:
                session.asking[name, partition] = Asking(offset, most)
            else:
                known.offset, known.most = offset, most
    for name, gone in asked.forgotten_topics_data:
        for partition in gone:
            session.asking.pop((name, partition), None)
    return session, 0


class _Waiting:
    """A fetch that is under way."""

    __slots__ = ("_asked", "_done", "_logs", "_model", "_node", "_reply", "_session", "_timer")

    def __init__(self, model: KafkaModel, node: Node, asked: Any, session: Session, reply: Reply) -> None:
        self._model = model
        self._node = node
        self._asked = asked
        self._session = session
        self._reply = reply
        self._logs: list[PartitionLog] = []
        self._timer: Any = None
        self._done = False

    def answer_if_any(self) -> bool:
        """Answer if there are records or errors."""
        rows, has_any = self._rows()
        if any(row[1] for found in rows.values() for row in found):
            # The library asks again at once, until it hears of another leader: in no time that would have no end.
            self._model.later(REFUSED_AFTER, self._answer, rows)
            return True
        if has_any or not self._asked.max_wait_time:
            self._answer(rows)
            return True
        return False

    def wait(self) -> Callable[..., None]:
        """Wait for something new, for as long as the client wants."""
        for place in self._session.asking:
            log = self._model.log_at(place)
            if log is not None:
                self._logs.append(log)
                log.waiting[self._look] = None
        patience = self._asked.max_wait_time / 1000
        if self._model.patience:
            patience = max(patience, self._model.patience)
        self._timer = self._model.later(patience, self._stop)
        return self._release

    def _look(self) -> None:
        """Something has changed in one of the logs; it has forgotten us."""
        if self._done:
            return
        rows, has_any = self._rows()
        if has_any:
            self._forget()
            self._answer(rows)
            return
        for log in self._logs:
            log.waiting[self._look] = None

    def _stop(self) -> None:
        if not self._done:
            self._forget()
            self._answer(self._rows()[0])

    def _release(self, *, silent: bool = False) -> None:
        if silent:
            self._forget()
            self._done = True
        else:
            self._stop()

    def _forget(self) -> None:
        for log in self._logs:
            log.waiting.pop(self._look, None)
        if self._timer is not None:
            self._timer.cancel()

    def _answer(self, rows: dict[str, list[Any]]) -> None:
        self._done = True
        self._reply(0, 0, self._session.number, list(rows.items()))

    def _rows(self) -> tuple[dict[str, list[Any]], bool]:
        """The rows of an answer as of now, by topic; whether any of them is worth answering for."""
        model, node, asked, session = self._model, self._node, self._asked, self._session
        is_committed, is_incremental = asked.isolation_level == READ_COMMITTED, asked.session_epoch > 0
        rows: dict[str, list[Any]] = {}
        left, has_any, now = asked.max_bytes, False, model.clock()
        for place, asking in session.asking.items():
            log = model.log_at(place)
            code = Refusal.NONE
            if log is None:
                code = Refusal.UNKNOWN_TOPIC
            elif log.leader != node.number:
                code = Refusal.NOT_LEADER
            else:
                model.expire_if_due(log, now)
                if not log.begin <= asking.offset <= log.end:
                    code = Refusal.OUT_OF_RANGE
            if code or log is None:
                rows.setdefault(place[0], []).append((place[1], code, -1, -1, -1, None, -1, b""))
                asking.told, has_any = (-1, -1, -1), True
                continue
            bound = model.bound(log) if is_committed else log.end
            data: bytes = b""
            aborted: list[tuple[int, int]] | None = None
            if asking.offset < bound and (left > 0 or not has_any):
                data, found = log.read(
                    asking.offset, bound, min(asking.most, left) if has_any else asking.most
                )
                aborted = found if is_committed and not model.mutant("aborts_forgotten") else None
                left -= len(data)
                has_any = has_any or bool(data)
            ends = (log.begin, bound, log.end)
            if data or not is_incremental or asking.told != ends:
                rows.setdefault(place[0], []).append(
                    (place[1], 0, log.end, bound, log.begin, aborted, -1, data)
                )
                asking.told = ends
        return rows, has_any
