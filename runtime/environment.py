"""Slips of the pen in the environment: variables that look like ours, and that no program reads.

Each program has variables of its own, `CONTRADA_UNIT_...`, and the command line has a few. A program judges
its own names and what is one slip away from them, and nothing else: a shell may have the settings of another
program, and whoever runs it may have variables of their own. Rule: no value is shown: it may be secret.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

OURS: Final = "CONTRADA_"
PROGRAMS: Final = ("console", "ledger", "router", "signer", "unit", "witness")
"""Programs with settings, each with a prefix of its own."""

COMMAND_LINE: Final = (
    "CONTRADA_HOME",
    "CONTRADA_KAFKA",
    "CONTRADA_KAFKA_SECURITY",
    "CONTRADA_KAFKA_TLS",
    "CONTRADA_TRACEBACK",
)
"""What the command line reads."""

_ELSEWHERE: Final = ("CONTRADA_JAVA", "CONTRADA_MAVEN")
"""What the launcher of Kafka reads."""

_ONE_SLIP: Final = 0.9


def variables_of(program: str) -> str:
    """What the variables of a program begin with."""
    return f"{OURS}{program.upper()}_"


def unknown_variables(
    environment: Iterable[str], known: Collection[str], *, prefix: str | None = None
) -> dict[str, str | None]:
    """The names that mean nothing, each with the one that was probably meant.

    `known` are all variables of this program. Names below `prefix` are its own, so every other one is wrong;
    of the rest, one that is a slip away from a known one. Their case does not matter.
    """
    others = tuple(map(variables_of, PROGRAMS))
    found: dict[str, str | None] = {}
    for name in environment:
        upper = name.upper()
        if not upper.startswith(OURS) or upper in known or upper in (*COMMAND_LINE, *_ELSEWHERE):
            continue
        if prefix is not None and upper.startswith(prefix):
            # Without what they have in common, in which any two of them are near.
            near = _nearest(upper.removeprefix(prefix), [each.removeprefix(prefix) for each in known], 0.6)
            found[name] = near and prefix + near
        elif not upper.startswith(others) and (near := _nearest(upper, known, _ONE_SLIP)):
            found[name] = near
    return found


def _nearest(name: str, known: Collection[str], least: float) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - only for a slip

    return next(iter(get_close_matches(name, known, n=1, cutoff=least)), None)
