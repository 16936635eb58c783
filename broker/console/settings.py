"""The console's settings: console.toml, drop-ins beside it, the environment. Checked before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from runtime.kafka.security.kafka_settings import KafkaSettings
from runtime.process.settings import HomeSettings


class ConsoleSettings(KafkaSettings, HomeSettings):
    """What a console needs to know. `CONTRADA_CONSOLE_*` overrides the files. No secret is among it."""

    model_config = SettingsConfigDict(env_prefix="CONTRADA_CONSOLE_", extra="forbid", frozen=True)
    program: ClassVar[str] = "console"

    root: Path = Field(description="file with the pinned root of the directory")
    policy: Path | None = Field(
        default=None, description="the ledger's policy file; without it the ledger is not shown"
    )
    acts: Path | None = Field(
        default=None, description="the centre's folder of acts that wait for another registrar"
    )
    port: int = Field(default=9500, ge=1, le=65535, description="loopback port for browsers")
    http_port: int = Field(default=0, ge=0, le=65535, description="loopback port for monitoring; 0: none")
    hosts: str = Field(
        default="", max_length=1000, description="further names under which a proxy is reached, with commas"
    )
    routers: str = Field(
        default="", max_length=2000, description="where routers answer for their health, with commas"
    )
    ledgers: str = Field(
        default="", max_length=2000, description="where ledgers answer for their health, with commas"
    )
    look_ms: int = Field(default=5000, ge=1000, le=60_000, description="how long from one look to the next")
    nice: int = Field(default=10, ge=0, le=19, description="how far it stands back behind routers")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")


def words_of(text: str) -> tuple[str, ...]:
    """The words of a setting that has several, with commas between them."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
