"""Publishing: a committed head gets its cosignatures, becomes the log's `checkpoint`, and goes to Kafka.

    ask the witnesses -> put <log>/checkpoint -> write a publication to the topic `ledger`

Owns this order and how far each log is published. The sequencer does not wait for any of it: heads that are
committed while one is being published are published together. Rules:
- What is published was committed, and its tiles are stored.
- Sizes in the topic never go back: a publisher holds the topic's one transactional name, and reads what was
  published last after it has that. An older publisher is fenced by then.
- What two people stated of a gap in the audit topic, or of a Kafka that was put back, is written there too,
  for every unit to see: at once, at each start, and as often as a head that is not new.
- A witness is asked about the end of a half-year before it is asked about the next one, which begins with
  that end. Who is away holds up nobody else.
- A head that lacks cosignatures is published all the same, since each reader counts
  them by its own policy, and is published again with those that came later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from broker.ledger import cosigning
from broker.ledger.cosigning import Cosigner, WitnessPlace
from broker.ledger.log_storage import prefix_of
from broker.ledger.metrics import LedgerMetrics
from broker.ledger.published import Published
from broker.ledger.store.record_store import LogState
from broker.ledger.store.tile_store import CHECKPOINT, TileStore
from protocol import topics
from protocol.tlog.checkpoints import SignedCheckpoint, parse_checkpoint
from protocol.tlog.cosignatures import with_cosignatures
from protocol.tlog.policy import Policy
from protocol.tlog.publication import publications
from protocol.tlog.shards import directory_origin, parse_shard
from protocol.tlog.tiles import TileReader
from runtime.kafka.ports import LogWriter, OutputRecord

log = structlog.get_logger()

PUBLISHER: Final = topics.LEDGER_TRANSACTIONS
"""The transactional name under which one ledger at a time publishes."""

ASK_AGAIN: Final = 5.0
"""Seconds until a witness that did not cosign is asked again for the same head."""

HEARTBEAT: Final = 6 * 3600.0
"""Seconds until a head is published again where nothing new is: the topic forgets what is old."""


@dataclass(slots=True)
class Due:
    """A log's newest committed head, and what was published of it."""

    state: LogState
    size: int
    note: bytes
    asked: float = 0.0
    """When the witnesses were asked last, and it was published; 0 if not by this ledger."""

    @property
    def is_behind(self) -> bool:
        """Whether there is a head that was not published at all."""
        return not self.note or self.size < self.state.size


@dataclass(kw_only=True)
class Publisher:
    """Publishes committed heads."""

    name: str
    store: TileStore
    policy: Policy
    cosigner: Cosigner
    reader: Callable[[str], TileReader]
    metrics: LedgerMetrics
    monotonic: Callable[[], float]
    due: dict[str, Due] = field(default_factory=dict)
    notices: Sequence[bytes] = ()
    """What two people stated for every unit to see, as it stands in the audit topic."""

    _noticed: float | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, states: Sequence[LogState], published: Mapping[str, Published]) -> None:
        """Take over the committed heads, and what was published of them."""
        self.due = {}
        for state in states:
            last = published.get(state.origin)
            size, note = (0, b"") if last is None else (last.size, last.note)
            self.due[state.origin] = Due(state, size, note)

    def tell(self, state: LogState) -> None:
        """A head was committed and its tiles are stored."""
        known = self.due.get(state.origin)
        if known is None:
            self.due[state.origin] = Due(state, 0, b"")
        else:
            known.state = state
        self._news.set()

    def give_notice(self, notices: Sequence[bytes]) -> None:
        """These are for every unit to see, from now on."""
        self.notices, self._noticed = notices, None
        self._news.set()

    async def run(self, writer: LogWriter) -> None:
        """Publish until cancelled, or until Kafka, the store or a witness that is ahead ends it."""
        self._noticed = None
        while True:
            await self._notice(writer)
            for due in list(self.due.values()):
                if due.is_behind or self.is_wanting(due):
                    await self.publish(due, writer)
            self._news.clear()
            try:
                async with asyncio.timeout(ASK_AGAIN):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _notice(self, writer: LogWriter) -> None:
        if self._noticed is not None and self.monotonic() - self._noticed <= HEARTBEAT:
            return
        self._noticed = self.monotonic()
        if self.notices:
            await writer.write([OutputRecord(topics.LEDGER, b"", notice) for notice in self.notices])

    def is_wanting(self, due: Due) -> bool:
        """Whether what was published lacks cosignatures, or is about to leave the topic by its age."""
        waited = self.monotonic() - due.asked
        if waited > HEARTBEAT:
            return True
        return waited > ASK_AGAIN and bool(cosigning.missing(self.policy, parse_checkpoint(due.note)))

    def _to_ask(self, origin: str, signed: SignedCheckpoint) -> Sequence[WitnessPlace]:
        """Who is asked to cosign: whoever has not, and was brought to the end of the half-year before."""
        wanted, before = cosigning.missing(self.policy, signed), self._before(origin)
        if before is None:
            return wanted
        if before.is_behind:
            return ()
        end = parse_checkpoint(before.note)
        return tuple(place for place in wanted if self.cosigner.has_answered(place, end))

    def _before(self, origin: str) -> Due | None:
        """The half-year before this one; None for the first, and for the log of the directory."""
        directory = directory_origin(self.name)
        if origin == directory:
            return None
        own = parse_shard(origin)
        earlier = {parse_shard(each): due for each, due in self.due.items() if each != directory}
        last = max((shard for shard in earlier if shard < own), default=None)
        return None if last is None else earlier[last]

    async def publish(self, due: Due, writer: LogWriter) -> None:
        """Ask, put, and write one head."""
        state, is_new, old = due.state, due.is_behind, due.size
        # What was published of this very head keeps the cosignatures that it has.
        note = state.checkpoint if is_new else due.note
        signed, read = parse_checkpoint(note), self.reader(state.origin)
        is_old = due.asked and self.monotonic() - due.asked > HEARTBEAT
        due.asked = self.monotonic()
        lines = await self.cosigner.ask(self._to_ask(state.origin, signed), signed, read)
        if not (is_new or is_old or lines):
            return
        note = with_cosignatures(note, lines)
        await asyncio.to_thread(self.store.replace, prefix_of(state.origin, self.name) + CHECKPOINT, note)
        parts = publications(state.origin, old=old, new=state.size, note=note, read=read)
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            await writer.write([OutputRecord(topics.LEDGER, state.origin.encode(), part)])
        due.size, due.note = state.size, note
        signatures = len(parse_checkpoint(note).note.signatures)
        self.metrics.published(state.origin, state.size, signatures)
        log.info("published", origin=state.origin, size=state.size, signatures=signatures)
