"""Tests that share something dear, a broker or a demo, run in one process, however many share the suite.

Owns the passing of `xdist_group` marks to the scheduler, which reads them behind the last `@` of a test's id. xdist 3.8 writes
them to where pytest 9.2 does not look any more, and scatters the tests without a word (pytest-xdist, issue 1386); so they are
written here. Twice does no harm.
"""

from __future__ import annotations

import pytest


def keep_together(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the name of its group behind the id of each test that has one."""
    if not getattr(config.option, "loadgroup", False):  # not a worker of `--dist loadgroup`
        return
    for item in items:
        if names := sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")}):
            item._id = type(item._id).parse(f"{item.nodeid}@{'_'.join(names)}")  # type: ignore[attr-defined]
