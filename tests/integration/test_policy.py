"""A policy of the exchange on a real Kafka: tried, stated by two, and what routers decide under it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from broker.centre.policy.recorded_trail import recorded_decisions
from keys.statement_types import PolicyVersion
from protocol import topics
from protocol.errors import Code
from protocol.exchange.exchange_policy import PROTOCOL_POLICY
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY, MINUTE, POLICY_NOTICE
from protocol.trail.batches import RecordType, verify_decisions
from runtime.policy.policy_report import try_policy
from runtime.policy.recorded_decisions import RecordedSpan
from tests.integration.exchange import Exchange, present
from tests.integration.test_acts import contrada, founded
from tests.sim.world import World

SHORT = replace(PROTOCOL_POLICY, lifetime=3 * DAY)


@pytest.mark.kafka
@pytest.mark.slow
async def test_two_registrars_state_a_policy_that_was_tried(empty_kafka, tmp_path: Path) -> None:
    """One shows what differs and states it, the other reads the same and agrees; it waits for its time, and is followed."""
    centre = founded(empty_kafka.bootstrap, tmp_path / "centre", "--registrars", "2")
    file, keys = tmp_path / "policy.toml", tmp_path / "centre" / "keys"
    file.write_text('lifetime = "3d"\naddressees = 8\n')
    apply = ("policy", "apply", str(file), "--yes")

    made = contrada(*centre, *apply)
    assert (made["version"], made["waits"], made["by"], made["from"]) == (1, True, "registrar", None)
    assert [(row["row"], row["after"]) for row in made["changes"]] == [
        ("lifetime", "3d"),
        ("addressees", "8"),
    ]
    assert (made["trial"]["decisions"], made["trial"]["changed"]) == (0, [])
    assert contrada(*centre, "policy", "show")["versions"] == []

    (waits,) = contrada(*centre, "centre", "agree", "ls")
    assert waits["what"].startswith("policy version 1 from ")
    assert waits["what"].endswith(": lifetime 30d -> 3d; addressees 64 -> 8")
    agree = ("centre", "agree", "to", waits["ballot"], "--yes", "--registrar-key")
    contrada(*centre, *agree, str(keys / "registrar"), code=9)
    (agreed,) = contrada(*centre, *agree, str(keys / "registrar-2"))
    assert not agreed["waits"]

    (version,) = contrada(*centre, "policy", "show")["versions"]
    assert (version["state"], version["by"]) == ("waits", ["registrar", "registrar-2"])
    assert version["from"] == version["stated"] + POLICY_NOTICE
    at = str(version["from"] // 1000 * 1000 + 1000)
    then = contrada(*centre, "policy", "show", "--at", _iso(int(at)))
    assert {row["row"]: row["value"] for row in then["rows"]}["lifetime"] == "3d"

    again = contrada(*centre, "policy", "apply", str(file), "--yes", "--from", "+30d")
    assert (again["version"], again["replaces"]) == (2, [])
    file.write_text('lifetime = "31d"\n')
    refused = contrada(*centre, *apply, code=2)
    assert refused["error"]["code"] == "E_DRAFT"


def _iso(moment: int) -> str:
    from protocol.times import show_time

    return show_time(moment)


@pytest.mark.kafka
@pytest.mark.slow
async def test_routers_decide_by_the_policy_and_a_trial_finds_it(empty_kafka, tmp_path: Path) -> None:
    """Real routers refuse what it refuses, signed; tried on the audit topic, another one would have accepted it."""
    world = World(now=Millis(present() - 30 * MINUTE))
    world.publish(PolicyVersion(1, Millis(0), SHORT), by=world.registrar)
    world.now = present()
    exchange = Exchange(world, empty_kafka.bootstrap, tmp_path / "centre")
    await exchange.found()
    try:
        exchange.start_router()
        long, short = world.compose("fr", ["it"]), world.compose("fr", ["it"], expires=world.now + DAY)
        await exchange.submit("fr", long, short)
        receipts = await exchange.read(topics.receipts(UnitId("fr")), 1)
        while (
            len(
                decided := [
                    one for raw in receipts for one in verify_decisions(raw, parties=world.directory).records
                ]
            )
            < 2
        ):
            receipts = await exchange.read(topics.receipts(UnitId("fr")), len(receipts) + 1)
    finally:
        exchange.stop()
    assert [(one.type, [reason.code for reason in one.reasons]) for one in decided] == [
        (RecordType.REJECTED, [Code.E_LIFETIME]), (RecordType.ACCEPTED, []),
    ]  # fmt: skip
    assert all(one.directory_size == world.directory.head.size for one in decided)
    held, judged = await recorded_decisions(empty_kafka.bootstrap, world.directory, RecordedSpan(most=10))
    found = try_policy(PROTOCOL_POLICY, held, judged)
    assert (found["decisions"], found["would_be_accepted"], found["would_be_refused"]) == (2, 1, 0)
    assert found["by_reason"] == {"E_LIFETIME": 1}
