"""Settings of the program that lives in a home: its TOML file, drop-ins beside it, the environment.

Owns where they come from and what a wrong one ends in; each program's own settings are in its settings.py.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Self, cast

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, TomlConfigSettingsSource

from runtime.errors import HomeError


class HomeSettings(BaseSettings):
    """Settings of one program, which `model_config` names by its prefix of the environment."""

    @classmethod
    def load(cls, file: Path) -> Self:
        """The settings with `file` and its `conf.d/*.toml` under the environment, or `HomeError`."""
        files = [file, *sorted((file.parent / "conf.d").glob("*.toml"))]
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
            # The values stay out of it: an address may hold a password.
            faults = [
                f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}"
                for e in error.errors(include_input=False)
            ]
        # Out here it has no context: a ValidationError behind it would bring the values along after all.
        raise HomeError(
            f"{file}: {'; '.join(faults)}",
            hint=f"correct it, or its conf.d or {cls.model_config['env_prefix']}*",
        )


def _check_readable(file: Path) -> None:
    # The source above passes over a file that is not there, and fails on a broken one without its name.
    try:
        with file.open("rb") as opened:
            tomllib.load(opened)
    except FileNotFoundError:
        return
    except OSError as error:
        raise HomeError(f"{file} cannot be read ({error.strerror})", hint="let this user read it") from None
    except ValueError as error:
        # TOML's complaints name a place and at most one character, not the line.
        raise HomeError(f"{file} is not TOML: {error}", hint="correct that line") from None
