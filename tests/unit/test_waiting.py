"""What every test waits with: it returns what was seen, and says what was awaited where that does not come."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import waiting
from tests.waiting import NotSeen, ended, until, until_async


def counting():
    """1, 2, 3, and so on."""
    return iter(range(1, 1_000_000)).__next__


async def test_it_returns_what_was_good() -> None:
    """The first value that is good, whether the look is a coroutine or not."""
    count = counting()

    async def look() -> int:
        return count()

    assert until(count, lambda seen: seen == 3, what="three", pause=0) == 3
    assert await until_async(count, lambda seen: seen == 5, what="five", pause=0) == 5
    assert await until_async(look, lambda seen: seen == 7, what="seven", pause=0) == 7


async def test_a_failure_says_what_was_awaited_and_seen() -> None:
    """Both words stand in the failure: nobody has to run it again to learn them."""
    with pytest.raises(NotSeen, match="waited 0 s for rain; last seen: 'sun'"):
        until(lambda: "sun", lambda seen: seen == "rain", what="rain", within=0)
    with pytest.raises(NotSeen, match="waited 0 s for rain; last seen: 'sun'"):
        await until_async(lambda: "sun", lambda seen: seen == "rain", what="rain", within=0)


async def test_an_error_that_was_foreseen_is_not_good_yet() -> None:
    """Any other one comes out, and so does what `alive` raises."""
    count = counting()

    def look() -> int:
        if (seen := count()) < 3:
            raise ConnectionRefusedError(seen)
        return seen

    def dead() -> None:
        raise ZeroDivisionError

    assert until(look, what="three", despite=(OSError,), pause=0) == 3
    with pytest.raises(NotSeen, match="ConnectionRefusedError"):
        until(_refuse, what="it", despite=(OSError,), within=0)
    with pytest.raises(ConnectionRefusedError):
        await until_async(_refuse, what="it")
    with pytest.raises(ZeroDivisionError):
        await until_async(lambda: False, what="it", alive=dead)


def _refuse() -> int:
    raise ConnectionRefusedError


def test_a_process_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code, or the command that still runs."""
    assert ended(subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])) == 7
    monkeypatch.setattr(waiting, "GENEROUS", 0)
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with pytest.raises(NotSeen, match=r"for the end; last seen: .*input\(\).* still runs"):
            ended(sleeper, what="the end")
    finally:
        sleeper.kill()
        sleeper.communicate()
