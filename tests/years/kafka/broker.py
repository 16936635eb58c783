"""A broker of the model: what it answers to each request.

Owns the form of questions and answers, who may answer (the leader of a partition, the coordinator of a key), and the
waiting of a fetch. What is decided is the log's, the groups' and the transactions'. An answer is given through
`reply`, at once or later, as the fields of the request's own answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tests.years.kafka import broker_groups as at_groups
from tests.years.kafka import codes
from tests.years.kafka.broker_groups import Released
from tests.years.kafka.codes import VERSIONS, Refusal
from tests.years.kafka.fetching import fetch
from tests.years.kafka.group_state import Place, Reply
from tests.years.kafka.log import HEADER, PartitionLog, Refused

if TYPE_CHECKING:
    from tests.years.kafka.cluster import KafkaModel
    from tests.years.kafka.nodes import Node

READ_COMMITTED: Final = 1
BEGINNING, END = -2, -1
_TXN_VERSION: Final = b"\x02\x14transaction.version\x00\x02\x00\x02\x00"
"""The feature list of ApiVersions 3, as a compact array: transaction.version, 2 to 2."""


def handle(model: KafkaModel, node: Node, asked: Any, party: str, reply: Reply) -> Released:
    """Do a request at this broker; what is returned ends its wait, where it is not answered yet."""
    model.requests[asked.API_KEY] += 1
    return _HANDLERS[asked.API_KEY](model, node, asked, party, reply)


# What there is.


def _features(model: KafkaModel, _node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    if asked.API_VERSION < 3:
        reply(0, [(key, low, high) for key, (low, high) in VERSIONS.items()])
    else:
        apis = [(key, low, high, {}) for key, (low, high) in VERSIONS.items()]
        reply(0, apis, 0, {2: _TXN_VERSION})
    return None


def _metadata(model: KafkaModel, _node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    brokers = [(one.number, one.host, one.port, None) for one in model.nodes if one.seen_up]
    replicas = [one.number for one in model.nodes]
    controller = brokers[0][0] if brokers else -1
    rows = []
    for name in model.topics if asked.topics is None else asked.topics:
        topic = model.topics.get(name)
        if topic is None:
            rows.append((Refusal.UNKNOWN_TOPIC, name, False, []))
            continue
        rows.append(
            (
                0,
                name,
                False,
                [
                    (Refusal.NO_LEADER if log.leader < 0 else 0, number, log.leader, replicas, replicas, [])
                    for number, log in enumerate(topic.logs)
                ],
            )
        )
    reply(0, brokers, "model", controller, rows)
    return None


def _quorum(model: KafkaModel, _node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    """The controller that leads says its own time, as that at which it had caught up with itself (KIP-836)."""
    now, nothing = model.clock(), {}
    voter = (0, 1, now, now, nothing)
    row = (0, 0, 0, 1, 1, [voter], [], nothing)
    reply(0, [(name, [row], nothing) for name, _, _ in asked.topics], nothing)
    return None


def _find(model: KafkaModel, _node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    found = model.coordinator(asked.coordinator_key)
    if found is None:
        reply(0, Refusal.NO_COORDINATOR, "", -1, "", -1)
    else:
        reply(0, 0, "", found.number, found.host, found.port)
    return None


def _create(model: KafkaModel, _node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    rows = []
    for name, partitions, _, _, config in asked.create_topic_requests:
        if name in model.topics:
            rows.append((name, Refusal.TOPIC_EXISTS, "there already"))
        else:
            model.create(name, partitions=partitions, config=dict(config))
            rows.append((name, 0, None))
    reply(0, rows)
    return None


def _delete_topics(model: KafkaModel, _node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    rows = []
    for name in asked.topics:
        rows.append((name, 0 if name in model.topics else Refusal.UNKNOWN_TOPIC))
        model.delete_topic(name)
    reply(0, rows)
    return None


def _delete_records(model: KafkaModel, node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    rows = []
    for name, partitions, _ in asked.topics:
        done = []
        for number, before, _ in partitions:
            log = model.log_at((name, number))
            if (code := _led(log, node)) or log is None:
                done.append((number, -1, code, {}))
                continue
            if before > log.end:
                done.append((number, -1, Refusal.OUT_OF_RANGE, {}))
                continue
            log.delete_before(log.end if before < 0 else before)
            done.append((number, log.begin, 0, {}))
        rows.append((name, done, {}))
    reply(0, rows, {})
    return None


def _settings(model: KafkaModel, _node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    rows = []
    for kind, name, _ in asked.resources:
        topic = model.topics.get(name)
        if topic is None:
            rows.append((Refusal.UNKNOWN_TOPIC, "unknown", kind, name, []))
        else:
            own = [(key, value, False, 1, False, []) for key, value in topic.config.items()]
            rows.append((0, None, kind, name, own))
    reply(0, rows)
    return None


def _alter(model: KafkaModel, _node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    rows = []
    for kind, name, entries in asked.resources:
        topic = model.topics.get(name)
        if topic is not None:
            topic.config.clear()
            topic.config.update(dict(entries))
        rows.append((0 if topic is not None else Refusal.UNKNOWN_TOPIC, None, kind, name))
    reply(0, rows)
    return None


# Records.


def _produce(model: KafkaModel, node: Node, asked: Any, party: str, reply: Reply) -> Released:
    is_new = asked.API_VERSION >= 12
    now = model.clock()
    rows = []
    for name, partitions, *_ in asked.topics:
        done = []
        for number, records, *_ in partitions:
            code, base, stamp, begin = _append(
                model, node, (name, number), bytes(records), asked.transactional_id, now
            )
            if not code:
                model.written(party, (name, number), base)
            row = (number, code, base, stamp, begin)
            done.append((*row, [], None, {}) if is_new else row)
        rows.append((name, done, {}) if is_new else (name, done))
    reply(*((rows, 0, {}) if is_new else (rows, 0)))
    return None


def _append(
    model: KafkaModel, node: Node, place: Place, data: bytes, name: str | None, now: int
) -> tuple[int, int, int, int]:
    """Code, offset of the first record, the broker's time where it stamps, and where the log begins."""
    log = model.log_at(place)
    if (code := _led(log, node)) or log is None:
        return code, -1, -1, -1
    model.expire_if_due(log, now)
    try:
        if len(data) < HEADER.size:
            raise Refused(Refusal.CORRUPT)
        _, _, _, _, _, attributes, _, _, _, producer, epoch, _, _ = HEADER.unpack_from(data)
        if attributes & 0x10:
            _take_part(model, name, producer, epoch, place)
        base = log.append(data, now=now)
    except Refused as refused:
        return refused.code, -1, -1, -1
    is_stamped = log.config.get("message.timestamp.type") == "LogAppendTime"
    return 0, base, now if is_stamped else -1, log.begin


def _take_part(model: KafkaModel, name: str | None, producer: int, epoch: int, place: Place) -> None:
    """The leader asks the coordinator to make the partition a part of the transaction (KIP-890)."""
    if not name:
        raise Refused(Refusal.WRONG_STATE)
    if model.coordinator(name) is None:
        raise Refused(Refusal.TOO_FEW_REPLICAS)
    try:
        model.transactions.add(name, producer, epoch, place=place)
    except Refused as refused:
        # As a broker tells them to a producer (AddPartitionsToTxnManager).
        told = {Refusal.CONCURRENT: Refusal.TOO_FEW_REPLICAS, Refusal.FENCED: Refusal.OLD_EPOCH}
        raise Refused(told.get(refused.code, refused.code)) from None


def _fetch(model: KafkaModel, node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    return fetch(model, node, asked, reply)


def _bounds(model: KafkaModel, node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    rows, now = [], model.clock()
    for name, partitions in asked.topics:
        done = []
        for number, which in partitions:
            log = model.log_at((name, number))
            if (code := _led(log, node)) or log is None:
                done.append((number, code, -1, -1))
                continue
            model.expire_if_due(log, now)
            if which == BEGINNING:
                found = log.begin
            elif which == END:
                found = model.bound(log) if asked.isolation_level == READ_COMMITTED else log.end
            else:
                found = next((one.base for one in log.batches if one.stamp >= which), -1)
            done.append((number, 0, -1, found))
        rows.append((name, done))
    reply(0, rows)
    return None


def _led(log: PartitionLog | None, node: Node) -> Refusal:
    if log is None:
        return Refusal.UNKNOWN_TOPIC
    return Refusal.NONE if log.leader == node.number else Refusal.NOT_LEADER


# Transactions.


def _producer_id(model: KafkaModel, node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    if asked.transactional_id is None:
        reply(0, 0, model.transactions.new_producer(), 0)
    elif code := model.coordinating(node, asked.transactional_id):
        reply(0, code, -1, -1)
    else:
        try:
            reply(0, 0, *model.transactions.take(asked.transactional_id, asked.transaction_timeout_ms))
        except Refused as refused:
            reply(0, refused.code, -1, -1)
    return None


def _end(model: KafkaModel, node: Node, asked: Any, _party: str, reply: Reply) -> Released:
    if code := model.coordinating(node, asked.transactional_id):
        reply(0, code, -1, -1, {})
        return None
    try:
        found = model.transactions.end(
            asked.transactional_id, asked.producer_id, asked.producer_epoch, commit=asked.committed
        )
    except Refused as refused:
        reply(0, refused.code, -1, -1, {})
    else:
        reply(0, 0, *found, {})
    return None


_HANDLERS: Final[dict[int, Callable[..., Released]]] = {
    codes.PRODUCE: _produce,
    codes.FETCH: _fetch,
    codes.BOUNDS: _bounds,
    codes.METADATA: _metadata,
    codes.COMMIT: at_groups.commit,
    codes.POSITIONS: at_groups.positions,
    codes.FIND: _find,
    codes.JOIN: at_groups.join,
    codes.BEAT: at_groups.beat,
    codes.LEAVE: at_groups.leave,
    codes.SYNC: at_groups.sync,
    codes.FEATURES: _features,
    codes.CREATE: _create,
    codes.DELETE_TOPICS: _delete_topics,
    codes.DELETE_RECORDS: _delete_records,
    codes.PRODUCER_ID: _producer_id,
    codes.END: _end,
    codes.TXN_COMMIT: at_groups.commit_pending,
    codes.SETTINGS: _settings,
    codes.ALTER: _alter,
    codes.QUORUM: _quorum,
}
