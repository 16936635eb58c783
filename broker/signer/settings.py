"""The signer's settings: signer.toml, drop-ins beside it, the environment. Checked before it starts."""

from __future__ import annotations

import pwd
from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from keys.unlock import Secret
from runtime.errors import Misconfigured
from runtime.process.secrets import find_secret
from runtime.process.settings import FileSettings


class SignerSettings(FileSettings):
    """What a signer needs to know. `CONTRADA_SIGNER_*` overrides the file."""

    model_config = SettingsConfigDict(env_prefix="CONTRADA_SIGNER_", extra="forbid", frozen=True)
    program: ClassVar[str] = "signer"

    key: Path = Field(description="file with the router's signing key")
    secret: Path | None = Field(default=None, description="file with what opens the key file")
    socket: Path = Field(description="the socket on which the router asks, with its whole path")
    user: str = Field(max_length=64, description="who may ask: the router's user, by name or number")
    router: str | None = Field(
        default=None,
        max_length=64,
        description="the name in the router's batches; without it that of its key",
    )
    count: Path = Field(description="file to which the number of signatures is added")
    per_second: int = Field(default=200, ge=20, le=10_000, description="requests in a second, at the most")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")


def signer_secret(settings: SignerSettings) -> Secret:
    """What opens the key, or `Misconfigured`."""
    found = find_secret("signer.secret", secret=settings.secret)
    if found is None:
        raise Misconfigured(
            "nothing opens the key file", hint="set 'secret', or run under systemd with LoadCredential"
        )
    return found


def user_number(settings: SignerSettings) -> int:
    """The number of the user who may ask."""
    if settings.user.isdecimal():
        return int(settings.user)
    try:
        return pwd.getpwnam(settings.user).pw_uid
    except KeyError:
        raise Misconfigured(
            "signer setting 'user': this machine has no such user", hint="name the one that runs the router"
        ) from None
