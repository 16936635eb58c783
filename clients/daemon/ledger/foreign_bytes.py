"""Judging bytes from a topic: whatever a parser of ours raises on them is a refusal, and stops nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from protocol.errors import Code, Rejected

T = TypeVar("T")


def guarded(judge: Callable[[], T]) -> T:
    """The call's result; an internal error on foreign bytes becomes `Rejected`, and stops no message."""
    try:
        return judge()
    except Rejected:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a parser of ours raises on hostile bytes ends here
        raise Rejected(Code.E_SCHEMA, f"reading it failed ({type(error).__name__})") from None
