"""What is to seal new keys, as options: a file with 32 bytes, one with words, or a token."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from runtime.cli.input_files import PathName


@dataclass(frozen=True, slots=True)
class SealedBy:
    """What is to seal new keys, as it was typed: one of them, or nothing."""

    secret: Path | None
    passphrase: Path | None
    token: str | None


token_option = click.option(
    "--token",
    metavar="URI",
    help="Or a token that seals them: pkcs11:token=LABEL?module-path=LIBRARY.",
)
_secret = click.option(
    "--secret", type=PathName(path_type=Path), metavar="FILE", help="32 bytes that seal the keys."
)
_passphrase = click.option(
    "--passphrase", type=PathName(path_type=Path), metavar="FILE", help="Or a file with words."
)


def sealed_by_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--secret, --passphrase and --token, of which one is said; the function takes them as `seals`."""

    def taking(
        *rest: Any, secret: Path | None, passphrase: Path | None, token: str | None, **named: Any
    ) -> Any:
        if sum(each is not None for each in (secret, passphrase, token)) > 1:
            raise click.UsageError("say one of --secret, --passphrase and --token")
        return function(*rest, seals=SealedBy(secret, passphrase, token), **named)

    taking.__name__, taking.__doc__ = function.__name__, function.__doc__
    taking.__dict__.update({name: value for name, value in vars(function).items() if name != "__wrapped__"})
    own = inspect.signature(function).parameters
    typed = [each for each in inspect.signature(taking).parameters.values() if each.kind is each.KEYWORD_ONLY]
    kept = [each for name, each in own.items() if name != "seals"]
    taking.__signature__ = inspect.Signature([*kept, *typed])  # type: ignore[attr-defined]
    return _secret(_passphrase(token_option(taking)))
