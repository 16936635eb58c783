"""Streams that are closed, full, or of an encoding without a letter: no traceback, no number given away, the right end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clients.daemon.home import make_unit_home
from protocol.identifiers import UnitId
from runtime.process.streams import escape
from tests.cli.homes import fixture_homes
from tests.sim.world import World
from tests.waiting import GENEROUS, until

pytestmark = pytest.mark.slow

TEXT = "é€\U0001f600"
ALL_CLOSED = "<&- >&- 2>&-"
AS_IT_ENDS = {
    "--version": 1,  # there is nobody to say it to
    "demo --dir /etc": 2,
    "unit status --home {tmp}/fr": 8,
    "send --to it {tmp}/draft.json --home {tmp}/fr": 8,
    "request --to it - --home {tmp}/fr": 2,
    "inbox ls --home {tmp}/fr": 8,
    "outbox ls --home {tmp}/fr": 8,
    "units ls --home {tmp}/fr": 8,
    "route explain {tmp}/sealed.cbor --home {tmp}/nowhere": 5,
    "message trace 0 --home {tmp}/fr": 2,
    "witness status --home {tmp}/fr": 2,
    "keys due --home {tmp}/centre": 2,
    "errors show E_NIX": 5,
    "completion fish": 1,
    "audit fsck {tmp}/nowhere": 5,
    "centre enrol {tmp}/nowhere --home {tmp}/centre": 5,
    "ledger check --home {tmp}/centre": 5,
    "router run --config {tmp}/nowhere": 2,
}
"""A command of each family, and its exit code."""


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """What `contrada` does, as a shell starts it."""
    return subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -P -m clients.cli.main {line}"],
        env={k: v for k, v in os.environ.items() if not k.startswith("CONTRADA")} | environment,
        capture_output=True, check=False, timeout=GENEROUS,
    )  # fmt: skip


def test_without_any_stream_each_command_ends_as_it_should(tmp_path: Path) -> None:
    """Neither an exit code of the interpreter nor one of a traceback."""
    fixture_homes(tmp_path)
    lines = [line.format(tmp=tmp_path) for line in AS_IT_ENDS]

    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda line: shell(f"{line} {ALL_CLOSED}").returncode, lines))

    assert dict(zip(AS_IT_ENDS, ended, strict=True)) == AS_IT_ENDS


@pytest.mark.parametrize(
    ("streams", "said"),
    [(">&-", b"stdout cannot be written"), (">/dev/full", b"stdout cannot be written: no space left")],
)
def test_what_cannot_be_said_is_a_failure(streams: str, said: bytes) -> None:
    """Whoever asked and got nothing must not read it as an empty answer."""
    for line in ("errors ls", "--help", "send --help", "--version"):
        done = shell(f"{line} {streams}")

        assert (done.returncode, done.stdout) == (1, b"")
        assert said in done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full"])
def test_the_result_does_not_depend_on_stderr(streams: str) -> None:
    """Where nobody listens to messages, data and exit code stay what they are."""
    assert shell(f"errors show E_PURPOSE {streams}").returncode == 0
    assert shell(f"errors show E_NIX {streams}").returncode == 5


def test_a_closed_stdin_is_no_draft(tmp_path: Path) -> None:
    """What cannot be read is named, and is not taken for an empty text."""
    fixture_homes(tmp_path)
    done = shell(f"send --to it - --home {tmp_path}/fr <&-")

    assert done.returncode == 2
    assert b"stdin is closed" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_letter_that_the_encoding_lacks_is_escaped_as_json_does(encoding: str) -> None:
    """Text and JSON are whole, and JSON can be read again."""
    name = "Ĝé\U0001f600"
    done = shell(f"errors show '{name}' --json", PYTHONIOENCODING=encoding, PYTHONUTF8="1")

    assert done.returncode == 5
    assert name.upper() in json.loads(done.stderr.decode(encoding))["error"]["message"]


def test_the_escape_is_that_of_json() -> None:
    r"""Two \u for what is beyond the first plane."""
    assert escape("é\U0001f600") == r"\u00e9\ud83d\ude00"
    assert json.loads(f'"{escape(TEXT)}"') == TEXT


def test_no_file_and_no_socket_gets_the_number_of_a_stream(tmp_path: Path) -> None:
    """What a library prints would otherwise end in the unit's database, or in a connection to Kafka."""
    home = make_unit_home(
        tmp_path / "es", unit=UnitId("es"), bootstrap="127.0.0.1:9", root=World().directory.root.encoded()
    )
    command = f"exec {sys.executable} -P -m clients.cli.main --home {home.path} unit run {ALL_CLOSED}"
    with subprocess.Popen(["sh", "-c", command]) as daemon:
        until(home.socket.exists, what="the daemon's socket")
        opened = [os.readlink(f"/proc/{daemon.pid}/fd/{number}") for number in range(3)]
        daemon.send_signal(signal.SIGTERM)
        ended = daemon.wait(GENEROUS)

    assert (opened, ended) == (["/dev/null"] * 3, 0)
