"""The contract suite (places.py): the tests of the router's claims on the model, and models without a rule, which must not pass."""

from __future__ import annotations

import inspect

import pytest

from tests.integration import adapter, test_kafka_takeover, test_kafka_traps
from tests.years.kafka import places, test_contract_groups, test_contract_records
from tests.years.kafka.connection import installed
from tests.years.kafka.places import (
    Modelled,
)

no_late_tracebacks = adapter.no_late_tracebacks
place, own_cluster, unit = places.place, places.own_cluster, places.unit


# What the suite of the router's claims says, on the model as well; on Kafka it is tests/integration that runs it.

CLAIMS = [
    test_kafka_takeover.test_a_claim_takes_the_id_of_the_claim_before_it,
    test_kafka_takeover.test_a_claim_takes_both_ids_of_the_claim_before_it,
    test_kafka_takeover.test_what_is_large_goes_between_what_is_small,
    test_kafka_takeover.test_a_claim_never_starts_from_a_stale_position,
    test_kafka_takeover.test_a_late_commit_of_an_earlier_transaction_ends_nothing,
    test_kafka_takeover.test_a_late_commit_of_an_earlier_claim_ends_nothing,
    test_kafka_takeover.test_a_late_batch_of_an_earlier_transaction_is_in_no_later_one,
    test_kafka_traps.test_the_adapter_commits_nothing_when_one_record_fails,
    test_kafka_traps.test_the_adapter_is_clean_after_a_failed_batch,
]


@pytest.mark.parametrize("promise", CLAIMS, ids=lambda promise: promise.__name__.removeprefix("test_"))
async def test_the_routers_claims_on_the_model(promise, unique, unit) -> None:
    modelled = Modelled()
    with installed(modelled.model):
        await promise(modelled.bootstrap, unique, unit)


# Mutants: a model without one of the rules does not pass.

CAUGHT = [
    ("stable_ignored", test_contract_records.test_an_open_transaction_hides_itself_and_all_behind_it),
    ("fencing_ignored", test_contract_records.test_whoever_takes_an_id_shuts_out_those_who_had_it),
    ("generation_ignored", test_contract_groups.test_a_member_that_left_commits_nothing),
    (
        "unstable_ignored",
        test_contract_groups.test_a_position_comes_with_its_metadata_and_only_once_it_is_stable,
    ),
    ("last_end_holds", test_contract_groups.the_later_position_holds),
    ("aborts_forgotten", test_contract_records.test_records_of_an_aborted_transaction_are_never_seen),
]


@pytest.mark.parametrize(("mutant", "promise"), CAUGHT, ids=[mutant for mutant, _ in CAUGHT])
async def test_a_model_without_a_rule_is_found_out(mutant: str, promise, unique, unit) -> None:
    modelled = Modelled(mutant)
    given = {"place": modelled, "unique": unique, "unit": unit}
    names = [name for name in inspect.signature(promise).parameters if name in given]
    with installed(modelled.model), pytest.raises((AssertionError, pytest.fail.Exception)):
        await promise(**{name: given[name] for name in names})
