"""Topics: one owner each, one place for a conversation, and names that come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import topics
from protocol.errors import Rejected
from protocol.identifiers import UnitId
from protocol.limits import MAX_RECORD
from tests.unit.protocol.strategies import QUICK, octets, unit_ids


@QUICK
@given(unit_ids)
def test_an_outbox_names_its_owner(unit):
    """The owner of an outbox is read from its name."""
    assert topics.outbox_owner(topics.outbox(unit)) == unit


@pytest.mark.parametrize("topic", ["outbox.", "outbox.FR", "outbox.fr.it", "inbox.fr", "outbox", "fr", ""])
def test_another_topic_has_no_owner(topic):
    """A name that we would not make has no owner."""
    with pytest.raises(Rejected):
        topics.outbox_owner(topic)


@QUICK
@given(octets(16), st.integers(1, 64))
def test_a_conversation_stays_in_its_partition(thread, partitions):
    """The partition follows from the thread alone, and is one of those that are there."""
    assert topics.partition_of(thread, partitions) == topics.partition_of(thread, partitions)
    assert 0 <= topics.partition_of(thread, partitions) < partitions


def test_conversations_are_spread():
    """A thousand conversations reach all of eight partitions."""
    assert {topics.partition_of(n.to_bytes(16, "big"), 8) for n in range(1000)} == set(range(8))


@QUICK
@given(unit_ids, unit_ids, st.integers(0, 63), st.integers(0, 63))
def test_a_partition_of_an_outbox_is_in_one_shard(one, other, first, second):
    """All routers find it in the same one; and an earlier router's id is that of one partition alone."""
    places = [(topics.outbox(unit), at) for unit, at in ((one, first), (other, second))]
    ids = [topics.earlier_transactional_id(*place) for place in places]

    assert all(0 <= topics.outbox_shard(*place) < topics.SHARD_COUNT for place in places)
    assert (ids[0] == ids[1]) is ((one, first) == (other, second))


def test_no_writer_s_clock_decides_about_retention():
    """Every topic bears the time at which Kafka took a record: none is kept for years, or deleted unread."""
    for topic in topics.all_topics([UnitId("fr")]):
        assert topic.config["message.timestamp.type"] == "LogAppendTime"


def test_shards_are_the_same_for_ever():
    """Two versions that share out differently would work on the same outbox."""
    assert [topics.outbox_shard("outbox.fr", 0), topics.outbox_shard("outbox.it", 3)] == [18, 9]


def test_outboxes_are_spread_over_all_shards():
    """A thousand units reach all of them."""
    assert {topics.outbox_shard(f"outbox.u{n}", 0) for n in range(1000)} == set(range(topics.SHARD_COUNT))


def test_only_its_owner_writes_an_outbox():
    """A unit writes its outbox and reads its inbox and receipts; the router does the rest."""
    access = {topic.name: topic.access for topic in topics.of_unit("fr")}

    assert access["outbox.fr"].writers == ("unit-fr",)
    assert access["inbox.fr"].readers == access["receipts.fr"].readers == ("unit-fr",)
    assert access["inbox.fr"].writers == access["receipts.fr"].writers == ("router",)


def test_every_topic_takes_the_largest_record():
    """What may be sent fits where it goes."""
    for topic in topics.all_topics(["fr", "it"]):
        if topic.name not in (topics.DIRECTORY, topics.SHARDS):
            assert int(topic.config["max.message.bytes"]) > MAX_RECORD
    names = [topic.name for topic in topics.all_topics(["fr", "it"])]
    assert len(set(names)) == len(names) == 5 + 2 * 3
