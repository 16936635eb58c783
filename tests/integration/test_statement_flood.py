"""A unit that floods the directory's topic, on real processes: everybody keeps its quota of it, and goes on."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from keys.directory import Directory
from keys.possession import appoint
from keys.soft_keys import SoftEpochKey, SoftIdentity
from keys.statement_types import EpochPublication, Revocation, StatementType
from keys.statements import issue
from protocol.epochs import epoch_of
from protocol.errors import Rejected
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY, EPOCH, STATEMENTS_A_WEEK
from runtime.process.directory_file import read_statements
from tests.integration.test_daemon import read_directory
from tests.integration.units import Site, UnitProcess, eventually, found, now, start
from tests.sim.world import facts

HOSTILE = UnitId("zz")
WEEKS = 3
"""The present one, and two that others' times allow beside it."""


@pytest.fixture
async def site(empty_kafka):
    """Two units and a router on an empty Kafka."""
    with tempfile.TemporaryDirectory(prefix="cd-") as directory:
        made = await found(Path(directory), empty_kafka.bootstrap, "fr", "it")
        try:
            yield made
        finally:
            made.close()


async def _enrolled(site: Site) -> SoftIdentity:
    """A unit of the exchange whose key a thief has."""
    key, at = SoftIdentity.generate(HOSTILE, os.urandom), now()
    made = appoint(
        StatementType.IDENTITY, HOSTILE, signer=key, not_before=at, not_after=Millis(at + 365 * DAY)
    )
    registrar = site.founding.registrar
    await site.publish(*(issue(body, signer=registrar, issued=at) for body in (facts(HOSTILE), made)))
    return key


def _flood(key: SoftIdentity, times: int) -> list[bytes]:
    """Keys of weeks, published and withdrawn, over all the time for which the thief's key is valid."""
    made = []
    for n in range(times):
        at = Millis(now() + n % 40 * EPOCH)
        epoch = SoftEpochKey.generate(HOSTILE, epoch_of(at), os.urandom)
        made.append(issue(EpochPublication(HOSTILE, epoch.epoch, epoch.public), signer=key, issued=at))
        made.append(issue(Revocation(HOSTILE, epoch.kid, "flood", None), signer=key, issued=at))
    return made


async def test_everybody_keeps_a_unit_s_quota_of_its_flood_and_goes_on(site: Site) -> None:
    """Valid statements, garbage by the megabyte, and copies of what others stated: one head, and mail goes."""
    site.start_router()
    fr, it = site.units["fr"], site.units["it"]
    start(fr, it)
    key = await _enrolled(site)
    eventually(lambda: fr.get("/v1/units")["items"], lambda known: len(known) == 3, what="the third unit")
    before = read_statements(fr.home.replica)
    flood = _flood(key, 400)
    garbage = [os.urandom(900_000) for _ in range(5)]
    await site.publish(*flood, *garbage, *before * 3, *flood)
    judged = Directory(site.founding.root)
    for record in await read_directory(site.bootstrap):
        with suppress(Rejected):
            judged.apply(record)
    added = judged.head.size - len(before)
    assert 0 < added <= 2 * WEEKS * STATEMENTS_A_WEEK, "a statement and its withdrawal each"
    until_same_head(judged, fr, it)
    until_delivered(fr, it)
    fr.kill()
    fr.start()
    until_same_head(judged, fr)
    until_delivered(fr, it)
    assert read_statements(fr.home.replica) == read_statements(it.home.replica) == judged.snapshot()
    assert fr.get("/v1/status")["alarms"] == []


def until_same_head(judged: Directory, *units: UnitProcess) -> None:
    """Wait until these daemons have what this replica has."""
    for unit in units:
        eventually(
            lambda unit=unit: unit.get("/v1/status")["directory"]["root"],
            lambda root: root == judged.head.root.hex(),
            what=f"{unit.name}'s directory",
        )


def until_delivered(sender: UnitProcess, to: UnitProcess) -> None:
    """A message arrives: the router has the same directory, or it would refuse it."""
    sent = sender.send(to.name)
    eventually(lambda: [row["id"] for row in to.inbox()], lambda ids: sent in ids, what="the message")
