"""Logging of processes: JSON lines on stderr, with ids and codes only (runtime/process/loggable.py)."""

from __future__ import annotations

import json
import logging
import sys
from typing import TextIO, cast

import structlog

from runtime.process.loggable import LossyStream, only_loggable


def configure(level: str) -> None:
    """Set up structlog. Of a library's line only the name is written: its text may quote content."""
    stream = LossyStream(sys.stderr)
    logging.basicConfig(stream=stream, level=logging.ERROR, force=True)
    # Python prints a warning with its text, and a library's may quote what it was given.
    logging.captureWarnings(capture=True)
    # aiokafka logs each of its retries, four times a second while a broker is away; the readers here log
    # outages themselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_NameOnly())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_loggable,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, stream)),
        cache_logger_on_first_use=True,
    )


class _NameOnly(logging.Formatter):
    """A library's line: logger, level, and the type of an exception. No message and no traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON line."""
        line = {"event": "library", "level": record.levelname.lower(), "logger": record.name}
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line)
