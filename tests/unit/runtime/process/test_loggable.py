"""A log line holds nothing that it should not, and one that cannot be written stops nobody."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog

from runtime.process.loggable import ALLOWED, LossyStream

ROOT = Path(__file__).resolve().parents[4]


@dataclass
class Full:
    """A stream on a disk that may be full, as a text stream behaves: the write or the flush raises."""

    error: Exception | None = None
    at_flush: bool = False
    lines: list[str] = field(default_factory=list)

    def write(self, text: str, /) -> None:
        if self.error and not self.at_flush:
            raise self.error
        self.lines.append(text)

    def flush(self) -> None:
        if self.error:
            raise self.error


@pytest.mark.parametrize("at_flush", [False, True])
@pytest.mark.parametrize("error", [OSError(28, "full"), BrokenPipeError(), ValueError("closed file")])
def test_what_cannot_be_written_stops_nobody(error, at_flush):
    """Whoever logs goes on, and the log says how many lines are missing once it can."""
    disk = Full(error, at_flush=at_flush)
    log = structlog.WriteLogger(LossyStream(disk))
    log.info("one")
    log.info("two")
    disk.error, disk.lines = None, []
    log.info("three")
    log.info("four")
    lost, *kept = disk.lines
    assert json.loads(lost) == {"event": "lines_lost", "level": "warning", "count": 2}
    assert kept == ["three\n", "four\n"]


def logged_keys() -> Iterator[tuple[str, str]]:
    """Each key under which our own code logs something, and where."""
    for package in ("broker", "clients", "keys", "runtime"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id="log")), keywords=keywords):
                        for keyword in keywords:
                            if keyword.arg is not None:
                                yield keyword.arg, f"{file.relative_to(ROOT)}:{node.lineno}"


def test_what_we_log_is_on_the_list() -> None:
    """A key that is not is withheld: whoever writes the line sees a name without its value, and only in operation."""
    keys = list(logged_keys())
    assert len(keys) > 100
    assert [(key, where) for key, where in keys if key not in ALLOWED] == []
