"""One parser under test: what every file of harnesses beside this is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocol.errors import Rejected


@dataclass(frozen=True)
class Harness:
    """One parser under test."""

    name: str
    run: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    allowed: tuple[type[Exception], ...] = (Rejected,)

    def try_one(self, data: bytes) -> bool:
        """Whether the bytes were taken; any error that is not allowed comes out."""
        try:
            self.run(data)
        except self.allowed:
            return False
        return True


def expect(found: object, wanted: object) -> None:
    """What was parsed encodes to the very bytes that came in."""
    if found != wanted:
        raise AssertionError("what was parsed is not what came in")
