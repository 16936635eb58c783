"""The signer as a process: settings to parts, a socket, signals to an orderly end."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path
from typing import Final

import structlog

from broker.signer.desk import MOST_CONNECTIONS, Rate, SignerDesk
from broker.signer.settings import SignerSettings, signer_secret, user_number
from broker.signer.signature_count import SignatureCount
from keys.custody.held_keys import HeldKeys
from runtime.errors import AlreadyRunning, Misconfigured
from runtime.process.clock import now
from runtime.process.notify import notify
from runtime.process.tasks import told_to_stop

log = structlog.get_logger()

SOCKET_MODE: Final = 0o666
"""Who may ask is the kernel's word; that others reach it at all is for the directory's mode."""


def held_keys(settings: SignerSettings) -> HeldKeys:
    """The keys, opened."""
    return HeldKeys(
        settings.key,
        secret=signer_secret(settings),
        router=settings.router,
        clock=now,
        entropy=os.urandom,
    )


def check_signer(settings: SignerSettings) -> str:
    """What a start would need; says what was checked."""
    user_number(settings)
    held_keys(settings)
    return "the settings are complete and the key opens"


async def run_signer(settings: SignerSettings) -> None:
    """Sign until told to stop."""
    user, keys = user_number(settings), held_keys(settings)
    listener = _bound(settings.socket)
    count = SignatureCount(settings.count, now)
    desk = SignerDesk(keys=keys, count=count, rate=Rate(settings.per_second, time.monotonic), user=user)
    stop = told_to_stop()
    server = await asyncio.start_unix_server(desk.serve, sock=listener)
    notify("READY=1")
    log.info("started", program="signer", path=str(settings.socket), pid=os.getpid(), signed=count.total)
    await stop.wait()
    server.close()
    await desk.close()
    count.close()
    log.info("stopped", program="signer", signed=count.total)


def _bound(path: Path) -> socket.socket:
    """The socket, in the place of one that nobody listens on any more."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        if path.is_socket():
            _refuse_a_second(path)
            path.unlink()
        made.bind(str(path))
        path.chmod(SOCKET_MODE)
        made.listen(MOST_CONNECTIONS)
    except OSError as error:
        made.close()
        raise Misconfigured(
            f"the socket {path} cannot be made ({error.strerror or error})",
            hint="correct 'socket', or the rights of its directory",
        ) from None
    return made


def _refuse_a_second(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1)
        try:
            asking.connect(str(path))
        except OSError:
            return
    raise AlreadyRunning(f"another process signs on {path}", hint="stop that one, or use it")
