"""Nothing is stated for the exchange by a clock that Kafka's contradicts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from broker.centre import acts, clock, registry
from broker.centre.clock import check_clock
from broker.ledger.admin import inspection
from keys.ceremony import write_pin
from protocol.identifiers import Millis
from protocol.limits import CLOCK_TOLERANCE, DAY, HOUR
from protocol.trail.acts import AuditGap, audit_gap
from runtime.cli.command import Invocation
from runtime.errors import Unavailable
from runtime.kafka.broker_time import NoTimeTold
from runtime.process.homes import CentreHome
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.broker.router.test_wrong_clock import Source

NOON = Millis(1_795_000_000_000)


async def asked(off: int) -> None:
    """A command at a machine whose clock is so far ahead of Kafka's."""
    await check_clock("kafka:9092", wall=lambda: Millis(NOON + off), source=Source(NOON))


@pytest.mark.parametrize("off", [0, CLOCK_TOLERANCE, -CLOCK_TOLERANCE])
async def test_a_right_clock_states(off: int) -> None:
    await asked(off)


@pytest.mark.parametrize(
    ("off", "word"), [(2 * HOUR, "ahead of"), (-10 * DAY, "behind"), (400 * DAY, "ahead of")]
)
async def test_a_wrong_clock_states_nothing(off: int, word: str) -> None:
    """A statement's date counts for every replica, for ever."""
    with pytest.raises(Unavailable, match=f"{abs(off) // 1000} s {word} Kafka's"):
        await asked(off)


async def test_kafka_that_does_not_tell_its_time_stops_no_command() -> None:
    await check_clock("kafka:9092", wall=lambda: NOON, source=Source(NoTimeTold("too old")))


class Told(Exception):
    """The clock was asked for."""


async def told(_: str) -> None:
    raise Told


async def test_statements_and_acts_ask_first(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is signed, written down or published."""
    monkeypatch.setattr(acts, "check_clock", told)
    (tmp_path / "centre.toml").write_text('kafka = "127.0.0.1:1"\n')
    monkeypatch.setattr(registry, "check_clock", told)
    with pytest.raises(Told):
        await acts.give_access(Invocation(home=tmp_path, kafka="127.0.0.1:1"), who="auditor", asked="a copy")
    opened = registry.Registry(None, "127.0.0.1:1", None, 0, published=0)  # type: ignore[arg-type]
    with pytest.raises(Told):
        await opened.state([b"statement"])


async def acts_about_the_log_ask_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    write_pin(CentreHome(home).root, world.directory.root, entropy=world.entropy)
    monkeypatch.setattr(inspection, "check_clock", told)
    registrar, settings = world.registrar, SimpleNamespace(access=lambda: "127.0.0.1:1")
    act = audit_gap(NOON, registrar.name, AuditGap("x/audit/2026h2", 1, 2), why="w", by="a", second="b")
    with pytest.raises(Told):
        await inspection.state_act(settings, home, act, registrar)


async def test_acts_about_the_log_ask_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap and a deletion, too."""
    await acts_about_the_log_ask_first(tmp_path, monkeypatch)


async def test_without_the_question_they_are_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mutated(Mutant(inspection.state_act, dropped("check_clock"))), pytest.raises(Unavailable):
        await acts_about_the_log_ask_first(tmp_path, monkeypatch)


async def test_without_the_check_a_wrong_clock_states() -> None:
    mutant = Mutant(clock.check_clock, unchecked("CLOCK_TOLERANCE"))
    await assert_missed(mutant, test_a_wrong_clock_states_nothing, [2 * HOUR, "ahead of"])
