"""A broker of the model as a coordinator: its answers about members, generations and positions.

Owns the form of these questions and answers; what is decided is tests/years/kafka/groups.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.years.kafka.codes import Refusal
from tests.years.kafka.group_state import Place, Reply
from tests.years.kafka.log import Refused

if TYPE_CHECKING:
    from tests.years.kafka.cluster import KafkaModel
    from tests.years.kafka.nodes import Node

Released = Callable[..., None] | None
"""Ends the wait of a request that was not answered at once. `silent`: nobody is there for the answer."""


def commit_pending(model: KafkaModel, node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    code = model.coordinating(node, asked.group)
    now = model.clock()
    wanted = {
        (name, row[0]): (row[1], row[3] or "", now)
        for name, partitions, _ in asked.topics
        for row in partitions
    }
    if not code and any(len(metadata.encode()) > model.metadata_bytes for _, metadata, _ in wanted.values()):
        code = Refusal.METADATA_TOO_LARGE
    if not code:
        try:
            if model.coordinator(asked.transactional_id) is None:
                raise Refused(Refusal.LOADING)
            model.transactions.add(
                asked.transactional_id, asked.producer_id, asked.producer_epoch, group=asked.group
            )
        except Refused as refused:
            told = {Refusal.CONCURRENT: Refusal.LOADING, Refusal.FENCED: Refusal.OLD_EPOCH}
            code = told.get(refused.code, refused.code)
    if not code:
        code = model.groups.commit_pending(
            asked.group, asked.producer_id, asked.generation, asked.member, wanted
        )
    reply(0, [(name, [(row[0], code, {}) for row in rows], {}) for name, rows, _ in asked.topics], {})
    return None


def join(model: KafkaModel, node: Node, asked: Any, party: str, reply: Reply) -> Released:
    if code := model.coordinating(node, asked.group):
        reply(0, code, -1, "", "", asked.member_id, [])
    else:
        model.groups.join(asked, party, reply)
    return None


def sync(model: KafkaModel, node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    if code := model.coordinating(node, asked.group):
        reply(0, code, b"")
    else:
        model.groups.sync(asked, reply)
    return None


def beat(model: KafkaModel, node: Node, asked: Any, party: str, reply: Reply) -> Released:
    if code := model.coordinating(node, asked.group):
        reply(0, code)
        return None
    hold = bool(model.patience) and party not in model.paused
    if not model.groups.beat(asked, lambda code: reply(0, code), hold=hold):
        return None

    def release(*, silent: bool = False) -> None:
        model.groups.release(asked.group, asked.member_id, silent=silent)

    model.later(model.patience, release)
    return release


def leave(model: KafkaModel, node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    reply(0, model.coordinating(node, asked.group) or model.groups.leave(asked))
    return None


def commit(model: KafkaModel, node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    code, now = model.coordinating(node, asked.consumer_group), model.clock()
    if not code:
        wanted = {
            (name, number): (offset, metadata or "", now)
            for name, rows in asked.topics
            for number, offset, metadata in rows
        }
        code = model.groups.commit(
            asked.consumer_group, asked.consumer_group_generation_id, asked.consumer_id, wanted
        )
    reply(0, [(name, [(row[0], code) for row in rows]) for name, rows in asked.topics])
    return None


def positions(model: KafkaModel, node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    is_new = asked.API_VERSION >= 7
    group = asked.group if is_new else asked.consumer_group
    if code := model.coordinating(node, group):
        reply(*((0, [], code, {}) if is_new else (0, [], code)))
        return None
    rows = []
    for name, partitions, *_ in asked.topics or ():
        done = [
            _position_row(model, group, (name, number), is_new, is_new and asked.stable)
            for number in partitions
        ]
        rows.append((name, done, {}) if is_new else (name, done))
    reply(*((0, rows, 0, {}) if is_new else (0, rows, 0)))
    return None


def _position_row(model: KafkaModel, group: str, place: Place, is_new: bool, stable: bool) -> tuple[Any, ...]:
    offset, metadata, code = -1, "", 0
    try:
        found = model.groups.position(group, place, stable=stable)
        if found is not None:
            offset, metadata = found[0], found[1]
    except Refused as refused:
        code = refused.code
    if is_new:
        return place[1], offset, -1, metadata, code, {}
    return place[1], offset, metadata, code
