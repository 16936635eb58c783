"""The transaction coordinator of the model: ids, their producers and epochs, and how a transaction ends (KIP-890).

Owns which epoch may write, and when the markers are written. In the second protocol each end of a transaction gives
the producer a new epoch, and the marker carries it: what comes late is refused by the partition itself.
Source of the rules: Kafka 4.1, TransactionCoordinator and TransactionMetadata. Not modelled: the old protocol
(AddPartitionsToTxn from a client), and transactions that the log of the coordinator loses.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from tests.years.kafka.codes import Refusal
from tests.years.kafka.log import Refused

if TYPE_CHECKING:
    from tests.years.kafka.cluster import KafkaModel

Place = tuple[str, int]

LAST_EPOCH: Final = 32_766
FORGOTTEN_MS: Final = 7 * 24 * 3_600_000
"""transactional.id.expiration.ms: an id that was not used for so long is not known any more."""


class Stage(Enum):
    """Where a transactional id stands."""

    EMPTY = auto()
    ONGOING = auto()
    ENDING = auto()
    COMPLETE = auto()


@dataclass(slots=True)
class Transactional:
    """One transactional id."""

    name: str
    producer: int
    epoch: int
    timeout: float
    used: int
    stage: Stage = Stage.EMPTY
    places: dict[Place, None] = field(default_factory=dict)
    groups: dict[str, None] = field(default_factory=dict)
    began: float = 0.0
    ended: tuple[int, int, bool] | None = None
    """Producer, epoch and outcome of the transaction that ended last: its repetition is no error."""

    marking: tuple[int, int, bool] = (0, 0, False)
    """Producer, epoch and outcome of the markers that are being written."""

    watched: bool = False

    def copy(self) -> Transactional:
        """The same id, to go on from by itself."""
        return replace(self, places=dict(self.places), groups=dict(self.groups), watched=False)


class TransactionCoordinator:
    """All transactional ids of the cluster, whichever broker speaks for them."""

    def __init__(self, model: KafkaModel) -> None:
        self._model = model
        self.ids: dict[str, Transactional] = {}
        self._last_producer = 1_000

    def new_producer(self) -> int:
        """A producer's number that nobody had."""
        self._last_producer += 1
        return self._last_producer

    def take(self, name: str, timeout_ms: int) -> tuple[int, int]:
        """Give the id to whoever asks: producer and epoch. Every earlier holder is shut out from here on."""
        one, now = self._known(name), self._model.clock()
        if one is None:
            one = self.ids[name] = Transactional(name, self.new_producer(), 0, timeout_ms / 1000, now)
            return one.producer, one.epoch
        if one.stage is Stage.ENDING:
            raise Refused(Refusal.CONCURRENT)
        if one.stage is Stage.ONGOING:
            self._end(one, commit=False)
            one.ended = None  # nobody asked for this end
            raise Refused(Refusal.CONCURRENT)
        self._raise_epoch(one)
        one.stage, one.timeout, one.used, one.ended = Stage.EMPTY, timeout_ms / 1000, now, None
        return one.producer, one.epoch

    def add(
        self, name: str, producer: int, epoch: int, *, place: Place | None = None, group: str = ""
    ) -> None:
        """Make a partition or a group's positions a part of the producer's transaction, which begins with it."""
        one = self._known(name)
        if one is None or one.producer != producer:
            raise Refused(Refusal.UNKNOWN_PRODUCER)
        if not self._model.mutant("fencing_ignored") and one.epoch != epoch:
            raise Refused(Refusal.FENCED)
        if one.stage is Stage.ENDING:
            raise Refused(Refusal.CONCURRENT)
        if one.stage is not Stage.ONGOING:
            one.stage, one.began = Stage.ONGOING, self._model.loop.time()
            self._watch(one)
        if place is not None:
            one.places[place] = None
        if group:
            one.groups[group] = None

    def end(self, name: str, producer: int, epoch: int, *, commit: bool) -> tuple[int, int]:
        """End a transaction; the producer and epoch of the next one."""
        one = self._known(name)
        if one is None:
            raise Refused(Refusal.UNKNOWN_PRODUCER)
        if one.ended == (producer, epoch, commit) and one.stage in (Stage.ENDING, Stage.COMPLETE):
            if one.stage is Stage.ENDING:
                raise Refused(Refusal.CONCURRENT)
            return one.producer, one.epoch
        if one.producer != producer:
            raise Refused(Refusal.UNKNOWN_PRODUCER)
        if not self._model.mutant("fencing_ignored") and one.epoch != epoch:
            raise Refused(Refusal.FENCED)
        if one.stage is Stage.ENDING:
            raise Refused(Refusal.CONCURRENT)
        if one.stage is not Stage.ONGOING:
            if commit:
                raise Refused(Refusal.WRONG_STATE)
            self._raise_epoch(one)
            return one.producer, one.epoch
        self._end(one, commit=commit)
        one.ended = (producer, epoch, commit)
        return one.producer, one.epoch

    def restored(self, ids: dict[str, Transactional], last_producer: int) -> None:
        """Go on from a copy: what was open there is open, and ends by its time-out or its next holder."""
        self.ids, self._last_producer = {name: one.copy() for name, one in ids.items()}, last_producer
        for one in self.ids.values():
            if one.stage is Stage.ENDING:
                self._model.later(0.0, self._mark_all, one)
            elif one.stage is Stage.ONGOING:
                one.began = self._model.loop.time()
                self._watch(one)

    @property
    def last_producer(self) -> int:
        """The newest producer's number."""
        return self._last_producer

    def _known(self, name: str) -> Transactional | None:
        one = self.ids.get(name)
        if one is None:
            return None
        now = self._model.clock()
        if one.stage in (Stage.EMPTY, Stage.COMPLETE) and now - one.used > FORGOTTEN_MS:
            del self.ids[name]
            return None
        one.used = max(one.used, now)
        return one

    def _raise_epoch(self, one: Transactional) -> None:
        if one.epoch >= LAST_EPOCH:
            one.producer, one.epoch = self.new_producer(), 0
        else:
            one.epoch += 1

    def _end(self, one: Transactional, *, commit: bool) -> None:
        one.stage = Stage.ENDING
        # The markers' epoch is one more, whether the producer keeps its number or gets another one.
        one.marking = (one.producer, one.epoch + 1, commit)
        self._raise_epoch(one)
        low, high = self._model.marker_delay
        self._model.later(self._model.random.uniform(low, high), self._mark_all, one)

    def _mark_all(self, one: Transactional) -> None:
        if self.ids.get(one.name) is not one or one.stage is not Stage.ENDING:
            return
        producer, epoch, commit = one.marking
        now, model = self._model.clock(), self._model
        apart = model.faults.spread_markers
        if apart and model.random.random() < apart:
            self._move_groups(one)  # the positions' marker is as free as the others
        for place in list(one.places):
            log = model.log_at(place)
            if log is not None and log.leader < 0:
                model.later(0.1, self._mark_all, one)
                return
            del one.places[place]
            if log is not None:
                log.mark(producer, epoch, commit=commit, now=now)
            if one.places and apart and model.random.random() < apart:
                model.later(model.random.uniform(0.001, 0.2), self._mark_all, one)
                return
        self._move_groups(one)
        one.places, one.stage = {}, Stage.COMPLETE

    def _move_groups(self, one: Transactional) -> None:
        producer, _, commit = one.marking
        for group in one.groups:
            self._model.groups.end_pending(group, producer, commit=commit)
        one.groups = {}

    def _watch(self, one: Transactional) -> None:
        if not one.watched:
            one.watched = True
            self._model.at(self._look_at(one), self._look, one)

    def _look_at(self, one: Transactional) -> float:
        return one.began + one.timeout + self._model.looking_after_transactions

    def _look(self, one: Transactional) -> None:
        """The one timer of an id: it is armed again while there is something to look after."""
        one.watched = False
        if self.ids.get(one.name) is not one or one.stage is not Stage.ONGOING:
            return
        # A transaction that began while the timer ran has a later end.
        if self._model.loop.time() >= self._look_at(one) - 1e-9:
            self._end(one, commit=False)
            one.ended = None
        else:
            self._watch(one)
