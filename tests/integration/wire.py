"""A Kafka that knows its clients by their certificates: what tests of the wire begin with.

Owns one authority, one broker with mutual TLS and the authorizer, and the certificates of whoever is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.kafka.launcher import Cluster
from keys.unlock import Credential
from keys.wire.certificate_files import Authority
from protocol.identifiers import Millis
from protocol.limits import DAY
from runtime.kafka.security.access import KafkaAccess, TlsFiles

HOSTS = ("127.0.0.1", "localhost")


class Wire:
    """The broker and the authority behind its certificates."""

    def __init__(self, directory: Path, profile: str = "test") -> None:
        self.directory = directory
        self.authority = Authority.make(directory / "ca", secret=Credential(bytes(32)), now=present())
        self.issue("broker", hosts=HOSTS)
        self.cluster = Cluster(directory / "k", profile=profile, tls=directory / "broker")

    def issue(
        self, principal: str, *, hosts: tuple[str, ...] = (), authority: Authority | None = None
    ) -> Path:
        """A certificate for this principal; in the place of the one before."""
        folder = self.directory / principal
        (authority or self.authority).issue_to(folder, principal, now=present(), lifetime=DAY, hosts=hosts)
        return folder

    def access(self, principal: str) -> KafkaAccess:
        """The way to the broker as this principal."""
        folder = self.directory / principal
        if not folder.exists():
            self.issue(principal)
        return KafkaAccess(self.cluster.bootstrap, TlsFiles.below(folder))


def present() -> Millis:
    """This machine's time."""
    return Millis(time.time_ns() // 1_000_000)


@contextmanager
def guarded_kafka(directory: Path) -> Iterator[Wire]:
    """A broker of its own, gone afterwards."""
    made = Wire(directory)
    try:
        made.cluster.start()
        yield made
    finally:
        made.cluster.stop(timeout=0)
