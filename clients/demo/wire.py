"""The certificates of the demo's parties: an authority of its own, and a directory for each.

    tls/ca/, tls/broker/, tls/centre/, tls/router/, tls/ledger/, tls/unit-fr/ ...

Owns where they lie. They count for as long as those of an exchange in earnest, and are new at each start.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from clients.demo.errors import DemoError
from keys.store import read_credential, write_private
from keys.unlock import CREDENTIAL_SIZE
from keys.wire.certificate_files import AUTHORITY_SECRET, Authority
from keys.wire.certificates import LEAF_LIFETIME
from protocol import topics
from runtime.process.clock import now

HOSTS: Final = ("127.0.0.1", "localhost")
BROKER: Final = "broker"
PROCESSES: Final = ("centre", "router", "ledger", "console")
SAID: Final = frozenset({"CONTRADA_KAFKA_TLS", "CONTRADA_KAFKA_SECURITY"})
"""What says in the environment how a Kafka of somebody else's is spoken to."""


def makes_its_own(*, guarded: bool) -> bool:
    """Whether the demo makes certificates: for a Kafka of its own; to another one it goes as was said."""
    if "CONTRADA_KAFKA" not in os.environ:
        return guarded
    if guarded and not SAID & os.environ.keys():
        raise DemoError(
            "CONTRADA_KAFKA names a Kafka for which the demo has no certificate",
            hint="say --plain for a plain one on this machine, or name a certificate with CONTRADA_KAFKA_TLS",
        )
    return False


def found_authority(place: Path) -> None:
    """An authority in an empty place."""
    authority = place / "ca"
    authority.mkdir(mode=0o700, parents=True)
    write_private(authority / AUTHORITY_SECRET, os.urandom(CREDENTIAL_SIZE), entropy=os.urandom)
    Authority.make(authority, secret=read_credential(authority / AUTHORITY_SECRET), now=now())


def issue_all(place: Path, units: Iterable[str]) -> None:
    """A new certificate for everybody."""
    authority = Authority.load(place / "ca", secret=read_credential(place / "ca" / AUTHORITY_SECRET))
    authority.issue_to(place / BROKER, BROKER, now=now(), lifetime=LEAF_LIFETIME, hosts=HOSTS)
    for party in (*PROCESSES, *(topics.UNIT_PREFIX + unit for unit in units)):
        authority.issue_to(place / party, party, now=now(), lifetime=LEAF_LIFETIME)
