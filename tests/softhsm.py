"""A token in software, SoftHSM2, for tests: real PKCS#11, and no hardware. Debian has it in the package `softhsm2`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keys.token import library, session
from keys.token.named import open_token
from keys.token.token_secret import TokenSecret
from keys.token.uri import parse_token_uri

MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/softhsm/libsofthsm2.so"),
    Path("/usr/local/lib/softhsm/libsofthsm2.so"),
)
PIN = "4711-kastanie"


class SoftToken:
    """Tokens of one directory, seen by this process and by those that are given `environment`."""

    def __init__(self, directory: Path) -> None:
        module = next((path for path in MODULES if path.exists()), None)
        if module is None or shutil.which("softhsm2-util") is None:
            pytest.skip("SoftHSM2 is not installed; Debian has it in the package 'softhsm2'")
        self.module = module
        self.directory = directory / "tokens"
        self.directory.mkdir(mode=0o700, parents=True)
        self.config = directory / "softhsm2.conf"
        self.config.write_text(f"directories.tokendir = {self.directory}\nlog.level = ERROR\n")
        self.pin = directory / "pin"
        self.give_pin(PIN)
        self.environment = {"SOFTHSM2_CONF": str(self.config)}
        self.add("contrada")

    def add(self, label: str) -> None:
        """One more token."""
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "so-" + PIN],
            check=True, capture_output=True, env={"PATH": "/usr/bin:/bin", **self.environment},
        )  # fmt: skip

    def give_pin(self, pin: str) -> None:
        """What the PIN's file says."""
        self.pin.write_text(pin)
        self.pin.chmod(0o600)

    def uri(self, *, token: str = "token=contrada", object: str = "seal") -> str:
        """Its name."""
        return f"pkcs11:{token};object={object}?module-path={self.module}&pin-source=file:{self.pin}"

    def secret(self, **named: str) -> TokenSecret:
        """The token as a secret, with its sealing key made."""
        found = open_token(parse_token_uri(self.uri(**named)))
        found.make_sealing_key()
        return found

    def new_process(self) -> None:
        """This process forgets the token, as one that is started anew."""
        session._sessions.clear()
        if (loaded := library._libraries.get(self.module)) is not None:
            loaded.refused.clear()
            loaded.again()

    @contextmanager
    def taken_out(self) -> Iterator[None]:
        """While it is not there."""
        away = self.directory.with_name("away")
        self.directory.rename(away)
        self.directory.mkdir()
        try:
            yield
        finally:
            self.directory.rmdir()
            away.rename(self.directory)


@contextmanager
def soft_token(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftToken]:
    """A token that this process sees."""
    made = SoftToken(directory)
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.config))
    made.new_process()
    yield made
    session._sessions.clear()
