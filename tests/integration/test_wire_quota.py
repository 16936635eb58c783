"""Kafka's quota on a real broker: who floods its outbox is held up, as Kafka itself answers, and nobody else is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from protocol import topics
from protocol.identifiers import UnitId
from runtime.kafka import requests as spoken
from runtime.kafka.ports import OutputRecord
from runtime.kafka.record_batches import batch_of
from runtime.kafka.security import rights as rights_module
from tests.integration import matrix
from tests.integration.matrix import connected
from tests.integration.wire import Wire, guarded_kafka, present
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced
from tests.mutants.promises import assert_missed

pytestmark = pytest.mark.kafka

FLOODER, QUIET = UnitId("fr"), UnitId("it")
FLOOD = 100
"""Megabytes: Kafka adds up ten seconds, so that 40 of them come before anybody is held up."""


@pytest.fixture(scope="module")
def wire(tmp_path_factory) -> Iterator[Wire]:
    """One broker for the module, on which nothing is declared."""
    with guarded_kafka(tmp_path_factory.mktemp("wire")) as started:
        yield started


async def test_a_unit_that_floods_its_outbox_is_held_up_and_no_other(wire: Wire) -> None:
    """Kafka says so in its answer. Another unit's records are acknowledged all the time, without a word of waiting."""
    await matrix.declare(wire, [FLOODER, QUIET])
    small, large = _batch(1_000), _batch(1_000_000)
    held, others = 0, []
    async with connected(wire.access("unit-fr")) as flooder, connected(wire.access("unit-it")) as quiet:
        for _ in range(FLOOD):
            code, held = await _written(flooder, FLOODER, large)
            assert code == 0, "it is held up, and nothing is refused"
            others.append(await _written(quiet, QUIET, small))
            if held:
                break
        others += [await _written(quiet, QUIET, small) for _ in range(3)]

    assert held > 0
    assert others == [(0, 0)] * len(others)


def _batch(size: int) -> bytes:
    batch, _ = batch_of([OutputRecord(topics.outbox(FLOODER), b"", bytes(size))], now=present())
    return batch


async def _written(client: Any, unit: UnitId, batch: bytes) -> tuple[int, int]:
    """The code with which Kafka answers, and for how many milliseconds it holds this client up."""
    asked = spoken.produce(None, {(topics.outbox(unit), 0): batch}, timeout_ms=30_000)
    answer = await client.send(client.get_random_node(), asked)
    return answer.topics[0][1][0][1], answer.throttle_ms


async def test_the_mutant_is_missed(tmp_path_factory) -> None:
    """Without a quota nobody is held up. On a broker of its own: what was set before would count."""
    change = Mutant(rights_module._differing, forced(False, "left"))
    with guarded_kafka(tmp_path_factory.mktemp("wire")) as started:
        await assert_missed(change, test_a_unit_that_floods_its_outbox_is_held_up_and_no_other, [started])
