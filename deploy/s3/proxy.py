"""A real S3 server for tests: S3Proxy (Apache-2.0) over a directory, on loopback, proved against its SHA-256.

Why this one: it is one jar on Maven Central and runs on the Java that Kafka here runs on already; it checks
the signature of every request as S3 does, and keeps objects as files, so that a test can look at them.

Owns: the jar in the user's cache, one server process, its directory. Rule: a jar is run only after its
SHA-256 matched; the process never outlives the one that started it (deploy/kafka/tether.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from deploy.kafka import fetch, java, ports
from deploy.kafka.faults import Fault

VERSION: Final = "2.7.0"
SHA256: Final = "f3ff95bd78a7afbbcd5da56f8f6180ef71ad00601392f7e2f5a220c97ad69eef"
ACCESS_KEY: Final = "contrada"
SECRET_KEY: Final = "only-for-tests"  # noqa: S105
BOOT_S: Final = 180

_TETHER = Path(__file__).resolve().parents[1] / "kafka" / "tether.py"


def jar() -> Path:
    """The jar, fetched if it is not in the cache; a Fault says how to get it where there is no network."""
    home = fetch.cache().parent / f"s3proxy-{VERSION}"
    path = home / "s3proxy.jar"
    if path.exists():
        return path
    home.mkdir(parents=True, exist_ok=True)
    with fetch.exclusive(home / ".lock"):
        if not path.exists():
            _fetch(path)
    return path


def _fetch(path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as partial:
        try:
            from jgo.maven import MavenContext  # noqa: PLC0415 - needed only where the jar is missing

            context = MavenContext(repo_cache=Path(partial), remote_repos=fetch._mirror(), timeout=30)  # noqa: SLF001
            project = context.project("org.gaul", "s3proxy").at_version(VERSION)
            found = project.artifact(classifier="jar-with-dependencies").resolve()
        except Exception as error:  # any error of the network or the library
            raise Fault(
                f"S3Proxy {VERSION} could not be fetched ({type(error).__name__}).",
                remedy="Connect this machine, or set CONTRADA_MAVEN to a mirror; 42 MB are fetched once.",
            ) from error
        with found.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != SHA256:
                raise Fault(
                    "S3Proxy's jar is not the one expected.", remedy="Do not run it; try another mirror."
                )
        found.replace(path)


class S3Proxy:
    """A server over `directory`, with one bucket."""

    def __init__(self, directory: Path, *, bucket: str = "ledger") -> None:
        self.directory = directory
        self.bucket = bucket
        (self.port,) = ports.free(1)
        self._tether: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a client takes from the environment."""
        return {
            "AWS_ENDPOINT_URL": f"http://{ports.HOST}:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> S3Proxy:
        """Start it, and wait until it listens."""
        (self.directory / "objects" / self.bucket).mkdir(parents=True, exist_ok=True)
        config = self.directory / "s3proxy.conf"
        config.write_text(
            f"s3proxy.endpoint=http://{ports.HOST}:{self.port}\n"
            "s3proxy.authorization=aws-v2-or-v4\n"
            f"s3proxy.identity={ACCESS_KEY}\ns3proxy.credential={SECRET_KEY}\n"
            "jclouds.provider=filesystem-nio2\njclouds.identity=x\njclouds.credential=x\n"
            f"jclouds.filesystem.basedir={self.directory / 'objects'}\n"
        )
        flags = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        with (self.directory / "s3proxy.log").open("ab") as log:
            self._tether = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_TETHER), str(java.find()), *flags, "-jar", str(jar()),
                 "--properties", str(config)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                env={**os.environ, "LOG_LEVEL": "warn"},
            )  # fmt: skip
        until = time.monotonic() + BOOT_S
        while not ports.taken(self.port):
            if self._tether.poll() is not None or time.monotonic() > until:
                raise Fault(
                    "S3Proxy does not start.", remedy=(self.directory / "s3proxy.log").read_text()[-2000:]
                )
            time.sleep(0.1)
        return self

    def stop(self) -> None:
        """End it; the tether does, when its standard input ends."""
        if self._tether is not None and self._tether.stdin is not None:
            with contextlib.suppress(OSError):
                self._tether.stdin.close()
            self._tether.wait(30)
