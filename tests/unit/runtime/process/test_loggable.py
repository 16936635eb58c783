"""A log line holds nothing that it should not, and one that cannot be written stops nobody."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
import structlog

from runtime.process.loggable import LossyStream


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
