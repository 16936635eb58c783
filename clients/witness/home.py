"""The layout of a witness's home directory.

    witness.toml   settings           conf.d/*.toml   drop-ins over it
    witness.key    its note key       witness.secret  opens it, if no better place was chosen
    witness.policy its public keys    policy          the logs that it cosigns; both C2SP tlog-policy
    heads.sqlite   what it signed     evidence/       what a log must not have signed
    mirror/        the trees of the logs, where it keeps them
    lock           held while a witness works here

In a unit's home all of it lies in `witness/`, and the key is opened by what opens the unit's own keys.
No other user may enter it.

`heads.sqlite` is made once, by `init`, and never again: a witness that lost its state could sign a fork, so
one without it does not start.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keys.store import check_private_directory
from runtime.errors import HomeError
from runtime.process.lock import HomeLock, lock_home


@dataclass(frozen=True, slots=True)
class WitnessHome:
    """The paths of one witness, and of the unit whose witness it is."""

    path: Path
    unit: Path | None = None

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.path / "witness.toml"

    @property
    def key(self) -> Path:
        """The note key, sealed."""
        return self.path / "witness.key"

    @property
    def secret(self) -> Path:
        """What opens the key, where no other place is set."""
        return self.path / "witness.secret"

    @property
    def public(self) -> Path:
        """The public keys and the address, as the witness lines of a policy: for the centre."""
        return self.path / "witness.policy"

    @property
    def policy(self) -> Path:
        """The logs."""
        return self.path / "policy"

    @property
    def heads(self) -> Path:
        """What was signed."""
        return self.path / "heads.sqlite"

    @property
    def evidence(self) -> Path:
        """What a log must not have signed."""
        return self.path / "evidence"

    @property
    def mirror(self) -> Path:
        """The trees."""
        return self.path / "mirror"

    @property
    def is_there(self) -> bool:
        """Whether there is a witness here."""
        return self.settings.is_file()

    def check(self) -> None:
        """Refuse a home that is not there or that others can enter."""
        if not self.is_there:
            raise HomeError(
                f"{self.path} is not a witness's home", hint="make one with 'contrada witness init'"
            )
        check_private_directory(self.path)

    def hold(self) -> HomeLock:
        """Hold the home for this process; `AlreadyRunning` if another one has it."""
        return lock_home(self.path, program="witness", hint="it may run inside the unit's daemon")


def witness_home(path: Path) -> WitnessHome:
    """The witness in this directory: a unit's is in the subdirectory `witness`."""
    root = path.absolute()
    if (root / "unit.toml").is_file():
        return WitnessHome(root / "witness", unit=root)
    if root.name == "witness" and (root.parent / "unit.toml").is_file():
        return WitnessHome(root, unit=root.parent)
    return WitnessHome(root)
