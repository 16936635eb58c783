"""Two lanes of transactions: one for what is usual, and one for what is large.

Owns which part goes into which, and the transactional ids of both. One message to 64 addressees can be 67 MB
for Kafka to take, and a lane commits one transaction after the other: so what is large goes where nobody else
waits for it. Rules:

1. Both ids are taken together: whoever takes over from a router ends what either has left open.
2. A claim commits one part after the other, by whichever id: the next one begins when Kafka has decided the
   one before. Of two commits of a position Kafka keeps the one that stands later in the coordinator's log,
   however late the marker of the earlier one comes, and also when it reads that log anew.
3. What was in a failed transaction goes alone the next time, in whichever lane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from broker.router.shared_transactions import SharedTransactions
from runtime.kafka.ports import OutputRecord, Place
from runtime.kafka.transactions import REQUEST_BYTES, Transactions

WIDE_BYTES: Final = REQUEST_BYTES
"""A part that needs more than one request is large."""


def lane_ids(transactional_id: str) -> tuple[str, str]:
    """The ids of a process's transactions: the usual ones, and those of what is large."""
    return transactional_id, f"{transactional_id}-wide"


class TransactionLanes:
    """Commits the parts that are given to it, each in its lane."""

    def __init__(
        self,
        open_one: Callable[[str], Transactions],
        transactional_id: str,
        *,
        under_way: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`under_way` is entered for as long as a usual transaction takes."""
        usual, wide = lane_ids(transactional_id)
        alone: set[Place] = set()
        self.usual = SharedTransactions(lambda: open_one(usual), under_way=under_way, alone=alone)
        self.wide = SharedTransactions(lambda: open_one(wide), alone=alone)
        self._committing: set[Place] = set()

    async def commit(
        self, source: Place, outputs: Mapping[Place, Sequence[OutputRecord]], *, position: int, state: str
    ) -> None:
        """Commit a part, as `SharedTransactions.commit` does."""
        # In two lanes at once the later part could be committed without the earlier one.
        assert source not in self._committing, "a claim commits one part after the other"
        size = sum(len(one.value) for records in outputs.values() for one in records)
        lane = self.wide if size > WIDE_BYTES else self.usual
        self._committing.add(source)
        try:
            await lane.commit(source, outputs, position=position, state=state)
        finally:
            self._committing.discard(source)

    async def run(self) -> None:
        """Commit what comes, until cancelled."""
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(self.usual.run(), name="commits")
            lanes.create_task(self.wide.run(), name="large commits")
