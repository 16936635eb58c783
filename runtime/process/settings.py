"""Loading the settings of a process: its TOML file, drop-ins beside it, the environment.

Owns the sources, their order, and the error for a wrong one; each program's own settings are in its
settings.py. Rule: an error names settings and places, and never a value, not even behind it (`__context__`):
an address may hold a password.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Final, Self, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, TomlConfigSettingsSource

from runtime.bounded import read_bounded
from runtime.environment import unknown_variables, variables_of
from runtime.errors import HomeError, Misconfigured, ProcessError, TooLarge
from runtime.process.settings_text import MAX_SETTINGS

Fault = tuple[str, str]
"""Which setting, and what is wrong with it."""


class FileSettings(BaseSettings):
    """Settings of a program of the centre, whose file is named with --config or lies in the centre's home.

    `model_config` names the prefix of the environment. What is wrong is `Misconfigured`.
    """

    program: ClassVar[str]

    fault: ClassVar[type[ProcessError]] = Misconfigured

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

        cls._check_environment()

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
                (".".join(map(str, fault["loc"])), _words(fault, cls.model_fields))
                for fault in error.errors(include_input=False)
            ]
        # Raised outside the handler, without a context: a ValidationError behind it would carry the values.
        raise cls._wrong(file, faults)

    @classmethod
    def _check_environment(cls) -> None:
        # pydantic passes over variables of no field, although it refuses such lines of a file.
        prefix = variables_of(cls.program)
        known = [prefix + name.upper() for name in cls.model_fields]
        found = unknown_variables(os.environ, known, prefix=prefix)
        if found:
            meant = " or ".join(dict.fromkeys(near for near in found.values() if near))
            raise cls.fault(
                f"{', '.join(sorted(found))} in the environment: the {cls.program} has no such setting",
                hint=f"did you mean {meant}?" if meant else f"unset it, or use one of {', '.join(known)}",
            )

    @classmethod
    def _wrong(cls, file: Path | None, faults: list[Fault]) -> ProcessError:
        return Misconfigured(
            "; ".join(f"{cls.program} setting '{name}': {what}" for name, what in faults),
            hint=f"correct {file}, its conf.d or {cls.model_config['env_prefix']}*"
            if file is not None
            else f"name its file with --config, or set {cls.model_config['env_prefix']}*",
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

    fault = HomeError
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


_WORDS: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "missing": lambda _: "is missing",
    "int_parsing": lambda _: "must be a whole number",
    "int_type": lambda _: "must be a whole number",
    "int_from_float": lambda _: "must be a whole number",
    "string_type": lambda _: "must be text in quotes",
    "path_type": lambda _: "must be a path in quotes",
    "greater_than_equal": lambda known: f"must be {known['ge']} or more",
    "less_than_equal": lambda known: f"must be {known['le']} or less",
    "string_too_short": lambda known: f"must have {known['min_length']} characters or more",
    "string_too_long": lambda known: f"must have {known['max_length']} characters or fewer",
    "string_pattern_mismatch": lambda known: f"must be one of {_choices(known['pattern'])}",
    "value_error": lambda known: f"must be {known['error']}",
}
"""Our own words for every complaint that a setting can give rise to; none of them has the value."""


def _choices(pattern: str) -> str:
    return ", ".join(re.findall(r"[a-z]+", pattern))


def _words(fault: ErrorDetails, known: Collection[str]) -> str:
    if fault["type"] == "extra_forbidden":
        near = get_close_matches(str(fault["loc"][-1]), known, n=1)
        return "is no setting; " + (f"did you mean {near[0]!r}?" if near else f"they are: {', '.join(known)}")
    words = _WORDS.get(fault["type"])
    return fault["msg"].lower() if words is None else words(fault.get("ctx", {}))


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
