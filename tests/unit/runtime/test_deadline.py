"""Whoever drips is not waited for: a head that never ends, a body byte by byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from broker.centre.seen import processes
from runtime.deadline import SLOWEST, paced, within
from runtime.errors import Unavailable
from runtime.log_files import HttpLogFiles
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, returning
from tests.waiting import GENEROUS

HEAD = b"HTTP/1.1 200 OK\r\nx: " + b"x" * 80
BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n"
WAITED = 0.3
"""Seconds until it is given up."""

EACH = 0.02
"""Seconds between two bytes: each comes in time."""


@contextmanager
def dripping(at_once: bytes) -> Iterator[str]:
    """A server that sends this at once, and then a byte now and then, until nobody reads, or four seconds are over."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while not ended.is_set():
                    client, _ = server.accept()
                    with client, suppress(OSError):
                        client.recv(65536)
                        client.sendall(at_once)
                        for _ in range(200):
                            if ended.wait(EACH):
                                return
                            client.sendall(b"x")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        ended.set()
        with suppress(OSError):
            socket.create_connection(server.getsockname()).close()
        thread.join(GENEROUS)


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [HEAD, BODY], ids=["in its head", "in its body"])
def test_a_log_that_drips_is_not_waited_for(at_once: bytes) -> None:
    """Neither in the head of an answer nor in its body; and the next question has a connection of its own."""
    with dripping(at_once) as url, closing(HttpLogFiles(url, seconds=WAITED)) as source:
        for _ in range(2):
            with pytest.raises(Unavailable, match="too slowly"):
                source.get("tile/0/000")


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [HEAD, BODY], ids=["in its head", "in its body"])
def test_a_process_that_drips_is_not_waited_for(at_once: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """`centre status` says that there is no answer."""
    monkeypatch.setattr(processes, "ANSWERS_WITHIN", WAITED)
    with dripping(at_once) as url:
        assert processes.ask_process(url)["error"].startswith("no answer in")


MUTANTS: dict[str, tuple[Mutant, Callable[[], None]]] = {
    "a head is waited for": (
        Mutant(within, returning("ask()")),
        lambda: test_a_log_that_drips_is_not_waited_for(HEAD),
    ),
    "a body is waited for": (
        Mutant(paced, dropped("TimeoutError")),
        lambda: test_a_log_that_drips_is_not_waited_for(BODY),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_without_its_deadline_it_is_waited_for(name: str) -> None:
    """Both deadlines are tested."""
    mutant, promise = MUTANTS[name]
    with mutated(mutant), pytest.raises((AssertionError, pytest.fail.Exception)):
        promise()


def test_what_comes_in_time_is_what_was_asked() -> None:
    """An answer, and a fault, are the caller's."""
    assert within(GENEROUS, lambda: 7) == 7
    with pytest.raises(KeyError):
        within(GENEROUS, lambda: {}["nothing"])


def test_a_slow_link_is_no_drip() -> None:
    """However long it takes, as long as enough comes."""
    moments = iter(range(1_000))
    chunks = [bytes(SLOWEST)] * 100
    assert list(paced(chunks, 0.5, clock=lambda: next(moments))) == chunks
    with pytest.raises(TimeoutError):
        list(paced([bytes(SLOWEST // 2)] * 100, 5, clock=lambda: next(moments)))
