#!/usr/bin/env python3
"""Kafka for several machines: a plan in, server.properties of each node and the commands for them out.

Owns: what a cluster of machines has beyond `settings.py`: three listeners of their own, places, and copies in
each of them. Pure up to `main`. Rule: whatever a plan says, what `settings.REQUIRED` says holds, with
certificates and rights.

    python deploy/kafka/plans.py deploy/kafka/plans/three-brokers.toml --out ./kafka
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # run as a program: the repository's root stands for this folder on the import path
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from deploy.kafka.faults import Fault
from deploy.kafka.settings import REQUIRED, guarded, kafka_uuid

COPIES = 3
IN_SYNC = 2
"""Of each record. With one place away nothing stands still; with two away nothing is lost."""

PRODUCTION: Mapping[str, str] = {
    # Units meet one listener, brokers another, controllers a third: a firewall can tell them apart.
    "listener.security.protocol.map": "CLIENTS:SSL,BROKERS:SSL,CONTROLLER:SSL",
    "controller.listener.names": "CONTROLLER",
    # Kafka's own topics, of positions and of transactions, are copied as ours are.
    "default.replication.factor": str(COPIES),
    "min.insync.replicas": str(IN_SYNC),
    "offsets.topic.replication.factor": str(COPIES),
    "transaction.state.log.replication.factor": str(COPIES),
    "transaction.state.log.min.isr": str(IN_SYNC),
    "share.coordinator.state.topic.replication.factor": str(COPIES),
    "share.coordinator.state.topic.min.isr": str(IN_SYNC),
    # A request is at most a batch of records. The default, 100 MB, is what a stranger may make a broker keep.
    "socket.request.max.bytes": "16777216",
    # A daemon that says nothing asks every 2.5 s; whoever is silent for ten minutes is gone.
    "connections.max.idle.ms": "600000",
    "ssl.endpoint.identification.algorithm": "https",
}

_ROLES = ({"broker"}, {"controller"}, {"broker", "controller"})


@dataclass(frozen=True, slots=True)
class Machine:
    """One node: who it is, where, and what it does."""

    id: int
    host: str
    place: str
    roles: tuple[str, ...]
    clients: int = 9092
    brokers: int = 9094
    controller: int = 9093
    data: str = "/var/lib/kafka"
    tls: str = "/etc/kafka/tls"

    @property
    def carries(self) -> bool:
        """Whether it has topics."""
        return "broker" in self.roles

    @property
    def votes(self) -> bool:
        """Whether it is of the quorum."""
        return "controller" in self.roles


@dataclass(frozen=True, slots=True)
class Layout:
    """All of a cluster."""

    machines: tuple[Machine, ...]

    @classmethod
    def parse(cls, text: str) -> Layout:
        """Of a plan; one that cannot keep the promises above is refused."""
        try:
            machines = tuple(
                Machine(**{**each, "roles": tuple(each["roles"])}) for each in tomllib.loads(text)["machine"]
            )
        except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
            raise Fault(f"This is no plan: {error}.", remedy=f"Compare it with one of {PLANS}.") from None
        made = cls(machines)
        made.check()
        return made

    @property
    def voters(self) -> tuple[Machine, ...]:
        """The quorum."""
        return tuple(each for each in self.machines if each.votes)

    def check(self) -> None:
        """Refuse what loses data, or stands still, with one machine or one place away."""
        carriers = [each for each in self.machines if each.carries]
        votes = len(self.voters)
        wrong = {
            "two machines have the same id": len({each.id for each in self.machines}) < len(self.machines),
            "a machine has other roles than broker and controller": any(
                set(each.roles) not in _ROLES for each in self.machines
            ),
            f"fewer than {COPIES} brokers": len(carriers) < COPIES,
            "the controllers are not 3 or 5": votes not in {3, 5},
            f"the brokers are in fewer than {COPIES} places": len({each.place for each in carriers}) < COPIES,
            "one place has half of the controllers or more": any(
                2 * sum(other.place == each.place for other in self.voters) >= votes for each in self.voters
            ),
        }
        for said in (text for text, found in wrong.items() if found):
            raise Fault(f"This plan does not hold: {said}.", remedy="docs/deploy.md says what a plan needs.")

    def properties(self, of: Machine) -> str:
        """The text of one node's server.properties."""
        tls = guarded(Path(of.tls))
        lines = {**tls, **REQUIRED, **PRODUCTION, **self._place(of)}
        return "".join(f"{name}={value}\n" for name, value in lines.items())

    def _place(self, of: Machine) -> dict[str, str]:
        listeners = {"CLIENTS": of.clients, "BROKERS": of.brokers} if of.carries else {}
        if of.votes:
            listeners["CONTROLLER"] = of.controller
        said = ",".join(f"{name}://{of.host}:{port}" for name, port in listeners.items())
        voters = ",".join(f"{each.host}:{each.controller}" for each in self.voters)
        return {
            "node.id": str(of.id),
            "process.roles": ",".join(of.roles),
            "listeners": said,
            "advertised.listeners": said,
            "controller.quorum.bootstrap.servers": voters,
            "log.dirs": of.data,
            # Copies of a partition are spread over places, so that one place away is one copy away.
            **({"inter.broker.listener.name": "BROKERS", "broker.rack": of.place} if of.carries else {}),
        }


PLANS = "deploy/kafka/plans"


@dataclass(frozen=True, slots=True)
class Names:
    """What a cluster is given once, and keeps: its id, and one for each controller's log."""

    cluster: str
    directories: Mapping[int, str]

    @classmethod
    def fresh(cls, layout: Layout) -> Names:
        """New ones."""
        return cls(kafka_uuid(), {each.id: kafka_uuid() for each in layout.voters})

    def formatting(self, layout: Layout, of: Machine) -> list[str]:
        """The arguments of Kafka's storage tool for one node."""
        quorum = [
            f"{each.id}@{each.host}:{each.controller}:{self.directories[each.id]}" for each in layout.voters
        ]
        first = ["--initial-controllers", ",".join(quorum)] if of.votes else ["--no-initial-controllers"]
        return ["format", "--cluster-id", self.cluster, *first]


def write(layout: Layout, out: Path) -> list[Path]:
    """Write a folder for each node: its settings, and the command that formats its disk, once."""
    if out.exists() and any(out.iterdir()):
        raise Fault(
            f"{out} is not empty.", remedy="Name another one: a second cluster id would not fit the disks."
        )
    names, made = Names.fresh(layout), []
    for each in layout.machines:
        folder = out / f"node-{each.id}"
        folder.mkdir(parents=True)
        (folder / "server.properties").write_text(layout.properties(each))
        words = " ".join(names.formatting(layout, each))
        (folder / "format.sh").write_text(
            "#!/bin/sh\n"
            "# Once, on this node, before its first start. Never again: it would be an empty node.\n"
            f'exec kafka-storage.sh {words} --config "$(dirname "$0")/server.properties"\n'
        )
        made.append(folder)
    return made


def main() -> int:
    """Write what a plan says."""
    parser = argparse.ArgumentParser(description="server.properties for each machine of a plan.")
    parser.add_argument("plan", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    try:
        for folder in write(Layout.parse(options.plan.read_text(encoding="utf-8")), options.out):
            print(folder)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return fault.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
