"""The wheels that a package holds, each proved by its hash, kept for builds without a network.

Owns: the cache `${XDG_CACHE_HOME:-~/.cache}/contrada/wheels-...`, one folder for each lock file and machine.
Rules: a folder gets its name when it is complete; what is in it is proved again, by the lock's hashes, when
it is installed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.kafka.faults import Fault
from deploy.package.epoch import ROOT

LOCK = ROOT / "requirements" / "runtime.lock"
PYTHON = "3.11"
"""Debian 12's. What is compiled is for this version alone, so the package asks for it."""

NEWEST_GLIBC = 36
"""Debian 12 has glibc 2.36: a wheel for a newer one would not start there."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The machine's name of an architecture, and Debian's."""


def architecture() -> str:
    """Debian's name of this machine's architecture."""
    found = ARCHITECTURES.get(platform.machine())
    if found is None:
        raise Fault(
            f"This machine is a {platform.machine()}; packages are built on {' and '.join(ARCHITECTURES)}.",
            remedy="Build it on one of these; the wheels of the dependencies are chosen by the machine.",
        )
    return found


def wheels() -> Path:
    """The folder with the wheels of requirements/runtime.lock, fetched where they are not there yet."""
    _require_python()
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "contrada"
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    folder = base / f"wheels-{PYTHON}-{platform.machine()}-{digest}"
    if not folder.exists():
        base.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".wheels-", dir=base))
        try:
            pip("download", "--dest", str(fresh), *proved(), fault="The wheels could not be fetched")
            fresh.rename(folder)
        except OSError:
            if not folder.exists():  # another build may have been faster
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


def proved() -> list[str]:
    """What pip is told so that it takes what the lock names, by hash, and nothing else."""
    return ["--no-deps", "--require-hashes", "--requirement", str(LOCK), *tags()]


def tags() -> list[str]:
    """For which Python and which machines a wheel may be, whatever the build runs on."""
    machine = platform.machine()
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(NEWEST_GLIBC, 4, -1)]
    platforms += [f"manylinux2014_{machine}", f"linux_{machine}"]
    named = [argument for each in platforms for argument in ("--platform", each)]
    return ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp", *named]


def pip(command: str, *arguments: str, fault: str) -> None:
    """Run pip of this environment; its last lines are the reason where it fails."""
    line = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run([*line, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fault(
            f"{fault}:\n  {_last(done.stderr.splitlines())}",
            remedy="The first build needs a network that reaches the Python package index; then again.",
        )


def _last(lines: Sequence[str]) -> str:
    return "\n  ".join(lines[-4:])


def _require_python() -> None:
    found = ".".join(map(str, sys.version_info[:2]))
    if found != PYTHON:
        # pip reads the lock's markers as of the Python that runs it.
        raise Fault(
            f"The package is built with Python {PYTHON}, and .venv has {found}.",
            remedy=f"In a fresh checkout: make PYTHON=python{PYTHON} package.",
        )
