"""Each rule of runtime/kafka/transactions.py, taken away, breaks a promise of test_transactions.py."""

from __future__ import annotations

import pytest

from runtime.kafka import record_batches
from runtime.kafka import transactions as module
from runtime.kafka.transactions import Transactions
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called, dropped, forced, instead
from tests.unit.runtime.kafka import test_transactions as promises

pytestmark = pytest.mark.slow

brokers, transactions = promises.brokers, promises.transactions
T = Transactions


async def _pauses(t: Transactions, k: promises.Kafka) -> None:
    with pytest.MonkeyPatch.context() as patch:
        await promises.test_only_the_first_repetition_waits_for_nothing(t, k, patch, 10, 9)


MUTANTS = {
    "whatever was refused is asked again": (
        Mutant(module._until_done, forced(False, "code", "again")),
        lambda t, k: promises.test_anything_else_is_raised_and_asked_once(
            t, k, promises.PRODUCE, promises.TOO_LARGE, promises.MessageSizeTooLargeError
        ),
    ),
    "the end does not wait for its parts": (
        Mutant(T.commit, instead("tasks = [asyncio.create_task(part) for part in parts]; await asyncio.sleep(0)", module._all_of)),
        lambda t, k: promises.test_nothing_is_committed_when_a_part_was_refused(t, k, promises.PRODUCE),
    ),
    "what failed goes on in the background": (
        Mutant(module._all_of, dropped("cancel")),
        lambda t, k: promises.test_nothing_is_committed_when_a_part_was_refused(t, k, promises.OFFSETS),
    ),
    "the epoch stays": (
        Mutant(T._end, dropped("producer_epoch")),
        promises.test_each_transaction_has_the_epoch_that_the_one_before_was_answered,
    ),
    "what was appended is sent again": (
        Mutant(T._append, dropped("left[place]")),
        promises.test_of_several_partitions_only_the_refused_are_sent_again,
    ),
    "who leads is asked once": (
        Mutant(T._append, dropped("forget")),
        lambda t, k: promises.test_a_batch_follows_its_leader(t, k, promises.NOT_LEADER),
    ),
    "a partition that nobody leads ends it": (
        Mutant(T._produce, instead("raise AssertionError", "_NO_LEADER")),
        promises.test_a_partition_without_a_leader_is_waited_for,
    ),
    "a busy broker is stormed": (
        Mutant(module._until_done, called("sleep", "asyncio.sleep(0)")),
        _pauses,
    ),
    "any refusal stands for all": (
        Mutant(module._worst, called(sorted, "sorted(_0, reverse=True)")),
        promises.test_a_final_refusal_counts_more_than_one_that_may_pass,
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_without_its_rule_a_promise_is_broken(mutant, transactions, brokers) -> None:
    """The promise's own test fails on the mutant."""
    changed, promise = MUTANTS[mutant]
    with mutated(changed), pytest.raises((AssertionError, pytest.fail.Exception)):
        await promise(transactions, brokers)


def test_numbers_that_begin_anew_in_each_batch_are_noticed() -> None:
    """Kafka would take the second batch for a double of the first."""
    promise = promises.test_batches_hold_every_record_once_in_order.hypothesis.inner_test
    with (
        mutated(
            Mutant(
                record_batches.batch_of,
                called("DefaultRecordBatchBuilder", "DefaultRecordBatchBuilder(_0, _1, _2, _3, _4, 0, _6)"),
            )
        ),
        pytest.raises(AssertionError),
    ):
        promise([b"x" * 90, b"y" * 90], 100, (1, 1))
