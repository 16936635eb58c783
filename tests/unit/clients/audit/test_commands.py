"""The auditor's command line: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from clients.audit.commands import audit as audit_commands
from protocol.identifiers import show_id
from protocol.tlog.proof_file import parse_proof
from tests.cli.terminal import Seen, contrada
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced
from tests.sim.ledger import Ledger
from tests.unit.clients.audit.audits import copied, flip, small, sql

pytestmark = pytest.mark.slow


OWN = ("--policy", "DIR/policy")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A ledger that has grown since a checkpoint that we kept."""
    path = tmp_path_factory.mktemp("ledger")
    ledger = small(path)
    (path / "older").write_bytes(ledger.log.note)
    (path / "receipt").write_bytes(ledger.batches[0].receipts[7])
    (path / "submission").write_bytes(ledger.submissions[7])
    statements = ledger.world.directory.snapshot()
    (path / "directory.log").write_bytes(b"".join(len(s).to_bytes(4, "big") + s for s in statements))
    ledger.decide(300)
    ledger.publish()
    return ledger


def audit(ledger: Ledger, *arguments: str) -> Seen:
    """Run a command; DIR stands for the ledger's directory."""
    return contrada("audit", *(word.replace("DIR", str(ledger.path)) for word in arguments))


def answer(seen: Seen) -> object:
    """What was printed as JSON, of a command that did not fail."""
    assert (seen.exit, json.loads(seen.out)) == (0, json.loads(seen.out))
    return json.loads(seen.out)


def leaf(ledger: Ledger, number: int) -> int:
    """The leaf of one of the first decisions."""
    return ledger.announced + 1 + 3 * number - 2 * sum(place < number for place in (3, 5))


def test_fsck_of_a_good_copy(ledger: Ledger) -> None:
    """Data on stdout, talk on stderr, exit code 0."""
    seen = audit(ledger, "fsck", "DIR", *OWN, "--root", "DIR/root.cbor")

    assert seen.exit == 0
    assert "contrada.example/audit/2026h2" in seen.out
    assert "everything verifies" in seen.err


def test_fsck_without_a_policy_of_ones_own_says_that_it_checked_nobody(ledger: Ledger) -> None:
    """Anybody can write a ledger, whole, with a policy to it: 3 and no word of trust."""
    seen = audit(ledger, "fsck", "DIR")

    assert seen.exit == 3
    assert "not checked" in seen.out
    assert "what was checked verifies; the notes say what was not" in seen.err
    assert "whose ledger this is was not checked" in seen.err
    as_json = audit(ledger, "fsck", "DIR", "--json")
    report = json.loads(as_json.out)
    assert (as_json.exit, report["ok"], {log["trusted"] for log in report["logs"]}) == (3, False, {None})


def test_that_nobody_was_checked_is_tested(ledger: Ledger) -> None:
    """A command that takes the copy's policy for the auditor's ends in 0, and the test sees it."""
    with (
        mutated(Mutant(audit_commands._report, forced(True, "own_policy"))),
        pytest.raises(AssertionError),
    ):
        test_fsck_without_a_policy_of_ones_own_says_that_it_checked_nobody(ledger)


def test_fsck_of_an_altered_copy(ledger: Ledger, tmp_path: Path) -> None:
    """Exit code 7, and the finding says which leaf and what it means."""
    copy = copied(ledger.path, tmp_path / "copy")
    sql(copy, "DELETE FROM records WHERE id = ?", leaf(ledger, 20))
    seen = contrada("audit", "fsck", str(copy))
    as_json = contrada("audit", "fsck", str(copy), "--json")

    assert (seen.exit, as_json.exit) == (7, 7)
    assert (
        f"record-missing  contrada.example/audit/2026h2  (records.sqlite, leaf {leaf(ledger, 20)})"
        in seen.out
    )
    assert "means: the record was removed, and no deletion of it is in the log" in seen.out
    assert [found["leaf"] for found in json.loads(as_json.out)["findings"]] == [leaf(ledger, 20)]
    assert json.loads(as_json.err)["error"]["code"] == "E_VERIFICATION"


def test_fsck_against_a_checkpoint_that_was_seen(ledger: Ledger, tmp_path: Path) -> None:
    """A checkpoint from before is continued; a later one says that the copy was rolled back."""
    assert audit(ledger, "fsck", "DIR", *OWN, "--seen", "DIR/older").exit == 0

    early = tmp_path / "early"
    early.mkdir()
    small(early)
    (tmp_path / "later").write_bytes(ledger.log.note)
    seen = contrada("audit", "fsck", str(early), "--seen", str(tmp_path / "later"))
    assert seen.exit == 7
    assert "rolled-back" in seen.out


def test_a_directory_that_is_no_ledger(tmp_path: Path) -> None:
    """Not found is 5, and says what is expected."""
    seen = contrada("audit", "fsck", str(tmp_path))

    assert seen.exit == 5
    assert "is no copy of a ledger" in seen.err


def test_since_a_day_until_that_day_is_that_day(ledger: Ledger) -> None:
    """Every bound includes what it names: the day, the month, the year, and the second that a row shows."""
    everything = answer(audit(ledger, "search", "DIR", "--json"))
    times = [row["time"] for row in everything if row.get("time")]
    (day,) = {time[:10] for time in times}

    for bound in (day, day[:7], day[:4]):
        assert (
            answer(audit(ledger, "search", "DIR", "--since", bound, "--until", bound, "--json")) == everything
        )
    at = answer(audit(ledger, "search", "DIR", "--since", times[0], "--until", times[0], "--json"))
    assert {row["time"] for row in at if row.get("time")} == {times[0]}
    counted = answer(audit(ledger, "report", "DIR", "--since", day, "--until", day, "--json"))
    assert counted == answer(audit(ledger, "report", "DIR", "--json")) != []
    assert audit(ledger, "search", "DIR", "--since", "2026-11-02", "--until", "2026-11-01").exit == 2


def test_a_search_is_cut_to_its_newest(ledger: Ledger) -> None:
    """--limit keeps the newest, in the same order, and says that there are older ones; lines are the same rows."""
    everything = answer(audit(ledger, "search", "DIR", "--json"))
    cut = audit(ledger, "search", "DIR", "--limit", "3", "--json")
    lines = audit(ledger, "search", "DIR", "--limit", "3", "--jsonl")

    assert answer(cut) == everything[-3:] == [json.loads(line) for line in lines.out.splitlines()]
    assert "older ones are left out" in cut.err
    whole = audit(ledger, "search", "DIR", "--limit", str(len(everything)), "--json")
    assert answer(whole) == everything and "left out" not in whole.err


def test_units_and_codes_are_found_however_they_are_written(ledger: Ledger) -> None:
    """In capitals or not; a code that nobody knows is said to be none, since it finds nothing."""
    lower = answer(audit(ledger, "search", "DIR", "--unit", "fr", "--json"))
    refused = answer(audit(ledger, "search", "DIR", "--reason", "e_data_basis", "--json"))
    slip = audit(ledger, "search", "DIR", "--reason", "E_DATA_BASES")

    assert lower == answer(audit(ledger, "search", "DIR", "--unit", "FR", "--json")) != []
    assert refused == answer(audit(ledger, "search", "DIR", "--reason", "E_DATA_BASIS", "--json"))
    assert "did you mean E_DATA_BASIS?" in slip.err


def test_a_message_is_named_by_its_first_digits(ledger: Ledger, tmp_path: Path) -> None:
    """In a copy, too: what begins one id finds it, what begins several is refused with them."""
    rows = answer(audit(ledger, "search", "DIR", "--json", "--decision", "accepted"))
    ids = sorted({row["message"] for row in rows if "message" in row})
    found = answer(audit(ledger, "search", "DIR", "--message", ids[0][:30], "--json"))
    several = audit(ledger, "search", "DIR", "--message", ids[0][:8])

    assert {row["message"] for row in found} == {ids[0]}
    assert several.exit == 2 and ids[0] in several.err and "begin with" in several.err
    proved = ("prove", "inclusion", "DIR", "--out", str(tmp_path), "--message")
    assert audit(ledger, *proved, ids[0][:30]).exit == 0
    assert audit(ledger, *proved, "ffffffff").exit == 5


def test_a_proof_goes_round(ledger: Ledger, tmp_path: Path) -> None:
    """Proved from a copy, verified without it: record, witnesses, and the message itself."""
    made = answer(
        audit(
            ledger,
            "prove",
            "inclusion",
            "DIR",
            "--leaf",
            str(leaf(ledger, 7)),
            "--out",
            str(tmp_path),
            "--json",
        )
    )
    assert [(row["leaf"], row["type"]) for row in made] == [(leaf(ledger, 7), "accepted")]
    verify = ("verify", "message", made[0]["file"], "--policy", "DIR/policy", "--json")
    shown = answer(audit(ledger, *verify, "--submission", "DIR/submission"))

    assert shown["message_checked"]
    assert shown["record"]["to"] == ["it", "de"]
    assert audit(ledger, *verify, "--submission", "DIR/receipt").exit == 7


def test_a_proof_of_another_record_does_not_verify(ledger: Ledger, tmp_path: Path) -> None:
    """Every byte of record and path counts."""
    audit(ledger, "prove", "inclusion", "DIR", "--leaf", str(leaf(ledger, 7)), "--out", str(tmp_path))
    (path,) = tmp_path.iterdir()
    proof = path.read_bytes()
    extra = proof.index(b"extra ") + 100
    path.write_bytes(
        proof[:extra] + (b"A" if proof[extra : extra + 1] != b"A" else b"B") + proof[extra + 1 :]
    )

    assert audit(ledger, "verify", "message", str(path), "--policy", "DIR/policy").exit == 7


def test_a_record_can_stand_beside_its_proof(ledger: Ledger, tmp_path: Path) -> None:
    """As a unit writes it: the proof without extra data, and record and salt as JSON in hexadecimal."""
    audit(
        ledger,
        "prove",
        "inclusion",
        "DIR",
        "--leaf",
        str(leaf(ledger, 7)),
        "--out",
        str(tmp_path),
        "--no-record",
    )
    (path,) = tmp_path.iterdir()
    row = ledger.store.row(ledger.log.origin, leaf(ledger, 7))
    ledger.store.close()
    beside = tmp_path / "accepted.json"
    beside.write_text(json.dumps({"leaf": "accepted", "record": row.record.hex(), "salt": row.salt.hex()}))
    verify = ("verify", "message", str(path), "--policy", "DIR/policy")

    assert audit(ledger, *verify).exit == 5
    assert audit(ledger, *verify, "--record", str(beside)).exit == 0
    for wrong in ("{", "{}", '{"record": "zz", "salt": 1}', "[" * 5000):
        beside.write_text(wrong)
        assert audit(ledger, *verify, "--record", str(beside)).exit == 7


def test_all_leaves_of_a_message_are_proved(ledger: Ledger, tmp_path: Path) -> None:
    """By its id: the decision and each delivery. A file that is there is not written over."""
    rows = answer(audit(ledger, "search", "DIR", "--json", "--decision", "accepted"))
    command = ("prove", "inclusion", "DIR", "--message", rows[4]["message"], "--out", str(tmp_path))
    made = answer(audit(ledger, *command, "--json"))

    assert [row["type"] for row in made] == ["accepted", "delivered", "delivered"]
    assert {parse_proof(path.read_bytes()).index for path in tmp_path.iterdir()} == {
        row["leaf"] for row in made
    }
    assert audit(ledger, *command).exit == 9


def test_a_receipt_is_kept(ledger: Ledger, tmp_path: Path) -> None:
    """What a receipt promises stands in the log; what a log does not have ends in 7."""
    rows = answer(audit(ledger, "verify", "receipt", "DIR/receipt", "DIR", "--json"))
    assert [row["leaf"] for row in rows] == [leaf(ledger, 7) + at for at in range(3)]

    early = tmp_path / "early"
    early.mkdir()
    other = Ledger(early)
    other.start()
    other.publish()
    seen = contrada("audit", "verify", "receipt", str(ledger.path / "receipt"), str(ledger.path))
    assert seen.exit == 0
    other.route([False] * 3)
    (early / "receipt").write_bytes(other.batches[0].receipts[1])
    seen = contrada("audit", "verify", "receipt", str(early / "receipt"), str(early))
    assert seen.exit == 7
    assert "the log does not have it: accepted, delivered to it, delivered to de" in seen.err


def test_a_forged_receipt(ledger: Ledger, tmp_path: Path) -> None:
    """A receipt that no router signed promises nothing."""
    (tmp_path / "receipt").write_bytes((ledger.path / "receipt").read_bytes())
    flip(tmp_path / "receipt", -1)

    assert audit(ledger, "verify", "receipt", str(tmp_path / "receipt"), "DIR").exit == 7


def test_a_checkpoint_continues_another(ledger: Ledger, tmp_path: Path) -> None:
    """By a proof file or by a copy; without either it cannot be said."""
    proof = tmp_path / "consistency"
    made = audit(ledger, "prove", "consistency", "DIR", "--from", "DIR/older", "--out", str(proof))
    verify = ("verify", "checkpoint", "DIR/audit/2026h2/checkpoint", "--policy", "DIR/policy")

    assert made.exit == 0
    assert audit(ledger, *verify).exit == 0
    assert audit(ledger, *verify, "--against", "DIR/older", "--proof", str(proof)).exit == 0
    assert audit(ledger, *verify, "--against", "DIR/older", "--ledger", "DIR").exit == 0
    assert audit(ledger, *verify, "--against", "DIR/older").exit == 5
    proof.write_bytes(proof.read_bytes().replace(b"\n", b"\n" + b"A" * 43 + b"=\n", 1))
    assert audit(ledger, *verify, "--against", "DIR/older", "--proof", str(proof)).exit == 7


def test_a_replica_is_the_beginning_of_the_log(ledger: Ledger, tmp_path: Path) -> None:
    """A unit's replica of the directory is what the log has, or what it had."""
    replica = (ledger.path / "directory.log").read_bytes()
    (tmp_path / "shorter").write_bytes(replica[: 4 + int.from_bytes(replica[:4], "big")])
    (tmp_path / "other").write_bytes(replica)
    flip(tmp_path / "other", -1)
    (tmp_path / "longer").write_bytes(replica + replica)

    assert audit(ledger, "verify", "directory", "DIR/directory.log", "DIR").exit == 0
    assert audit(ledger, "verify", "directory", str(tmp_path / "shorter"), "DIR").exit == 0
    assert audit(ledger, "verify", "directory", str(tmp_path / "other"), "DIR").exit == 7
    assert audit(ledger, "verify", "directory", str(tmp_path / "longer"), "DIR").exit == 7
    (tmp_path / "draft").write_text("{}")
    wrong = audit(ledger, "verify", "directory", str(tmp_path / "draft"), "DIR")
    assert wrong.exit == 2
    assert "is JSON, and not a replica of the directory" in wrong.err


def test_search_finds_by_unit_decision_reason_time_and_message(ledger: Ledger) -> None:
    """By unit, decision, reason, time and message."""

    def count(*arguments: str) -> int:
        found = answer(audit(ledger, "search", "DIR", "--json", *arguments))
        assert isinstance(found, list)
        return len(found)

    assert (
        count("--decision", "rejected") == count("--reason", "E_DATA_BASIS") == count("--unit", "nz") - 5 == 2
    )
    assert count("--unit", "de", "--decision", "accepted") == 397
    assert count("--until", "2026-01-01") == 0
    assert count("--since", "2026-01-01", "--message", show_id(ledger._core.message_id)) == 1


def test_search_shows_nothing_that_was_altered(ledger: Ledger, tmp_path: Path) -> None:
    """A record that its leaf does not commit to is left out, and the command ends in 7."""
    copy = copied(ledger.path, tmp_path / "copy")
    sql(copy, "UPDATE records SET salt = zeroblob(16) WHERE type = 2 AND id = ?", leaf(ledger, 3))
    seen = contrada("audit", "search", str(copy), "--decision", "rejected", "--json")

    assert seen.exit == 7
    assert [row["leaf"] for row in json.loads(seen.out)] == [leaf(ledger, 5)]


def test_what_no_checkpoint_covers_yet_is_not_altered(tmp_path: Path) -> None:
    """The ledger commits before it publishes: whoever searches its own store meets such rows for a moment."""
    ledger = Ledger(tmp_path)
    ledger.start()
    ledger.decide(3)
    ledger.publish()
    checkpoint = ledger.log.home / "checkpoint"
    before, known = checkpoint.read_bytes(), ledger.log.tree.size
    ledger.decide(2)
    ledger.publish()
    checkpoint.write_bytes(before)

    seen = contrada("audit", "search", str(tmp_path), "--decision", "accepted", "--json")
    assert seen.exit == 0
    rows = json.loads(seen.out)
    assert len(rows) == 3
    assert all(row["leaf"] < known for row in rows)
    assert "2 left out that no checkpoint covers yet" in seen.err
    assert contrada("audit", "report", str(tmp_path), "--json").exit == 0


def test_report_counts_by_half_year_decision_reason_unit_and_kind(ledger: Ledger) -> None:
    """Numbers by half-year, decision, reason, unit and kind; a deleted record is counted as such."""
    (half,) = answer(audit(ledger, "report", "DIR", "--json"))

    assert half["records"]["accepted"] == 398
    assert half["deleted"] == 1
    assert half["messages_by_kind"] == {"information": 397}
    assert half["refused_by_reason"] == {"E_DATA_BASIS": 2}
    assert half["units"]["it"]["received"] == {"information": 397}
    assert "2026h2" in audit(ledger, "report", "DIR").out


@pytest.mark.parametrize(
    "command", ["fsck", "mirror", "search", "report", "verify message", "verify receipt", "prove inclusion"]
)
def test_help_begins_with_examples(command: str) -> None:
    """As everywhere on this command line."""
    seen = contrada("audit", *command.split(), "--help")

    assert seen.exit == 0
    assert seen.out.index("Examples:") < seen.out.index("Options:")
    assert f"$ contrada audit {command}" in seen.out


@pytest.mark.parametrize("command", ["search", "report"])
def test_a_removed_record_is_not_passed_over(ledger: Ledger, tmp_path: Path, command: str) -> None:
    """It answers to no question and is in no number: so the answer says that some are gone, and how many."""
    copy = copied(ledger.path, tmp_path / "copy")
    assert contrada("audit", command, str(copy)).exit == 0
    sql(copy, "DELETE FROM records WHERE id = ?", leaf(ledger, 20))
    seen = contrada("audit", command, str(copy))

    assert seen.exit == 7
    assert "3 leaves of contrada.example/audit/2026h2 have no record" in seen.err
    assert seen.out


def test_a_store_that_ends_before_its_log_has_no_gap(ledger: Ledger, tmp_path: Path) -> None:
    """A store that was copied a moment before the log is behind it, and nothing was removed."""
    copy = copied(ledger.path, tmp_path / "copy")
    sql(copy, "DELETE FROM records WHERE id >= ?", leaf(ledger, 20))
    assert contrada("audit", "search", str(copy)).exit == 0


def test_a_file_that_is_missing_accuses_nobody(ledger: Ledger, tmp_path: Path) -> None:
    """Whether a promised leaf is in the log cannot be said without its file: that is not 'it is not there'."""
    copy = copied(ledger.path, tmp_path / "copy")
    shutil.rmtree(copy / "audit" / "2026h2" / "tile" / "0")
    seen = contrada("audit", "verify", "receipt", str(copy / "receipt"), str(copy))
    assert seen.exit == 7
    assert "E_TILE" in seen.err
    assert "does not have it" not in seen.err
