"""What a witness signs, what it refuses, and what it remembers."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from clients.witness.accuser import Accuser
from clients.witness.errors import StateLost, StateUnavailable
from clients.witness.evidence import MOST
from clients.witness.head_store import HeadStore
from clients.witness.service import WitnessService
from keys.note_keys import NoteUse
from protocol.tlog.checkpoints import Seconds, parse_checkpoint
from protocol.tlog.cosignatures import cosign, with_cosignatures
from protocol.tlog.notes import Note, NoteSignature, format_note, parse_note
from protocol.tlog.policy import parse_policy
from protocol.tlog.witnessing import AddCheckpoint, decide_cosigning, format_add_checkpoint
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called, dropped, forced, returning
from tests.sim.witnessing import DIRECTORY, NAME, SHARD, Branch, Case, cosigners, logs_policy, note_key


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


@pytest.fixture
def log() -> Branch:
    return Branch()


# -- What is signed ------------------------------------------------------------------------------------


def test_a_log_that_grows_is_cosigned(case: Case, log: Branch) -> None:
    """Each checkpoint that continues the one before gets a cosignature with every key of the witness."""
    for old, size in ((0, 0), (0, 1), (1, 7), (7, 300), (300, 301)):
        answer = case.ask(log.request(old, size))

        assert answer.status == 200
        assert cosigners(answer.body, log.checkpoint(size)) == 2


def test_a_checkpoint_is_cosigned_again(case: Case, log: Branch) -> None:
    """A log that did not get the answer asks from the size that it wants signed, and gets it."""
    case.ask(log.request(0, 9))

    again = case.ask(log.request(9, 9))

    assert again.status == 200
    assert cosigners(again.body, log.checkpoint(9)) == 2


def test_logs_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Each log has a head of its own."""
    case = Case(tmp_path, policy=logs_policy(SHARD, DIRECTORY))

    for origin in (SHARD, DIRECTORY):
        assert case.ask(Branch(origin, origin=origin).request(0, 5)).status == 200

    assert {head.origin: head.size for head in case.witness.heads.heads()} == {SHARD: 5, DIRECTORY: 5}


def test_the_newest_note_is_there_for_monitors(case: Case, log: Branch) -> None:
    """What is served has the log's signatures and ours, and nothing that somebody else added."""
    stranger = NoteSignature("stranger.example", b"abcd", bytes(64))
    note = parse_note(log.note(6))
    padded = format_note(Note(note.text, (stranger, *note.signatures)))
    case.ask(format_add_checkpoint(0, (), padded))

    served = case.witness.newest(sha256(SHARD.encode()).hexdigest())

    assert served is not None
    signed = parse_checkpoint(served)
    assert parse_policy(logs_policy()).signed_by_log(signed) == log.checkpoint(6)
    assert len(signed.note.signatures) == 4
    assert case.witness.newest("0" * 64) is None


# -- What is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "request_of"),
    [
        (400, lambda log: b"hello"),
        (400, lambda log: b""),
        (400, lambda log: b"old 05\n\n" + log.note(6)),
        (400, lambda log: b"old -1\n\n" + log.note(6)),
        (400, lambda log: b"old 0\nAAAA\n\n" + log.note(6)),
        (400, lambda log: b"old 0\n" + b"A" * 43 + b"=\n" * 1 + b"\n" + log.note(6)[:-5]),
        (400, lambda log: log.request(7, 6)),
        (403, lambda log: Branch(key=note_key("thief")).request(0, 6)),
        (403, lambda log: Branch(pq=False).request(0, 6)),
        (403, lambda log: log.request(0, 6).replace(b"\n6\n", b"\n7\n")),
        (404, lambda log: Branch(origin="elsewhere.example/audit/2026h2").request(0, 6)),
        (409, lambda log: log.request(3, 6)),
        (422, lambda log: format_add_checkpoint(0, log.proof(3, 6), log.note(6))),
    ],
)
def test_what_does_not_hold_is_refused(case: Case, log: Branch, status: int, request_of) -> None:
    """Each fault has the status that tlog-witness gives it, and nothing of it is remembered."""
    assert case.ask(request_of(log)).status == status
    assert case.witness.heads.heads() == []


def test_a_wrong_size_is_told_the_right_one(case: Case, log: Branch) -> None:
    """409 carries the size that this witness knows, in the media type of the protocol."""
    case.ask(log.request(0, 5))

    answer = case.ask(log.request(4, 8))

    assert (answer.status, answer.body, answer.media_type) == (409, b"5\n", "text/x.tlog.size")


def test_a_proof_that_does_not_hold_is_refused(case: Case, log: Branch) -> None:
    """422, an alarm, and both notes on disk."""
    case.ask(log.request(0, 5))

    answer = case.ask(format_add_checkpoint(5, log.proof(4, 8), log.note(8)))

    assert answer.status == 422
    assert case.evidence() == [("inconsistent", 8)]
    assert case.alarms("inconsistent") == 1


def test_every_byte_of_a_request_counts(case: Case, log: Branch) -> None:
    """A request with one byte changed is refused, wherever the byte is."""
    case.ask(log.request(0, 5))
    good = log.request(5, 8)

    for at in range(0, len(good), 7):
        bad = bytearray(good)
        bad[at] ^= 1
        assert case.ask(bytes(bad)).status != 200, at

    assert case.ask(good).status == 200


# -- Forks ---------------------------------------------------------------------------------------------


def test_of_two_forks_one_is_signed(case: Case) -> None:
    """Whoever comes second with another root of the same size is refused, and the fork is kept as files."""
    mine, other = Branch(), Branch("other", forked_at=3)
    case.ask(mine.request(0, 6))

    for old in (0, 6):
        assert case.ask(other.request(old, 6)).status in (409, 422)

    [folder] = (case.path / "evidence").iterdir()
    assert parse_checkpoint((folder / "offered.note").read_bytes()).checkpoint == other.checkpoint(6)
    assert parse_checkpoint((folder / "cosigned.note").read_bytes()).checkpoint == mine.checkpoint(6)
    for name in ("offered.note", "cosigned.note"):
        parse_policy(logs_policy()).signed_by_log(parse_checkpoint((folder / name).read_bytes()))
    assert json.loads((folder / "about.json").read_text())["kind"] == "fork"
    assert case.alarms("fork") == 2
    assert case.witness.heads.head(SHARD).root == mine.checkpoint(6).root


def test_two_forks_at_once_are_not_both_signed(case: Case) -> None:
    """Both were found good before either was stored: the second one meets the first one's head."""
    prepared = [case.witness.prepare(branch.request(0, 6)) for branch in (Branch(), Branch("other"))]
    assert all(isinstance(request, AddCheckpoint) for request in prepared)

    answers = [case.witness.answer(request) for request in prepared]

    assert [answer.status for answer in answers] == [200, 409]
    assert case.evidence() == [("fork", 6)]


def test_a_fork_below_the_head_meets_what_was_signed(case: Case, log: Branch) -> None:
    """A log that went back and wrote another history is caught at the first size that was signed before."""
    for old, size in ((0, 4), (4, 6), (6, 20)):
        case.ask(log.request(old, size))

    assert case.ask(Branch("other", forked_at=2).request(4, 6)).status == 409
    assert case.evidence() == [("fork", 6)]


def test_a_log_that_went_back_is_noticed(case: Case, log: Branch) -> None:
    """A checkpoint below the head that was never signed is a suspicion: kept, and an alarm."""
    for old, size in ((0, 4), (4, 20)):
        case.ask(log.request(old, size))

    assert case.ask(log.request(4, 9, after=1)).status == 409
    assert case.ask(log.request(0, 4, after=1)).status == 409  # signed before: a late request, nothing else
    assert case.ask(log.request(0, 2, after=1)).status == 409  # from before this witness: nobody can tell
    assert case.evidence() == [("older", 9)]


def test_whoever_shows_old_checkpoints_again_accuses_nobody(case: Case, log: Branch) -> None:
    """A log that goes back has to sign anew. What it signed before the head is in many hands."""
    for old, size in ((0, 4), (4, 2000)):
        case.ask(log.request(old, size))
    for size in range(5, 2000, 20):
        assert case.ask(log.request(4, size)).status == 409

    assert case.evidence() == []
    assert case.ask(log.request(4, 1001, after=1)).status == 409
    assert case.evidence() == [("older", 1001)]


def test_of_a_log_without_times_nobody_can_tell(tmp_path: Path) -> None:
    """There an older checkpoint is a suspicion, whoever shows it."""
    case, log = Case(tmp_path, pq=False), Branch(pq=False)
    for old, size in ((0, 4), (4, 20)):
        case.ask(log.request(old, size))
    case.ask(log.request(4, 9))
    assert case.evidence() == [("older", 9)]


@pytest.mark.parametrize(("other", "found"), [(Branch(), []), (Branch("other", forked_at=2), [("fork", 9)])])
def test_a_copy_of_the_tree_tells_late_from_forked(tmp_path: Path, other: Branch, found: list) -> None:
    """With a mirror an older checkpoint is compared with the tree itself."""
    log = Branch()
    case = Case(tmp_path, root_at=lambda origin, size: log.checkpoint(size).root)
    for old, size in ((0, 4), (4, 20)):
        case.ask(log.request(old, size))

    assert case.ask(other.request(4, 9)).status == 409
    assert case.evidence() == found


def test_a_stranger_leaves_no_evidence(case: Case, log: Branch) -> None:
    """Only what the log signed can be held against it."""
    case.ask(log.request(0, 6))

    assert case.ask(Branch("other", key=note_key("thief")).request(6, 6)).status == 403
    assert case.evidence() == []


def test_evidence_is_bounded(case: Case, log: Branch) -> None:
    """Asking again and again fills neither the folder nor the log; the count goes on."""
    case.ask(log.request(0, 3))
    bad = [format_add_checkpoint(3, (), log.note(size)) for size in range(4, 4 + MOST + 5)]

    for data in bad + bad:
        case.ask(data)

    assert len(case.evidence()) == MOST
    assert case.alarms("inconsistent") == 2 * len(bad)


def test_that_no_more_is_kept_is_said_once(case: Case, log: Branch) -> None:
    """Not at each request: whoever repeats one writes nothing to the disk."""
    case.ask(log.request(0, 3))
    bad = [format_add_checkpoint(3, (), log.note(size)) for size in range(4, 4 + MOST + 5)]
    with capture_logs() as said:
        for data in bad + bad:
            case.ask(data)
    assert [line["event"] for line in said] == ["alarm"] * MOST + ["evidence_full"]


def test_a_disk_that_takes_no_evidence_is_told_of_once_for_each(case: Case, log: Branch) -> None:
    """However often the same is offered."""
    case.ask(log.request(0, 6))
    (case.path / "evidence").write_text("a file in the place of the folder")
    with capture_logs() as said:
        for _ in range(50):
            assert case.ask(Branch("other").request(6, 6)).status == 422
    assert [line["event"] for line in said] == ["evidence_not_kept", "alarm"]


@pytest.mark.parametrize("name", ["said once", "told of once"])
def test_without_its_memory_each_request_writes_a_line(name: str, case: Case, log: Branch) -> None:
    """The tests above fail where nothing is remembered."""
    test = test_that_no_more_is_kept_is_said_once
    if name == "told of once":
        test = test_a_disk_that_takes_no_evidence_is_told_of_once_for_each
    with mutated(Mutant(Accuser._is_news, returning("True"))), pytest.raises(AssertionError):
        test(case, log)


def test_a_stranger_with_genuine_checkpoints_buries_no_evidence(case: Case, log: Branch) -> None:
    """Wrong proofs to what the log really signed fill the places; the log's own next request frees them."""
    case.ask(log.request(0, 3))
    for size in range(4, 4 + MOST):
        case.ask(format_add_checkpoint(3, (), log.note(size)))
    assert len(case.evidence()) == MOST
    for size in range(4, 4 + MOST):
        assert case.ask(log.request(size - 1, size)).status == 200
    assert case.evidence() == []
    other = Branch("other")
    at = 3 + MOST
    assert case.ask(format_add_checkpoint(at, (), other.note(at + 5))).status == 422
    assert case.evidence() == [("inconsistent", at + 5)]
    assert case.ask(log.request(at, at + 5)).status == 200
    assert case.evidence() == [("inconsistent", at + 5)], "another root of that size stays evidence"


def test_what_a_witness_that_follows_the_log_knows_is_no_evidence(tmp_path: Path, log: Branch) -> None:
    """A checkpoint that this witness never signed, and that the log it follows really had."""
    case = Case(tmp_path, root_at=lambda _, size: log.checkpoint(size).root)
    case.ask(log.request(0, 3))
    case.ask(format_add_checkpoint(3, (), log.note(5)))
    assert case.evidence() == [("inconsistent", 5)]
    case.ask(log.request(3, 8))
    assert case.evidence() == []


def test_evidence_that_cannot_be_written_is_an_alarm_all_the_same(case: Case, log: Branch) -> None:
    """Nothing is signed, and the alarm goes out."""
    case.ask(log.request(0, 6))
    (case.path / "evidence").write_text("a file in the place of the folder")

    assert case.ask(Branch("other").request(6, 6)).status == 422
    assert case.alarms("fork") == 1


# -- Memory --------------------------------------------------------------------------------------------


def test_what_was_signed_is_known_to_the_next_process(case: Case, log: Branch) -> None:
    """A fork is refused after a restart as before it."""
    case.ask(log.request(0, 6))
    case.reopen()

    assert case.ask(Branch("other").request(6, 6)).status == 422
    assert case.ask(log.request(6, 8)).status == 200


def test_a_witness_without_its_memory_does_not_start(tmp_path: Path) -> None:
    """No state is ever made but by `init`."""
    with pytest.raises(StateLost):
        HeadStore(tmp_path / "heads.sqlite")

    assert list(tmp_path.iterdir()) == []


def test_a_witness_whose_memory_went_back_signs_nothing_new(case: Case, log: Branch) -> None:
    """A checkpoint that bears our own cosignature and is larger than we remember: we were restored from a copy."""
    case.ask(log.request(0, 4))
    lines = [
        cosign(log.checkpoint(9), signer, now=Seconds(5))
        for signer in note_key(NAME).signers(NAME, NoteUse.WITNESS)
    ]

    with pytest.raises(StateLost):
        case.ask(format_add_checkpoint(4, log.proof(4, 9), with_cosignatures(log.note(9), lines)))
    assert case.alarms("state_lost") == 1
    assert case.witness.heads.head(SHARD).size == 4


def test_a_disk_that_does_not_take_the_head_gets_no_signature(case: Case, log: Branch) -> None:
    """What cannot be stored is not signed, and stays what it was."""
    case.ask(log.request(0, 4))
    case.witness.heads._connection.execute("PRAGMA query_only=ON")

    with pytest.raises(StateUnavailable):
        case.ask(log.request(4, 9))

    case.reopen()
    assert case.witness.heads.head(SHARD).size == 4


# -- Each safeguard, taken away ------------------------------------------------------------------------


def test_without_the_second_decision_the_database_still_refuses(case: Case) -> None:
    """If the decision were made on old knowledge, the compare-and-swap and the table's own rule hold."""
    case.ask(Branch().request(0, 4))
    prepared = case.witness.prepare(Branch("other", forked_at=4).request(4, 9))
    case.ask(Branch().request(4, 9))
    mutant = Mutant(WitnessService.answer, called(decide_cosigning, "Cosign(_0.signed.checkpoint)"))

    with mutated(mutant), pytest.raises(StateUnavailable):
        case.witness.answer(prepared)

    assert case.witness.heads.head(SHARD).root == Branch().checkpoint(9).root


def test_without_all_of_them_a_fork_would_be_signed(case: Case) -> None:
    """The test above fails where nothing is left: it can fail."""
    case.ask(Branch().request(0, 4))
    prepared = case.witness.prepare(Branch("other", forked_at=4).request(4, 9))
    case.ask(Branch().request(4, 9))
    case.witness.heads._connection.executescript("DROP TRIGGER only_grows; DROP TRIGGER one_root")
    mutant = Mutant(WitnessService.answer, called(decide_cosigning, "Cosign(_0.signed.checkpoint)"))

    with mutated(mutant):
        assert case.witness.answer(prepared).status == 200


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(WitnessService._move, dropped("drop_refuted")),
        Mutant(Accuser._is_refuted, returning("True")),
    ],
)
def test_without_it_a_stranger_buries_evidence_or_evidence_goes(
    mutant: Mutant, case: Case, log: Branch
) -> None:
    """Nothing is freed, or everything is."""
    with mutated(mutant), pytest.raises(AssertionError):
        test_a_stranger_with_genuine_checkpoints_buries_no_evidence(case, log)


def test_without_the_log_s_own_time_a_stranger_fills_the_places(case: Case, log: Branch) -> None:
    """Each old checkpoint would be kept."""
    with mutated(Mutant(Accuser._signed_after, returning("True"))), pytest.raises(AssertionError):
        test_whoever_shows_old_checkpoints_again_accuses_nobody(case, log)


def test_without_the_comparison_of_what_was_signed_a_fork_below_passes_for_old(
    case: Case, log: Branch
) -> None:
    """It would be a suspicion only."""
    for old, size in ((0, 4), (4, 6), (6, 20)):
        case.ask(log.request(old, size))

    with mutated(Mutant(Accuser._judge_older, forced(False, "known is not None"))):
        case.ask(Branch("other", forked_at=2).request(4, 6, after=1))

    assert case.evidence() == [("older", 6)]
