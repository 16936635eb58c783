"""A measured figure, and how it is printed: one JSON line."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A name of the list in docs/figures.md, a value, its unit and, where there is one, what bounds it."""

    figure: str
    value: float
    unit: str
    floor: float | None = None

    def line(self) -> str:
        """The figure as a line."""
        row: dict[str, object] = {"figure": self.figure, "value": round(self.value, 3), "unit": self.unit}
        if self.floor is not None:
            row["floor"] = round(self.floor, 3)
        return json.dumps(row)
