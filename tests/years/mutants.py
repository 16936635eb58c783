"""Rules taken away: each is a hole that a simulation must find within a stated number of seeds.

A row names the rule and where it stands, the mutants (tests/mutants addresses them by symbol), and the faults that meet
them: a plan of these alone, close together, finds a hole in minutes of virtual time that a mixed one finds in years.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from broker.ledger import checks
from broker.ledger.store import record_store
from broker.renewal import Renewal
from broker.router import holding, loop, shared_transactions
from broker.router import step as router_step
from clients.daemon.receiving import deciding
from clients.daemon.receiving.catching_up import CatchingUp
from clients.daemon.sending import lanes
from clients.daemon.store.disk import Disk
from protocol.envelope import replay
from protocol.tlog.policy import Policy
from runtime.kafka import positions, transactions
from runtime.process.clock import ClockCheck
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, instead, returning, rewritten, unchecked
from tests.years.campaign import Outcome, simulate, units_of
from tests.years.plan import plan_of

YEARS: Final = 0.05
PER_YEAR: Final = 400.0
"""Episodes: one a day."""


@dataclass(frozen=True)
class Hole:
    """A rule that is taken away."""

    name: str
    rule: str
    mutants: tuple[Mutant, ...]
    faults: tuple[str, ...]
    seeds: int = 4
    """It is found within so many."""

    years: float = YEARS
    people: bool = True
    """Whether people renew what ends: what they do would hide that a program does not."""


HOLES: Final = (
    Hole(
        "what leaves a daemon is not on its disk",
        "ADR 0012",
        (Mutant(Disk.flushed, dropped("self._worker.do")),),
        ("unit_power_cut",),
    ),
    Hole(
        "a router does not name its next key",
        "ADR 0028",
        (Mutant(Renewal.look, dropped("self.topic.publish")),),
        (),
        seeds=1,
        years=1.2,
        people=False,
    ),
    Hole(
        "a clock is compared with nobody's",
        "ADR 0029",
        (Mutant(ClockCheck.fault, returning("None")),),
        ("clock_very_wrong",),
    ),
    Hole(
        "a head that is shown again is a rollback",
        "docs/spec, how the logs are followed",
        (Mutant(Policy.signed_later, returning("True")),),
        ("old_publications",),
    ),
    Hole(
        "a decision counts wherever the bytes lay",
        "docs/attacks.md",
        (Mutant(deciding.take_decisions, unchecked("decision.source.unit")),),
        ("receipts_of_others",),
    ),
    Hole(
        "mail is taken in before the receipts",
        "ADR 0030",
        (Mutant(CatchingUp.for_deliveries, dropped("self.receipts_read.wait")),),
        ("unit_restored",),
    ),
    Hole(
        "the ledger goes over a gap that nobody has stated",
        "docs/runbooks/ledger-does-not-start.md",
        (Mutant(checks.check_span, unchecked("state.position < first")),),
        ("audit_records_deleted",),
        years=0.02,
    ),
    Hole(
        "a failed transaction counts as committed",
        "ADR 0004, router 3; ADR 0018, 4",
        (Mutant(shared_transactions.SharedTransactions._lose, rewritten("_fail(part, error)", "part.done.done() or part.done.set_result(None)")),),
        ("lost_answers", "connections_breaking", "broker_killed"),
    ),
    Hole(
        "the position is not a part of the transaction",
        "ADR 0004, router 4",
        (Mutant(shared_transactions.SharedTransactions._commit, rewritten("transactions.commit(outputs, progress)", "transactions.commit(outputs)")),),
        ("router_killed", "router_stopped"),
    ),
    Hole(
        "an answer that is an error means that nothing was committed",
        "ADR 0004, router 7",
        (Mutant(positions.PositionAnswer.position, instead("return None", "self._error", "_unknown")),),
        ("refused_requests", "router_killed"),
    ),
    Hole(
        "what comes behind a batch goes out although Kafka has not acknowledged it",
        "ADR 0004, units 1",
        (Mutant(lanes.Lanes._run_lane, instead("lane.after += 1\n...", "append_failures")),),
        ("lost_requests", "connections_breaking", "kafka_stopped", "unit_cut_off"),
    ),
    Hole(
        "a number that was decided is fresh",
        "ADR 0006",
        (Mutant(replay.ReplayState.is_fresh, rewritten("position.seq > last.seq", "True")),),
        ("replays_in_outboxes",),
    ),
    Hole(
        "what was decided is not remembered",
        "ADR 0006",
        (Mutant(router_step._decide, dropped(replay.ReplayState.advance)),),
        ("replays_in_outboxes",),
    ),
    Hole(
        "the replay state does not move with the position",
        "ADR 0006",
        (Mutant(loop.Router.work, rewritten("ReplayState.from_text(claim.state)", "ReplayState()")),),
        ("replays_in_outboxes", "router_killed", "router_stopped"),
    ),
    Hole(
        "two ledgers move one log",
        "ADR 0013",
        (Mutant(record_store._update, unchecked(record_store.moved_by_another)),),
        ("ledger_doubled",),
    ),
    Hole(
        "EndTxn does not wait for records and position",
        "ADR 0018, 2",
        (Mutant(transactions.Transactions.commit, rewritten("await _all_of(parts)", "[asyncio.ensure_future(each) for each in parts]")),),
        ("slow_answers", "connections_breaking"),
    ),
    Hole(
        "a position that may still change is read",
        "ADR 0018; ADR 0023, 2",
        (
            Mutant(holding.Holding._position, rewritten("self._positions.read(place, stable=True)", "self._positions.read(place, stable=False)"), dropped(holding.Holding._fence)),
        ),
        ("router_killed", "router_paused", "markers_apart", "slow_answers"),
    ),
)  # fmt: skip


@contextmanager
def opened(hole: Hole) -> Iterator[None]:
    """The hole is there for a while."""
    with ExitStack() as stack:
        for mutant in hole.mutants:
            stack.enter_context(mutated(mutant))
        yield


def found_in(name: str, seed: int) -> Outcome:
    """One simulation with this hole, of the faults that meet it."""
    hole = next(each for each in HOLES if each.name == name)
    per_year = PER_YEAR if hole.faults else 1.0
    plan = plan_of(seed, years=hole.years, units=units_of(4), names=hole.faults, per_year=per_year)
    with opened(hole):
        return simulate(plan, people=hole.people)
