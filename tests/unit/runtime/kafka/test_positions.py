"""What a coordinator's answer says of a position. The answers are aiokafka's own, as it reads them off the wire."""

from __future__ import annotations

import pytest
from aiokafka.protocol.commit import OffsetFetchResponse_v1, OffsetFetchResponse_v3

from runtime.errors import Unavailable
from runtime.kafka.positions import position_in

NOT_COORDINATOR = 16
LOADING = 14


def answer(*partitions: tuple[int, int, str | None, int], error: int = 0) -> OffsetFetchResponse_v3:
    """A coordinator's answer about `outbox.fr`."""
    return OffsetFetchResponse_v3(0, [("outbox.fr", list(partitions))] if partitions else [], error)


def test_a_position_and_its_state() -> None:
    """What was committed together is read together."""
    assert position_in(answer((0, 7, "state", 0)), "outbox.fr", 0) == (7, "state")
    assert position_in(answer((0, 0, None, 0)), "outbox.fr", 0) == (0, "")


def test_nothing_was_committed_yet() -> None:
    """Only an answer that says so about this very partition is one."""
    assert position_in(answer((0, 9, "", 0), (1, -1, "", 0)), "outbox.fr", 1) is None


@pytest.mark.parametrize(
    "silent",
    [
        answer(error=NOT_COORDINATOR),
        answer(error=LOADING),
        answer((0, -1, "", NOT_COORDINATOR)),
        answer((0, -1, "", LOADING)),
        OffsetFetchResponse_v1([("outbox.fr", [(0, -1, "", NOT_COORDINATOR)])]),
        answer(),
        answer((1, 5, "", 0)),
        OffsetFetchResponse_v3(0, [("outbox.it", [(0, 5, "", 0)])], 0),
    ],
    ids=["moved", "loading", "moved, of the partition", "loading, of the partition", "version 1", "empty",
         "another partition", "another topic"],
)  # fmt: skip
def test_a_coordinator_that_cannot_say_is_no_beginning(silent: object) -> None:
    """A coordinator that has just moved answers without positions: to begin anew would deliver everything again."""
    with pytest.raises(Unavailable):
        position_in(silent, "outbox.fr", 0)
