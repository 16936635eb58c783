#!/usr/bin/env python3
"""Fetch Apache Kafka's jars into the user's cache, each verified against kafka.lock.

Owns: the cache directory `${XDG_CACHE_HOME:-~/.cache}/contrada/kafka-4.3.1`. Starts nothing.
Rules: a jar gets its name in the cache only after its SHA-256 matched, by an atomic rename. So every file
there is complete, and a stopped download continues. With a complete cache no network is used.

    python deploy/kafka/fetch.py             # fetch what is missing
    python deploy/kafka/fetch.py --verify    # hash every jar again
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # run as a program: the repository's root stands for this folder on the import path
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from deploy.kafka.faults import VERIFICATION_FAILED, Fault

VERSION = "4.3.1"
LOCK = Path(__file__).resolve().parent / "kafka.lock"
THREADS = 8
TRIES = 3
TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of kafka.lock."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """File name in the cache and on the class path."""
        return f"{self.artifact}-{self.version}.jar"

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def cache() -> Path:
    """The directory that holds everything of this Kafka version that can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "contrada" / f"kafka-{VERSION}"


def locked() -> tuple[Jar, ...]:
    """The jars that kafka.lock names, in its order."""
    jars = []
    for line in LOCK.read_text().splitlines():
        if line and not line.startswith("#"):
            coordinate, size, sha256 = line.split()
            group, artifact, version = coordinate.split(":")
            jars.append(Jar(group, artifact, version, int(size), sha256))
    return tuple(jars)


def classpath() -> str:
    """The class path in a fixed order; the class-data archive is valid for exactly this order."""
    return os.pathsep.join(str(cache() / "jars" / jar.name) for jar in locked())


def missing() -> tuple[Jar, ...]:
    """Jars not yet in the cache. Presence and size suffice: only proven jars are renamed into place."""
    home = cache() / "jars"
    try:
        sizes = {entry.name: entry.stat().st_size for entry in os.scandir(home)}
    except FileNotFoundError:
        sizes = {}
    return tuple(jar for jar in locked() if sizes.get(jar.name) != jar.size)


def ensure() -> None:
    """Fetch what is missing; at once and without a network where nothing is."""
    if not missing():
        return
    with _faults_of_the_disk(), exclusive(cache() / ".lock"):
        if wanted := missing():  # another process may have fetched them during the wait for the lock
            _fetch(wanted)


def verify() -> None:
    """Hash every jar in the cache and remove the ones that are not what the lock says."""
    for jar in locked():
        path = cache() / "jars" / jar.name
        if path.exists():
            _prove(jar, path)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs; two runs on one cache wait for each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _fetch(wanted: Sequence[Jar]) -> None:
    home = cache()
    (home / "jars").mkdir(parents=True, exist_ok=True)
    for leftover in home.glob(".partial-*"):  # of a killed run; the lock is held here, so no process uses it
        shutil.rmtree(leftover, ignore_errors=True)
    progress = _Progress(wanted)
    with (
        tempfile.TemporaryDirectory(prefix=".partial-", dir=home) as partial,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        pending = [pool.submit(_fetch_one, jar, Path(partial), home / "jars") for jar in wanted]
        try:
            for done in as_completed(pending):
                progress.add(done.result())
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    progress.end()


def _fetch_one(jar: Jar, partial: Path, home: Path) -> Jar:
    try:
        import requests  # noqa: PLC0415
        from jgo.maven import MavenContext  # noqa: PLC0415 - needed only where something is missing
    except ImportError:
        raise Fault(
            f"Kafka {VERSION} is not in {home}, and the Python package jgo that fetches it is not installed.",
            remedy="Run `make kafka`: it installs jgo into .venv and fetches Kafka.",
        ) from None
    for attempt in range(1, TRIES + 1):
        try:
            # A fresh directory per try: jgo takes a file that a broken connection cut short for a whole one.
            directory = Path(tempfile.mkdtemp(dir=partial))
            context = MavenContext(repo_cache=directory, remote_repos=_mirror(), timeout=TIMEOUT_S)
            found = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
            _prove(jar, found)
            found.replace(home / jar.name)
        except (requests.RequestException, RuntimeError) as error:
            if attempt == TRIES:
                raise _no_network(jar, error) from error
        else:
            break
    return jar


def _mirror() -> dict[str, str] | None:
    # What a mirror delivers is proved like everything else, so any mirror will do.
    return {"mirror": os.environ["CONTRADA_MAVEN"]} if os.environ.get("CONTRADA_MAVEN") else None


def _source() -> str:
    return os.environ.get("CONTRADA_MAVEN") or "Maven Central"


def _prove(jar: Jar, path: Path) -> None:
    with path.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != jar.sha256:
        path.unlink()
        raise Fault(
            f"{jar} is not the jar that kafka.lock names: expected SHA-256 {jar.sha256}, found {found}.",
            remedy="The file was removed. Run `make kafka` again; if it repeats, something on the way "
            "(a proxy, a mirror) changes downloads: do not run what it delivers.",
            code=VERIFICATION_FAILED,
        )


def _no_network(jar: Jar, error: Exception) -> Fault:
    return Fault(
        f"{jar} could not be fetched from {_source()} in {TRIES} tries ({type(error).__name__}).",
        remedy="Connect this machine (HTTPS_PROXY, or a mirror in CONTRADA_MAVEN), run `make kafka` again: "
        f"what is there is kept. Without a network, copy {cache()} from another machine.",
    )


@contextlib.contextmanager
def _faults_of_the_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        need = sum(jar.size for jar in locked()) // 1_000_000 + 100
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Fault(
                f"The disk with {cache()} is full: Kafka and its class-data archive need {need} MB.",
                remedy="Free some space, or point XDG_CACHE_HOME at another disk, and run this again.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise Fault(
                f"{cache()} cannot be written ({error.strerror}).",
                remedy="Point XDG_CACHE_HOME at a directory of yours and run this again.",
            ) from error
        raise


class _Progress:
    """One line on a terminal, a line per tenth in a log."""

    def __init__(self, wanted: Sequence[Jar]) -> None:
        self.total = sum(jar.size for jar in wanted)
        self.jars = len(wanted)
        self.have = self.done = self.shown = 0
        self.live = sys.stderr.isatty()
        self.lock = threading.Lock()
        size = f"{self.jars} jars, {self.total / 1e6:.0f} MB"
        say(f"Fetching Apache Kafka {VERSION} from {_source()}: {size}")

    def add(self, jar: Jar) -> None:
        """Count one proven jar."""
        with self.lock:
            self.have += jar.size
            self.done += 1
            line = f"  {self.done}/{self.jars} jars, {self.have / 1e6:.0f} of {self.total / 1e6:.0f} MB"
            if self.live:
                print(f"\r{line}", end="", file=sys.stderr, flush=True)
            elif self.have * 10 // self.total > self.shown:
                self.shown = self.have * 10 // self.total
                say(line)

    def end(self) -> None:
        """Close the line."""
        say(f"{chr(10) if self.live else ''}  every SHA-256 as in kafka.lock; kept in {cache()}")


def say(text: str) -> None:
    """Messages go to standard error."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Fetch, or verify, and end with 0, 7 (a hash differs) or 8 (not to be had)."""
    parser = argparse.ArgumentParser(description=f"Fetch Apache Kafka {VERSION} into {cache()}.")
    parser.add_argument("--verify", action="store_true", help="hash every jar again")
    try:
        if parser.parse_args().verify:
            verify()
        ensure()
    except Fault as fault:
        say(str(fault))
        return fault.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
