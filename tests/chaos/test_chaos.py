"""Three runs that every push makes: a short one that must hold, and two that the checker must fail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.campaign import Plan, run

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Lost connections are the point of a run, not news."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_a_short_campaign_holds() -> None:
    """Three brokers, two routers, a ledger, four daemons of which two are witnesses, eight faults: all holds.

    The ledger is killed while a second one is beside it, and a hostile unit writes into its outbox. `make chaos SEED=n SECONDS=n` does
    it for longer, and with other seeds.
    """
    outcome = asyncio.run(run(Plan(seed=8525, seconds=12, every=1.5)))
    assert outcome.ok, outcome.line()
    assert outcome.verdict.leaves > outcome.verdict.submitted
    faults = (
        "router_kill",
        "router_pause",
        "router_misdate",
        "broker_kill",
        "daemon_kill",
        "ledger_kill",
        "ledger_double",
        "witness_drip",
    )
    assert {name: outcome.faults.get(name) for name in faults} == dict.fromkeys(faults, 1)
    assert sum(outcome.hostile.values()) > 0
    assert outcome.denied > 0, "what the hostile unit tried in topics of others"
    assert outcome.trespasses == {}


def test_the_checker_catches_a_naive_router(tmp_path: Path) -> None:
    """A router that commits its position after its transaction, and dies between them, delivers twice.

    If this run passes for clean, the checker is broken, and no other run proves anything.
    """
    died = tmp_path / "died"
    env = {"CHAOS_NAIVE_DIES_ONCE": str(died)}
    plan = Plan(seconds=4, brokers=1, every=0, router="naive", router_env=env, ledger="none", until=died)
    outcome = asyncio.run(run(plan))
    assert died.exists()
    assert not outcome.ok
    assert outcome.verdict.duplicated > 0, outcome.line()
    assert outcome.verdict.unaudited > 0
    assert outcome.verdict.lost == 0


def test_the_checker_catches_a_naive_ledger(tmp_path: Path) -> None:
    """A ledger that keeps what it knows in its memory, and dies, forks its log and leaves decisions out.

    If this run passes for clean, the checker is broken, and no other run proves anything of the ledger.
    """
    died = tmp_path / "died"
    env = {"CHAOS_NAIVE_DIES_ONCE": str(died)}
    plan = Plan(seconds=4, brokers=1, every=0, ledger="naive", ledger_env=env, until=died)
    outcome = asyncio.run(run(plan))
    assert died.exists()
    assert not outcome.ok
    assert outcome.verdict.unlogged > 0, outcome.line()
    assert outcome.verdict.forked > 0, outcome.line()
    assert outcome.verdict.unaudited == 0
    assert outcome.verdict.lost == 0
