"""The chain of half-years at the witness: a new one begins with the head that it signed last, or is refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from clients.cli.witness_view import witness_view
from clients.witness.accuser import Accuser
from clients.witness.errors import StateUnavailable
from clients.witness.evidence import MOST
from clients.witness.half_years import begins_rightly, contradicted, half_years_beside, signed_before
from clients.witness.head_store import HeadStore
from clients.witness.service import WitnessService
from protocol.errors import Rejected
from protocol.merkle import proved_root, verify_consistency
from protocol.tlog import witnessing
from protocol.tlog.checkpoints import parse_body, parse_checkpoint
from protocol.tlog.policy import parse_policy
from protocol.tlog.witnessing import (
    SIZE_TYPE,
    AddCheckpoint,
    begun_with,
    decide_cosigning,
    format_add_checkpoint,
    parse_add_checkpoint,
)
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called, dropped, forced, returning, rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.witnessing import DIRECTORY, SHARD, Branch, Case, logs_policy

NAME = "contrada.example"
FIRST, SECOND, THIRD = SHARD, f"{NAME}/audit/2027h1", f"{NAME}/audit/2027h2"
ELSEWHERE = f"{NAME}/2/audit/2027h1"
POLICY = logs_policy(FIRST, SECOND, THIRD, DIRECTORY, ELSEWHERE)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path, policy=POLICY)


@pytest.fixture
def log() -> Branch:
    return Branch()


def grown(case: Case, log: Branch, *sizes: int) -> None:
    """The log asks for each of these sizes, as tlog-witness has it, and gets its cosignature."""
    for size in sizes:
        assert asked(case, log, size) == 200, (log.origin, size)


def asked(case: Case, log: Branch, size: int, *, after: int = 0) -> int:
    """What a client of tlog-witness does: from nothing, and again from the size that it is told."""
    answer = case.ask(log.request(0, size, after=after))
    if answer.status == 409:
        assert answer.media_type == SIZE_TYPE
        old = int(answer.body)
        answer = case.ask(log.request(old, size, after=after)) if old <= size else answer
    return answer.status


# -- What is signed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, 300])
def test_a_half_year_that_continues_is_cosigned(case: Case, log: Branch, size: int) -> None:
    """It is asked for the proof from the one leaf that follows from the half-year before, and goes on."""
    grown(case, log, 4, 9)
    after = log.followed_by(SECOND, at=9)

    assert case.ask(after.request(0, size)).body == b"1\n"
    grown(case, after, size, size + 5)

    assert case.witness.heads.beginnings() == {SECOND: FIRST}
    assert case.evidence() == []


def test_the_proof_of_a_beginning_is_kept(case: Case, log: Branch) -> None:
    """Whoever has the last head of the one before verifies it again."""
    grown(case, log, 9)
    after = log.followed_by(SECOND, at=9)
    grown(case, after, 6)

    begun = case.witness.heads.begun(SECOND)
    assert begun is not None
    request = parse_add_checkpoint(begun.request)
    parse_policy(POLICY).signed_by_log(request.signed)
    leaf = begun_with(log.checkpoint(9))
    assert verify_consistency(
        leaf.size, leaf.root, new=6, new_root=after.checkpoint(6).root, path=request.proof
    )


def test_a_witness_that_knows_no_half_year_before_signs_and_says_so(case: Case, log: Branch) -> None:
    """New in the exchange, or with a new memory: nobody is stopped by what it cannot know."""
    with capture_logs() as said:
        grown(case, log.followed_by(SECOND, at=9), 6)
    assert {"event": "beginning_not_checked", "path": SECOND, "size": 6, "log_level": "info"} in said
    assert case.witness.heads.beginnings() == {}


def test_of_other_logs_nothing_is_asked(case: Case, log: Branch) -> None:
    """The directory's log goes on for ever; a ledger that was begun again has another name."""
    grown(case, log, 9)
    grown(case, Branch(origin=DIRECTORY), 5)
    grown(case, Branch(origin=ELSEWHERE), 5)
    assert case.evidence() == []


def test_a_name_may_be_skipped(case: Case, log: Branch) -> None:
    """Nobody sent anything for half a year: the next log begins with the head that there was."""
    grown(case, log, 9)
    grown(case, log.followed_by(THIRD, at=9), 4)
    assert case.witness.heads.beginnings() == {THIRD: FIRST}


def test_a_skipped_name_that_was_none_is_refused(case: Case, log: Branch) -> None:
    """The half-year between was signed: a log that leaves it out cuts all of it off."""
    grown(case, log, 9)
    between = log.followed_by(SECOND, at=9)
    grown(case, between, 6)

    assert asked(case, log.followed_by(THIRD, at=9), 4) == 422
    assert case.evidence() == [("beginning", 4)]
    grown(case, between.followed_by(THIRD, at=6), 4)


def test_what_comes_back_under_a_skipped_name_is_refused(case: Case, log: Branch) -> None:
    """A later half-year has begun where this one would: two continue one."""
    grown(case, log, 9)
    grown(case, log.followed_by(THIRD, at=9), 4)

    assert asked(case, log.followed_by(SECOND, at=9), 3) == 422
    assert case.evidence() == [("ended", 3)]


# -- What is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_a_half_year_whose_end_was_cut_off_is_refused(case: Case, log: Branch, size: int) -> None:
    """It begins with an earlier head of the one before: kept, with both notes, and an alarm."""
    grown(case, log, 4, 9)

    assert asked(case, log.followed_by(SECOND, at=4), size) == 422

    assert case.witness.heads.head(SECOND) is None
    # It begins with a head that this witness signed as well: that is a proof.
    assert case.evidence() == [("ended", size)]
    assert case.alarms("ended") == 1
    [folder] = (case.path / "evidence").iterdir()
    offered, cosigned = (
        parse_checkpoint((folder / name).read_bytes()) for name in ("offered.note", "cosigned.note")
    )
    assert (offered.checkpoint.origin, cosigned.checkpoint) == (SECOND, log.checkpoint(9))
    parse_policy(POLICY).signed_by_log(offered)
    begins = parse_body((folder / "begins_with").read_bytes())
    request = parse_add_checkpoint((folder / "request").read_bytes())
    leaf, head = begun_with(begins), request.signed.checkpoint
    assert begins == log.checkpoint(4)
    assert verify_consistency(1, leaf.root, new=size, new_root=head.root, path=request.proof)


def test_one_that_begins_with_a_head_that_nobody_knows_is_a_suspicion(case: Case, log: Branch) -> None:
    """Anybody can make up a proof that does not hold."""
    grown(case, log, 4, 9)
    assert asked(case, log.followed_by(SECOND, at=7), 5) == 422
    assert case.evidence() == [("beginning", 5)]
    assert case.alarms("beginning") == 1


def test_whoever_makes_up_proofs_fills_no_places_of_proofs(case: Case, log: Branch) -> None:
    """A hundred genuine checkpoints, and then the log cuts off its end, and forks, after all."""
    grown(case, log, 5, 9)
    after = log.followed_by(SECOND, at=9)
    for size in range(1, 101):
        for number, each in ((1, after), (9, log)):
            case.ask(format_add_checkpoint(number, log.proof(3, 7), each.note(10 + size)))
    kinds = {kind for kind, _ in case.evidence()}
    assert kinds == {"inconsistent", "beginning"}
    assert len(case.evidence()) == 2 * MOST

    assert asked(case, log.followed_by(SECOND, at=5), 200) == 422
    assert case.ask(Branch("other").request(9, 300)).status == 422
    assert {kind for kind, _ in case.evidence()} - kinds == {"ended", "fork"}


@pytest.mark.parametrize("old", [0, 1, 2])
def test_no_old_size_and_no_proof_gets_around_it(case: Case, log: Branch, old: int) -> None:
    """A foreign proof, none at all, or a claim that the witness has signed more than it has."""
    grown(case, log, 9)
    cut, true = log.followed_by(SECOND, at=8), log.followed_by(SECOND, at=9)

    for proof in ((), true.proof(1, 6), cut.proof(1, 6), cut.proof(2, 6)):
        assert case.ask(format_add_checkpoint(old, proof, cut.note(6))).status != 200
    assert case.ask(Branch(origin=SECOND).request(0, 0)).status != 200, "not even an empty one"


def test_a_half_year_does_not_grow_behind_its_end(case: Case, log: Branch) -> None:
    """What a later one begins with is its last head, also for who asks from there with a right proof."""
    grown(case, log, 9)
    grown(case, log.followed_by(SECOND, at=9), 6)

    assert case.ask(log.request(9, 11)).status == 422
    assert case.evidence() == [("ended", 11)]
    [folder] = (case.path / "evidence").iterdir()
    shown = parse_add_checkpoint((folder / "beginning").read_bytes())
    leaf = begun_with(parse_checkpoint((folder / "cosigned.note").read_bytes()).checkpoint)
    head = shown.signed.checkpoint
    assert head.origin == SECOND
    assert verify_consistency(leaf.size, leaf.root, new=head.size, new_root=head.root, path=shown.proof)
    assert asked(case, log, 9) == 200, "the end itself is signed as often as it is asked for"


def test_the_end_counts_that_was_signed_last(case: Case, log: Branch) -> None:
    """Asked about the next half-year while the last one grows: what is stored when it is signed decides."""
    grown(case, log, 4)
    after = log.followed_by(SECOND, at=4)
    prepared = case.witness.prepare(after.request(1, 3))
    assert isinstance(prepared, AddCheckpoint)
    grown(case, log, 9)

    assert case.witness.answer(prepared).status == 422
    assert case.witness.heads.head(SECOND) is None


# -- A witness that was away ---------------------------------------------------------------------------


def test_a_witness_that_was_away_is_brought_to_the_end_first(case: Case, log: Branch) -> None:
    """The next half-year names a head that it has still to be asked about; then nothing stays of it."""
    grown(case, log, 4)
    after = log.followed_by(SECOND, at=9)
    assert asked(case, after, 3) == 422
    assert case.evidence() == [("beginning", 3)]

    grown(case, log, 9)
    grown(case, after, 5)

    assert case.evidence() == []
    assert case.witness.heads.beginnings() == {SECOND: FIRST}


def test_a_stranger_s_wrong_proof_of_a_beginning_is_refuted_by_what_is_signed(
    case: Case, log: Branch
) -> None:
    """A genuine checkpoint that is signed afterwards, and the other one stays."""
    grown(case, log, 9)
    after, cut = log.followed_by(SECOND, at=9), log.followed_by(SECOND, at=8)
    case.ask(format_add_checkpoint(1, (), after.note(5)))
    assert asked(case, cut, 6) == 422
    assert case.evidence() == [("beginning", 5), ("beginning", 6)]

    grown(case, after, 5)
    assert case.evidence() == [("beginning", 6)]


def test_it_all_holds_after_a_restart(case: Case, log: Branch) -> None:
    """The end and the beginning are on disk with the head."""
    grown(case, log, 9)
    case.reopen()
    assert asked(case, log.followed_by(SECOND, at=8), 6) == 422
    grown(case, log.followed_by(SECOND, at=9), 6)
    case.reopen()
    assert case.ask(log.request(9, 11)).status == 422


def test_a_disk_that_does_not_take_the_beginning_gets_no_signature(case: Case, log: Branch) -> None:
    """Head and beginning are one transaction."""
    grown(case, log, 9)
    connection = case.witness.heads._connection
    connection.execute("CREATE TRIGGER full BEFORE INSERT ON begun BEGIN SELECT RAISE(ABORT, ''); END")
    with pytest.raises(StateUnavailable):
        asked(case, log.followed_by(SECOND, at=9), 6)
    assert case.witness.heads.head(SECOND) is None
    connection.execute("DROP TRIGGER full")
    grown(case, log.followed_by(SECOND, at=9), 6)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM begun", f"UPDATE begun SET previous = '{THIRD}'",
        f"UPDATE head SET size = 10 WHERE origin = '{FIRST}'",
        f"INSERT INTO begun VALUES ('{THIRD}', '{FIRST}', x'00')",
    ],
)  # fmt: skip
def test_the_tables_refuse_to_forget(case: Case, log: Branch, sql: str) -> None:
    """Not by this program, and not by somebody's repair by hand."""
    grown(case, log, 9)
    grown(case, log.followed_by(SECOND, at=9), 6)
    with pytest.raises(sqlite3.IntegrityError):
        case.witness.heads._connection.execute(sql)


# -- The release before --------------------------------------------------------------------------------


def as_before(path: Path) -> None:
    """A state as the release before made it."""
    connection = sqlite3.connect(path / "heads.sqlite")
    for what, name in (("TABLE", "begun"), ("TRIGGER", "ended_stays")):
        connection.execute(f"DROP {what} {name}")
    connection.close()


def test_a_state_of_before_is_taken_over(case: Case, log: Branch) -> None:
    """What was signed without the check stays signed; from the next half-year on it is made."""
    grown(case, log, 4)
    grown(case, Branch(origin=DIRECTORY), 4)
    case.witness.heads.close()
    as_before(case.path)
    with_view = HeadStore(case.path / "heads.sqlite", read_only=True)
    assert with_view.beginnings() == {}
    with_view.close()
    case.reopen()

    assert asked(case, log.followed_by(SECOND, at=3), 6) == 422
    grown(case, log.followed_by(SECOND, at=4), 6)
    case.reopen()
    assert case.witness.heads.beginnings() == {SECOND: FIRST}


def test_a_half_year_that_was_signed_unchecked_ends_nothing(case: Case, log: Branch) -> None:
    """By the release before: the end of the one before may still be asked for."""
    grown(case, log, 4)
    mutant = Mutant(WitnessService._held, called(half_years_beside, "HalfYearsBeside()"))
    with mutated(mutant):
        grown(case, log.followed_by(SECOND, at=9), 6)
    grown(case, log, 9)
    grown(case, log.followed_by(SECOND, at=9), 8)


def test_status_says_with_what_each_half_year_begins(tmp_path: Path, log: Branch) -> None:
    """None: not checked, or no half-year."""
    home = tmp_path / "w"
    home.mkdir(mode=0o700)
    case = Case(home, policy=POLICY)
    grown(case, log, 9)
    grown(case, log.followed_by(SECOND, at=9), 6)
    (home / "witness.toml").touch()
    found = witness_view(home)["logs"]
    assert [(each["log"], each["continues"]) for each in found] == [(FIRST, None), (SECOND, FIRST)]


# -- Each rule, taken away -----------------------------------------------------------------------------


def whole(case: Case, log: Branch) -> None:
    """A half-year, its end, the next one, and all that must be refused on the way."""
    after, cut = log.followed_by(SECOND, at=9), log.followed_by(SECOND, at=5)
    grown(case, log, 4)
    assert asked(case, after, 3) == 422
    grown(case, log, 9)
    assert asked(case, cut, 6) == 422
    grown(case, Branch(origin=ELSEWHERE), 2)
    grown(case, after, 5)
    case.reopen()
    assert case.ask(log.request(9, 11)).status == 422
    assert asked(case, log.followed_by(THIRD, at=9), 4) == 422
    assert sorted(case.evidence()) == [("beginning", 4), ("beginning", 6), ("ended", 11)]
    [ended] = case.path.glob("evidence/ended-*")
    assert (ended / "beginning").exists()
    [begun] = case.path.glob("evidence/beginning-*-6-*")
    for folder in (ended, begun):
        assert parse_checkpoint((folder / "cosigned.note").read_bytes()).checkpoint == log.checkpoint(9)


def test_the_whole_of_it(case: Case, log: Branch) -> None:
    """As it is."""
    whole(case, log)


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(WitnessService._held, called(half_years_beside, "HalfYearsBeside()")),
        Mutant(WitnessService._begin, dropped("self.heads.begin")),
        Mutant(decide_cosigning, rewritten("begun_with(beside.before)", "NO_HEAD")),
        Mutant(decide_cosigning, rewritten("beside.ended", "False")),
        Mutant(decide_cosigning, rewritten("first is not None", "False")),
        Mutant(half_years_beside, rewritten("heads.continued(origin) is not None", "False")),
        Mutant(signed_before, forced(True, "own.name")),
        Mutant(signed_before, called(max, "_0[0]")),
        Mutant(Accuser._is_refuted, rewritten("kept.kind is EvidenceKind.BEGINNING and ...", "False")),
        Mutant(Accuser._is_refuted, rewritten("kept.kind is EvidenceKind.BEGINNING and ...", "True")),
        Mutant(begins_rightly, returning("True")),
        Mutant(contradicted, rewritten("begun is None", "True")),
        Mutant(contradicted, called(signed_before, "None")),
        Mutant(witnessing.begun_with, rewritten("leaf_hash(...)", "before.root")),
    ],
)  # fmt: skip
def test_without_a_rule_it_is_noticed(mutant: Mutant, case: Case, log: Branch) -> None:
    """Each of them is needed."""
    with mutated(mutant), pytest.raises((AssertionError, StateUnavailable, Rejected)):
        whole(case, log)


async def test_without_the_search_a_cut_is_a_suspicion(case: Case, log: Branch) -> None:
    """And one among as many as anybody makes up."""
    mutant = Mutant(contradicted, unchecked("_begins_with"))
    await assert_missed(mutant, test_whoever_makes_up_proofs_fills_no_places_of_proofs, [case, log])


async def test_without_what_it_proves_a_fork_is_a_suspicion(case: Case, log: Branch) -> None:
    """The same."""
    mutant = Mutant(witnessing._unproved, called(proved_root, "None"))
    await assert_missed(mutant, test_whoever_makes_up_proofs_fills_no_places_of_proofs, [case, log])


def test_without_the_rule_of_skipped_names_two_would_continue_one(case: Case, log: Branch) -> None:
    """The table would refuse the second one still, as a disk that fails."""
    mutant = Mutant(half_years_beside, unchecked("heads.continued(before.origin)"))
    with mutated(mutant), pytest.raises(StateUnavailable):
        test_what_comes_back_under_a_skipped_name_is_refused(case, log)


def test_without_the_second_look_an_end_that_moved_would_be_cut_off(case: Case, log: Branch) -> None:
    """What was found good before the last head was signed is not good after it."""
    mutant = Mutant(WitnessService.answer, called(decide_cosigning, "Cosign(_0.signed.checkpoint)"))
    with mutated(mutant), pytest.raises(AssertionError):
        test_the_end_counts_that_was_signed_last(case, log)
