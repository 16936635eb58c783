"""Nothing of a Kafka that is started as everybody's speaks in plain: every listener of its processes is tried."""

from __future__ import annotations

import pytest

from deploy.kafka import settings
from deploy.kafka.cluster import Cluster
from tests.conftest import NewCluster
from tests.listeners import listeners_of
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import rewritten

ANONYMOUS = {"super.users": f"{settings.SUPER_USERS};User:ANONYMOUS"}
"""Without it a broker whose controller is plain has no rights there, and does not even start."""


def test_no_listener_of_a_cluster_speaks_in_plain(new_cluster: NewCluster) -> None:
    """Clients, brokers among themselves and the controllers: each wants TLS."""
    all_want_tls(new_cluster(settings=ANONYMOUS))


def all_want_tls(cluster: Cluster) -> None:
    """Look at every listener of its processes."""
    found = listeners_of(pid for pid in cluster.pids if pid)
    assert found.plain == frozenset()
    assert len(found.tls) == 2, "where clients come, and the controller"


def test_a_plain_cluster_is_told_from_it(new_cluster: NewCluster) -> None:
    """What the look would see, and says."""
    found = listeners_of(pid for pid in new_cluster(plain=True).pids if pid)

    assert (len(found.plain), found.tls) == (2, frozenset())


MUTANTS = {
    "the controller speaks in plain": rewritten(
        '"CLIENTS:SSL,CONTROLLER:SSL"', '"CLIENTS:SSL,CONTROLLER:PLAINTEXT"'
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_mutant_breaks_a_promise(mutant: str, new_cluster: NewCluster) -> None:
    """A listener that nobody thinks of is found."""
    with mutated(Mutant(settings.guarded, MUTANTS[mutant])):
        cluster = new_cluster(settings=ANONYMOUS)
    with pytest.raises(AssertionError):
        all_want_tls(cluster)
