#!/usr/bin/env python3
"""Regenerate kafka.lock from pom.xml.

Owns: the one use of Maven in this repository. Needs `mvn` and a network; nobody who runs Contrada needs
either.
Rule: the lock is flat and complete. A resolver that walks the tree by itself is not trusted: on this tree
one of them picks an older kafka-clients from log4j's managed versions.

    python deploy/kafka/lock.py        # rewrites deploy/kafka/kafka.lock, then read `git diff`
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "kafka.lock"
JAR = re.compile(r"^\s+([\w.\-]+):([\w.\-]+):jar:([\w.\-]+):(?:compile|runtime):(\S+)", re.MULTILINE)
HEADER = """\
# Apache Kafka 4.3.1 and all it needs to run. Each line: group:artifact:version, size in bytes, SHA-256.
# Made by `python deploy/kafka/lock.py` from pom.xml. Do not edit by hand.
"""


def resolve() -> list[tuple[str, Path]]:
    """Ask Maven for the runtime tree of the pom: (coordinate, jar on this disk), sorted."""
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "list"
        subprocess.run(
            ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:list", "-DincludeScope=runtime",
             "-DoutputAbsoluteArtifactFilename=true", f"-DoutputFile={out}"],
            check=True,
        )  # fmt: skip
        found = JAR.findall(out.read_text())
    return sorted((f"{group}:{artifact}:{version}", Path(jar)) for group, artifact, version, jar in found)


def main() -> int:
    """Write the lock and say how many jars it names."""
    if shutil.which("mvn") is None:
        print("mvn was not found: install Maven (Debian: apt-get install maven).", file=sys.stderr)
        return 8
    lines = []
    for coordinate, jar in resolve():
        content = jar.read_bytes()
        lines.append(f"{coordinate} {len(content)} {hashlib.sha256(content).hexdigest()}\n")
    LOCK.write_text(HEADER + "".join(lines))
    print(f"{LOCK}: {len(lines)} jars", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
