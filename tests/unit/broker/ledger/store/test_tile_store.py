"""Files of the logs: durable when `put` returns, whole or absent, and the same through every interface."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from broker.ledger.log_storage import prefix_of
from broker.ledger.store.tile_store import TileStore
from protocol.errors import Rejected
from protocol.tlog.tiles import ENTRIES, Tile
from runtime.errors import Misconfigured, Unavailable
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
