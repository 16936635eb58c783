"""An officer is told once of each certificate that is about to end."""

from __future__ import annotations

import pytest

from clients.daemon.directory import certificate_end as whole
from clients.daemon.directory.certificate_end import alarm_of_certificates
from keys.unlock import Credential
from keys.wire.certificate_files import Authority
from keys.wire.validity import Validity
from protocol.identifiers import Millis
from protocol.limits import DAY
from runtime.kafka.security.access import KafkaAccess, TlsFiles
from runtime.kafka.security.certificate_watch import CertificateWatch
from runtime.kafka.security.tls import context_of
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced
from tests.mutants.promises import assert_missed
from tests.unit.clients.daemon.directory.test_own_keys import alarms

LIFE = 14 * DAY


@pytest.fixture
def authority(tmp_path, world) -> Authority:
    made = Authority.make(tmp_path / "ca", secret=Credential(bytes(32)), now=world.now)
    made.issue_to(tmp_path / "es", "unit-es", now=world.now, lifetime=LIFE)
    return made


def look(context) -> None:
    with context.transaction():
        alarm_of_certificates(context)


def test_each_certificate_is_one_alarm(world, es, tmp_path, authority) -> None:
    """Its own and a broker's, a third before the end; the next one is another."""
    context, start = es.context, world.now
    files = TlsFiles.below(tmp_path / "es")
    context.certificates = CertificateWatch.at(KafkaAccess("127.0.0.1:9", files), lambda: world.now)
    context_of(files).seen["kafka-1"] = Validity(ends=Millis(start + LIFE + DAY), begins=start)
    for day, count in ((0, 0), (9, 0), (10, 2), (11, 2), (15, 2)):
        world.now = Millis(start + day * DAY)
        look(context)
        look(context)
        assert times(es) == [1] * count
    assert {"certificate_ending", "broker_certificate_ending"} <= set(alarms(es))

    authority.issue_to(tmp_path / "es", "unit-es", now=world.now, lifetime=LIFE)
    world.now = Millis(world.now + 10 * DAY)
    look(context)
    assert times(es) == [2, 1]


def times(es) -> list[int]:
    """How often each of the two was raised."""
    found = es.rows(
        """SELECT count FROM alarms JOIN alarm_occurrences ON alarm = alarms.id
           WHERE code IN ('certificate_ending', 'broker_certificate_ending') ORDER BY alarms.id"""
    )
    return [count for (count,) in found]


def test_in_plain_nothing_is_told(world, es) -> None:
    """There is no certificate."""
    look(es.context)
    es.context.certificates = CertificateWatch.at("127.0.0.1:9", lambda: world.now)
    look(es.context)
    assert "certificate_ending" not in alarms(es)


async def test_the_mutant_is_missed(world, es, tmp_path, authority) -> None:
    """Told at every look, an officer looks at none."""
    change = Mutant(whole._is_news, forced(True, "note"))
    await assert_missed(change, test_each_certificate_is_one_alarm, [world, es, tmp_path, authority])
