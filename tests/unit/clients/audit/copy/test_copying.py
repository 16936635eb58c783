"""A copy holds what was verified, goes on where it stopped, and never takes over another history."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clients.audit.copy.copying import Row, mirror_all
from clients.audit.errors import LogForked, LogWentBack, LogWithheld, SourceEmpty
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest
from protocol.tlog.checkpoints import Checkpoint
from protocol.tlog.tiles import Tile
from runtime.errors import NotFound, NotVerified, Unavailable
from tests.cli.terminal import contrada
from tests.full_disk import room
from tests.sim.ledger import Ledger, put
from tests.unit.clients.audit.audits import copied, flip, found, small

pytestmark = pytest.mark.slow

SHARD = "audit/2026h2"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger of three hundred leaves."""
    path = tmp_path / "ledger"
    path.mkdir()
    return small(path)


@pytest.fixture
def served(ledger: Ledger) -> Iterator[str]:
    """Its directory over HTTP."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(ledger.path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(10)
    server.server_close()


def mirror(source: Path | str, copy: Path, ledger: Ledger) -> dict[str, tuple[int, int, int]]:
    """Mirror, and per log from, to and files."""
    rows, _ = mirrored(source, copy, ledger)
    return {row["log"].partition("/")[2]: (row["from"], row["to"], row["files"]) for row in rows}


def mirrored(
    source: Path | str, copy: Path, ledger: Ledger, *logs: str, policy: Path | None = None
) -> tuple[list[Row], list[str]]:
    """Mirror; the rows and the notes."""
    rows: list[Row] = []
    notes: list[str] = []
    mirror_all(
        str(source), copy, policy=policy or ledger.path / "policy", logs=logs, records=True,
        rows=rows, note=notes.append,
    )  # fmt: skip
    return rows, notes


def test_a_copy_of_a_directory_is_whole(ledger: Ledger, tmp_path: Path) -> None:
    """A mirrored directory stands an audit."""
    done = mirror(ledger.path, tmp_path / "copy", ledger)

    assert done[SHARD][:2] == (0, ledger.log.tree.size)
    put(tmp_path / "copy" / "root.cbor", (ledger.path / "root.cbor").read_bytes())
    assert found(tmp_path / "copy") == []


def test_a_copy_over_http_goes_on(ledger: Ledger, served: str, tmp_path: Path) -> None:
    """A later mirror fetches what is new, and continues the first one."""
    first = mirror(served, tmp_path / "copy", ledger)[SHARD]
    size = ledger.log.tree.size
    ledger.decide(300)
    ledger.publish()
    again = mirror(served, tmp_path / "copy", ledger)[SHARD]

    assert first[:2] == (0, size)
    assert again[:2] == (size, ledger.log.tree.size)
    assert mirror(served, tmp_path / "copy", ledger)[SHARD] == (again[1], again[1], 0)
    assert not (tmp_path / "copy" / "records.sqlite").exists()


def test_an_interrupted_copy_goes_on(ledger: Ledger, tmp_path: Path) -> None:
    """Files that are there and fit are not fetched again; one that was cut short is."""
    copy = tmp_path / "copy"
    count = mirror(ledger.path, copy, ledger)[SHARD][2]
    (copy / SHARD / "checkpoint").unlink()
    entries = copy / SHARD / Tile(-1, 0, 256).path
    entries.write_bytes(entries.read_bytes()[:-1])

    assert mirror(ledger.path, copy, ledger)[SHARD][2] == count - 1
    assert entries.read_bytes() == (ledger.path / SHARD / Tile(-1, 0, 256).path).read_bytes()


def test_a_rolled_back_source_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """A source that is shorter than the copy changes nothing, and its checkpoint is kept as evidence."""
    before = copied(ledger.path, tmp_path / "before")
    ledger.decide(10)
    ledger.publish()
    mirror(ledger.path, tmp_path / "copy", ledger)
    kept = (tmp_path / "copy" / SHARD / "checkpoint").read_bytes()

    with pytest.raises(LogWentBack, match="does not continue this copy"):
        mirror(before, tmp_path / "copy", ledger)
    assert (tmp_path / "copy" / SHARD / "checkpoint").read_bytes() == kept
    assert len(list((tmp_path / "copy" / SHARD).glob("checkpoint.refused-*"))) == 1


@pytest.mark.parametrize("more", [0, 50])
def test_a_fork_is_refused(ledger: Ledger, tmp_path: Path, more: int) -> None:
    """So is another history under the log's own signature, of the same length or longer."""
    other = tmp_path / "other"
    other.mkdir()
    fork = Ledger(other)
    fork.start()
    fork.decide(100 + more, refused=[4, 5])
    fork.delete(60)
    fork.publish()
    mirror(ledger.path, tmp_path / "copy", ledger)

    with pytest.raises(LogForked, match="does not continue this copy"):
        mirror(other, tmp_path / "copy", ledger)
    assert len(list((tmp_path / "copy" / SHARD).glob("checkpoint.refused-*"))) == 1


@pytest.mark.parametrize("level", [-1, 0])
def test_an_altered_file_is_not_taken_over(ledger: Ledger, tmp_path: Path, level: int) -> None:
    """An altered entry or leaf hash of the source never enters a copy."""
    source = copied(ledger.path, tmp_path / "source")
    flip(source / SHARD / Tile(level, 0, 256).path, 100)

    with pytest.raises(NotVerified):
        mirror(source, tmp_path / "copy", ledger)
    assert not (tmp_path / "copy" / SHARD / "checkpoint").exists()


def test_an_unwitnessed_checkpoint_is_not_taken_over(ledger: Ledger, tmp_path: Path) -> None:
    """What the policy does not trust does not begin a copy."""
    put(ledger.path / SHARD / "checkpoint", ledger.checkpoint(ledger.log.head, witnesses=()))

    with pytest.raises(Rejected) as refused:
        mirror(ledger.path, tmp_path / "copy", ledger)
    assert refused.value.reason is Code.E_QUORUM


def test_a_copy_that_was_altered_does_not_go_on(ledger: Ledger, tmp_path: Path) -> None:
    """A copy whose own tiles do not make its own root is not continued."""
    mirror(ledger.path, tmp_path / "copy", ledger)
    size = ledger.log.tree.size
    flip(tmp_path / "copy" / SHARD / Tile(0, 1, size - 256).path, 3)
    ledger.decide(1)
    ledger.publish()

    with pytest.raises(NotVerified, match="its own root"):
        mirror(ledger.path, tmp_path / "copy", ledger)


# What a source does not show.


def half_years(path: Path) -> tuple[Ledger, list[str]]:
    """A ledger in its third half-year, and the places of its audit logs."""
    path.mkdir()
    ledger = Ledger(path)
    ledger.start()
    for _ in range(2):
        ledger.decide(5)
        ledger.next_half_year()
    ledger.publish()
    return ledger, [log.origin.partition("/")[2] for log in ledger.shards]


def test_a_coming_half_year_is_not_there_yet(ledger: Ledger, served: str, tmp_path: Path) -> None:
    """The policy names it, nothing refers to it: a note, and no more."""
    rows, notes = mirrored(served, tmp_path / "copy", ledger)

    assert [row["log"].partition("/")[2] for row in rows] == [SHARD, "directory"]
    assert len(notes) == 1
    assert notes[0].startswith("note: not there yet")
    assert "audit/2027h1" in notes[0]


@pytest.mark.parametrize("label", [SHARD, "directory"])
@pytest.mark.parametrize("how", ["served", "directory"])
def test_a_log_that_was_copied_and_is_not_shown_any_more(
    ledger: Ledger, served: str, tmp_path: Path, label: str, how: str
) -> None:
    """404 for its checkpoint, or no file: withheld. What is shown is copied all the same."""
    source, copy = served if how == "served" else ledger.path, tmp_path / "copy"
    mirror(source, copy, ledger)
    kept = (copy / label / "checkpoint").read_bytes()
    ledger.decide(3)
    ledger.publish()
    (ledger.path / label / "checkpoint").rename(tmp_path / "hidden")

    rows: list[Row] = []
    with pytest.raises(LogWithheld, match=f"does not show {label}, which this copy has at size ") as told:
        mirror_all(
            str(source), copy, policy=ledger.path / "policy", logs=(), records=False, rows=rows, note=print
        )
    assert told.value.code == "E_LOG_WITHHELD"
    assert [row["log"].partition("/")[2] for row in rows] == [
        each for each in (SHARD, "directory") if each != label
    ]
    assert (copy / label / "checkpoint").read_bytes() == kept


@pytest.mark.parametrize("how", ["served", "directory"])
def test_a_source_that_shows_nothing(ledger: Ledger, served: str, tmp_path: Path, how: str) -> None:
    """Every address answers 404, or the directory is empty: an error of its own, and worse if there was something."""
    empty = tmp_path / "empty"
    empty.mkdir()
    source = f"{served}/elsewhere" if how == "served" else empty
    with pytest.raises(SourceEmpty) as told:
        mirror(source, tmp_path / "new", ledger)
    assert told.value.code == "E_SOURCE_EMPTY"
    assert list((tmp_path / "new").iterdir()) == []

    mirror(ledger.path, tmp_path / "copy", ledger)
    with pytest.raises(LogWithheld):
        mirror(source, tmp_path / "copy", ledger)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_half_year_that_the_next_one_continues_is_there(tmp_path: Path, lost: int) -> None:
    """Also for a first copy: the next half-year begins with its last checkpoint."""
    ledger, labels = half_years(tmp_path / "ledger")
    assert set(mirror(ledger.path, tmp_path / "whole", ledger)) == {*labels, "directory"}
    shutil.rmtree(ledger.path / labels[lost])

    with pytest.raises(
        LogWithheld, match=f"does not show {labels[lost]}: {labels[lost + 1]} begins with its"
    ):
        mirror(ledger.path, tmp_path / "copy", ledger)
    assert (tmp_path / "copy" / labels[2] / "checkpoint").exists()
    rows, _ = mirrored(ledger.path, tmp_path / "part", ledger, labels[2])
    assert len(rows) == 1


def test_a_ledger_that_logs_anything_has_logged_the_key_directory(ledger: Ledger, tmp_path: Path) -> None:
    """Its log cannot be missing where the audit log has leaves."""
    shutil.rmtree(ledger.path / "directory")
    with pytest.raises(LogWithheld, match="a ledger logs the key directory first"):
        mirror(ledger.path, tmp_path / "copy", ledger)


def test_a_log_that_is_asked_for_by_its_name_is_there(ledger: Ledger, tmp_path: Path) -> None:
    """Or the answer is that it is not, with the exit code for that: not nothing at all."""
    for name, says in (("audit/2027h1", "source does not show"), ("audit/1999h1", "policy names no log")):
        with pytest.raises(NotFound, match=says):
            mirrored(ledger.path, tmp_path / "copy", ledger, name)


def test_files_without_their_checkpoint_are_remembered(ledger: Ledger, tmp_path: Path) -> None:
    """Whoever removes it from the copy does not make the source's older tree a first one."""
    before = copied(ledger.path, tmp_path / "before")
    ledger.decide(300)
    ledger.publish()
    mirror(ledger.path, tmp_path / "copy", ledger)
    (tmp_path / "copy" / SHARD / "checkpoint").unlink()

    with pytest.raises(LogWentBack, match="files of a larger tree"):
        mirror(before, tmp_path / "copy", ledger)
    mirror(ledger.path, tmp_path / "copy", ledger)


def test_a_store_of_records_is_not_exchanged_for_an_older_one(ledger: Ledger, tmp_path: Path) -> None:
    """Nor for none. What the copy has is evidence."""
    before = copied(ledger.path, tmp_path / "before")
    ledger.decide(10)
    ledger.publish()
    copy = tmp_path / "copy"
    mirror(ledger.path, copy, ledger)
    kept = (copy / "records.sqlite").read_bytes()

    shutil.copy(before / "records.sqlite", ledger.path / "records.sqlite")
    with pytest.raises(LogWentBack, match="store of records has"):
        mirror(ledger.path, copy, ledger)
    (ledger.path / "records.sqlite").unlink()
    with pytest.raises(LogWithheld, match="no store of records any more"):
        mirror(ledger.path, copy, ledger)
    assert (copy / "records.sqlite").read_bytes() == kept
    assert sorted(path.name for path in copy.iterdir()) == ["audit", "directory", "policy", "records.sqlite"]


def test_a_policy_that_is_gone_is_not_taken_from_the_source(ledger: Ledger, tmp_path: Path) -> None:
    """The first copy may begin with it, and says so; a copy that has logs had one."""
    copy, notes = tmp_path / "copy", []
    arguments = {"policy": None, "logs": (), "records": False, "rows": [], "note": notes.append}
    mirror_all(str(ledger.path), copy, **arguments)
    assert notes[0] == "note: the policy came with the source, which says so itself whose signatures count"
    (copy / "policy").unlink()
    with pytest.raises(NotFound, match="its policy is gone"):
        mirror_all(str(ledger.path), copy, **arguments)


def test_the_gravest_of_several_is_raised_and_the_others_are_told(tmp_path: Path) -> None:
    """A fork is not hidden behind a log that is not shown."""
    ledger, labels = half_years(tmp_path / "ledger")
    copy, notes = tmp_path / "copy", []
    mirror(ledger.path, copy, ledger)
    shutil.rmtree(ledger.path / labels[0])
    other = tmp_path / "other"
    other.mkdir()
    fork = Ledger(other)
    fork.start()
    fork.decide(200)
    fork.publish()
    shutil.rmtree(ledger.path / "directory")
    shutil.copytree(other / "directory", ledger.path / "directory")
    put(ledger.path / "directory" / "checkpoint", fork.checkpoint(replace_root(fork.directory.head)))

    with pytest.raises(LogForked):
        mirror_all(
            str(ledger.path), copy, policy=ledger.path / "policy", logs=(), records=False, rows=[],
            note=notes.append,
        )  # fmt: skip
    assert any(note.startswith("E_LOG_WITHHELD: ") for note in notes)


def replace_root(head: Checkpoint) -> Checkpoint:
    """The same size under another root."""
    return Checkpoint(head.origin, head.size, Digest(bytes(32)))


@pytest.mark.parametrize(
    ("hide", "code", "exit_"), [(SHARD, "E_LOG_WITHHELD", 7), (".", "E_SOURCE_EMPTY", 5)]
)
def test_the_command_ends_with_the_code_of_what_is_missing(
    ledger: Ledger, served: str, tmp_path: Path, hide: str, code: str, exit_: int
) -> None:
    """Rows on stdout of what was copied, the error on stderr, and not 0."""
    copy, policy = str(tmp_path / "copy"), str(tmp_path / "policy")
    shutil.copy(ledger.path / "policy", policy)
    if hide == ".":
        shutil.rmtree(ledger.path)
    else:
        assert contrada("audit", "mirror", served, copy, "--policy", policy).exit == 0
        shutil.rmtree(ledger.path / hide)
    seen = contrada("audit", "mirror", served, copy, "--policy", policy, "--json")

    assert seen.exit == exit_
    assert [row["log"] for row in json.loads(seen.out)] == (
        [] if hide == "." else ["contrada.example/directory"]
    )
    assert json.loads(seen.err.splitlines()[-1])["error"]["code"] == code


def test_a_source_that_is_not_there(ledger: Ledger, tmp_path: Path) -> None:
    """A source that does not answer is unavailable, and no copy is begun."""
    with pytest.raises(Unavailable):
        mirror("http://127.0.0.1:9", tmp_path / "copy", ledger)


def test_a_full_disk_leaves_the_store_that_was_there(ledger: Ledger, tmp_path: Path) -> None:
    """The store of records is whole at its name, or it is the one of before; nothing is left beside it."""
    copy = tmp_path / "copy"
    mirror(ledger.path, copy, ledger)
    before = (copy / "records.sqlite").read_bytes()
    ledger.decide(10)
    ledger.publish()
    with room(4096), pytest.raises(Unavailable, match="cannot be copied"):
        mirror(ledger.path, copy, ledger)
    assert (copy / "records.sqlite").read_bytes() == before
    assert not [path.name for path in copy.iterdir() if path.name.startswith(".")]
    mirror(ledger.path, copy, ledger)
    assert (copy / "records.sqlite").read_bytes() != before
