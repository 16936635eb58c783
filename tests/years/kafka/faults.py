"""What can go wrong between a client and a broker of the model, by chance.

Owns the probabilities and the draw. Faults by command (a broker that is killed or stands still, a party that is cut
off) are `KafkaModel`'s. All chance is the model's own `random.Random`.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.years.kafka.codes import NAMES

QUIET: Final = (0.0, 0.0)
LATE: Final = (0.0, 0.0, 0.0)


@dataclass(slots=True)
class Faults:
    """Probabilities for each request; all 0 at first. Times are seconds of the loop."""

    latency: tuple[float, float] = QUIET
    """Of each request, and again of each answer."""

    lose_request: float = 0.0
    """It never arrives, and so nothing answers."""

    lose_answer: float = 0.0
    """It is done, and the answer never comes."""

    break_before: float = 0.0
    """The connection breaks; the request is not done."""

    break_after: float = 0.0
    """The request is done; the connection breaks before the answer."""

    late_answer: tuple[float, float, float] = LATE
    """Probability, least and most seconds: it is done at once, and the answer takes so much longer."""

    late_request: tuple[float, float, float] = LATE
    """The connection breaks for the client; the request is done so many seconds later."""

    answer_twice: float = 0.0
    """The same answer comes again: the client finds its numbers wrong and closes the connection."""

    refuse: float = 0.0
    """A refusal of a kind that fits, by which nothing was done."""

    spread_markers: float = 0.0
    """After a partition's marker the next one's comes later: readers of two topics see a transaction at two times."""

    only: frozenset[str] | None = None
    """Names of the requests that the above is for, such as {"Produce", "EndTxn"}; None is all."""

    parties: frozenset[str] | None = None
    """The parties that the above is for; None is all. Latency is everybody's."""

    seen: Counter[str] = field(default_factory=Counter)
    """How often each has happened."""

    def draw(self, chance: random.Random, kind: int, party: str) -> str:
        """The fault that befalls this request; empty for none. A caller asks only where `armed`."""
        if self.only is not None and NAMES[kind] not in self.only:
            return ""
        if self.parties is not None and party not in self.parties:
            return ""
        left = chance.random()
        for name, weight in (
            ("lose_request", self.lose_request),
            ("lose_answer", self.lose_answer),
            ("break_before", self.break_before),
            ("break_after", self.break_after),
            ("late_answer", self.late_answer[0]),
            ("late_request", self.late_request[0]),
            ("answer_twice", self.answer_twice),
            ("refuse", self.refuse),
        ):
            left -= weight
            if left < 0:
                self.seen[name] += 1
                return name
        return ""

    @property
    def armed(self) -> bool:
        """Whether any chance is not 0."""
        return bool(
            self.lose_request or self.lose_answer or self.break_before or self.break_after or self.late_answer[0]
            or self.late_request[0] or self.answer_twice or self.refuse
        )  # fmt: skip

    def clear(self) -> None:
        """No more faults; what was counted stays."""
        seen = self.seen
        self.__init__()  # type: ignore[misc]
        self.seen = seen
