"""Sending: what goes out next in one partition of the outbox.

The database is the queue and `Lane` is a cursor in it; the cursor is all that can be wrong, so it is pure
and small. The rule that everything rests on:

    A router takes everything up to the last number of a stream for sent before. So a sealing must not
    enter the log before every earlier undecided one is in it, or the earlier one is lost for good.

Hence: what goes out next is always the oldest undecided sealings behind the cursor, in the order of their
ids, which is the order of their numbers. The cursor moves only over what Kafka has acknowledged. After a
failure it stays; after a start or a stall it goes back to the beginning. Sending again in order is always
safe: the router drops doubles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

FIRST_PATIENCE: Final = 30.0
MOST_PATIENCE: Final = 3600.0


@dataclass(slots=True)
class Lane:
    """The cursor of one partition."""

    after: int = 0
    """Every undecided sealing up to this id is in Kafka, by acknowledgements that this run has seen."""

    patience: float = FIRST_PATIENCE
    """Seconds without a decision after which everything undecided is sent again."""

    def acknowledged(self, sent: Sequence[int]) -> None:
        """Kafka has taken these: the first ones of the window that was read behind the cursor."""
        if sent:
            self.after = sent[-1]

    def decided(self) -> None:
        """The router comes on: nothing is stuck."""
        self.patience = FIRST_PATIENCE

    def overtaken(self) -> None:
        """The router went past something of ours: Kafka lost it, and the oldest goes first again."""
        self.after = 0

    def stalled(self) -> None:
        """Nothing was decided for a whole patience: start again from the oldest, and wait longer next time.

        A router that is down looks the same, and must not be met by hours of repeats: hence the doubling.
        """
        self.after = 0
        self.patience = min(self.patience * 2, MOST_PATIENCE)
