"""Where Kafka is, and as whom one speaks to it. Light: read before any client is imported.

Owns what a process knows of its way to Kafka: addresses and the files of a certificate. What is done with
the files is runtime/kafka/security/tls.py. A bare text is a list of servers that are spoken to in plain:
without a certificate, and readable by everybody on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
        return {name: str(path.absolute()) for name, path in named.items()} | {"kafka_security": "tls"}


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Servers, and the files for mutual TLS; without files all is plain."""

    servers: str
    tls: TlsFiles | None = None

    def __str__(self) -> str:
        return self.servers


KafkaAddress = str | KafkaAccess


def tls_files(address: KafkaAddress) -> TlsFiles | None:
    """The files with which these servers are spoken to; None where it is plain."""
    return None if isinstance(address, str) else address.tls
