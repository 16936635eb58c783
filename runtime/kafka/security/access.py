"""Where Kafka is, and as whom one speaks to it. Light: read before any client is imported.

Owns what a process knows of its way to Kafka: addresses, the files of a certificate, and what was said of a
way without them. What is done with the files is runtime/kafka/security/tls.py. A bare text is a list of
servers that are spoken to in plain: without a certificate, and readable by everybody on the way.

Rules: mutual TLS is the normal way. Plain is for this machine alone, and written; beyond it another word
says that something else guards the way. Silence is plain for homes of the release before, and told.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from runtime.errors import Misconfigured
from runtime.kafka.addresses import on_loopback

TLS: Final = "tls"

BOTH_WAYS: Final = (
    'write kafka_security = "tls" with kafka_ca, kafka_certificate and kafka_key, '
    'or kafka_security = "plain" for a Kafka on this machine'
)
"""What to do about a file that says nothing."""

TYPED_WAYS: Final = (
    "say --kafka-tls DIR with a party's certificate, --kafka-security plain for a Kafka on this machine, "
    "or --kafka-security tunnel"
)


class Unguarded(StrEnum):
    """How one speaks to Kafka without a certificate."""

    PLAIN = "plain"
    """On this machine."""

    TUNNEL = "tunnel"
    """To others, through what encrypts and knows who connects: a mesh, or WireGuard."""

    UNSAID = "unsaid"
    """As the release before did, which had no word for it."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A party's files: whom it believes, its own certificate, and the key of that."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def below(cls, directory: Path) -> TlsFiles:
        """Those of a directory, by the names that `contrada centre certificate` gives them."""
        from keys.wire.names import CA_FILE, CERTIFICATE_FILE, KEY_FILE  # noqa: PLC0415 - only where it is asked

        return cls(directory / CA_FILE, directory / CERTIFICATE_FILE, directory / KEY_FILE)

    def settings(self) -> dict[str, str]:
        """The lines of a settings file that name them."""
        named = {"kafka_ca": self.ca, "kafka_certificate": self.certificate, "kafka_key": self.key}
        return {name: str(path.absolute()) for name, path in named.items()} | {"kafka_security": TLS}


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Servers, and the files for mutual TLS; without files all is plain."""

    servers: str
    tls: TlsFiles | None = None
    unguarded: Unguarded = Unguarded.PLAIN
    """What was said of a way without files."""

    def __str__(self) -> str:
        return self.servers


KafkaAddress = str | KafkaAccess


@dataclass(frozen=True, slots=True)
class KafkaTyped:
    """What a command line says of the way to Kafka. Each part goes before what a home says."""

    servers: str | None = None
    tls: TlsFiles | None = None
    unguarded: Unguarded | None = None

    def over(self, home: KafkaAccess) -> KafkaAccess:
        """The way that both together say; `Misconfigured` where it may not be gone in plain."""
        servers = self.servers or home.servers
        if self.tls is not None:
            return KafkaAccess(servers, self.tls)
        if self.unguarded is not None:
            return allowed_way(KafkaAccess(servers, None, self.unguarded))
        return allowed_way(KafkaAccess(servers, home.tls, home.unguarded))


def allowed_way(address: KafkaAccess) -> KafkaAccess:
    """The same, if it may be gone."""
    word = unguarded_by(address)
    fault = None if word is None else unguarded_fault(address.servers, word)
    if fault is None:
        return address
    raise Misconfigured(f"Kafka at {address.servers}: the way must be {fault}", hint=TYPED_WAYS)


def access_lines(address: KafkaAddress) -> dict[str, str]:
    """The lines of a settings file that say the same; `Misconfigured` where a plain way was not said."""
    files, word = tls_files(address), unguarded_by(address)
    if files is not None:
        return {"kafka": str(address)} | files.settings()
    if word is None or word is Unguarded.UNSAID:
        raise Misconfigured(
            "nothing says how Kafka is to be spoken to, and a new home says it", hint=TYPED_WAYS
        )
    return {"kafka": str(address), "kafka_security": word.value}


def tls_files(address: KafkaAddress) -> TlsFiles | None:
    """The files with which these servers are spoken to; None where it is plain."""
    return None if isinstance(address, str) else address.tls


def unguarded_by(address: KafkaAddress) -> Unguarded | None:
    """What was said of the way without a certificate; None where there is one."""
    if isinstance(address, str):
        return Unguarded.PLAIN
    return None if address.tls is not None else address.unguarded


def unguarded_fault(servers: str, word: Unguarded) -> str | None:
    """What is wrong with speaking to these servers in plain; None where nothing is."""
    if word is Unguarded.PLAIN and not on_loopback(servers):
        return "tls beyond this machine, or tunnel where something else encrypts and knows who connects"
    return None


def unguarded_hint(address: KafkaAddress) -> str | None:
    """What is to be said of this way wherever it is looked at; None where nothing is."""
    match unguarded_by(address):
        case None:
            return None
        case Unguarded.UNSAID:
            return f"Kafka is spoken to in plain, and the settings do not say so: {BOTH_WAYS}"
        case Unguarded.TUNNEL:
            return "Kafka is spoken to in plain, through a tunnel: whoever is inside it reads and writes"
        case Unguarded.PLAIN:
            return "Kafka is spoken to in plain: whoever reaches it reads and writes"
