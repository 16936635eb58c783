"""A scene of the demo: what was done, what was expected, and what happened."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

PATIENCE = 120.0
"""Seconds that a scene waits for the expected result."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene, played."""

    name: str
    expected: str
    seen: str

    @property
    def ok(self) -> bool:
        """Whether the result is as expected."""
        return self.expected == self.seen

    def row(self) -> dict[str, Any]:
        """The scene for a table or for JSON."""
        return {**asdict(self), "ok": self.ok}
