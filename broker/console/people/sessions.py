"""Sessions of browsers: opened by a grant, known by a cookie, ended by time. In memory alone, and bounded.

Owns which sessions there are. Rules:
- A cookie's token is kept as its hash, like a link's. A console that is started again knows none.
- Where there are too many, the one ends that was used longest ago: nobody without a link opens any.
- Each session has a token of its own for its forms, which no other page can know.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from broker.console.people.links import ConsoleRole, Grant, new_token, token_digest
from protocol.identifiers import Entropy

MOST_SESSIONS: Final = 64
LASTS: Final = 8 * 3600.0
"""Seconds: a day's work."""

IDLE: Final = 30 * 60.0
"""Seconds in which nobody has asked for anything: somebody has left the room."""

_LONGEST_TOKEN: Final = 64


@dataclass(slots=True)
class BrowserSession:
    """One browser that was let in."""

    grant: Grant
    form_token: str
    began: float
    used: float

    def may_act(self) -> bool:
        """Whether it may do more than look."""
        return self.grant.role is ConsoleRole.ACT

    def made_form(self, token: str) -> bool:
        """Whether a form comes from a page of this session."""
        return hmac.compare_digest(self.form_token.encode(), token.encode())


class Sessions:
    """All that there are now."""

    def __init__(self, *, monotonic: Callable[[], float], entropy: Entropy) -> None:
        self._monotonic = monotonic
        self._entropy = entropy
        self._open: dict[str, BrowserSession] = {}

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, grant: Grant) -> str:
        """Open a session; the token for its cookie."""
        self._forget_ended()
        while len(self._open) >= MOST_SESSIONS:
            del self._open[min(self._open, key=lambda name: self._open[name].used)]
        token, now = new_token(self._entropy), self._monotonic()
        self._open[token_digest(token)] = BrowserSession(grant, new_token(self._entropy), now, now)
        return token

    def find(self, token: str | None, *, by_itself: bool = False) -> BrowserSession | None:
        """The session of this cookie, if it has not ended; what a page asks `by_itself` is nobody's use."""
        if not token or len(token) > _LONGEST_TOKEN:
            return None
        self._forget_ended()
        found = self._open.get(token_digest(token))
        if found is not None and not by_itself:
            found.used = self._monotonic()
        return found

    def end(self, token: str) -> None:
        """End it at once."""
        self._open.pop(token_digest(token), None)

    def _forget_ended(self) -> None:
        now = self._monotonic()
        for name, each in list(self._open.items()):
            if now - each.began > LASTS or now - each.used > IDLE:
                del self._open[name]
