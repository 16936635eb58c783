"""Orders to delete: only what is there is ordered away, since an order stands in the log for ever."""

from __future__ import annotations

import pytest

from broker.ledger.admin.inspection import opened_record, order_deletion
from runtime.errors import Conflict, NotFound, ProcessError
from tests.unit.broker.ledger.admin.test_exporting import settings
from tests.unit.broker.ledger.rows import NEXT, ORIGIN, filled


@pytest.mark.parametrize(
    ("origin", "indexes", "error", "said"),
    [
        (None, [0, 4711], NotFound, f"{ORIGIN} has no record behind leaf 4711"),
        (ORIGIN, [6], NotFound, f"{ORIGIN} has no record behind leaf 6"),
        (NEXT, [0], NotFound, f"there is no log {NEXT} here"),
        (None, [3, 5], Conflict, f"leaf 5 of {ORIGIN} is an order to delete"),
    ],
)
def test_what_is_not_there_is_not_ordered_away(
    url, tmp_path, origin: str | None, indexes: list[int], error: type[ProcessError], said: str
) -> None:
    """A slip of the pen is told before anything is signed; the record of a leaf to come is never missed for it."""
    filled(url)
    with pytest.raises(error, match=said):
        order_deletion(settings(tmp_path, url), tmp_path / "no-home", origin, indexes, "order 17/2026")


def test_the_record_behind_a_leaf_of_a_delivery_is_the_decision_s(url, tmp_path) -> None:
    """So that its deletion can be ordered by either."""
    filled(url)
    shown = [opened_record(settings(tmp_path, url), None, index) for index in (0, 1, 2)]
    assert [each["leaf"] for each in shown] == [0, 1, 2]
    assert shown[0]["units"] == shown[1]["units"] == shown[2]["units"] != []
