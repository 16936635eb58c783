"""The headers of received messages, parsed: the few that were looked at last.

A message is acknowledged and listed just after it was received; parsing its header three times would cost
as much as opening it. Bounded, and only ever filled from headers that were verified when they came in.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from clients.daemon.store.database import Row
from protocol.envelope.header import Core, parse_header
from protocol.signatures import parse_signed

MOST: Final = 256


class HeaderCache:
    """Cores by subject. Used in the worker's thread only."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Core] = OrderedDict()

    def put(self, subject: bytes, core: Core) -> None:
        """Keep one for a while."""
        self._kept[subject] = core
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def of(self, row: Row) -> Core:
        """The core of a row of the inbox."""
        core = self._kept.get(row["subject"])
        if core is None:
            core = parse_header(parse_signed(row["signed_header"]).payload).core
            self.put(row["subject"], core)
        return core
