"""A real Kafka whose directory is put back to an older copy, under daemons and a router that go on.

The case that was found: a unit that had read past the end of what came back skipped what was written there since, its
senders had "accepted", and nobody an alarm.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from deploy.kafka.launcher import Cluster
from keys.key_files import write_identity
from keys.unlock import Credential
from protocol.errors import Code
from protocol.times import show_time
from protocol.trail.batches import RecordType, verify_decisions
from tests.guarded import words_as
from tests.integration.exchange import Exchange, present
from tests.integration.ledgers import Ledgers
from tests.integration.test_acts import contrada
from tests.integration.units import Site, UnitProcess, eventually, found, start
from tests.sim.world import World

BEFORE, BETWEEN, LOST, AFTER = 35, 45, 4, 60
"""Messages that the copy has; that are read and then not in Kafka any more; that nobody has read and that are lost; that
are written over them."""


@pytest.fixture
async def site(new_cluster):
    """Two units and a router on a Kafka of their own."""
    with tempfile.TemporaryDirectory(prefix="cd-") as directory:
        cluster = new_cluster()
        made = await found(Path(directory), cluster.bootstrap, "fr", "it")
        made.cluster = cluster
        try:
            yield made
        finally:
            made.close()


class Copy:
    """The broker's directory, as it was once."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.place = cluster.directory / "broker-0"
        self.kept = cluster.directory / "older"
        cluster.stop_broker(0)
        shutil.copytree(self.place, self.kept)
        cluster.restart(0)

    def put_back(self) -> None:
        self.cluster.stop_broker(0)
        shutil.rmtree(self.place)
        shutil.copytree(self.kept, self.place)
        self.cluster.restart(0)


def sent(unit: UnitProcess, count: int) -> list[str]:
    return [unit.send("it") for _ in range(count)]


def accepted(unit: UnitProcess, ids: list[str]) -> None:
    eventually(
        lambda: {unit.sent(each)["state"] for each in ids},
        lambda states: states == {"accepted"},
        what="all of them to be accepted",
    )


def delivered(unit: UnitProcess, ids: list[str]) -> None:
    eventually(
        lambda: [
            each
            for each in ids
            if not all(one["stage"] for one in unit.sent(each)["deliveries"] or [{"stage": ""}])
        ],
        lambda missing: not missing,
        what="all of them to be acknowledged",
    )


def ids_of(unit: UnitProcess) -> list[str]:
    return [row["id"] for row in unit.inbox()]


def alarm(unit: UnitProcess, code: str) -> list[dict]:
    return [each for each in unit.get("/v1/alarms?limit=500")["items"] if each["code"] == code]


async def test_a_kafka_from_an_older_copy_loses_nothing_that_stands_in_it(site: Site) -> None:
    """Whatever is written after the copy came back arrives, though the reader's places were taken; what was lost is told
    to its sender, and arrives when it is sent again. Nothing is there twice.
    """
    site.start_router()
    start(*site.units.values())
    fr, it = site.units["fr"], site.units["it"]
    first = sent(fr, BEFORE)
    delivered(fr, first)
    copy = Copy(site.cluster)
    between = sent(fr, BETWEEN)
    delivered(fr, between)

    # The addressee stands still. The first may be the answer to what it had asked, and lie in its socket; what comes
    # after that only Kafka has, and loses it.
    it.process.send_signal(signal.SIGSTOP)
    answered = sent(fr, 1)
    accepted(fr, answered)
    lost = sent(fr, LOST)
    accepted(fr, lost)
    copy.put_back()
    after = sent(fr, AFTER)
    accepted(fr, after)
    it.process.send_signal(signal.SIGCONT)

    eventually(
        lambda: set(ids_of(it)),
        lambda seen: seen >= {*first, *between, *after},
        what="all that stands in Kafka",
    )
    assert not set(lost) & set(ids_of(it))
    assert {each["detail"].partition("/")[0] for each in alarm(it, "feed_rewound")} >= {"inbox.it"}
    delivered(fr, after)
    lost += [each for each in answered if each not in ids_of(it)]
    for each in lost:
        assert fr.sent(each)["state"] == "accepted"
        fr.request("POST", f"/v1/outbox/{each}/again", {})
    delivered(fr, lost)
    everything = ids_of(it)
    assert sorted(everything) == sorted({*first, *between, *answered, *lost, *after})


async def test_a_router_that_goes_on_decides_by_what_the_copy_knows(new_cluster, tmp_path: Path) -> None:
    """What it had decided since the copy was made is decided again where its sender sends it again, in order and once; what
    the copy has is a duplicate. Its memory of what is lost would refuse all of that.
    """
    cluster = new_cluster()
    exchange = Exchange(World(now=present()), cluster.bootstrap, tmp_path / "centre")
    world = exchange.world
    first, lost, after = ([world.compose("fr", ["it"]) for _ in range(10)] for _ in range(3))
    await exchange.found()
    try:
        exchange.start_router()
        await exchange.submit("fr", *first)
        await exchange.deliveries("it", 10)
        copy = Copy(cluster)
        await exchange.submit("fr", *lost)
        await exchange.deliveries("it", 20)
        copy.put_back()
        assert len(await exchange.deliveries("it", 10)) == 10
        await exchange.submit("fr", *first[-2:], *lost, *after)
        delivered = await exchange.deliveries("it", 30)
        assert exchange.routers[0].poll() is None
    finally:
        exchange.stop()
    numbers = [world.open("it", each).delivery.header.core.position.seq for each in delivered]
    assert numbers == list(range(30))
    records = [
        r
        for batch in await exchange.decisions(1)
        for r in verify_decisions(batch, parties=world.directory).records
    ]
    refused = [r for r in records if r.type is not RecordType.ACCEPTED]
    assert len(records) - len(refused) == 30
    assert {reason.code for r in refused for reason in r.reasons} <= {Code.E_REPLAY}


def office(exchange: Exchange) -> list[str]:
    """A centre's home with the registrar's key, and the ledger's settings beside it."""
    home, secret = exchange.directory, (exchange.directory / "router.secret").read_bytes()
    (home / "centre.toml").write_text('secret = "router.secret"\n')
    (home / "root.cbor").write_bytes(exchange.world.directory.root.encoded())
    place = home / "keys" / "registrar"
    place.mkdir(parents=True, mode=0o700)
    key = exchange.world.registrar
    write_identity(place / "identity.key", key, secret=Credential(secret), entropy=exchange.world.entropy)
    return ["--home", str(home), *words_as(exchange.bootstrap, "centre")]


def audited(exchange: Exchange, *, code: int) -> dict:
    """`contrada audit fsck` of the ledger's directory, and how it ends."""
    directory = exchange.directory / "ledger"
    root = str(exchange.directory / "root.pin")
    trust = ("--policy", str(directory / "policy"), "--root", root)
    return contrada("audit", "fsck", str(directory), *trust, "--live", code=code)


async def test_two_people_state_it_and_then_an_auditor_finds_nothing(new_cluster, tmp_path: Path) -> None:
    """The ledger has read what is lost, and runs all the time: it goes back, and says so in its log. What is decided again
    is `decision-twice` until two people state why; before there was a way back they could not.
    """
    cluster = new_cluster()
    exchange = Exchange(World(now=present()), cluster.bootstrap, tmp_path / "centre")
    world = exchange.world
    await exchange.found()
    ledgers = Ledgers(exchange)
    try:
        home = office(exchange)
        exchange.start_router()
        ledgers.start()
        await exchange.submit("fr", *[world.compose("fr", ["it"]) for _ in range(10)])
        await ledgers.until(lambda: ledgers.types()[RecordType.ACCEPTED] == 10)
        copied = show_time(present())
        copy = Copy(cluster)
        await exchange.submit("fr", *[world.compose("fr", ["it"]) for _ in range(10)])
        await ledgers.until(lambda: ledgers.types()[RecordType.ACCEPTED] == 20)
        said = ("--copied", copied, "--by", "Costa", "--second", "Smit", "--why", "disks", "--yes")
        command = ("ledger", "put-back", "--config", str(exchange.directory / "ledger-0.toml"), *said)
        contrada(*home, *command, "--restored", show_time(present()), code=9)
        copy.put_back()
        restored = show_time(present())
        await exchange.submit("fr", *[world.compose("fr", ["it"]) for _ in range(15)])
        await ledgers.until(lambda: ledgers.types()[RecordType.ACCEPTED] == 35)
        assert ledgers.types()[RecordType.AUDIT_REWOUND] == 1
        assert [each["kind"] for each in audited(exchange, code=7)["findings"]] == ["decision-twice"]
        made = contrada(*home, *command, "--restored", restored)
        await ledgers.until(lambda: ledgers.types()[RecordType.KAFKA_PUT_BACK] == 1)
        notices = {each["kind"]: each for each in audited(exchange, code=0)["notices"]}
        assert notices["audit-rewound"]["leaf"] == made["leaf"]
        assert "what 1 outbox had decided twice" in notices["kafka-put-back"]["what"]
        contrada(*home, *command, "--restored", restored, code=9)
    finally:
        ledgers.stop()
        exchange.stop()
