"""A real Apache Kafka on the loopback address: one broker, or three with replication 3.

Owns: `DIR/cluster.json` (cluster id and ports, kept over restarts), the brokers below it. Rules: `start`
returns only when the cluster serves; every started process is stopped by its process id, and ends by itself
if this process dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from deploy.kafka import archive, fetch, java, ports, wire
from deploy.kafka.faults import Fault
from deploy.kafka.process import STOP_S, Broker
from deploy.kafka.settings import Node, Plan, kafka_uuid

START_S = 180.0


class Cluster:
    """Brokers 0..n-1 under one directory, each controller and broker in one."""

    def __init__(
        self,
        directory: Path,
        *,
        brokers: int = 1,
        profile: java.Profile = "test",
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        tls: Path | None = None,
    ) -> None:
        """Nothing starts yet.

        Broker i listens on `port` + i or a free port; `settings` override the defaults. With `tls`, a
        directory with ca.pem, certificate.pem, key.pem and broker.pem of the principal `broker`, all is
        mutual TLS with an authorizer.
        """
        self.tls = None if tls is None else tls.absolute()
        self.directory = directory.absolute()
        self.profile = profile
        self._size = brokers
        self._port = port
        self._settings = dict(settings or {})
        self._plan: Plan | None = None
        self._brokers: list[Broker] = []
        self._held: int | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port,...` for clients; known once the cluster has started."""
        assert self._plan is not None, "start the cluster first"
        return self._plan.bootstrap

    @property
    def pids(self) -> tuple[int | None, ...]:
        """Process id of each broker, None for one that is down."""
        return tuple(broker.pid if broker.alive else None for broker in self._brokers)

    def start(self, *, timeout: float = START_S) -> Self:
        """Format where needed, start every broker, return when all of them serve."""
        fetch.ensure()
        runtime = java.find()
        archive.ensure(runtime)
        self._hold()
        try:
            self._plan = self._load_plan()
            command = java.command(runtime, self.profile)
            self._brokers = [
                Broker(
                    self._plan,
                    node,
                    directory=self.directory / f"broker-{node.index}",
                    java=command,
                    tls=self.tls,
                )
                for node in self._plan.nodes
            ]
            self._format()
            for broker in self._brokers:
                broker.start()
            self.wait(timeout=timeout)
        except BaseException:
            self.stop(timeout=0)
            raise
        return self

    def stop(self, *, timeout: float = STOP_S) -> None:
        """SIGTERM to all, SIGKILL to those that are still there after `timeout` seconds (0: at once).

        Three brokers take five seconds to stop: the last controller waits for a majority that has gone.
        """
        deadline = time.monotonic() + timeout
        for broker in self._brokers if timeout > 0 else ():
            broker.ask_to_stop()
        for broker in self._brokers:
            broker.stop(timeout=max(deadline - time.monotonic(), 0))
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def kill(self, index: int) -> None:
        """SIGKILL to one broker; returns when it is gone."""
        self._brokers[index].kill()

    def stop_broker(self, index: int, *, timeout: float = STOP_S) -> None:
        """Stop one broker cleanly."""
        self._brokers[index].stop(timeout=timeout)

    def restart(self, index: int, *, wait: bool = True, timeout: float = START_S) -> None:
        """Start one broker again on its port and data, stopping it first where it runs."""
        broker = self._brokers[index]
        broker.stop()
        broker.start()
        if wait:
            self.wait(index, timeout=timeout)

    def pause(self, index: int) -> None:
        """SIGSTOP: the broker keeps its connections and answers nothing."""
        self._brokers[index].pause()

    def resume(self, index: int) -> None:
        """SIGCONT."""
        self._brokers[index].resume()

    def alive(self, index: int) -> bool:
        """True while the broker's process exists; a paused one counts."""
        return self._brokers[index].alive

    def wait(self, *indices: int, timeout: float = START_S) -> None:
        """Return when the named brokers serve; none named: all, with every replica in sync."""
        assert self._plan is not None, "start the cluster first"
        deadline = time.monotonic() + timeout
        for broker in [self._brokers[i] for i in indices] or self._brokers:
            try:
                wire.wait_serving(
                    wire.Address(ports.HOST, broker.node.port, self.tls),
                    brokers=len(self._brokers) if not indices else 1,
                    replicas=self._plan.replicas if not indices else 1,
                    deadline=deadline,
                    alive=broker.check,
                )
            except wire.NotServing as error:
                raise broker.fault(f"did not serve within {timeout:.0f} s ({error})") from error

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _hold(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        # The directory itself: a file in it could be removed, and two launchers would run.
        held = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(held)
            raise Fault(
                f"{self.directory} is in use by another launcher.",
                remedy="Stop that one first, or give this one a directory of its own (--dir).",
            ) from None
        self._held = held

    def _load_plan(self) -> Plan:
        path = self.directory / "cluster.json"
        if path.exists():
            return self._known_plan(json.loads(path.read_text()))
        if self._port is None:
            chosen = ports.free(2 * self._size)
        else:
            clients = [self._port + i for i in range(self._size)]
            chosen = clients + ports.free(self._size)
            for port in clients:
                _require_free(port, wait_s=0)
        nodes = tuple(Node(i, chosen[i], chosen[self._size + i], kafka_uuid()) for i in range(self._size))
        plan = Plan(kafka_uuid(), nodes)
        kept = {
            "kafka": fetch.VERSION,
            "cluster_id": plan.cluster_id,
            "nodes": [[n.index, n.port, n.controller_port, n.directory_id] for n in nodes],
        }
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(kept, indent=1) + "\n")
        beside.replace(path)  # whole: half a plan would keep this directory from ever starting again
        return plan

    def _known_plan(self, kept: dict[str, object]) -> Plan:
        nodes = tuple(Node(*fields) for fields in kept["nodes"])  # type: ignore[attr-defined]
        asked = (self._size, fetch.VERSION, self._port or nodes[0].port)
        found = (len(nodes), kept["kafka"], nodes[0].port)
        if asked != found:
            raise Fault(
                f"{self.directory} holds another cluster: (brokers, Kafka, port) {found}, not {asked}.",
                remedy="Ask for what is there, or remove the directory to start afresh.",
            )
        for node in nodes:  # brokers of a launcher that was killed need a moment to end
            _require_free(node.port, wait_s=10)
            _require_free(node.controller_port, wait_s=10)
        return Plan(str(kept["cluster_id"]), nodes)

    def _format(self) -> None:
        for broker in self._brokers:
            broker.configure(self._settings)
        # Side by side: each is a JVM of half a second.
        running = [(broker, broker.formatting()) for broker in self._brokers]
        failed = [broker for broker, process in running if process is not None and process.wait() != 0]
        if failed:
            raise failed[0].fault("could not be formatted")


def _require_free(port: int, *, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while ports.taken(port):
        if time.monotonic() > deadline:
            raise Fault(
                f"Port {port} on {ports.HOST} is in use.",
                remedy="Stop the program that listens there (`ss -ltnp` names it), or give another --port.",
            )
        time.sleep(0.1)
