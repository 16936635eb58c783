"""Where a reader goes on, and what is lost: deleted records, or a topic that was made anew."""

from __future__ import annotations

import pytest

from runtime.kafka import feeds


@pytest.mark.parametrize(
    ("position", "begin", "end", "expected"),
    [
        (0, 0, 0, (0, 0)),
        (0, 3, 9, (3, 0)),  # never read: what retention took before is no loss
        (5, 0, 9, (5, 0)),
        (9, 0, 9, (9, 0)),
        (3, 7, 9, (7, 4)),
        (9, 0, 0, (0, 9)),  # it had records, and is empty
        (9, 0, 4, (0, 5)),
        (9, 2, 4, (2, 5)),
    ],
)
def test_a_position_that_the_topic_does_not_have(
    position: int, begin: int, end: int, expected: tuple[int, int]
) -> None:
    """Nothing that is there is passed over, and what is gone is counted."""
    assert feeds._place(position, begin, end) == expected
