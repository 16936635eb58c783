"""`contrada ... | head -1`: whoever stops reading ends the command at once and quietly. With real pipes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.cli.exits import Exit
from runtime.cli.kafka_calls import read_to_end, run_quietly
from runtime.cli.pipes import ReaderLeft
from runtime.kafka.ports import Fetched, InputRecord
from tests.cli.homes import fixture_homes
from tests.waiting import GENEROUS

pytestmark = pytest.mark.slow

ENV = {k: v for k, v in os.environ.items() if not k.startswith("CONTRADA")}


def begin(*arguments: str) -> subprocess.Popen[bytes]:
    """A command whose stdout and stderr are pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "clients.cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENV,
    )


def left(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """The reader leaves; how the command ends, and what it says."""
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    code = process.wait(GENEROUS)
    return code, process.stderr.read()


QUIET = (Exit.READER_LEFT, b"")


@contextmanager
def silent_daemon(home: Path) -> Iterator[None]:
    """A daemon that gives one page of the inbox, and to every later request no answer at all."""
    (home / "run").mkdir()
    page = json.dumps({"items": [{"id": "a", "state": "new"}], "cursor": "1", "next": None}).encode()
    held: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "run" / "api.sock"))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return
                held[-1].recv(65536)
                if len(held) == 1:
                    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(page)}\r\n\r\n"
                    held[-1].sendall(head.encode() + page)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in held:
            each.close()


def test_a_command_that_waits_ends_with_its_reader(tmp_path: Path) -> None:
    """It follows, nothing arrives, and nothing is written: it ends all the same, in no error of its own."""
    fixture_homes(tmp_path)
    with silent_daemon(tmp_path / "fr"):
        process = begin("--home", str(tmp_path / "fr"), "inbox", "ls", "--follow", "--jsonl")
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["id"] == "a"

        assert left(process) == QUIET


@pytest.mark.parametrize(
    "arguments",
    [["errors", "ls"], ["errors", "ls", "--json"], ["errors", "ls", "--jsonl"], ["--help"], ["--version"],
     ["completion", "bash"], ["inbox", "ls", "--help"]],
    ids=" ".join,
)  # fmt: skip
def test_a_command_whose_reader_is_gone_before_it_writes(arguments: list[str]) -> None:
    """Whatever it prints, and by whichever way: no word, no traceback, and the code of a closed pipe."""
    assert left(begin(*arguments)) == QUIET


def test_a_reader_that_takes_everything_ends_nothing() -> None:
    """A pipe that is read to its end is no closed one."""
    process = begin("errors", "ls", "--jsonl")
    out, err = process.communicate(timeout=GENEROUS)

    assert (process.returncode, err) == (0, b"")
    assert all(json.loads(line)["code"].startswith("E_") for line in out.splitlines())


class Topic:
    """A feed that takes every error of its reader for one of Kafka's, and tries again: `FeedReader`."""

    async def end(self, topic: str, partition: int) -> int:
        return 9

    async def follow(self, topic: str, partition: int, *, start: int, take) -> None:
        while True:
            try:
                await take(Fetched(topic, partition, (InputRecord(0, 0, b""),), 1))
            except Exception:
                await asyncio.sleep(0.01)


def test_kafka_is_not_at_fault_for_a_pipe() -> None:
    """What is raised for a closed pipe passes by those who wait for Kafka, and comes out of the event loop."""

    def show(_: InputRecord) -> None:
        raise ReaderLeft

    with pytest.raises(ReaderLeft) as caught:
        run_quietly(read_to_end(Topic(), "audit", show))
    assert caught.value.code == Exit.READER_LEFT


LOOP = """
import asyncio, gc, sys, time
from runtime.cli.pipes import ReaderLeft, reader_watched

async def busy():
    while True:
        time.sleep(0.001)  # other threads run meanwhile, as while a socket sends
        await asyncio.sleep(0)

async def work():
    others = [asyncio.create_task(busy()) for _ in range(20)]
    print("begun", flush=True)
    await asyncio.Event().wait()

try:
    with reader_watched():
        asyncio.run(work())
except ReaderLeft as end:
    code = end.code
gc.collect()
sys.exit(code)
"""


WRITER = """
import asyncio, sys
from runtime.cli.kafka_calls import run_quietly
from runtime.cli.pipes import ReaderLeft, reader_watched
from runtime.cli.render import flush, write

async def lines():
    try:
        while True:
            write("line")
            flush()
    finally:
        await asyncio.sleep(0.05)
        print("closed in order", file=sys.stderr)

async def work():
    await asyncio.wait({asyncio.create_task(lines())})

try:
    with reader_watched():
        run_quietly(work())
except ReaderLeft as end:
    code = end.code
sys.exit(code)
"""


def test_what_ends_in_order_is_not_broken_off_a_second_time() -> None:
    """The write that fails and the signal that comes with it are one end: what a task has to close, it closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV
    )
    assert process.stdout is not None and process.stdout.readline() == b"line\n"

    assert left(process) == (Exit.READER_LEFT, b"closed in order\n")


def test_an_event_loop_ends_and_none_of_its_tasks_is_blamed() -> None:
    """Whichever task has its turn when the reader leaves: the loop ends, and nothing is said of an exception."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV
    )
    assert process.stdout is not None and process.stdout.readline() == b"begun\n"

    assert left(process) == QUIET
