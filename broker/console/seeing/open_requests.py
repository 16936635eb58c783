"""Requests that wait for a reply, and until when: by what routers decided. Pure, and bounded.

The console sees headers, and the due time stands in what is sealed. So it counts from the decision with the
shortest time that Directive (EU) 2023/977 gives such a request: 8 hours where it is urgent, 7 days where not
(Art. 5(1)). An urgent one may have 3 days, where the unit that was asked has only indirect access: that is
sealed, too. Each unit that was asked replies for itself; a reply in part shows as any other, since which it
is is sealed as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from protocol.codes import MessageKind
from protocol.content.code_forms import show_code
from protocol.identifiers import Millis
from protocol.limits import DAY, SECOND

URGENT: Final = 8 * 3600 * SECOND
"""DIR Art. 5(1)(a): urgent, and directly accessible."""

ORDINARY: Final = 7 * DAY
"""DIR Art. 5(1)(c): all others."""

MOST_OPEN: Final = 5_000
"""Beyond it those go that are due last: what matters is at the other end."""

_REQUEST: Final = show_code(MessageKind.REQUEST)
_REPLIES: Final = frozenset({show_code(MessageKind.ANSWER), show_code(MessageKind.REFUSAL)})


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A unit was asked, and has not replied."""

    message: str
    thread: str
    asker: str
    asked: str
    urgency: str | None
    decided: Millis
    due: Millis


class AskedRequests:
    """All that wait, as far as was read."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str], OpenRequest] = {}
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._open)

    def asked(
        self, *, message: str, thread: str, asker: str, to: Iterable[str], urgency: str | None, t: Millis
    ) -> None:
        """A request was accepted."""
        due = Millis(t + (ORDINARY if urgency is None else URGENT))
        for unit in to:
            self._open[thread, asker, unit] = OpenRequest(message, thread, asker, unit, urgency, t, due)
        while len(self._open) > MOST_OPEN:
            del self._open[max(self._open, key=lambda key: self._open[key].due)]
            self.dropped += 1

    def replied(self, *, thread: str, by: str, to: Iterable[str]) -> None:
        """A reply was accepted."""
        for unit in to:
            self._open.pop((thread, unit, by), None)

    def by_deadline(self) -> list[OpenRequest]:
        """Those that are due first, first."""
        return sorted(self._open.values(), key=lambda one: (one.due, one.thread, one.asked))


def is_request(kind: str | None) -> bool:
    """Whether a message of this kind asks for a reply."""
    return kind == _REQUEST


def is_reply(kind: str | None) -> bool:
    """Whether it is one."""
    return kind in _REPLIES
