"""The error of this folder, with a text on which a person can act.

Owns: the one exception. Rule: a fault names what was found, what was expected and what to do.
"""

from __future__ import annotations

UNAVAILABLE = 8
VERIFICATION_FAILED = 7


class Fault(Exception):
    """Kafka cannot be had or cannot run; `str()` says it to a person, `code` is the exit status."""

    def __init__(self, problem: str, *, remedy: str, code: int = UNAVAILABLE) -> None:
        super().__init__(f"{problem}\n  {remedy}")
        self.problem = problem
        self.remedy = remedy
        self.code = code
