"""Notifications to the service manager (sd_notify). Without one, nothing happens.

The environment is what somebody set: an interval that is none, one for another process, and a socket that
does not answer keep no process from its work, and are logged: the manager may wait for what never comes.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from typing import Final

import structlog

log = structlog.get_logger()

_LEAST: Final = 0.005
_MOST: Final = 3600.0
"""Seconds between two signs of life: enough to leave the loop free, and no more than a timer can hold."""

_PATIENCE: Final = 2.0
"""Seconds for a manager whose queue is full; meanwhile nothing else happens here."""


def notify(state: str) -> None:
    """Send one state, such as READY=1."""
    failed = _sent(state)
    if failed is not None:
        log.warning("manager_not_told", state=state, error=failed)


def _sent(state: str) -> str | None:
    """None, or why there is a manager that cannot be told."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(_PATIENCE)
            channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
    except (OSError, ValueError) as error:
        return type(error).__name__
    return None


async def keep_watchdog() -> None:
    """Report that the event loop still runs, twice in each interval that the service manager asks for.

    Returns at once where nobody asks for it: without an interval, or with one for another process.
    """
    interval, before = _interval(), None
    while interval is not None:
        failed = _sent("WATCHDOG=1")
        # A manager that cannot be told is logged once, and told again the next time.
        if failed not in (None, before):
            log.warning("manager_not_told", state="WATCHDOG=1", error=failed)
        before = failed
        await asyncio.sleep(interval)


def _interval() -> float | None:
    asked, whose = os.environ.get("WATCHDOG_USEC"), os.environ.get("WATCHDOG_PID")
    if asked is None or (whose is not None and whose != str(os.getpid())):
        return None
    if re.fullmatch("[0-9]{1,20}", asked) is None or int(asked) == 0:
        log.warning("no_watchdog", hint="WATCHDOG_USEC is a number of microseconds from 1")
        return None
    return min(max(int(asked) / 2_000_000, _LEAST), _MOST)
