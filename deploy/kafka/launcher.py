#!/usr/bin/env python3
"""Run a real Apache Kafka on the loopback address.

Owns: the command line. `from deploy.kafka.launcher import Cluster` is the same in Python.
Rule: data on standard output (one JSON line, when the cluster serves), messages on standard error; ends with
0 after a clean stop and with 8 where Kafka cannot be had or cannot run.

    python deploy/kafka/launcher.py up --dir demo/kafka --tls demo/tls/broker       # one broker, free port
    python deploy/kafka/launcher.py up --dir /tmp/k --plain --brokers 3 --port 9092
    python deploy/kafka/launcher.py prepare                                # fetch and prepare, start nothing
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

if not __package__:  # run as a program: the repository's root stands for this folder on the import path
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from deploy.kafka import archive, fetch, java, wire
from deploy.kafka.cluster import Cluster
from deploy.kafka.faults import Fault

EXISTING_S = 10.0  # how long a named cluster may take to answer

__all__ = ["Cluster", "Fault", "existing", "main", "prepare"]


def existing() -> str | None:
    """The bootstrap servers that CONTRADA_KAFKA names, proved to serve; None where it is not set."""
    servers = os.environ.get("CONTRADA_KAFKA")
    if not servers:
        return None
    host, _, port = servers.split(",")[0].rpartition(":")
    patience = time.monotonic() + (EXISTING_S if port.isdigit() else 0)
    tls = os.environ.get("CONTRADA_KAFKA_TLS")
    address = wire.Address(host, int(port) if port.isdigit() else 0, Path(tls) if tls else None)
    try:
        wire.wait_serving(address, brokers=1, replicas=1, deadline=patience, alive=lambda: None)
    except wire.NotServing as error:
        raise Fault(
            f"CONTRADA_KAFKA names {servers}, which does not serve: {error}.",
            remedy="Start it, or correct its address (host:port,...), or unset the variable to run one here.",
        ) from error
    return servers


def prepare() -> None:
    """Fetch Kafka, find Java and make the class archive: a later start needs no network and is quick."""
    fetch.ensure()
    archive.ensure(java.find())


def up(options: argparse.Namespace) -> None:
    """Run a cluster in the foreground until a signal (a closed terminal's, too) or the end of its input."""
    _on_signals(_leave)
    if servers := existing():
        _announce(servers, ())
        while not _end_of_input(within=60):
            pass
        return
    if options.plain:
        print("Kafka is plain: whoever reaches it reads and writes; --tls DIR guards it", file=sys.stderr)
    cluster = Cluster(
        options.dir, brokers=options.brokers, profile=options.profile, port=options.port, tls=options.tls
    )
    try:
        cluster.start()
        _announce(cluster.bootstrap, cluster.pids)
        while not _end_of_input(within=0.5):
            _revive(cluster, options.brokers)
    finally:
        _on_signals(signal.SIG_IGN)  # a second one must not cut the clean stop short
        cluster.stop()


def _announce(bootstrap: str, pids: tuple[int | None, ...]) -> None:
    print(json.dumps({"bootstrap": bootstrap, "pids": list(pids), "kafka": fetch.VERSION}), flush=True)


def _end_of_input(*, within: float) -> bool:
    ready, _, _ = select.select([0], [], [], within)
    return bool(ready) and not os.read(0, 4096)


def _revive(cluster: Cluster, brokers: int) -> None:
    """Start a broker again that ended by itself or was killed: its data is what it was."""
    for index in range(brokers):
        if not cluster.alive(index):
            print(f"broker {index} has ended and is started again", file=sys.stderr)
            cluster.restart(index)


def _on_signals(handler: Callable[[int, object], None] | signal.Handlers) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN or number is not signal.SIGHUP:  # nohup
            signal.signal(number, handler)


def _leave(_number: int, _frame: object) -> None:
    sys.exit(0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"Apache Kafka {fetch.VERSION} on 127.0.0.1")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", help="fetch Kafka and Java classes; start nothing")
    run = commands.add_parser("up", help="run a cluster until SIGTERM, SIGINT or the end of standard input")
    run.add_argument("--dir", type=Path, required=True, help="data, settings and logs; kept over restarts")
    run.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    run.add_argument("--profile", choices=("test", "bench"), default="test", help="bench: full JIT compiler")
    way = run.add_mutually_exclusive_group(required=True)
    way.add_argument("--tls", type=Path, help="directory of the broker's certificate")
    way.add_argument("--plain", action="store_true", help="without certificates and rights; on this machine")
    run.add_argument("--port", type=int, help="of the first broker, the others follow; default: free ports")
    return parser.parse_args()


def main() -> int:
    """Carry out one command."""
    options = _options()
    try:
        match options.command:
            case "prepare":
                prepare()
            case _:
                up(options)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return fault.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
