"""Each rule of broker/router/gossip.py and broker/router/ledger_feed.py, taken away, breaks a promise of their tests."""

from __future__ import annotations

import pytest

from broker.router.gossip import Gossip, Outcome, Roots
from broker.router.ledger_feed import LedgerFeed
from broker.router.loop import Router
from protocol.errors import Code
from protocol.tlog.policy import Policy
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced, instead, rewritten, unchecked
from tests.sim.world import World
from tests.unit.broker.router import test_gossip, test_ledger_feed, test_router_ledger
from tests.unit.broker.router.published import Ledger

pytestmark = pytest.mark.slow

MUTANTS = {
    "any root of a size is taken": (
        Mutant(Gossip.compare, rewritten("newest.by_size.get(head.size) == head.root", "head.size in newest.by_size")),
        lambda ledger: test_gossip.test_a_sender_that_saw_another_ledger_is_named(ledger, 300),
    ),
    "what differs is not said": (
        Mutant(Gossip._judge, dropped(Gossip._accuse)),
        lambda ledger: test_gossip.test_a_sender_that_saw_another_ledger_is_named(ledger, 300),
    ),
    "sizes between the published ones are left": (
        Mutant(Gossip._judge, rewritten("size < newest.first", "size < newest.first or size not in newest.by_size")),
        test_gossip.test_a_size_that_was_never_published_is_named,
    ),
    "what is older than we know is an alarm": (
        Mutant(Gossip._judge, unchecked(Outcome.UNKNOWN)),
        test_gossip.test_a_head_from_before_the_first_that_we_read_is_left,
    ),
    "it is said each time": (
        Mutant(Gossip._accuse, forced(False, "self.accused")),
        test_gossip.test_a_sender_is_named_once_and_counted_each_time,
    ),
    "what is ahead is forgotten": (
        Mutant(Gossip._judge, dropped("self._ahead.setdefault")),
        test_gossip.test_a_sender_that_is_ahead_of_us_is_compared_later,
    ),
    "the newest of what is ahead stays": (
        Mutant(Gossip._judge, instead("self._ahead[claim.sender] = claim", "self._ahead.setdefault")),
        test_gossip.test_a_log_that_runs_ahead_is_caught_at_its_first_head,
    ),
    "the half-year before is forgotten": (
        Mutant(Gossip.publish, rewritten("by_age[-2:]", "by_age[-1:]")),
        test_gossip.test_at_the_turn_of_the_half_year_both_logs_count,
    ),
    "sizes go back": (
        Mutant(Roots.put, unchecked(Code.E_LOG_ROLLBACK)),
        test_ledger_feed.test_a_log_that_goes_back_is_not_followed,
    ),
    "anybody's signature will do": (
        Mutant(LedgerFeed._take, dropped(Policy.signed_by_log), dropped(Policy.trusted)),
        test_ledger_feed.test_who_can_only_write_to_the_topic_accuses_nobody,
    ),
    "no witness is asked for": (
        Mutant(LedgerFeed._take, dropped(Policy.trusted)),
        test_ledger_feed.test_a_head_counts_when_its_witnesses_have_signed,
    ),
    "a second root is passed over": (
        Mutant(LedgerFeed._take, unchecked(Code.E_LOG_FORK)),
        lambda ledger: test_ledger_feed.test_a_second_root_of_one_size_is_a_fork(ledger, None),
    ),
}  # fmt: skip


def ledger_of(promise) -> Ledger:
    """The ledger as the promise's own module has it."""
    made = Ledger()
    made.grow(*((10, 300) if "feed" in promise.__globals__["__name__"] else (10, 20, 300, 400)))
    return made


@pytest.mark.parametrize("mutant", MUTANTS)
def test_without_its_rule_a_promise_is_broken(mutant: str) -> None:
    """The promise's own test fails on the mutant."""
    changed, promise = MUTANTS[mutant]
    ledger = ledger_of(promise)
    with mutated(changed), pytest.raises(AssertionError):
        promise(ledger)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_with_its_rule_the_promise_is_kept(mutant: str) -> None:
    """It is the mutant that breaks it."""
    _, promise = MUTANTS[mutant]
    promise(ledger_of(promise))


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger()
    made.grow(300)
    return made


@pytest.fixture
def world(ledger: Ledger) -> World:
    """That ledger's."""
    return ledger.world


async def test_without_the_proof_anybody_accuses_a_unit(ledger: Ledger, replica) -> None:
    """The router compares proven headers alone."""
    mutant = Mutant(Router._compare, forced(True, "one.record.header"))
    with mutated(mutant), pytest.raises(AssertionError):
        await test_router_ledger.test_nobody_is_accused_by_a_header_that_he_did_not_sign(ledger, replica)


async def test_before_the_commit_a_failed_batch_would_count(ledger: Ledger, replica) -> None:
    """The comparison stands behind the transaction."""
    mutant = Mutant(Router._route, instead("self._compare(records, outcome); ...", "claim.commit"))
    with mutated(mutant), pytest.raises(AssertionError):
        await test_router_ledger.test_a_message_that_was_not_committed_is_not_compared(ledger, replica)
