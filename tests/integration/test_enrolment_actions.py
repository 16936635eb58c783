"""From an empty host to the first verified delivery, on a real Kafka with certificates: counted."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.integration.enrolment_actions import MOST_ACTIONS, from_nothing_to_a_delivery, standing_exchange

pytestmark = pytest.mark.kafka


def test_five_actions_or_fewer_bring_a_unit_in(capsys: pytest.CaptureFixture[str]) -> None:
    """Installing, inviting, joining, enrolling: with two registrars, a cooling-off time, and every proof of the first message verified."""
    # Not in pytest's own directory: a socket's path has room for a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="ca-") as place, standing_exchange(Path(place)) as exchange:
        done = from_nothing_to_a_delivery(exchange)
    with capsys.disabled():
        print("\n" + "\n".join((*done.lines, done.summary)))
    assert len(done.lines) <= MOST_ACTIONS
    assert (done.carried, done.by_voice) == (1, 1)
