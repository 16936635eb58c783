"""Asking a test for its promise while a mutant is in place: it must fail, or nobody would miss the safeguard."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.mutants.engine import Mutant, mutated

MISSED = (AssertionError, pytest.fail.Exception, OSError)
"""How a test ends whose promise is broken; another error says that the mutant itself is wrong."""


async def assert_missed(
    mutant: Mutant, promise: Callable[..., Any], given: Sequence[Any] = (), **fixtures: Any
) -> None:
    """The test, called with what it is asked with and those of the fixtures that it names, fails on the mutant."""
    names = inspect.signature(promise).parameters
    arguments = dict(zip((name for name in names if name not in fixtures), given, strict=True))
    arguments |= {name: fixtures[name] for name in names if name in fixtures}
    with mutated(mutant), pytest.raises(MISSED):
        result = promise(**arguments)
        if inspect.isawaitable(result):
            await result
