"""Notifications to the service manager (sd_notify). Without one, nothing happens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send one state, such as READY=1."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


async def keep_watchdog() -> None:
    """Report that the event loop still runs, twice in each interval that the service manager asks for."""
    micros = os.environ.get("WATCHDOG_USEC", "")
    if not micros.isdigit():
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(int(micros) / 2_000_000)
