"""A table of moves between states, and its drawing, so that no page can say another one.

Owns the form of such tables. The tables themselves stand where their states do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class StateMachine(Generic[S, E]):
    """A table of moves: `moves[state][event]` is the next state; what is not in it is forbidden."""

    start: tuple[S, ...]
    moves: Mapping[S, Mapping[E, S]]

    def target(self, event: E) -> S:
        """Where an event leads: to one state, wherever it comes from."""
        (found,) = {row[event] for row in self.moves.values() if event in row}
        return found

    def drawing(self) -> str:
        """The table as a Mermaid state diagram."""
        arrows = [
            f"    {_name(state)} --> {_name(target)}: {event}"
            for state, row in self.moves.items()
            for event, target in row.items()
        ]
        starts = [f"    [*] --> {_name(state)}" for state in self.start]
        return "\n".join(["stateDiagram-v2", *starts, *arrows])


def _name(state: StrEnum) -> str:
    # A name of Mermaid's has no spaces.
    return state.value.replace(" ", "_")
