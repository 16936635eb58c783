"""The demo's end: whatever ends it ends its processes, in order, and once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clients.demo.exchange import Exchange
from clients.demo.play import _ENDS, _ending


@contextmanager
def by_default() -> Iterator[None]:
    """As for a program that a person starts, whatever these tests were started with."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in _ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupted(number: signal.Signals) -> Callable[[], None]:
    return lambda: signal.raise_signal(number)


def _broken() -> None:
    raise KeyboardInterrupt


def test_whatever_ends_the_demo_ends_its_processes(tmp_path: Path) -> None:
    """Ctrl-C, SIGTERM, a closed terminal, or an error of its own; what signals did before they do again."""
    for end in (*map(_interrupted, _ENDS), _broken):
        exchange = Exchange(tmp_path)
        with by_default():
            with pytest.raises(KeyboardInterrupt), _ending(exchange):
                process = exchange.processes.start("cat", ["cat"])
                end()
            assert {signal.getsignal(number) for number in _ENDS} == {signal.default_int_handler}
        try:
            assert process.popen.poll() is not None
        finally:
            process.popen.kill()
            process.popen.wait()


def test_a_second_signal_does_not_cut_the_end_short(tmp_path: Path) -> None:
    """Somebody presses Ctrl-C again while the processes end: they end all the same."""
    ended: list[bool] = []

    class Impatient(Exchange):
        """Is told once more while it stops."""

        def stop(self) -> None:
            for number in _ENDS:
                signal.raise_signal(number)
            ended.append(True)

    exchange = Impatient(tmp_path)
    with by_default(), pytest.raises(KeyboardInterrupt), _ending(exchange):
        raise KeyboardInterrupt
    assert ended == [True]


def test_what_was_told_to_ignore_a_closed_terminal_ignores_it(tmp_path: Path) -> None:
    """`nohup contrada demo`: it stays up."""
    with by_default():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with _ending(Exchange(tmp_path)):
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
