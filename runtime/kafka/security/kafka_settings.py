"""The settings of the way to Kafka, which all programs that speak to it have in common.

Owns their names and what must come together. Loading is runtime/process/settings.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

from runtime.kafka.addresses import SERVERS_WORDS, servers_fault
from runtime.kafka.security.access import (
    TLS,
    KafkaAccess,
    KafkaTyped,
    TlsFiles,
    Unguarded,
    unguarded_fault,
)

_FILES: Final = ("kafka_ca", "kafka_certificate", "kafka_key")


def _servers(text: str) -> str:
    fault = servers_fault(text)
    if fault is not None:
        # Without the address: it is a setting's value.
        raise ValueError(SERVERS_WORDS)
    return text


class KafkaSettings(BaseModel):
    """Where Kafka is, and the files with which one shows who one is."""

    kafka: Annotated[str, AfterValidator(_servers)] = Field(
        description="bootstrap servers, host:port,host:port"
    )
    kafka_ca: Path | None = Field(default=None, description="PEM file of those whose certificates count")
    kafka_certificate: Path | None = Field(default=None, description="PEM file with the own certificate")
    kafka_key: Path | None = Field(default=None, description="PEM file with its key")
    kafka_security: str | None = Field(
        default=None,
        pattern="^(tls|plain|tunnel)$",
        description="how one speaks to Kafka",
        validate_default=True,
    )

    @field_validator("kafka_security")
    @classmethod
    def _has_its_files(cls, value: str | None, info: ValidationInfo) -> str | None:
        files = [info.data.get(name) for name in _FILES]
        if value == TLS and not all(files):
            raise ValueError("plain where kafka_ca, kafka_certificate and kafka_key are not all set")
        # Whoever names files and forgets this line would speak in plain and believe otherwise.
        if value != TLS and any(files):
            raise ValueError("tls where kafka_ca, kafka_certificate or kafka_key is set")
        return value

    @field_validator("kafka_security")
    @classmethod
    def _stays_here_in_plain(cls, value: str | None, info: ValidationInfo) -> str | None:
        servers = info.data.get("kafka")  # None: it is wrong itself, and told
        if servers is not None and value in {Unguarded.PLAIN, Unguarded.TUNNEL}:
            fault = unguarded_fault(servers, Unguarded(value))
            if fault is not None:
                raise ValueError(fault)
        return value

    def as_typed(self, typed: KafkaTyped) -> Self:
        """The same, with what a command line says of the way in the place of what stands here."""
        typed.over(self.access())
        changed: dict[str, str | None] = {} if typed.servers is None else {"kafka": typed.servers}
        if typed.tls is not None:
            changed |= typed.tls.settings()
        elif typed.unguarded is not None:
            changed |= dict.fromkeys(_FILES) | {"kafka_security": typed.unguarded.value}
        return self.model_copy(update=changed)

    def access(self, beside: Path = Path()) -> KafkaAccess:
        """The way to Kafka; relative paths begin at `beside`."""
        if self.kafka_ca is None or self.kafka_certificate is None or self.kafka_key is None:
            # Silence was plain in the release before; such a home goes on, and says so wherever one looks.
            word = self.kafka_security
            return KafkaAccess(self.kafka, None, Unguarded.UNSAID if word is None else Unguarded(word))
        files = TlsFiles(beside / self.kafka_ca, beside / self.kafka_certificate, beside / self.kafka_key)
        return KafkaAccess(self.kafka, files)
