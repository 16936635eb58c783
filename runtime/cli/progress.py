"""How far something long has come, told to a person who waits at a terminal.

On stderr and only where that is a terminal: not in a pipe, not in a log. What was done is told at the end, by
the command itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def progress(what: str, total: int, *, least: int = 100) -> Iterator[Callable[[int], None]]:
    """Gives what is to be called with how many are done by now; fewer than `least` in all show nothing."""
    shown = total >= least and sys.stderr.isatty()
    with click.progressbar(length=total, label=what, file=sys.stderr, hidden=not shown) as bar:
        yield lambda done: bar.update(done - bar.pos)
