"""A NATS server with JetStream, built from its Go module: what `make bench` measures ours beside.

Owns building and running it. go.mod beside this file says which version, go.sum proves it; Go fetches it as it is
set up here. Rule: each acknowledged message is on the disk (`sync_interval: always`; by default NATS asks the disk
every two minutes). `Skipped` says why there is none.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clients.demo.free_ports import free_port

HERE = Path(__file__).parent
MODULE = "github.com/nats-io/nats-server/v2"
USUAL = "/usr/local/go/bin/go"
FETCH_S, BUILD_S, START_S = 120, 900, 30
LOCAL = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false", "CGO_ENABLED": "0"}


class Skipped(Exception):
    """There is no such server here; the text says why."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    pid: int


def version() -> str:
    """The version that is built."""
    found = re.search(rf"{MODULE} v(\S+)", (HERE / "go.mod").read_text())
    assert found is not None
    return found[1]


def build(directory: Path) -> Path:
    """The program; what Go keeps makes the second time quick."""
    go = shutil.which("go") or (USUAL if Path(USUAL).exists() else None)
    if go is None:
        raise Skipped("Go 1.26 or newer is not here, and builds its server")
    try:
        fetched = _run([go, "mod", "download"], FETCH_S)
        if fetched.returncode != 0:
            raise Skipped(f"its Go modules cannot be had here: {fetched.stderr.strip()[-200:]}")
        built = directory / "nats-server"
        made = _run([go, "build", "-o", str(built), MODULE], BUILD_S)
    except subprocess.TimeoutExpired as error:
        raise Skipped(f"{' '.join(error.cmd[1:3])} takes longer than {error.timeout:.0f} s") from None
    if made.returncode != 0:
        raise Skipped(f"its server does not build here: {made.stderr.strip()[-200:]}")
    return built


def _run(command: list[str], patience: float) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **LOCAL}
    return subprocess.run(
        command, cwd=HERE, env=environment, capture_output=True, text=True, timeout=patience
    )


@contextlib.contextmanager
def server(directory: Path) -> Iterator[Server]:
    """One server on loopback, with its files in this directory."""
    program, port = build(directory), free_port()
    settings = directory / "nats.conf"
    settings.write_text(
        f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{directory}/jetstream", sync_interval: always }}\n'
    )
    with (directory / "nats.log").open("wb") as log:
        process = subprocess.Popen([str(program), "-c", str(settings)], stdout=log, stderr=log)
    try:
        _wait_for(port, process)
        yield Server(f"nats://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Skipped("its server does not start here")
