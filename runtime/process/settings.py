"""Loading the settings of a process: its TOML file, drop-ins beside it, the environment.

Owns the sources, their order, and the error for a wrong one; each program's own settings are in its
settings.py. Rule: an error names settings and places, and never a value, not even behind it (`__context__`):
an address may hold a password.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import ClassVar, Self, cast

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, TomlConfigSettingsSource

from runtime.bounded import read_bounded
from runtime.errors import HomeError, Misconfigured, ProcessError, TooLarge
from runtime.process.settings_text import MAX_SETTINGS

Fault = tuple[str, str]
"""Which setting, and what is wrong with it."""


class FileSettings(BaseSettings):
    """Settings of a program of the centre, whose file is named with --config or lies in the centre's home.

    `model_config` names the prefix of the environment. What is wrong is `Misconfigured`.
    """

    program: ClassVar[str]

    needs_file: ClassVar[bool] = True
    """Whether a file that is named has to be there."""

    @classmethod
    def load(cls, file: Path | None) -> Self:
        """The settings with `file` and `file`'s `conf.d/*.toml` under the environment."""
        files = [] if file is None else [file, *sorted((file.parent / "conf.d").glob("*.toml"))]
        for each in files:
            problem = _unreadable(each, missing_ok=not cls.needs_file)
            if problem is not None:
                raise cls._unreadable(each, problem)

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
            faults = [
                (".".join(map(str, fault["loc"])), fault["msg"].lower())
                for fault in error.errors(include_input=False)
            ]
        # Raised outside the handler, without a context: a ValidationError behind it would carry the values.
        raise cls._wrong(file, faults)

    @classmethod
    def _wrong(cls, file: Path | None, faults: list[Fault]) -> ProcessError:  # noqa: ARG003 - for homes
        return Misconfigured(
            "; ".join(f"{cls.program} setting '{name}': {what}" for name, what in faults),
            hint=f"correct --config, its conf.d or {cls.model_config['env_prefix']}*",
        )

    @classmethod
    def _unreadable(cls, file: Path, problem: str) -> ProcessError:
        return Misconfigured(
            f"{file} {problem}", hint="correct --config or that line, or let this user read it"
        )


class HomeSettings(FileSettings):
    """Settings of a program that lives in a home. What is wrong is `HomeError`.

    The file may be missing: a home without one is refused where the home is opened, with a better hint.
    """

    needs_file = False

    @classmethod
    def _wrong(cls, file: Path | None, faults: list[Fault]) -> ProcessError:
        return HomeError(
            f"{file}: {'; '.join(f'{name}: {what}' for name, what in faults)}",
            hint=f"correct it, or its conf.d or {cls.model_config['env_prefix']}*",
        )

    @classmethod
    def _unreadable(cls, file: Path, problem: str) -> ProcessError:
        return HomeError(f"{file} {problem}", hint="correct that line, or let this user read it")


def _unreadable(file: Path, *, missing_ok: bool) -> str | None:
    """Why the file cannot be read: pydantic's source passes over one that is not there, and names no file."""
    try:
        tomllib.loads(read_bounded(file, MAX_SETTINGS, what="a settings file").decode())
    except FileNotFoundError as error:
        return None if missing_ok else f"cannot be read ({error.strerror})"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except TooLarge as error:
        return f"is no settings file: {error}"
    except ValueError as error:
        # TOML's complaints name a place and at most one character, not the line.
        return f"is not TOML: {error}"
    return None
