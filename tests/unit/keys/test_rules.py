"""Worthless epoch keys are recognised."""

from __future__ import annotations

import pytest

from keys.rules import check_epoch
from protocol.errors import Rejected
from protocol.public_keys import EpochPublic
from tests.unit.keys.world import EPOCH_NOW, epoch_key

P = 2**255 - 19


def test_honest_keys_pass() -> None:
    """A key that was made as it should be is taken."""
    check_epoch(epoch_key("fr", EPOCH_NOW).public)


@pytest.mark.parametrize(
    "u", [0, 1, P - 1, P, P + 1, 325606250916557431795983626356110631294008115727848805560023387167927233504]
)
def test_x25519_points_of_small_order_are_refused(u: int) -> None:
    """A key to which sealing fails is not published."""
    good = epoch_key("fr", EPOCH_NOW).public.x_wing
    with pytest.raises(Rejected):
        check_epoch(EpochPublic(good[:1184] + u.to_bytes(32, "little")))
