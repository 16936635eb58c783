"""The standard streams of a process: closed ones, full ones, and encodings without a letter.

Owns what is done to them before a program does anything else, and after it has done everything. Rules:
- A closed stream is taken before any file or socket can get its number: what is printed must never end in a
  database, and a connection's bytes are never read as a draft.
- Reading from a closed stdin and writing to a closed stdout fail as the system has it; what is said to the
  person on a closed stderr is lost, and changes nothing.
- A letter that the stream's encoding does not have is written as JSON escapes it, so that JSON stays JSON.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import Final, TextIO

ESCAPED: Final = "contrada.escaped"
"""The name of the error handler that writes the escapes of JSON."""

_AS_OPENED: Final = ((0, "stdin", os.O_WRONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY))


def escape(text: str) -> str:
    r"""Each character as `\uXXXX`, those beyond the first plane as two: the form of JSON (RFC 8259, 7)."""
    data = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at]:02x}{data[at + 1]:02x}" for at in range(0, len(data), 2))


def with_streams(run: Callable[[], int]) -> int:
    """Run a program between `prepare_streams` and the dropping of what cannot be written; its exit code."""
    prepare_streams()
    try:
        return run()
    finally:
        _leave_streams()


def prepare_streams() -> None:
    """Before the first file is opened: no number of a stream is free, and every letter can be written."""
    codecs.register_error(ESCAPED, _escaped)
    for number, name, flags in _AS_OPENED:
        if _is_closed(number):
            _take(number, flags)
            setattr(sys, name, None)
        if getattr(sys, name) is None:
            # Nobody closes a standard stream at its end.
            stream = open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    for written in (sys.stdout, sys.stderr):
        if isinstance(written, io.TextIOWrapper):  # else it is a stand-in of a test
            written.reconfigure(errors=ESCAPED)


def tell(text: str) -> None:
    """Write a line for the person to stderr. Where it cannot be written it is lost: it is no result."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _leave_streams() -> None:
    # The interpreter would end in 120 for what it cannot write, whatever the exit code was.
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            setattr(sys, name, None)


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False


def _take(number: int, flags: int) -> None:
    # The lowest free number is given out: this one, since those below it are taken already.
    opened = os.open(os.devnull, flags)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)  # noqa: FBT003 - Python's signature


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return escape(error.object[error.start : error.end]), error.end
