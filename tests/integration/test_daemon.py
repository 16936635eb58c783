"""Real daemons, a real router, a real Kafka."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.units import draft, eventually, found


@pytest.fixture
async def site(new_cluster, tmp_path_factory):
    """Two units and a router on a Kafka of their own."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="cd-") as directory:
        made = await found(Path(directory), new_cluster().bootstrap, "fr", "it")
        try:
            yield made
        finally:
            made.close()


async def test_a_message_goes_all_the_way(site):
    """What one unit submits, the other opens; and the sender learns that it has arrived."""
    site.start_router()
    fr, it = site.units["fr"], site.units["it"]
    fr.start()
    it.start()
    mid = fr.send("it", draft=draft(text="three persons on deck"))

    received = eventually(it.inbox)
    assert [row["id"] for row in received] == [mid]
    opened = it.get(f"/v1/inbox/{mid}")
    assert opened["body"]["items"][0]["text"] == "three persons on deck"
    sent = eventually(lambda: (row := fr.sent(mid))["deliveries"] and row["deliveries"][0]["stage"] and row)
    assert sent["state"] == "accepted"
    assert sent["deliveries"][0] == {
        "unit": "it", "stage": "delivered", "received": sent["deliveries"][0]["received"]
    }
