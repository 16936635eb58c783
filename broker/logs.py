"""Logs of the centre's processes: JSON lines on stderr, with ids and codes only (protocol/loggable.py)."""

from __future__ import annotations

import logging
import sys

import structlog

from protocol.loggable import only_loggable


def configure(level: str) -> None:
    """Set up structlog; libraries' own warnings go the same way."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.ERROR, format='{"event": "library", "logger": "%(name)s"}'
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_loggable,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
