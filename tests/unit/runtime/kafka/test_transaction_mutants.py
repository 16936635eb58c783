"""Each rule of runtime/kafka/transactions.py, taken away, breaks a promise of test_transactions.py."""

from __future__ import annotations

import pytest

from runtime.kafka import record_batches, transactions as module
from runtime.kafka.transactions import Transactions
from tests.unit.runtime.kafka import test_transactions as promises
from tests.unit.test_mutants import Edit, mutated

pytestmark = pytest.mark.slow

brokers, transactions = promises.brokers, promises.transactions
T = Transactions


async def _pauses(t: Transactions, k: promises.Kafka) -> None:
    with pytest.MonkeyPatch.context() as patch:
        await promises.test_only_the_first_repetition_waits_for_nothing(t, k, patch, 10, 9)


MUTANTS = {
    "whatever was refused is asked again": (
        Edit(module._until_done, "if code not in again:", "if False:"),
        lambda t, k: promises.test_anything_else_is_raised_and_asked_once(
            t, k, promises.PRODUCE, promises.TOO_LARGE, promises.MessageSizeTooLargeError
        ),
    ),
    "the end does not wait for its parts": (
        Edit(T.commit, "await _all_of(parts)", "tasks = [asyncio.create_task(part) for part in parts]; await asyncio.sleep(0)"),
        lambda t, k: promises.test_nothing_is_committed_when_a_part_was_refused(t, k, promises.PRODUCE),
    ),
    "what failed goes on in the background": (
        Edit(module._all_of, "task.cancel()", "pass"),
        lambda t, k: promises.test_nothing_is_committed_when_a_part_was_refused(t, k, promises.OFFSETS),
    ),
    "the epoch stays": (
        Edit(T._end, "self._producer = (answer.producer_id, answer.producer_epoch)", "pass"),
        promises.test_each_transaction_has_the_epoch_that_the_one_before_was_answered,
    ),
    "what was appended is sent again": (
        Edit(T._append, "del left[place]", "pass"),
        promises.test_of_several_partitions_only_the_refused_are_sent_again,
    ),
    "who leads is asked once": (
        Edit(T._append, "await self._client.force_metadata_update()", "pass"),
        lambda t, k: promises.test_a_batch_follows_its_leader(t, k, promises.NOT_LEADER),
    ),
    "a partition that nobody leads ends it": (
        Edit(T._produce, "refused[place] = _NO_LEADER", "raise AssertionError"),
        promises.test_a_partition_without_a_leader_is_waited_for,
    ),
    "a busy broker is stormed": (
        Edit(module._until_done, "await asyncio.sleep(pause)", "await asyncio.sleep(0)"),
        _pauses,
    ),
    "any refusal stands for all": (
        Edit(
            module._worst,
            "sorted(refused.values(), key=(_NOT_DONE | _MOVED).__contains__)",
            "sorted(refused.values(), reverse=True)",
        ),
        promises.test_a_final_refusal_counts_more_than_one_that_may_pass,
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_without_its_rule_a_promise_is_broken(mutant, transactions, brokers) -> None:
    """The promise's own test fails on the mutant."""
    edit, promise = MUTANTS[mutant]
    with mutated(edit), pytest.raises((AssertionError, pytest.fail.Exception)):
        await promise(transactions, brokers)


def test_numbers_that_begin_anew_in_each_batch_are_noticed() -> None:
    """Kafka would take the second batch for a double of the first."""
    promise = promises.test_batches_hold_every_record_once_in_order.hypothesis.inner_test
    with (
        mutated(Edit(record_batches.batches_of, "*producer, done, BATCH_BYTES", "*producer, 0, BATCH_BYTES")),
        pytest.raises(AssertionError),
    ):
        promise([b"x" * 90, b"y" * 90], 100, (1, 1))
