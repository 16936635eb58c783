"""Runs command lines and writes down what a person would see. The transcripts beside it are its language:

    # words
    < text for stdin
    $ contrada errors show E_PURPOSE
    a line of stdout
    ! a line of stderr
    = 6                                  exit code; 0 is not written

`{tmp}` is the test's own directory, `{examples}` the drafts that are shipped. CONTRADA_TRANSCRIPTS=write writes them again, to be read in the diff.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import shlex
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from clients.cli.main import run_line
from tests.waiting import GENEROUS

WRITE = "CONTRADA_TRANSCRIPTS"
EXAMPLES = str(Path(__file__).resolve().parents[2] / "examples")


@dataclass(frozen=True, slots=True)
class Seen:
    """What one command line left."""

    exit: int
    out: str
    err: str


class _Stdin(io.TextIOWrapper):
    pass


def contrada(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Seen:
    """Run one command line as in a pipe: no terminal, 100 columns, nothing from outside in the environment."""
    out, err = io.StringIO(), io.StringIO()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CONTRADA", "CREDENTIALS"))}
    clean = kept | {"COLUMNS": "100"} | (env or {})
    given = _Stdin(io.BytesIO(stdin.encode()), encoding="utf-8")
    with (
        mock.patch.dict(os.environ, clean, clear=True),
        mock.patch("sys.stdin", given),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = run_line(list(arguments))
    return Seen(int(code), out.getvalue(), err.getvalue())


def on_terminal(*arguments: str, answer: bytes = b"", columns: int = 100, **env: str) -> tuple[int, str]:
    """Run one command line at a terminal of this width, and answer its question; exit code and all that it showed."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command = [sys.executable, "-m", "clients.cli.main", *arguments]
    left_out = {"NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CONTRADA") and k not in left_out}
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=kept | {"TERM": "xterm"} | env
    )
    os.close(slave)
    os.write(master, answer)
    shown = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        shown += chunk
    os.close(master)
    return process.wait(GENEROUS), shown.decode()


def play(path: Path, *, tmp: Path) -> tuple[str, str]:
    """The transcript as it is, and as it is now."""
    written = path.read_text(encoding="utf-8")
    return written, "".join(_replay(written.splitlines(), tmp))


def _replay(lines: list[str], tmp: Path) -> Iterator[str]:
    stdin: list[str] = []
    for line in lines:
        if line.startswith("#"):
            yield line + "\n"
        elif line.startswith("< "):
            stdin.append(line[2:])
            yield line + "\n"
        elif line.startswith("$ contrada"):
            arguments = shlex.split(
                line.removeprefix("$ contrada").replace("{tmp}", str(tmp)).replace("{examples}", EXAMPLES)
            )
            yield line + "\n"
            yield from _shown(contrada(*arguments, stdin="\n".join(stdin)), tmp)
            stdin = []


def _shown(seen: Seen, tmp: Path) -> Iterator[str]:
    for mark, text in (("", seen.out), ("! ", seen.err)):
        for line in text.replace(str(tmp), "{tmp}").replace(EXAMPLES, "{examples}").splitlines():
            yield f"{mark}{line}".rstrip() + "\n"
    if seen.exit:
        yield f"= {seen.exit}\n"
    yield "\n"
