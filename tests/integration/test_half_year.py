"""A half-year that turns on a real Kafka: router, ledger and two witnesses as processes, one of them away meanwhile.

The ledger was founded in the half-year before, in which nobody sent anything: the first message closes it.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker.ledger.cosigning import missing
from clients.demo.free_ports import free_port
from protocol.identifiers import Millis
from protocol.limits import DAY
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.policy import parse_policy
from protocol.tlog.policy_text import WitnessEntry
from tests.cli.terminal import contrada
from tests.integration.exchange import Exchange
from tests.integration.ledgers import NAME, Ledgers
from tests.integration.test_witness import Process
from tests.waiting import ended


class Scene:
    """A ledger that was founded half a year ago, and two witnesses of it."""

    def __init__(self, exchange: Exchange, tmp_path: Path) -> None:
        self.witnesses = [Process(tmp_path / name, free_port(), free_port()) for name in ("fr", "nl")]
        entries = []
        for witness in self.witnesses:
            name = f"{witness.home.name}.example/witness"
            made = contrada(
                "--home", str(witness.home), "witness", "init", name,
                "--port", str(witness.port), "--http-port", str(witness.http_port),
            )  # fmt: skip
            assert made.exit == 0, made
            keys = parse_policy((witness.home / "witness.policy").read_bytes()).witnesses
            entries.append(WitnessEntry(name, tuple(each.key for each in keys), keys[0].url))
        founded = Millis(time.time_ns() // 1_000_000 - 184 * DAY)
        self.ledgers = Ledgers(exchange, witnesses=entries, quorum=1, founded=founded)
        for witness in self.witnesses:
            (witness.home / "policy").write_bytes((self.ledgers.directory / "policy").read_bytes())

    def signers(self, origin: str) -> int:
        """How many witnesses have cosigned the newest published head of a log, with all their keys."""
        path = self.ledgers.directory / origin.removeprefix(f"{NAME}/") / "checkpoint"
        if not path.exists():
            return 0
        return 2 - len(missing(self.ledgers.policy, parse_checkpoint(path.read_bytes())))

    def origins(self) -> list[str]:
        """The half-years that there are, in their order."""
        return sorted(origin for origin in self.ledgers.states() if "/audit/" in origin)


@pytest.fixture
def scene(exchange: Exchange, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(exchange, tmp_path)
    yield made
    made.ledgers.stop()


async def test_a_half_year_turns_and_every_witness_proves_it(exchange: Exchange, scene: Scene) -> None:
    """The one that is there at once, the other when it is back; killed in between, both and the ledger go on."""
    fr, nl = scene.witnesses
    exchange.start_router()
    with ExitStack() as running:
        first = running.enter_context(fr.running())
        running.enter_context(nl.running())
        ledger = scene.ledgers.start()
        (old,) = scene.origins()
        await scene.ledgers.until(lambda: scene.signers(old) == 2 or len(scene.origins()) == 2)
        first.kill()
        ended(first)
        await exchange.submit("fr", *[exchange.world.compose("fr", ["it"]) for _ in range(5)])
        await scene.ledgers.until(lambda: len(scene.origins()) == 2)
        _, new = scene.origins()
        await scene.ledgers.until(lambda: scene.signers(new) == 1)

        ledger.send_signal(signal.SIGKILL)
        ended(ledger)
        scene.ledgers.start()
        running.enter_context(fr.running())
        await scene.ledgers.until(lambda: scene.signers(old) == scene.signers(new) == 2)

    for witness in (fr, nl):
        seen = contrada("--home", str(witness.home), "witness", "status", "--json")
        found = json.loads(seen.out)
        assert (seen.exit, found["evidence"]) == (0, [])
        assert {each["log"]: each["continues"] for each in found["logs"]}[new] == old
