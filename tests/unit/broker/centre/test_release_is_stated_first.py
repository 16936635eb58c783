"""Nothing leaves quarantine that the ledger was not told of first. Home, keys and acts are real; only Kafka is left out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from broker.centre import acts, quarantine
from keys.ceremony import write_pin
from keys.key_files import IDENTITY_FILE, write_identity
from keys.store import prepare_directory
from protocol import topics
from protocol.canonical import encode
from protocol.trail.records import RecordType
from protocol.trail.stated_acts import verify_acts
from runtime.cli.command import Invocation
from runtime.cli.unlocking import new_secret
from runtime.errors import Unavailable
from runtime.kafka.ports import Fetched, InputRecord, Take
from runtime.process.homes import CentreHome
from tests.unit.keys.world import NOW, World, identity

HELD = b"what somebody put into an outbox"
NUMBER = 3


@dataclass
class Kafka:
    """Both topics: one row in quarantine; the audit topic may be out of reach. Knows what lay in `out` when it was asked."""

    out: Path
    reachable: bool = True
    lay_there: list[list[Path]] = field(default_factory=list)
    stated: list[bytes] = field(default_factory=list)

    async def end(self, topic: str, partition: int) -> int:
        assert topic == topics.QUARANTINE
        return NUMBER + 1

    async def follow(self, topic: str, partition: int, *, start: int, take: Take) -> None:
        row = encode([1, ["fr", 0, 7, 1], 2, "E_CBOR", bytes(32), len(HELD), HELD])
        await take(Fetched(topic, partition, (InputRecord(NUMBER, 0, row),), NUMBER + 1))

    async def append(self, values: Sequence[bytes]) -> None:
        self.lay_there.append(list(self.out.iterdir()))
        if not self.reachable:
            raise Unavailable("the audit topic took no record")
        self.stated += values


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The directory that the record is to be released into."""
    made = tmp_path / "out"
    made.mkdir()
    return made


@pytest.fixture
def brokers(out: Path, monkeypatch: pytest.MonkeyPatch) -> Kafka:
    made = Kafka(out)
    monkeypatch.setattr(quarantine, "KafkaFeeds", lambda _: made)
    monkeypatch.setattr(acts, "KafkaLog", lambda _, topic: {topics.AUDIT: made}[topic])
    return made


async def clock_is_right(_: str) -> None:
    """Kafka agrees; test_clock.py has the rest."""


@pytest.fixture
def centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invocation:
    """The home of a centre, with its registrar's key."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(acts, "now", lambda: NOW)
    monkeypatch.setattr(acts, "check_clock", clock_is_right)
    home = CentreHome(tmp_path / "centre")
    secret, named = new_secret(home, file=None)
    home.settings.write_text(f'kafka = "127.0.0.1:1"\nsecret = "{named}"\n')
    write_pin(home.root, World().root, entropy=os.urandom)
    prepare_directory(home.keys / "registrar")
    key = home.keys / "registrar" / IDENTITY_FILE
    write_identity(key, identity("registrar"), secret=secret, entropy=os.urandom)
    return Invocation(home=home.path)


async def test_what_cannot_be_stated_is_not_released(centre: Invocation, brokers: Kafka, out: Path) -> None:
    """When the ledger's topic does not take the act, no file is written."""
    brokers.reachable = False

    with pytest.raises(Unavailable):
        await acts.release_record(centre, NUMBER, by="Costa", second="Smit", out=out / "record.bin")

    assert list(out.iterdir()) == []
    assert len(brokers.lay_there) == 1  # it was asked: nothing else stopped the release


async def test_the_file_comes_after_the_act(centre: Invocation, brokers: Kafka, out: Path) -> None:
    """The act is in the topic, signed by the registrar, before there is a file; then the file is what was held."""
    await acts.release_record(centre, NUMBER, by="Costa", second="Smit", out=out / "record.bin")

    (stated,) = brokers.stated
    (act,) = verify_acts(stated, parties=World().directory).acts
    assert (act.type, act.detail) == (RecordType.QUARANTINE_RELEASE, ("fr", 0, 7, "Costa", "Smit"))
    assert brokers.lay_there == [[]]
    assert (out / "record.bin").read_bytes() == HELD
