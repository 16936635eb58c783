"""The ledger's settings. Paths that are not set are below `directory`, as an auditor copies it.

<directory>/records.sqlite       the lock row of each log, and the records
<directory>/audit/, directory/   tiles and checkpoints
<directory>/policy               the logs' keys, the witnesses, and how many of them it takes
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from keys.unlock import Secret
from runtime.errors import Misconfigured
from runtime.kafka.security.kafka_settings import KafkaSettings
from runtime.process.secrets import find_secret
from runtime.process.settings import FileSettings


class LedgerSettings(KafkaSettings, FileSettings):
    """What a ledger needs to know. `CONTRADA_LEDGER_*` overrides the file."""

    model_config = SettingsConfigDict(env_prefix="CONTRADA_LEDGER_", extra="forbid", frozen=True)
    program: ClassVar[str] = "ledger"

    origin: str = Field(max_length=200, description="what all logs' names begin with, contrada.example")
    directory: Path = Field(description="where the ledger lives, and what an auditor copies")
    root: Path = Field(description="file with the pinned root of the directory")
    key: str = Field(description="URI of the ledger's identity, which signs what it states")
    note_key: Path = Field(description="file with the key that signs checkpoints")
    secret: Path | None = Field(default=None, description="file with the 32-byte key that opens both keys")
    verified: Path | None = Field(
        default=None,
        description="file that says which statements were verified before; without it all are at each start",
    )
    records: str | None = Field(default=None, description="database of the records, as a URL")
    store: str | None = Field(
        default=None, description="where tiles and checkpoints go: a directory or s3://"
    )
    http_port: int = Field(
        default=0, ge=0, le=65535, description="loopback port for tiles, health and metrics; 0: none"
    )
    batch_ms: int = Field(default=200, ge=0, le=5000, description="how long a record waits for others")
    batch_entries: int = Field(default=750, ge=1, le=10_000, description="so many entries wait no longer")
    witness_ms: int = Field(default=2000, ge=100, le=60_000, description="how long a witness may take")
    nice: int = Field(
        default=5, ge=0, le=19, description="how far it stands back behind routers on the same machine"
    )
    renew_key: bool = Field(default=True, description="whether the key names its successor by itself")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @property
    def records_url(self) -> str:
        """The database."""
        return self.records or f"sqlite:///{self.directory.absolute() / 'records.sqlite'}"

    @field_validator("key")
    @classmethod
    def _is_here(cls, value: str) -> str:
        if value.startswith("signer:"):
            raise ValueError("a file: URI, since a signer signs for routers alone")
        return value

    @property
    def store_url(self) -> str:
        """The tile store."""
        return self.store or str(self.directory.absolute())

    @property
    def policy(self) -> Path:
        """The logs and witnesses that are trusted."""
        return self.directory / "policy"


def own_secret(path: Path | None) -> Secret:
    """What opens the ledger's keys, or `Misconfigured`; `path` is as set."""
    found = find_secret("ledger.secret", secret=path)
    if found is None:
        raise Misconfigured(
            "nothing opens the key files", hint="set 'secret', or run under systemd with LoadCredential"
        )
    return found
