"""A copy holds what was verified, goes on where it stopped, and never takes over another history."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clients.audit.copy.copying import mirror_all
from protocol.errors import Code, Rejected
from protocol.tlog.tiles import Tile
from runtime.errors import NotVerified, Unavailable
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
    rows = mirror_all(str(source), copy, policy=ledger.path / "policy", logs=(), records=True)
    return {row["log"].partition("/")[2]: (row["from"], row["to"], row["files"]) for row in rows}


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

    with pytest.raises(NotVerified, match="does not continue this copy"):
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

    with pytest.raises(NotVerified, match="does not continue this copy"):
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
