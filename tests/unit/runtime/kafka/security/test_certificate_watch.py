"""When certificates end: the own one by its file, the brokers' as they showed them at the last handshake."""

from __future__ import annotations

import asyncio
import math

import pytest

from keys.unlock import Credential
from keys.wire.certificate_files import Authority
from protocol.identifiers import Millis
from protocol.limits import DAY, SECOND
from runtime.kafka.security import certificate_watch as whole
from runtime.kafka.security import tls
from runtime.kafka.security.access import KafkaAccess, TlsFiles
from runtime.kafka.security.certificate_watch import CertificateWatch
from runtime.kafka.security.tls import context_of
from runtime.process.metrics import MetricSet
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced
from tests.mutants.promises import assert_missed
from tests.unit.runtime.kafka.security.test_tls import NOW, _server, _who


@pytest.fixture
def authority(tmp_path) -> Authority:
    made = Authority.make(tmp_path / "ca", secret=Credential(bytes(32)), now=NOW)
    made.issue_to(tmp_path / "broker", "broker", now=NOW, lifetime=3 * DAY, hosts=["127.0.0.1"])
    made.issue_to(tmp_path / "fr", "unit-fr", now=NOW, lifetime=9 * DAY)
    return made


def watching(tmp_path, clock: list[int]) -> CertificateWatch:
    access = KafkaAccess("127.0.0.1:9", TlsFiles.below(tmp_path / "fr"))
    return CertificateWatch.at(access, lambda: Millis(clock[0]))


async def test_a_broker_s_end_is_known_from_its_handshake(tmp_path, authority) -> None:
    """As of the last one: after its certificate was exchanged, the next connection says so."""
    watch = watching(tmp_path, [NOW])
    assert watch.brokers() is None
    for days in (3, 30):
        authority.issue_to(tmp_path / "broker", "broker", now=NOW, lifetime=days * DAY, hosts=["127.0.0.1"])
        async with _server(tmp_path / "broker") as port:
            assert await _who(port, context_of(watch.files)) == "unit-fr"
        assert watch.brokers() is not None
        assert abs(watch.brokers().ends - (NOW + days * DAY)) <= SECOND


async def test_both_are_told_a_third_before_the_end(tmp_path, authority) -> None:
    """The own one keeps a process from being ready once it has ended; a broker's is advice."""
    clock = [int(NOW)]
    watch = watching(tmp_path, clock)
    async with _server(tmp_path / "broker") as port:
        await _who(port, context_of(watch.files))

    assert [check.get("ending") for check in watch.checks().values()] == [None, None]
    clock[0] = NOW + 5 * DAY // 2
    assert [check.get("ending") for check in watch.checks().values()] == [None, True]
    clock[0] = NOW + 7 * DAY + 2 * SECOND  # a certificate's times are whole seconds
    told = watch.checks()
    assert (told["certificate"]["ok"], told["certificate"]["days_left"]) == (True, 1)
    assert "ends in 47 hours" in told["certificate"]["hint"]
    assert told["broker_certificate"]["ok"]
    assert "has ended" in told["broker_certificate"]["hint"]
    clock[0] = NOW + 9 * DAY + SECOND
    assert not watch.checks()["certificate"]["ok"]


def test_a_new_file_counts_at_once(tmp_path, authority) -> None:
    """Without a restart, and without a connection; a file that is no certificate says nothing."""
    watch = watching(tmp_path, [NOW + 8 * DAY])
    assert watch.checks()["certificate"]["ending"]

    authority.issue_to(tmp_path / "fr", "unit-fr", now=NOW, lifetime=90 * DAY)
    assert "ending" not in watch.checks()["certificate"]
    (tmp_path / "fr" / "certificate.pem").write_bytes(b"garbage")
    assert watch.checks() == {}
    (tmp_path / "fr" / "certificate.pem").write_bytes(b"x" * 200_000)
    assert watch.checks() == {}


def test_the_gauges_follow(tmp_path, authority) -> None:
    """Seconds, 0 once it is over, and infinitely many where nothing can end."""
    clock = [int(NOW)]
    made = MetricSet("x")
    watching(tmp_path, clock).show(*made.certificates())
    registry = made.registry

    def left(name: str) -> float | None:
        return registry.get_sample_value(f"x_{name}_left_seconds")

    assert left("certificate") == pytest.approx(9 * DAY / SECOND, abs=1)
    assert left("broker_certificate") == math.inf
    clock[0] += 10 * DAY
    assert left("certificate") == 0
    plain = MetricSet("y")
    CertificateWatch.at("127.0.0.1:9", lambda: NOW).show(*plain.certificates())
    assert plain.registry.get_sample_value("y_certificate_left_seconds") == math.inf
    assert CertificateWatch.at("127.0.0.1:9", lambda: NOW).checks() == {}


async def test_brokers_without_end_fill_no_memory(tmp_path, authority, monkeypatch) -> None:
    """So many names are remembered, and known ones go on to be."""
    monkeypatch.setattr(tls, "MOST_BROKERS", 1)
    hosts = ["127.0.0.1", "localhost"]
    authority.issue_to(tmp_path / "broker", "broker", now=NOW, lifetime=DAY, hosts=hosts)
    context = context_of(TlsFiles.below(tmp_path / "fr"))
    async with _server(tmp_path / "broker") as port:
        for host in (*hosts, hosts[0]):
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
            writer.close()
    assert list(context.seen) == hosts[:1]


MUTANTS = {
    "handshakes are not noted": (
        Mutant(tls._Greeting.do_handshake, dropped("self.note")),
        test_a_broker_s_end_is_known_from_its_handshake,
    ),
    "nobody is told": (
        Mutant(whole.CertificateWatch._advice, forced(True, "not one.is_ending(now)")),
        test_both_are_told_a_third_before_the_end,
    ),
    "every name is remembered": (
        Mutant(tls.FileContext._note, forced(True, "self._has_room")),
        test_brokers_without_end_fill_no_memory,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_each_mutant_is_missed(mutant: str, tmp_path, authority, monkeypatch) -> None:
    """Without the safeguard its test fails."""
    change, promise = MUTANTS[mutant]
    await assert_missed(change, promise, tmp_path=tmp_path, authority=authority, monkeypatch=monkeypatch)
