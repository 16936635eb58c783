"""Settings of the centre's processes: a TOML file, drop-ins beside it, the environment.

Checked before anything starts; the ledger's own are in broker/ledger/settings.py.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import ClassVar, Self, cast

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from keys.store import read_credential
from keys.unlock import Secret
from runtime.errors import Misconfigured


class FileSettings(BaseSettings):
    """Settings of one program, which `model_config` names by its prefix of the environment."""

    program: ClassVar[str] = "router"

    @classmethod
    def load(cls, file: Path | None) -> Self:
        """The settings with `file` and `file`'s `conf.d/*.toml` under the environment, or `Misconfigured`."""
        files = [] if file is None else [file, *sorted((file.parent / "conf.d").glob("*.toml"))]
        for each in files:
            _check_readable(each)

        class FromFiles(cls):  # type: ignore[misc, valid-type]
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
                file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                toml = TomlConfigSettingsSource(settings_cls, toml_file=files, deep_merge=True)
                return init_settings, env_settings, toml

        try:
            return cast(Self, FromFiles())
        except ValidationError as error:
            raise _every_problem(error, cls.program) from None


class RouterSettings(FileSettings):
    """What a router needs to know. `CONTRADA_ROUTER_*` overrides the file."""

    model_config = SettingsConfigDict(env_prefix="CONTRADA_ROUTER_", extra="forbid", frozen=True)

    kafka: str = Field(description="bootstrap servers, host:port,host:port")
    name: str = Field(default="router", max_length=64, description="stands in every signed batch")
    root: Path = Field(description="file with the pinned root of the directory")
    key: str = Field(description="URI of the signing key, such as file:/etc/contrada/router.key")
    secret: Path | None = Field(default=None, description="file with the 32-byte key that opens the key file")
    ledger_policy: Path | None = Field(
        default=None, description="the ledger's policy file; without it heads of the ledger are not compared"
    )
    http_port: int = Field(
        default=0, ge=0, le=65535, description="loopback port for health and metrics; 0: none"
    )
    spacing_ms: int = Field(
        default=5, ge=0, le=1000, description="least time between two transactions of one partition"
    )
    fetch_wait_ms: int = Field(
        default=500, ge=1, le=5000, description="how long Kafka may hold an empty fetch"
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")


def _every_problem(error: ValidationError, program: str) -> Misconfigured:
    # The values stay out of it: an address may hold a password.
    problems = [
        f"{program} setting '{'.'.join(map(str, problem['loc']))}': {problem['msg'].lower()}"
        for problem in error.errors(include_input=False)
    ]
    return Misconfigured(
        "; ".join(problems), hint=f"correct --config, its conf.d or CONTRADA_{program.upper()}_*"
    )


def find_secret(path: Path | None, *, program: str, what: str) -> Secret:
    """What opens a process's keys: as set, or from the service manager. Raises `Misconfigured`."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    candidate = path or (Path(credentials) / f"{program}.secret" if credentials else None)
    if candidate is None:
        raise Misconfigured(
            f"nothing opens the {what}", hint="set 'secret', or run under systemd with LoadCredential"
        )
    return read_credential(candidate)


def _check_readable(file: Path) -> None:
    # The source below passes over a file that is not there, and fails on a broken one without its name.
    try:
        with file.open("rb") as opened:
            tomllib.load(opened)
    except OSError as error:
        raise Misconfigured(
            f"{file} cannot be read ({error.strerror})", hint="correct --config, or let this user read it"
        ) from error
    except ValueError as error:
        raise Misconfigured(f"{file} is not TOML: {error}", hint="correct that line") from error
