"""What was not read is no evidence: since when a feed is read to its end."""

from __future__ import annotations

import pytest

from clients.daemon.ledger.steadiness import LATE, Steadiness
from tests.mutants.engine import Mutant
from tests.mutants.operations import instead, rewritten
from tests.mutants.promises import assert_missed

EVERY = 10.0
IN_TIME, STOOD_STILL = EVERY, LATE * EVERY + 1

LOOKS = {
    "read to its end": ([(7, 7, IN_TIME)] * 4, 10.0),
    "its end moves, and is read by the next look": ([(7, 7, IN_TIME), (7, 9, IN_TIME), (9, 12, IN_TIME)], 10.0),
    "not read by the next look": ([(7, 7, IN_TIME), (7, 9, IN_TIME), (8, 9, IN_TIME)], None),
    "read again": ([(7, 9, IN_TIME), (8, 9, IN_TIME), (9, 9, IN_TIME), (9, 9, IN_TIME)], 30.0),
    "Kafka does not say": ([(7, 7, IN_TIME), (7, None, IN_TIME), (7, 7, IN_TIME)], None),
    "this process stood still": ([(7, 7, IN_TIME), (7, 7, IN_TIME), (7, 7, STOOD_STILL)], None),
    "and goes on": ([(7, 7, IN_TIME), (7, 7, STOOD_STILL), (7, 7, IN_TIME)], STOOD_STILL + 20.0),
    "the first look says nothing": ([], None),
}  # fmt: skip


@pytest.mark.parametrize("case", LOOKS)
def test_since_when_a_feed_is_read_to_its_end(case: str) -> None:
    """Each look: what was read, the end that Kafka tells, and the time since the look before."""
    looks, since = LOOKS[case]
    now = 0.0
    steady = Steadiness(look_every=EVERY)
    steady.judge(position=7, now=now)
    steady.ends_at(7)
    for position, end, seconds in looks:
        now += seconds
        steady.judge(position=position, now=now)
        steady.ends_at(end)
    assert steady.since == since


@pytest.mark.parametrize(
    ("mutant", "case"),
    [
        (Mutant(Steadiness.judge, rewritten("now - self._looked > self._late", "False")), "this process stood still"),
        (Mutant(Steadiness.judge, rewritten("position < self._end", "False")), "not read by the next look"),
        (Mutant(Steadiness.ends_at, instead("self._end = end or 0", "self._end")), "Kafka does not say"),
    ],
)  # fmt: skip
async def test_each_rule_is_needed(mutant: Mutant, case: str) -> None:
    await assert_missed(mutant, test_since_when_a_feed_is_read_to_its_end, (case,))
