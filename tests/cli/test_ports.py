"""Ports by default: `init` writes those that have names, and two of a kind on one machine are told apart."""

from __future__ import annotations

import socket
import tomllib
from pathlib import Path

import pytest

from runtime import default_ports
from tests.cli.homes import world
from tests.cli.terminal import Seen, contrada
from tests.docs.pages import ROOT
from tests.sim.witnessing import logs_policy


def make(home: Path, *more: str) -> Seen:
    root = home.parent / "root.cbor"
    root.write_bytes(world().root.encoded())
    way = ("--home", str(home), "--kafka", "127.0.0.1:9", "--kafka-security", "plain")
    return contrada(*way, "unit", "init", "fr", "--root", str(root), *more)


def port_of(settings: Path) -> int:
    return int(tomllib.loads(settings.read_text())["http_port"])


def test_a_new_home_has_the_port_of_its_kind(tmp_path: Path) -> None:
    """A unit 9460, its witness 9491; another one, or none, by the same option."""
    home = tmp_path / "fr"
    assert make(home).exit == 0
    policy = tmp_path / "policy"
    policy.write_text(logs_policy())
    assert (
        contrada("--home", str(home), "witness", "init", "fr.example/witness", "--policy", str(policy)).exit
        == 0
    )
    assert port_of(home / "unit.toml") == default_ports.UNIT == 9460
    assert port_of(home / "witness" / "witness.toml") == default_ports.WITNESS == 9491
    assert make(tmp_path / "second", "--http-port", "9461").exit == 0
    assert port_of(tmp_path / "second" / "unit.toml") == 9461


def test_a_second_one_on_the_same_port_says_what_to_change(tmp_path: Path) -> None:
    """It does not start, and names the port, the setting and who to look for; nothing runs half."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert make(tmp_path / "fr", "--http-port", str(port)).exit == 0
        seen = contrada("--home", str(tmp_path / "fr"), "unit", "run")
    assert seen.exit != 0
    assert f"port {port} on 127.0.0.1 cannot be used" in seen.err
    assert "another http_port in unit.toml" in seen.err


@pytest.mark.parametrize("place", ["deploy/prometheus/prometheus.yml", "docs/runbooks/monitoring.md"])
def test_pages_name_the_ports_that_there_are(place: str) -> None:
    text = (ROOT / place).read_text()
    for port in (
        default_ports.UNIT,
        default_ports.ROUTER,
        default_ports.WATCH,
        default_ports.LEDGER,
        default_ports.WITNESS,
    ):
        assert str(port) in text
