"""The status and the gauges: what they say of the store is of one moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clients.daemon.api.status import daemon_status, refresh_gauges
from clients.daemon.daemon import Daemon
from runtime.process.worker import Worker


@pytest.fixture
def busy(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """A daemon to which something happens between any two jobs."""
    do = Worker.do

    def alarm() -> None:
        with daemon.context.transaction():
            daemon.context.alarm("feed_lost", detail="between two jobs")

    async def and_an_alarm(worker: Worker, job: Callable[[], Any]) -> Any:
        result = await do(worker, job)
        await do(worker, alarm)
        return result

    monkeypatch.setattr(Worker, "do", and_an_alarm)
    return daemon


async def test_the_status_is_of_one_moment(busy: Daemon) -> None:
    """As many alarms are shown as are counted, though they come all the time."""
    await daemon_status(busy)
    status = await daemon_status(busy)
    assert status["open_alarms"] == len(status["alarms"]) == 1
    assert status["requests"] == {"waiting": 0, "urgent": 0, "near": 0, "overdue": 0, "next_due": None}


async def test_the_gauges_are_of_one_moment(busy: Daemon) -> None:
    """What waits and what alarms there are is asked for together."""
    await refresh_gauges(busy)
    await refresh_gauges(busy)
    kept = busy.context.metrics.alarms_kept.labels("feed_lost", "open")
    assert kept._value.get() == 1
