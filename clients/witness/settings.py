"""The witness's settings: witness.toml, drop-ins beside it, the environment. Checked before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from clients.daemon.settings import UnitSettings, unit_credential_to_come, unit_secret
from clients.witness.home import WitnessHome
from keys.unlock import Secret
from runtime.default_ports import WITNESS_ASKED
from runtime.errors import HomeError
from runtime.process.homes import UnitHome
from runtime.process.secrets import below, credential_to_come, find_secret
from runtime.process.settings import HomeSettings


class WitnessSettings(HomeSettings):
    """What a witness needs to know. `CONTRADA_WITNESS_*` overrides the files."""

    model_config = SettingsConfigDict(env_prefix="CONTRADA_WITNESS_", extra="forbid", frozen=True)
    program: ClassVar[str] = "witness"

    name: str = Field(
        min_length=1, max_length=128, description="the name in its cosignatures, such as fr.example/witness"
    )
    port: int = Field(
        default=WITNESS_ASKED, ge=1, le=65535, description="loopback port where logs ask for cosignatures"
    )
    http_port: int = Field(default=0, ge=0, le=65535, description="loopback port for monitoring; 0: none")
    mirror: str | None = Field(
        default=None,
        description="where the logs' tiles are, a directory or a URL; keeps a copy of every tree",
    )
    secret: Path | None = Field(default=None, description="file with the 32 bytes that open the key")
    passphrase: Path | None = Field(default=None, description="file with the passphrase that opens the key")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")


CREDENTIAL = "witness.secret"


def witness_secret(settings: WitnessSettings, home: WitnessHome) -> Secret:
    """What opens the key, or `HomeError`: its own secret, or else what opens the unit's own keys."""
    found = find_secret(CREDENTIAL, **_places(settings, home))
    if found is not None:
        return found
    if home.unit is not None:
        return unit_secret(*_unit(home.unit))
    raise HomeError(
        "nothing opens the witness's key",
        hint="set 'secret' or 'passphrase' in witness.toml, or use systemd's LoadCredential=witness.secret",
    )


def witness_credential_to_come(settings: WitnessSettings, home: WitnessHome) -> str | None:
    """What to say of a key that only the service manager can open, where this is not its service."""
    later = credential_to_come(CREDENTIAL, **_places(settings, home))
    return later if later is None or home.unit is None else unit_credential_to_come(*_unit(home.unit))


def _unit(path: Path) -> tuple[UnitSettings, UnitHome]:
    unit = UnitHome(path)
    return UnitSettings.load(unit.settings), unit


def _places(settings: WitnessSettings, home: WitnessHome) -> dict[str, Path | None]:
    return {
        "secret": below(home.path, settings.secret),
        "passphrase": below(home.path, settings.passphrase),
        "beside": home.secret,
    }
