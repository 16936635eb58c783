"""The router's parts as they are put together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from broker.router import app
from broker.router.settings import RouterSettings
from tests.unit.broker.files import write_router


async def test_the_gauges_are_of_the_moment_in_which_they_are_asked_for(tmp_path: Path) -> None:
    """/metrics tells what the router holds and knows now, whether or not anybody asks /readyz."""
    router, outboxes = app.build_router(RouterSettings.load(write_router(tmp_path / "router")))
    outboxes._holding = SimpleNamespace(claimed={("outbox.fr", 0)})
    router.replica.refused = 2

    page = generate_latest(router.metrics.registry).decode()
    shown = {
        family.name: family.samples[0].value
        for family in text_string_to_metric_families(page)
        if family.samples
    }

    assert shown["contrada_router_claims"] == 1
    assert shown["contrada_directory_statements"] == router.replica.directory.head.size
    assert shown["contrada_directory_refused_statements"] == 2
