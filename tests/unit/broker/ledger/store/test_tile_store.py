"""Files of the logs: durable when `put` returns, whole or absent, and the same through every interface."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from broker.ledger.log_storage import prefix_of
from broker.ledger.store.tile_store import TileStore
from protocol.errors import Rejected
from protocol.tlog.tiles import ENTRIES, Tile
from runtime.errors import Misconfigured, Unavailable
from runtime.log_files import MAX_LOG_FILE
from tests.mutants.engine import Mutant
from tests.mutants.operations import unchecked
from tests.mutants.promises import assert_missed
from tests.unit.broker.ledger.rig import AUDIT, Rig, world_of


def test_what_was_put_is_there(tmp_path: Path) -> None:
    """Read back, listed, replaced and forgotten; forgetting twice is like once."""
    store = TileStore.open(str(tmp_path / "new" / "store"))
    store.put({"a/tile/0/000.p/5": b"five", "a/tile/0/000.p/6": b"six"})
    assert store.get("a/tile/0/000.p/5") == b"five"
    assert store.get("a/tile/0/001") is None
    assert sorted(store.names("a/tile/0/000.p")) == ["a/tile/0/000.p/5", "a/tile/0/000.p/6"]
    for text in (b"first", b"second"):
        store.replace("a/checkpoint", text)
        assert store.get("a/checkpoint") == text
    store.forget(["a/tile/0/000.p/5", "a/tile/0/000.p/5"])
    assert store.names("a/tile") == ("a/tile/0/000.p/6",)
    assert {path.name for path in (tmp_path / "new" / "store" / "a").iterdir()} == {"tile", "checkpoint"}


def test_put_syncs_each_file_and_every_directory_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power failure after `put` loses nothing: obstore does not sync, so we do, down from the root."""
    synced, real = set(), os.fsync

    def fsync(descriptor: int) -> None:
        synced.add(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        real(descriptor)

    store = TileStore.open(str(tmp_path))
    monkeypatch.setattr(os, "fsync", fsync)
    store.put({"audit/tile/0/000": b"x", "audit/tile/0/001": b"y"})
    places = ["audit/tile/0/000", "audit/tile/0/001", "audit/tile/0", "audit/tile", "audit", "."]
    assert {tmp_path / place for place in places} <= synced
    synced.clear()
    store.replace("audit/checkpoint", b"z")
    assert {tmp_path / "audit", tmp_path / "audit" / "checkpoint.new"} <= synced | {
        tmp_path / "audit/checkpoint.new"
    }


def test_a_store_that_fails_is_unavailable_and_nothing_else(tmp_path: Path) -> None:
    """A file where a directory must be, a URL of no kind: our errors, and never a secret in them."""
    (tmp_path / "audit").write_bytes(b"")
    store = TileStore.open(str(tmp_path))
    with pytest.raises(Unavailable):
        store.put({"audit/tile/0/000": b"x"})
    for url in ("gopher://key:secret@host/x", "s3://"):
        with pytest.raises(Misconfigured) as refused:
            TileStore.open(url)
        assert "secret" not in str(refused.value)


class Oversized(BaseHTTPRequestHandler):
    """A bucket whose answers have no end."""

    sent: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(1 << 40))
        self.send_header("last-modified", "Wed, 01 Jul 2026 12:00:00 GMT")
        self.send_header("etag", '"x"')
        self.end_headers()
        with suppress(OSError):  # as soon as nobody reads any more
            while True:
                self.wfile.write(bytes(1 << 20))
                self.sent.append(1 << 20)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """That bucket, by its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Oversized)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    for name, value in {
        "AWS_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "AWS_ALLOW_HTTP": "true", "AWS_REGION": "any", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    yield "s3://bucket/below"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_that_no_log_has_is_not_read(tmp_path: Path, bucket: str) -> None:
    """Whoever can write the store, or answers in the place of a bucket, does not decide how much comes into memory."""
    for size in (MAX_LOG_FILE, MAX_LOG_FILE + 1):
        with (tmp_path / str(size)).open("wb") as file:
            file.truncate(size)
    store = TileStore.open(str(tmp_path))
    assert len(store.get(str(MAX_LOG_FILE)) or b"") == MAX_LOG_FILE
    with pytest.raises(Unavailable, match=f"has {MAX_LOG_FILE + 1} bytes, and a file of a log at most"):
        store.get(str(MAX_LOG_FILE + 1))
    with pytest.raises(Unavailable, match=f"has {1 << 40} bytes"):
        TileStore.open(bucket).get("checkpoint")
    assert sum(Oversized.sent) < MAX_LOG_FILE


def test_partial_files_go_when_the_full_one_is_there(tmp_path: Path) -> None:
    """A tile is partial in as many files as it had sizes; once it is full they are removed, and reads go on."""
    world = world_of(160)
    rig = Rig(tmp_path, world)
    rig.run(rig.writer(), at_once=8)
    state, read = rig.state(), rig.writer().reader(AUDIT)
    assert state.size > 512
    for kind in ("0", "entries"):
        there = {name for name in rig.store.names(f"audit/2026h2/tile/{kind}") if ".p/" in name}
        assert there and all(f"/{state.size // 256:03}.p/" in name for name in there)
    full = read(Tile(0, 0, 256))
    assert read(Tile(0, 0, 17)) == full[: 17 * 32]
    assert rig.entries() == rig.expected()
    assert read(Tile(ENTRIES, 0, 3)) == read(Tile(ENTRIES, 0, 256))[: len(read(Tile(ENTRIES, 0, 3)))]
    with pytest.raises(Rejected):
        read(Tile(0, 900, 256))


def test_partial_files_that_cannot_be_removed_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removing them is tidiness: a store that refuses it costs room, never a leaf."""
    rig = Rig(tmp_path, world_of(160))

    def refuse(_: object) -> None:
        raise Unavailable("no")

    monkeypatch.setattr(rig.store, "forget", refuse)
    rig.run(rig.writer(), at_once=8)
    assert rig.entries() == rig.expected()


def test_the_prefix_is_the_origin_without_the_ledgers_name() -> None:
    """What an auditor copies has short names; the ledger's name may have a path of its own."""
    assert prefix_of("contrada.example/audit/2026h2", "contrada.example") == "audit/2026h2/"
    assert prefix_of("contrada.example/x/directory", "contrada.example/x") == "directory/"


async def test_without_its_bound_a_file_of_any_size_comes_into_memory(tmp_path: Path, bucket: str) -> None:
    """What keeps it out is needed."""
    mutant = Mutant(TileStore.get, unchecked("MAX_LOG_FILE"))
    await assert_missed(mutant, test_a_file_that_no_log_has_is_not_read, tmp_path=tmp_path, bucket=bucket)
