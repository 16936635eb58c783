"""The Kafka of the tests: mutual TLS and rights, as everybody runs it. One authority, certificates for whoever is asked for.

Owns the authority of a test process and the folder of its certificates, gone at the end; the cluster that wants them; and what a
test needs to speak to it as a party: `as_party`, the lines of that party's settings, the words of its command line, its rights.
Rules: `bootstrap` of a cluster here is the centre's way, so that what prepares and looks may do so; programs get a certificate
of their own and what is declared for it. A bare text is a plain Kafka, and every function here takes it as that: a test that
wants one says why (`plain=True`).
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deploy.kafka.launcher import Cluster, existing
from keys.unlock import Credential
from keys.wire.certificate_files import Authority
from protocol import topics
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY
from protocol.topics import Right
from runtime.kafka.security.access import KafkaAccess, KafkaAddress, TlsFiles, access_lines, tls_files
from runtime.kafka.security.rights import KafkaRights

CENTRE = "centre"
HOSTS = ("127.0.0.1", "localhost")
SERVERS_VARIABLE, TLS_VARIABLE = "CONTRADA_KAFKA", "CONTRADA_KAFKA_TLS"


class Certificates:
    """Those of all parties, below one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._authority = Authority.make(directory / "ca", secret=Credential(bytes(32)), now=_present())
        self.broker = self._issued("broker", HOSTS)

    def of(self, principal: str) -> TlsFiles:
        """A party's files, made when they are asked for first."""
        folder = self._directory / principal
        return TlsFiles.below(folder if folder.exists() else self._issued(principal))

    def _issued(self, principal: str, hosts: tuple[str, ...] = ()) -> Path:
        folder = self._directory / principal
        self._authority.issue_to(folder, principal, now=_present(), lifetime=DAY, hosts=hosts)
        return folder


@cache
def certificates() -> Certificates:
    """Those of this process."""
    directory = Path(tempfile.mkdtemp(prefix="cc-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Certificates(directory)


@dataclass(frozen=True, slots=True)
class PartyAccess(KafkaAccess):
    """A way to a cluster of the tests, from which everybody's follows."""

    def of(self, principal: str) -> PartyAccess:
        """The way of this party."""
        return PartyAccess(self.servers, certificates().of(principal))


class GuardedCluster(Cluster):
    """A cluster that knows its clients. Its address is the centre's way to it."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        super().__init__(directory, tls=certificates().broker, **settings)

    @property
    def bootstrap(self) -> PartyAccess:  # type: ignore[override]
        return PartyAccess(super().bootstrap, certificates().of(CENTRE))


def cluster_of(directory: Path, *, plain: bool = False, **settings: Any) -> Cluster:
    """A cluster that is not started yet."""
    return Cluster(directory, **settings) if plain else GuardedCluster(directory, **settings)


def existing_access() -> KafkaAddress | None:
    """The cluster that CONTRADA_KAFKA names, as whom CONTRADA_KAFKA_TLS says: everybody is that one there."""
    if (servers := existing()) is None:
        return None
    folder = os.environ.get(TLS_VARIABLE)
    return KafkaAccess(servers, TlsFiles.below(Path(folder))) if folder else servers


def as_party(address: KafkaAddress, principal: str) -> KafkaAddress:
    """The way of this party, where parties are known."""
    return address.of(principal) if isinstance(address, PartyAccess) else address


def as_unit(address: KafkaAddress, unit: str) -> KafkaAddress:
    """The way of a unit."""
    return as_party(address, topics.unit_principal(UnitId(unit)))


def lines_as(address: KafkaAddress, principal: str) -> dict[str, str]:
    """The lines of this party's settings."""
    return access_lines(as_party(address, principal))


def words_as(address: KafkaAddress, principal: str) -> tuple[str, ...]:
    """The words with which this party founds something."""
    files = tls_files(as_party(address, principal))
    guarded = ("--kafka-security", "plain") if files is None else ("--kafka-tls", str(files.ca.parent))
    return ("--kafka", str(address), *guarded)


def words_of_unit(address: KafkaAddress, unit: str) -> tuple[str, ...]:
    """The same of a unit."""
    return words_as(address, topics.unit_principal(UnitId(unit)))


def access_of(words: Sequence[str]) -> KafkaAddress:
    """What such words say."""
    said = dict(itertools.pairwise(words))
    files = said.get("--kafka-tls")
    return PartyAccess(said["--kafka"], TlsFiles.below(Path(files))) if files else said["--kafka"]


def shows_its_own(settings: Path, principal: str) -> None:
    """Exchange the centre's certificate, with which these settings were written, for the process's own."""
    text = settings.read_text(encoding="utf-8")
    if 'kafka_security = "tls"' in text:
        shown = (str(certificates().of(party).ca.parent) for party in (CENTRE, principal))
        settings.write_text(text.replace(*shown), encoding="utf-8")


async def grant(address: KafkaAddress, *units: str) -> None:
    """What is declared for all roles, and for these units; what others have stays as it is."""
    if tls_files(address) is None:
        return
    rights = topics.role_rights().union(*(topics.unit_rights(UnitId(unit)) for unit in units))
    quotas = {topics.unit_principal(UnitId(unit)): topics.UNIT_QUOTAS for unit in units}
    async with KafkaRights.at(address) as there:
        for principal in sorted({right.principal for right in rights}):
            own = {name: quota for name, quota in quotas.items() if name == principal}
            await there.apply(_of(principal, rights), own, of=principal)


async def forget_rights(address: KafkaAddress) -> None:
    """Take everybody's rights and quotas away."""
    if tls_files(address) is not None:
        async with KafkaRights.at(address) as there:
            await there.apply(frozenset(), {})


def _of(principal: str, rights: Iterable[Right]) -> frozenset[Right]:
    return frozenset(right for right in rights if right.principal == principal)


def _present() -> Millis:
    return Millis(time.time_ns() // 1_000_000)
