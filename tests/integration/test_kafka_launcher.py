"""The launcher's promises, on real brokers."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.kafka import wire
from deploy.kafka.cluster import Cluster
from deploy.kafka.faults import Fault
from deploy.kafka.launcher import existing
from runtime.kafka.security.access import KafkaAddress, tls_files
from tests.waiting import GENEROUS, ended, until

LAUNCHER = Path(__file__).resolve().parents[2] / "deploy" / "kafka" / "launcher.py"
pytestmark = pytest.mark.kafka


def address(bootstrap: KafkaAddress, index: int = 0) -> wire.Address:
    """One host and port of a bootstrap list."""
    host, port = str(bootstrap).split(",")[index].split(":")
    files = tls_files(bootstrap)
    return wire.Address(host, int(port), None if files is None else files.ca.parent)


def gone(pid: int) -> bool:
    """True once no process has this id (or only a zombie of it is left)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def run_up(directory: Path) -> tuple[subprocess.Popen, dict]:
    """Start the command line and wait for its line of JSON."""
    environment = {name: value for name, value in os.environ.items() if name != "CONTRADA_KAFKA"}
    process = subprocess.Popen(
        [sys.executable, str(LAUNCHER), "up", "--plain", "--dir", str(directory)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
    )  # fmt: skip
    readable, _, _ = select.select([process.stdout], [], [], GENEROUS)
    assert readable, "no line of JSON"
    return process, json.loads(process.stdout.readline())


def test_a_session_broker_serves_groups_and_transactions(kafka):
    """When the fixture hands out an address, coordinators answer and internal topics have leaders."""
    wire.serving(address(kafka.bootstrap), brokers=1, replicas=1)


def test_nothing_creates_topics_by_itself(kafka, unique):
    """Asking about a topic that nobody declared does not make it."""
    name = unique("undeclared")
    where = address(kafka.bootstrap)
    assert wire.metadata(where, name).topics == {name: []}
    assert wire.metadata(where, name).topics == {name: []}


def test_three_brokers_replicate_and_survive_one(new_cluster):
    """Every internal topic has three replicas, and two brokers serve when the third is killed."""
    cluster = new_cluster(brokers=3)
    wire.serving(address(cluster.bootstrap), brokers=3, replicas=3)
    victim = cluster.pids[2]
    cluster.kill(2)
    assert gone(victim)
    assert cluster.pids[2] is None
    cluster.wait(0, 1)
    cluster.restart(2)
    assert cluster.alive(2)
    cluster.wait()


def test_a_paused_broker_is_silent_until_it_is_resumed(new_cluster):
    """SIGSTOP keeps the port open and the process alive; SIGCONT brings the answers back."""
    cluster = new_cluster()
    cluster.pause(0)
    assert cluster.alive(0)
    with pytest.raises(wire.NotServing):
        wire.serving(address(cluster.bootstrap), brokers=1, replicas=1)
    cluster.resume(0)
    cluster.wait(0)


def test_a_stopped_cluster_starts_again_where_it_was(tmp_path):
    """A directory keeps its ports and its cluster id over a restart."""
    cluster = Cluster(tmp_path)
    with cluster:
        before = cluster.bootstrap
    with Cluster(tmp_path) as again:
        assert again.bootstrap == before


def test_a_directory_belongs_to_one_launcher(tmp_path):
    """A second launcher on a directory in use is turned away and disturbs nothing."""
    with Cluster(tmp_path) as cluster:
        with pytest.raises(Fault, match="in use by another launcher"):
            Cluster(tmp_path).start()
        cluster.wait()


def test_a_port_in_use_is_named(tmp_path):
    """A taken port is an error that names the port and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Fault, match=f"Port {port} on 127.0.0.1 is in use") as caught:
            Cluster(tmp_path, port=port).start()
    assert caught.value.code == 8


@pytest.mark.parametrize("end", ["terminate", "end of input", "killed"])
def test_brokers_never_outlive_the_command_line(tmp_path, end):
    """However the launcher ends, by signal, by end of input or by SIGKILL, its broker ends too."""
    process, told = run_up(tmp_path)
    (broker,) = told["pids"]
    wire.serving(address(told["bootstrap"]), brokers=1, replicas=1)
    match end:
        case "terminate":
            process.send_signal(signal.SIGTERM)
        case "end of input":
            process.stdin.close()
        case "killed":
            process.kill()
    code = ended(process)
    until(lambda: gone(broker), what="the broker to end")
    assert code == (-signal.SIGKILL if end == "killed" else 0)
    process.stdin.close()
    process.stdout.close()


def test_an_existing_cluster_is_used_instead(kafka, monkeypatch):
    """CONTRADA_KAFKA is taken as it is once it serves, and refused with its name where it does not."""
    monkeypatch.setenv("CONTRADA_KAFKA", str(kafka.bootstrap))
    if (files := tls_files(kafka.bootstrap)) is not None:
        monkeypatch.setenv("CONTRADA_KAFKA_TLS", str(files.ca.parent))
    assert existing() == str(kafka.bootstrap)
    monkeypatch.setenv("CONTRADA_KAFKA", "nonsense")
    with pytest.raises(Fault, match="CONTRADA_KAFKA names nonsense"):
        existing()


def test_up_starts_a_killed_broker_again(tmp_path):
    """A broker that is killed under `up` comes back on the same address, with its data."""
    command = [sys.executable, str(LAUNCHER), "up", "--plain", "--dir", str(tmp_path)]
    up = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        started = json.loads(up.stdout.readline())
        os.kill(started["pids"][0], signal.SIGKILL)
        until(lambda: gone(started["pids"][0]), what="the broker to be gone")
        wire.wait_serving(
            address(started["bootstrap"]),
            brokers=1,
            replicas=1,
            deadline=time.monotonic() + GENEROUS,
            alive=lambda: None,
        )
        assert up.poll() is None
    finally:
        up.stdin.close()
        assert ended(up) == 0
