"""The router's settings: router.toml, drop-ins beside it, the environment. Checked before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from keys.unlock import Secret
from runtime.errors import Misconfigured
from runtime.kafka.security.kafka_settings import KafkaSettings
from runtime.process.secrets import find_secret
from runtime.process.settings import FileSettings


class RouterSettings(KafkaSettings, FileSettings):
    """What a router needs to know. `CONTRADA_ROUTER_*` overrides the file."""

    model_config = SettingsConfigDict(env_prefix="CONTRADA_ROUTER_", extra="forbid", frozen=True)
    program: ClassVar[str] = "router"

    name: str = Field(default="router", max_length=64, description="stands in every signed batch")
    root: Path = Field(description="file with the pinned root of the directory")
    key: str = Field(description="URI of the signing key, such as file:/etc/contrada/router.key")
    secret: Path | None = Field(default=None, description="file with the 32-byte key that opens the key file")
    verified: Path | None = Field(
        default=None,
        description="file that says which statements were verified before; without it all are at each start",
    )
    ledger_policy: Path | None = Field(
        default=None, description="the ledger's policy file; without it heads of the ledger are not compared"
    )
    http_port: int = Field(
        default=0, ge=0, le=65535, description="loopback port for health and metrics; 0: none"
    )
    spacing_ms: int = Field(
        default=20, ge=0, le=1000, description="longest time in which messages gather for one transaction"
    )
    fetch_wait_ms: int = Field(
        default=500, ge=1, le=5000, description="how long Kafka may hold an empty fetch"
    )
    renew_key: bool = Field(default=True, description="whether the key names its successor by itself")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")


def router_secret(settings: RouterSettings) -> Secret:
    """What opens the router's key, or `Misconfigured`."""
    found = find_secret("router.secret", secret=settings.secret)
    if found is None:
        raise Misconfigured(
            "nothing opens the key file", hint="set 'secret', or run under systemd with LoadCredential"
        )
    return found
