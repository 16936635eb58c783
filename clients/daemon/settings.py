"""The daemon's settings: unit.toml, drop-ins beside it, the environment. Checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from keys.unlock import Secret
from protocol.errors import Rejected
from protocol.identifiers import UnitId, parse_unit_id
from runtime.errors import HomeError
from runtime.kafka.security.kafka_settings import KafkaSettings
from runtime.process.homes import UnitHome
from runtime.process.secrets import below, credential_to_come, find_secret
from runtime.process.settings import HomeSettings


class UnitSettings(KafkaSettings, HomeSettings):
    """What a unit's daemon needs to know. `CONTRADA_UNIT_*` overrides the files."""

    model_config = SettingsConfigDict(env_prefix="CONTRADA_UNIT_", extra="forbid", frozen=True)
    program: ClassVar[str] = "unit"

    unit: UnitId = Field(description="the unit's id, such as fr")
    http_port: int = Field(default=0, ge=0, le=65535, description="loopback port for monitoring; 0: none")
    secret: Path | None = Field(default=None, description="file with the 32 bytes that open the keys")
    passphrase: Path | None = Field(default=None, description="file with the passphrase that opens the keys")
    renew_key: bool = Field(default=True, description="whether the identity names its successor by itself")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @field_validator("unit")
    @classmethod
    def _is_a_unit(cls, value: str) -> UnitId:
        try:
            return parse_unit_id(value)
        except Rejected as rejected:
            raise ValueError(rejected.hint) from None


CREDENTIAL = "unit.secret"


def unit_secret(settings: UnitSettings, home: UnitHome) -> Secret:
    """What opens the unit's keys, or `HomeError`."""
    found = find_secret(CREDENTIAL, **_places(settings, home))
    if found is None:
        raise HomeError(
            "nothing opens the unit's keys",
            hint="set 'secret' or 'passphrase' in unit.toml, or use systemd's LoadCredential=unit.secret",
        )
    return found


def unit_credential_to_come(settings: UnitSettings, home: UnitHome) -> str | None:
    """What to say of keys that only the service manager can open, where this is not its service."""
    return credential_to_come(CREDENTIAL, **_places(settings, home))


def _places(settings: UnitSettings, home: UnitHome) -> dict[str, Path | None]:
    return {
        "secret": below(home.path, settings.secret),
        "passphrase": below(home.path, settings.passphrase),
        "beside": home.secret,
    }
