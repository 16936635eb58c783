"""When another party was last heard: whether a process could do its work rests on that, and on no promise.

Owns the one question of readiness about a connection. A client library that keeps trying says nothing while
the other side is gone; only a successful exchange says that it is there, and only for a while.
"""

from __future__ import annotations

from collections.abc import Callable


class Contact:
    """The last successful exchange with another party. Any thread may note one."""

    __slots__ = ("_heard", "_monotonic", "hint")

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._heard: float | None = None
        self.hint: str | None = None
        """What a person should know of the way to it."""

    def heard(self) -> None:
        """An exchange has just succeeded."""
        self._heard = self._monotonic()

    @property
    def age(self) -> float | None:
        """Seconds since the last one; None before the first."""
        return None if self._heard is None else self._monotonic() - self._heard


def recent_contact(age: float | None, *, within: float, hint: str | None = None) -> dict[str, object]:
    """The readiness check: ok while the last exchange is so many seconds old at the most.

    `hint` is what a person should know of the way to it, however well it works.
    """
    shown = None if age is None else round(age, 1)
    told = {} if hint is None else {"hint": hint}
    return {"ok": age is not None and age <= within, "age_seconds": shown, **told}
