"""Broker settings, the same wherever a broker comes from."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from clients.demo.free_ports import free_port
from deploy.kafka import java, ports, settings
from deploy.kafka.faults import Fault
from protocol import limits, topics
from protocol.identifiers import UnitId

DEPLOY = Path(settings.__file__).resolve().parent


def plan(size: int) -> settings.Plan:
    """A plan of that many brokers on made-up ports."""
    nodes = tuple(settings.Node(i, 9000 + i, 9100 + i, settings.kafka_uuid()) for i in range(size))
    return settings.Plan(settings.kafka_uuid(), nodes)


def written(size: int, **extra: str) -> dict[str, str]:
    """server.properties of the first broker, parsed."""
    three = plan(size)
    text = settings.properties(three, three.nodes[0], data=Path("/data"), extra=extra)
    return dict(line.split("=", 1) for line in text.splitlines())


@pytest.mark.parametrize(("size", "replicas", "in_sync"), [(1, "1", "1"), (3, "3", "2")])
def test_three_brokers_keep_three_copies_and_need_two(size, replicas, in_sync):
    """With three brokers a record counts as written when two have it; one broker can only promise itself."""
    found = written(size)
    for name in ("default", "offsets.topic", "transaction.state.log"):
        assert found[f"{name}.replication.factor"] == replicas
    assert found["min.insync.replicas"] == found["transaction.state.log.min.isr"] == in_sync


def test_safety_is_not_left_to_defaults():
    """No topic makes itself, no unclean leader, and every listener is on loopback."""
    found = written(3)
    assert found["auto.create.topics.enable"] == "false"
    assert found["unclean.leader.election.enable"] == "false"
    assert re.findall(r"//([^:]+):", found["listeners"] + found["advertised.listeners"]) == [ports.HOST] * 4


def test_the_broker_takes_what_our_topics_take():
    """No topic of ours is allowed larger batches than the broker is set up for, and what we set is a setting."""
    sizes = {int(topic.config.get("max.message.bytes", 0)) for topic in topics.all_topics([UnitId("fr")])}
    assert int(settings.REQUIRED["message.max.bytes"]) >= max(sizes) > limits.MAX_RECORD


def test_no_topic_of_ours_is_compacted():
    """Compaction would take records away, or let a writer reorder them (docs/adr/0007)."""
    policies = {topic.config["cleanup.policy"] for topic in topics.all_topics([UnitId("fr")])}
    assert policies == {"delete"}


def test_the_compose_file_sets_what_we_require():
    """Whoever uses the official image gets every required setting with the same value."""
    text = (DEPLOY / "compose.yaml").read_text()
    found = dict(re.findall(r"^\s+KAFKA_([A-Z_]+): \"?([^\"\n]+)\"?$", text, re.MULTILINE))
    for name, value in settings.REQUIRED.items():
        assert found[name.upper().replace(".", "_")] == value


def test_a_java_that_is_too_old_is_refused(tmp_path, monkeypatch):
    """CONTRADA_JAVA below version 17 ends in a fault that shows the version found."""
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("CONTRADA_JAVA", str(old))
    with pytest.raises(Fault, match=r"too old .* openjdk version \"11.0.2\""):
        java.find()


def test_a_java_that_is_not_there_is_named(monkeypatch):
    """A CONTRADA_JAVA that does not run is never replaced in silence."""
    monkeypatch.setenv("CONTRADA_JAVA", "/nowhere/java")
    with pytest.raises(Fault, match="CONTRADA_JAVA names /nowhere/java"):
        java.find()


def test_free_ports_differ_and_are_free():
    """Ports handed out together are all different, and nobody listens there."""
    found = ports.free(8)
    assert len(set(found)) == 8
    assert not any(ports.taken(port) for port in found)


@pytest.mark.parametrize("choose", [lambda: ports.free(1)[0], free_port], ids=["deploy", "demo"])
def test_a_port_that_was_handed_out_is_given_to_nobody_else(choose):
    """Two launchers that choose before either broker listens would meet on one port; who was given it may listen."""
    port = choose()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((ports.HOST, port))  # as another process looks for one
    assert not ports._hold(port)
    with socket.create_server((ports.HOST, port)):
        assert ports.taken(port)


@pytest.mark.slow
def test_two_processes_never_choose_the_same(tmp_path):
    """Each is given half of what there is and more than chance allows to differ."""
    program = (
        "import sys; from deploy.kafka import ports; ports.FIRST, ports.LAST = 30000, 31999\n"
        "print(*ports.free(400), flush=True); sys.stdin.read()"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=DEPLOY.parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    chosen = [process.stdout.readline().split() for process in running]
    for process in running:
        process.communicate()
    assert [len(set(ports)) for ports in chosen] == [400, 400]
    assert not set(chosen[0]) & set(chosen[1])
