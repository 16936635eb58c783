"""A temporary PostgreSQL server, for tests of the ledger's records: on loopback, in a directory of its own.

Owns: the directory and the process. Uses the binaries that the machine has (Debian: postgresql) and fetches
none. Rules: the server never outlives the process that started it (deploy/kafka/tether.py); it refuses to run
as root, so for root it runs as the first of `USERS` that exists. Everybody on this machine may connect to it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.kafka.faults import Fault
from deploy.kafka.ports import HOST, free, taken

TETHER = Path(__file__).resolve().parents[1] / "kafka" / "tether.py"
USERS = ("postgres", "nobody")
START_S = 180.0
STOP_S = 60.0

# Durable as in production: the tests kill it.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "16MB",
    "max_connections": "20",
    "fsync": "on",
    "synchronous_commit": "on",
}


def binaries() -> Path | None:
    """The folder with `initdb` and `postgres`; the newest one, or None."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    found = [path for path in reversed(places) if (path / "initdb").exists()]
    on_path = shutil.which("initdb")
    return found[0] if found else (Path(on_path).resolve().parent if on_path else None)


class Postgres:
    """A server in a fresh directory; `with` starts and stops it."""

    def __init__(self) -> None:
        found = binaries()
        if found is None:
            raise Fault("there is no PostgreSQL on this machine", remedy="apt install postgresql")
        self._bin = found
        self._owner = _unprivileged()
        self._directory = Path(tempfile.mkdtemp(prefix="cpg-"))
        self._port = free(1)[0]
        self._tether: subprocess.Popen[bytes] | None = None
        owner = self._owner
        # Replaces itself by the server, so that the process id is the server's.
        self._as = [] if owner is None else [
            "setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups",
        ]  # fmt: skip
        self._pid = 0

    @property
    def url(self) -> str:
        """For SQLAlchemy; the database `postgres`."""
        return f"postgresql+pg8000://contrada@{HOST}:{self._port}/postgres"

    def __enter__(self) -> Self:
        try:
            self._initialize()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(signal.SIGINT)
        shutil.rmtree(self._directory, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it serves."""
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [
            *self._as,
            str(self._bin / "postgres"),
            "-D",
            str(self._directory / "data"),
            "-p",
            str(self._port),
        ]
        with (self._directory / "server.log").open("ab") as log:
            self._tether = subprocess.Popen(
                [sys.executable, "-I", "-S", str(TETHER), *command, *settings],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd="/",
            )  # fmt: skip
        assert self._tether.stdout is not None
        self._pid = int(self._tether.stdout.readline() or 0)
        end = time.monotonic() + START_S
        while not self._serves():
            if self._tether.poll() is not None or time.monotonic() > end:
                raise Fault("PostgreSQL did not start", remedy=self._last_words())
            time.sleep(0.05)

    def stop(self, how: signal.Signals) -> None:
        """Stop it: SIGINT in good order, SIGKILL as a power cut would, children and all."""
        if self._tether is None:
            return
        with suppress(ProcessLookupError):
            if self._tether.poll() is None:
                self._signal(how)
        try:
            self._tether.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.kill(self._pid, signal.SIGKILL)
            self._tether.wait(STOP_S)
        for pipe in (self._tether.stdin, self._tether.stdout):
            if pipe is not None:
                pipe.close()
        self._tether = None

    def _signal(self, how: signal.Signals) -> None:
        """Send it a signal; SIGKILL to its children, too.

        They would keep its memory, and the next server from it, and its port: a client that connects waits
        for one of them for a minute. Stopped first, it makes no further child between the look and the kill.
        """
        orphans = []
        if how == signal.SIGKILL:
            os.kill(self._pid, signal.SIGSTOP)
            orphans = _children(self._pid)
        os.kill(self._pid, how)
        for orphan in orphans:
            with suppress(ProcessLookupError):
                os.kill(orphan, how)

    def _initialize(self) -> None:
        if self._owner is not None:
            os.chown(self._directory, self._owner.pw_uid, -1)
        done = subprocess.run(
            [*self._as, str(self._bin / "initdb"), "-D", str(self._directory / "data"), "-U", "contrada",
             "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"],
            capture_output=True, cwd="/", timeout=START_S, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise Fault("PostgreSQL's initdb failed", remedy=done.stderr.decode(errors="replace")[-500:])

    def _serves(self) -> bool:
        if not taken(self._port):
            return False
        ready = [str(self._bin / "pg_isready"), "-q", "-h", HOST, "-p", str(self._port)]
        return subprocess.run(ready, check=False, timeout=START_S).returncode == 0

    def _last_words(self) -> str:
        return (self._directory / "server.log").read_text(errors="replace")[-500:]


def _children(pid: int) -> list[int]:
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # PID (NAME) STATE PARENT: a name may have spaces and brackets, what follows it has none.
            if int(each.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(each.parent.name))
    return found


def _unprivileged() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in USERS:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise Fault("PostgreSQL does not run as root", remedy="run the tests as another user")
