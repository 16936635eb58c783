"""Tiles and checkpoints in a bucket, over a real S3 server: the same log, through the same interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.errors import StoreCorrupt
from broker.ledger.store.tile_store import TileStore
from deploy.kafka.faults import Fault
from deploy.s3.proxy import S3Proxy
from runtime.errors import Unavailable
from tests.sim.world import NOON
from tests.unit.broker.ledger.rig import Rig, world_of


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Proxy]:
    made = S3Proxy(tmp_path_factory.mktemp("s3"))
    try:
        made.start()
    except Fault as fault:
        pytest.skip(f"no S3 server: {fault}")
    yield made
    made.stop()


@pytest.fixture
def rig(server: S3Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A ledger whose tiles are in the bucket, each test below a prefix of its own."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    rig = Rig(tmp_path, world_of(160))
    rig.store = TileStore.open(f"s3://{server.bucket}/{tmp_path.name}")
    return rig


def test_the_log_in_a_bucket_is_the_log(rig: Rig, server: S3Proxy, tmp_path: Path) -> None:
    """Written, resumed and read from S3: every entry, and the files have the names that an auditor expects."""
    rig.run(rig.writer(), at_once=20, upto=80)
    state = rig.run(rig.writer(), at_once=40)
    assert state.size > 512
    assert rig.entries() == rig.expected()
    objects = server.directory / "objects" / server.bucket / tmp_path.name
    assert (objects / "audit/2026h2/tile/0/000").stat().st_size == 256 * 32
    assert not (objects / "audit/2026h2/tile/0/000.p").exists()
    rig.store.replace("audit/2026h2/checkpoint", b"one")
    rig.store.replace("audit/2026h2/checkpoint", b"two")
    assert rig.store.get("audit/2026h2/checkpoint") == b"two"
    assert rig.store.get("audit/2026h2/nothing") is None


def test_a_lost_object_is_refused(rig: Rig) -> None:
    """The right edge in the bucket must make the lock row's root there, too."""
    state = rig.run(rig.writer(), at_once=40)
    rig.store.forget([f"audit/2026h2/tile/0/{state.size // 256:03}.p/{state.size % 256}"])
    with pytest.raises(StoreCorrupt):
        rig.writer().resume()


def test_a_wrong_secret_is_an_outage(rig: Rig, server: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server checks signatures: what it refuses is told without a word of the secret, and nothing is lost."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    rig.store = TileStore.open(f"s3://{server.bucket}/x")
    writer = rig.writer()
    writer.resume()
    with pytest.raises(Unavailable) as refused:
        writer.advance(rig.readings(0, 3), now=NOON)
    assert "wrong-secret" not in str(refused.value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.environment["AWS_SECRET_ACCESS_KEY"])
    rig.store = TileStore.open(f"s3://{server.bucket}/x")
    rig.run(rig.writer(), at_once=40)
    assert rig.entries() == rig.expected()
