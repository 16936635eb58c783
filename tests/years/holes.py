"""The table of rules that are taken away (tests/years/mutants.py), in the order of the records that state them.

A row names the rule and where it stands, the mutants (tests/mutants addresses them by symbol), and the faults that meet
them. Which rule has which row, and which rule has none and why: docs/years.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from broker.ledger import checks, log_storage
from broker.ledger.record_judge import RecordJudge
from broker.ledger.store import record_store
from broker.renewal import Renewal
from broker.router import holding, loop, shared_transactions
from broker.router import step as router_step
from clients.daemon.directory import statements
from clients.daemon.receiving import deciding
from clients.daemon.receiving.catching_up import CatchingUp
from clients.daemon.receiving.unit_feeds import UnitFeeds
from clients.daemon.sending import lanes
from clients.daemon.store.disk import Disk
from keys import rules
from protocol.envelope import replay
from protocol.tlog.policy import Policy
from runtime.kafka import fetch_session, positions, requests, transactions
from runtime.kafka.feeds import KafkaFeeds
from runtime.process.clock import ClockCheck
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, instead, returning, rewritten, unchecked

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
    per_year: float = PER_YEAR
    people: bool = True
    """Whether people renew what ends: what they do would hide that a program does not."""

    without: tuple[Mutant, ...] = ()
    """What is changed in any case, so that the rule is needed at all."""

    by: str = ""
    """What is said of it that nothing else makes anybody say."""


_LAST_ONE_WINS: Final = """
base = first_id(move_row(connection, None if old is None else self.state(old.origin), new))
first = base + min((row[0] for row in (*rows, *signed)), default=LAST_INDEX)
for table in (records, concerns, batches):
    connection.execute(delete(table).where(table.c.id >= first))
connection.execute(delete(staged).where(staged.c.origin == new.origin, staged.c.size >= new.size))
"""
"""Whatever the log has become meanwhile; and the rows do not keep two writers apart either.

Garbage is what two writers make different leaves of: each draws a salt for it."""

SharedTransactions, ReplayState = shared_transactions.SharedTransactions, replay.ReplayState

HOLES: Final = (
    # ADR 0004, and what has replaced its rules.
    Hole(
        "a zombie is not fenced",
        "ADR 0004, router 1; ADR 0023, 1 and 2",
        (
            Mutant(requests.commit_offsets, rewritten("membership.generation", "-1"), rewritten("membership.member", "''")),
            Mutant(holding.Holding._position, dropped(holding.Holding._fence)),
        ),
        ("router_paused", "router_cut_in_silence"),
    ),
    Hole(
        "a position that may still change is read",
        "ADR 0004, router 1; ADR 0023, 2",
        (
            Mutant(holding.Holding._position, rewritten("self._positions.read(place, stable=True)", "self._positions.read(place, stable=False)"), dropped(holding.Holding._fence)),
        ),
        ("router_killed", "router_paused", "markers_apart", "slow_answers"),
    ),
    Hole(
        "EndTxn does not wait for records and position",
        "ADR 0004, router 2; ADR 0018, 2",
        (Mutant(transactions.Transactions.commit, rewritten("await _all_of(parts)", "[asyncio.ensure_future(each) for each in parts]")),),
        ("slow_answers", "connections_breaking"),
    ),
    Hole(
        "a failed transaction counts as committed",
        "ADR 0004, router 3; ADR 0018, 4",
        (Mutant(SharedTransactions._lose, rewritten("_fail(part, error)", "part.done.done() or part.done.set_result(None)")),),
        ("lost_answers", "connections_breaking", "broker_killed"),
    ),
    Hole(
        "a producer that failed goes on",
        "ADR 0004, router 3; ADR 0018, option 4",
        (
            Mutant(
                SharedTransactions.run,
                rewritten("self._open_one()", "self.current or self._open_one()"),
                rewritten("await transactions.open()", "None if transactions._producer[0] >= 0 else await transactions.open()"),
                dropped("_close_behind"),
            ),
        ),
        ("lost_answers", "connections_breaking", "broker_killed"),
    ),
    Hole(
        "the position is not a part of the transaction",
        "ADR 0004, router 4",
        (Mutant(SharedTransactions._commit, rewritten("transactions.commit(outputs, progress)", "transactions.commit(outputs)")),),
        ("router_killed", "router_stopped"),
    ),
    Hole(
        "an answer counts for whoever reads the partition now",
        "ADR 0004, router 5; ADR 0023, 5",
        (Mutant(fetch_session.FetchSession.answered, rewritten("self.wanted.get(place) == position", "place in self.wanted")),),
        ("refused_requests", "lost_answers", "late_answers"),
    ),
    Hole(
        "an answer that is an error means that nothing was committed",
        "ADR 0004, router 7",
        (Mutant(positions.PositionAnswer.position, instead("return None", "self._error", "_unknown")),),
        ("refused_requests", "router_killed"),
    ),
    Hole(
        "what comes behind a batch goes out although Kafka has not acknowledged it",
        "ADR 0004, units 1; ADR 0006, the order of numbers",
        (Mutant(lanes.Lanes._run_lane, instead("lane.after += 1\n...", "append_failures")),),
        ("lost_requests", "connections_breaking", "kafka_stopped", "unit_cut_off"),
    ),
    Hole(
        "a unit's position moves before what was read is stored",
        "ADR 0004, units 3",
        (
            Mutant(
                UnitFeeds.follow,
                instead(
                    """
                    from clients.daemon.state.feeds_read import note_read
                    with self._context.transaction(): note_read(self._context, fetched)
                    await asyncio.sleep(0.1)
                    ...
                    """,
                    "await take(fetched)",
                ),
            ),
        ),
        ("unit_killed", "unit_stopped"),
    ),
    # ADR 0006
    Hole(
        "a number that was decided is fresh",
        "ADR 0006",
        (Mutant(ReplayState.is_fresh, rewritten("position.seq > last.seq", "True")),),
        ("replays_in_outboxes",),
    ),
    Hole(
        "what was decided is not remembered",
        "ADR 0006",
        (Mutant(router_step._decide, dropped(ReplayState.advance)),),
        ("replays_in_outboxes",),
    ),
    Hole(
        "the replay state does not move with the position",
        "ADR 0006",
        (Mutant(loop.Router.work, rewritten("ReplayState.from_text(claim.state)", "ReplayState()")),),
        ("replays_in_outboxes", "all_routers_killed", "unit_killed"),
        years=0.02,
        per_year=1000,
    ),
    Hole(
        "what is forgotten leaves no floor",
        "ADR 0006, the floor",
        (Mutant(ReplayState.advance, rewritten("limits.MAX_STREAMS", "1"), instead("self.streams.pop(oldest)", "self.floor")),),
        ("replays_in_outboxes", "unit_killed", "unit_stopped"),
        without=(Mutant(ReplayState.advance, rewritten("limits.MAX_STREAMS", "1")),),
    ),
    # ADR 0012
    Hole(
        "what leaves a daemon is not on its disk",
        "ADR 0012",
        (Mutant(Disk.flushed, dropped("self._worker.do")),),
        ("unit_power_cut",),
    ),
    Hole(
        "a record leaves before it is on the disk",
        "ADR 0012",
        (Mutant(lanes.Lanes._send, dropped("self._disk.flushed")),),
        ("unit_power_cut",),
    ),
    # ADR 0013
    Hole(
        "two ledgers move one log",
        "ADR 0013",
        (Mutant(record_store.RecordStore.commit, instead(_LAST_ONE_WINS, "move_row")),),
        ("ledger_doubled", "garbage_in_audit"),
    ),
    Hole(
        "tiles are stored before the commit",
        "ADR 0013",
        (Mutant(log_storage.LogStorage.commit, instead("self._put(new, files, old=head.state.size)\n...", "self.records.commit")),),
        ("ledger_doubled", "garbage_in_audit"),
        seeds=11,
    ),
    Hole(
        "tiles are not staged in the transaction",
        "ADR 0013",
        (Mutant(record_store.RecordStore.commit, dropped("insert_many(connection, staged, pending)")),),
        ("ledger_power_cut_in_a_step", "ledger_disk_full"),
    ),
    Hole(
        "what was staged is not stored again",
        "ADR 0013",
        (Mutant(log_storage.LogStorage.resume, unchecked("staged")),),
        ("ledger_power_cut_in_a_step", "ledger_disk_full"),
    ),
    # ADR 0018
    Hole(
        "a refusal counts as done",
        "ADR 0018, 3",
        (Mutant(transactions._until_done, rewritten("not code", "code in (0, *again)")),),
        ("router_killed", "leaders_moving"),
    ),
    # Others, and faults that the program once had.
    Hole(
        "a router does not name its next key",
        "ADR 0028",
        (Mutant(Renewal.look, dropped("self.topic.publish")),),
        (),
        seeds=1,
        years=1.2,
        per_year=1.0,
        people=False,
    ),
    Hole(
        "a router goes on with an ended key",
        "ADR 0028",
        (
            Mutant(Renewal.look, dropped("self.topic.publish")),
            Mutant(loop.Router._unfit, unchecked("key_fault")),
            Mutant(loop.Router.check_fit, unchecked("fault")),
        ),
        (),
        seeds=1,
        years=1.2,
        per_year=16.0,
        people=False,
        without=(Mutant(Renewal.look, dropped("self.topic.publish")),),
        by="says decision_unverified",
    ),
    Hole(
        "a unit makes no keys for the next weeks",
        "docs/spec, epoch keys",
        (Mutant(statements.upkeep, rewritten("statements + context.keys.ensure_epochs(now, parties=context.directory)", "statements")),),
        (),
    ),
    Hole(
        "a clock is compared with nobody's",
        "ADR 0029",
        (Mutant(ClockCheck.fault, returning("None")),),
        ("clock_very_wrong",),
    ),
    Hole(
        "one program refuses what it cannot read",
        "ADR 0031",
        (
            Mutant(
                rules.consequences,
                instead(
                    """
                    from tests.years.lives import LIFE
                    if getattr(LIFE.get(), "name", "") == "be": raise Rejected(Code.E_ISSUER, "an older program")
                    ...
                    """,
                    "[]",
                ),
            ),
        ),
        ("statements_of_later_types",),
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
        "the ledger goes over a gap that nobody has stated",
        "docs/runbooks/ledger-does-not-start.md",
        (Mutant(checks.check_span, unchecked("state.position < first")),),
        ("audit_records_deleted",),
        years=0.02,
    ),
    Hole(
        "what a thief stated stands",
        "ADR 0035",
        (Mutant(rules._withdraw, dropped("undo")),),
        ("registrar_key_stolen",),
        years=0.02,
    ),
    Hole(
        "a position is a number and no more",
        "ADR 0030",
        (
            Mutant(KafkaFeeds._read, rewritten("connection.beginning(reading.place, reading.position, reading.known)", "connection.beginning(reading.place, reading.position, ())")),
        ),
        ("kafka_from_an_older_copy",),
        seeds=8,
        years=0.02,
        per_year=1000,
    ),
    Hole(
        "mail is taken in before the receipts",
        "ADR 0030",
        (Mutant(CatchingUp.for_deliveries, dropped("self.receipts_read.wait")),),
        ("unit_restored",),
    ),
    # ADR 0038
    Hole(
        "the ledger goes back and does not say so",
        "ADR 0038",
        (Mutant(RecordJudge.rewound, rewritten("(entry,)", "()"), rewritten("(row,)", "()")),),
        ("kafka_from_an_older_copy",),
        by="decision-twice",
    ),
)  # fmt: skip
