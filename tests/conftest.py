"""What every test may ask for: a real Apache Kafka.

Owns: the fixtures `kafka` (one broker for the whole session, or the cluster that CONTRADA_KAFKA names), `empty_kafka`
(a broker without a topic, whose names are the test's alone; kept from test to test) and `new_cluster` (brokers of a
test's own, to be killed and paused). All of them know their clients by certificates (tests/guarded.py). A test that asks for one of them is marked `kafka` by itself. Rule: whatever was started here is stopped by its process id; names of topics and groups are the test's to
keep apart (`unique`).
"""

from __future__ import annotations

import logging
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
import structlog
from hypothesis import HealthCheck, settings

from deploy.kafka.launcher import Cluster
from runtime.kafka.security.access import KafkaAddress
from tests import conditions, groups
from tests.guarded import cluster_of, existing_access
from tests.kept_broker import KeptBroker

conditions.settle()


@dataclass(frozen=True, slots=True)
class Kafka:
    """A cluster that serves; `cluster` is None where it is somebody else's."""

    bootstrap: KafkaAddress
    """The centre's way to it."""

    cluster: Cluster | None


class NewCluster(Protocol):
    """Starts a cluster that is the test's own; it is gone when the test ends."""

    def __call__(
        self,
        *,
        brokers: Literal[1, 3] = 1,
        profile: Literal["test", "bench"] = "test",
        settings: dict[str, str] | None = None,
        plain: bool = False,
    ) -> Cluster: ...


# Under nohup a closed terminal is ignored, in the background of a script an interrupt, and so it would be by each process
# that a test starts.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes is the machine's affair.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")


_SILENCED = ("aiokafka", "asyncio")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command that runs in the tests' own process sets logging up for the process; no other test lives with it."""
    before, levels = structlog.get_config(), {name: logging.getLogger(name).level for name in _SILENCED}
    configure = structlog.configure

    def without_cache(**wanted: Any) -> None:
        # A logger that is cached keeps what was set up when it was used first, for every test that comes.
        configure(**wanted | {"cache_logger_on_first_use": False})

    # Not the fixture of this name: what a test patches is to be undone before the things that it patched end.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", without_cache)
        yield
    configure(**before)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


_BROKERS = {"kafka", "empty_kafka", "new_cluster"}
_UNIT = Path(__file__).resolve().parent / "unit"
_LONGEST = (
    "test_chaos", "test_upgrade", "test_contract_times", "test_first_five_minutes", "test_daemon_kafka", "test_demo",
    "test_kafka_traps", "test_router_faults", "test_ledger_goes_on", "test_kafka_takeover", "test_ledger_daemon", "test_older_copy",
    "test_years", "test_sequencer", "test_ends", "test_go", "test_databases", "test_witness", "test_copying", "test_attacks",
)  # fmt: skip
"""What takes longest comes first, a test or what one process keeps together, so that no process works on it while the others
are done. Only with `--no-loadscope-reorder`: otherwise what has most tests comes first, however quick they are."""

_PROCESSES = ("integration", "interop")
"""Folders whose tests start programs: too slow for `make check`, whatever each of them takes."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs Kafka, and what starts other processes, before `-m` chooses."""
    for item in items:
        wanted = set(getattr(item, "fixturenames", ()))
        if _BROKERS & wanted or item.get_closest_marker("kafka"):
            if _UNIT in item.path.parents:
                # A fake of the same name would be left out of `make check` unnoticed; and `make test` looks for Kafka
                # elsewhere alone.
                raise pytest.UsageError(f"{item.nodeid}: no Kafka in tests/unit; name the fake otherwise")
            item.add_marker(pytest.mark.kafka)
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if "postgres" in wanted or "postgresql" in parameters.values() or item.path.parent.name in _PROCESSES:
            item.add_marker(pytest.mark.slow)
        if {"kafka", "cluster", "guarded"} & wanted and item.get_closest_marker("kafka"):
            # Where several processes share the tests, a broker of a module or of the session starts in one of them.
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(
        key=lambda item: _LONGEST.index(item.path.stem) if item.path.stem in _LONGEST else len(_LONGEST)
    )
    groups.keep_together(config, items)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """One broker for the whole session."""
    if (access := existing_access()) is not None:
        yield Kafka(access, None)
        return
    with _short_directory() as directory, cluster_of(Path(directory)) as cluster:
        yield Kafka(cluster.bootstrap, cluster)


@pytest.fixture(scope="session")
def _kept() -> Iterator[KeptBroker]:
    """The broker behind `empty_kafka`; it starts with the first test that asks."""
    kept = KeptBroker()
    yield kept
    kept.stop()


@pytest.fixture
def empty_kafka(_kept: KeptBroker) -> Kafka:
    """One broker that has no topic and no group; what the test before left is gone."""
    cluster = _kept.emptied()
    return Kafka(cluster.bootstrap, cluster)


@pytest.fixture
def new_cluster() -> Iterator[NewCluster]:
    """A factory of fresh clusters, always started here, whatever CONTRADA_KAFKA says."""
    started: list[tuple[Cluster, Path]] = []

    def start(*, brokers=1, profile="test", settings=None, plain=False):
        directory = Path(tempfile.mkdtemp(prefix="ck-"))
        cluster = cluster_of(directory, plain=plain, brokers=brokers, profile=profile, settings=settings)
        started.append((cluster, directory))
        return cluster.start()

    try:
        yield start
    finally:
        for cluster, directory in started:
            cluster.stop(timeout=0)  # nobody will read these brokers' data again
            shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Makes a name that no other test has: `unique("topic")` -> `topic-3f9a...`."""
    return lambda name: f"{name}-{uuid.uuid4().hex[:12]}"


def _short_directory() -> tempfile.TemporaryDirectory[str]:
    # Kafka's own files outlive a broken test run otherwise, and long paths break unix sockets next to them.
    return tempfile.TemporaryDirectory(prefix="ck-", ignore_cleanup_errors=True)
