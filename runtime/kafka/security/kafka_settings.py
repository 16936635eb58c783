"""The settings of the way to Kafka, which all programs that speak to it have in common.

Owns their names and what must come together. Loading is runtime/process/settings.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

from runtime.kafka.addresses import SERVERS_WORDS, servers_fault
from runtime.kafka.security.access import KafkaAccess, TlsFiles


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
    kafka_security: str = Field(
        default="plain", pattern="^(plain|tls)$", description="how one speaks to Kafka", validate_default=True
    )

    @field_validator("kafka_security")
    @classmethod
    def _has_its_files(cls, value: str, info: ValidationInfo) -> str:
        files = [info.data.get(name) for name in ("kafka_ca", "kafka_certificate", "kafka_key")]
        if value == "tls" and not all(files):
            raise ValueError("plain where kafka_ca, kafka_certificate and kafka_key are not all set")
        # Whoever names files and forgets this line would speak in plain and believe otherwise.
        if value == "plain" and any(files):
            raise ValueError("tls where kafka_ca, kafka_certificate or kafka_key is set")
        return value

    def access(self, beside: Path = Path()) -> KafkaAccess:
        """The way to Kafka; relative paths begin at `beside`."""
        if self.kafka_ca is None or self.kafka_certificate is None or self.kafka_key is None:
            return KafkaAccess(self.kafka)
        files = TlsFiles(beside / self.kafka_ca, beside / self.kafka_certificate, beside / self.kafka_key)
        return KafkaAccess(self.kafka, files)
