"""Real daemons beside a real ledger: every message gets its proofs, and what the ledger does wrong is seen."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaProducer

from clients.cli.main import run_line
from keys.store import write_private
from protocol import topics
from protocol.merkle import leaf_hash
from protocol.tlog.proof_file import parse_proof, verify_proof
from protocol.tlog.publication import parse_publication
from protocol.trail.records import RecordType, entry_of, parse_delivered, parse_record
from runtime.kafka.client import connection_settings
from tests.integration.ledgers import Ledgers
from tests.integration.units import Problem, Site, UnitProcess, eventually, found, start
from tests.sim.one_log import SimLog, leaves


@pytest.fixture
async def site(empty_kafka) -> AsyncIterator[Site]:
    """Two units that follow the ledger; nothing runs yet but Kafka."""
    with tempfile.TemporaryDirectory(prefix="cd-") as directory:
        made = await found(Path(directory), empty_kafka.bootstrap, "fr", "it")
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def ledgers(site: Site):
    centre = site.directory / "beside"
    centre.mkdir(mode=0o700)
    (centre / "root.pin").write_bytes((site.directory / "centre" / "root.pin").read_bytes())
    write_private(centre / "router.secret", site.secret, entropy=os.urandom)
    exchange = SimpleNamespace(
        directory=centre, bootstrap=site.bootstrap, world=SimpleNamespace(ledger=site.founding.ledger)
    )
    made = Ledgers(exchange)
    for unit in site.units.values():
        unit.home.ledger_policy.write_bytes((made.directory / "policy").read_bytes())
    yield made
    made.stop()


def run_all(site: Site) -> tuple[UnitProcess, UnitProcess]:
    site.start_router()
    start(*site.units.values())
    return site.units["fr"], site.units["it"]


def proofs(unit: UnitProcess, message_id: str) -> list[dict]:
    try:
        return unit.get(f"/v1/proofs/{message_id}")["proofs"]
    except Problem:
        return []  # it has not arrived yet


def until_proved(unit: UnitProcess, message_id: str, count: int) -> None:
    """Wait until it holds so many proofs of a message."""
    eventually(
        lambda: proofs(unit, message_id),
        lambda found: len(found) == count,
        what=f"{count} proofs at {unit.name}",
    )


async def test_every_message_gets_its_proofs(site: Site, ledgers: Ledgers, capsys) -> None:
    """Sender and addressee hold proofs that verify with the policy alone; a kill in between loses none."""
    ledgers.start()
    fr, it = run_all(site)
    first = fr.send("it")
    until_proved(it, first, 2)
    for unit in (fr, it):
        unit.kill()
    ledgers.processes[-1].kill()
    ledgers.processes[-1].wait()
    start(fr, it)
    second = fr.send("it")
    eventually(it.inbox)
    ledgers.start()
    until_proved(fr, second, 1)
    until_proved(it, second, 2)

    for unit, message_id in ((fr, first), (it, first), (fr, second), (it, second)):
        for one in proofs(unit, message_id):
            record, salt = bytes.fromhex(one["record"]), bytes.fromhex(one["salt"])
            type_ = RecordType[one["leaf"].upper()]
            t = (parse_delivered if type_ is RecordType.DELIVERED else parse_record)(record).t
            entry = entry_of(type_, t, salt, record)
            verify_proof(parse_proof(one["proof"].encode()), leaf_hash(entry), ledgers.policy)
        assert unit.get("/v1/status")["alarms"] == []
    shown = eventually(
        lambda: fr.get("/v1/status")["ledger"],
        lambda ledger: ledger["promised"] == 0 and ledger["read"],
        what="every promise to be kept",
    )
    assert (shown["followed"], shown["read"], shown["late"], shown["wrong"]) == (True, True, 0, [])
    assert "logged" in [step["event"] for step in it.get(f"/v1/trace/{second}")["steps"]]

    # The second message may have left before a daemon that began anew had read the log: its header named no
    # head then. This one names the head that was just seen.
    fr.send("it")
    eventually(
        lambda: it.get("/metrics"), lambda page: 'outcome="same"' in page, what="a head that is the same"
    )

    home, out = ["--home", str(it.home.path)], site.directory / "evidence"
    assert run_line([*home, "unit", "status"]) == 0
    assert "cosigned by nobody" in capsys.readouterr().out
    assert run_line([*home, "message", "proof", second, "--out", str(out)]) == 0
    assert len(list(out.glob("*.tlog-proof"))) == len(list(out.glob("*.json"))) == 2
    assert run_line([*home, "message", "proof", second, "--out", str(out)]) == 9

    for unit in (fr, it):
        assert run_line(["--home", str(unit.home.path), "message", "receipt", second, "--out", str(out)]) == 0
    sent, received = (out / f"{second}-{side}-accepted.receipt" for side in ("sent", "received"))
    assert sent.read_bytes() == received.read_bytes()
    root = ["--root", str(site.directory / "centre" / "root.pin")]
    verify = ["audit", "verify", "receipt", str(sent), str(ledgers.directory), *root]
    assert run_line([*verify, "--policy", str(it.home.ledger_policy)]) == 0
    assert run_line([*home, "message", "receipt", first.replace(first[:8], "00000000")]) == 5


async def test_a_ledger_that_forks_is_seen_by_every_unit(site: Site, ledgers: Ledgers) -> None:
    """Whoever holds the log's key and writes to the topic: each unit keeps both checkpoints, and its head."""
    ledgers.start()
    fr, it = run_all(site)
    message_id = fr.send("it")
    until_proved(it, message_id, 2)
    ledgers.stop()
    # Beyond all that was published: what a unit has read of it so far may be less, and smaller is no fork.
    audit = ledgers.audit()
    forged = SimLog(origin=audit.origin, witnesses=()).add(leaves(audit.size + 5))
    await publish(site, *forged.publish(old=0, key=ledgers.keys))

    for unit in (fr, it):
        status = eventually(
            lambda unit=unit: unit.get("/v1/status"),
            lambda status: status["ledger"]["wrong"],
            what=f"{unit.name} to see the fork",
        )
        assert [alarm["code"] for alarm in status["alarms"]] == ["ledger_fork"]
        assert next(log for log in status["ledger"]["logs"] if "/audit/" in log["origin"])["root"]
        (kept,) = unit.get("/v1/evidence")["items"]
        assert (
            run_line(["--home", str(unit.home.path), "unit", "status", "--evidence", str(site.directory)])
            == 3
        )
        assert (site.directory / "0001-ledger_fork" / "shown").read_text() == kept["shown"]
        assert kept["held"].split("\n")[0] == kept["shown"].split("\n")[0] == audit.origin


async def publish(site: Site, *values: bytes) -> None:
    producer = AIOKafkaProducer(**connection_settings(site.bootstrap), max_request_size=4_000_000)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topics.LEDGER, value, key=parse_publication(value).origin.encode())
    finally:
        await producer.stop()
