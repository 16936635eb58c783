"""What stands on a router's disk: settings, and the keys of one that could start."""

from __future__ import annotations

import os
from pathlib import Path

from keys.ceremony import write_pin
from keys.key_files import write_identity
from keys.store import write_private
from keys.unlock import Credential
from tests.sim.world import World


def write(path: Path, **values: object) -> Path:
    """A TOML file."""
    lines = [
        f"{name} = {value if isinstance(value, int) else repr(value)}\n" for name, value in values.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines).replace("'", '"'))
    return path


def write_router(home: Path) -> Path:
    """A directory with everything that a router needs but Kafka; the path of its settings."""
    world, secret = World(), os.urandom(32)
    home.mkdir(mode=0o700)
    write_private(home / "router.secret", secret, entropy=os.urandom)
    write_pin(home / "root.pin", world.directory.root, entropy=os.urandom)
    write_identity(home / "router.key", world.router, secret=Credential(secret), entropy=os.urandom)
    return write(
        home / "router.toml",
        kafka="127.0.0.1:9",
        root=str(home / "root.pin"),
        key=f"file:{home}/router.key",
        secret=str(home / "router.secret"),
    )
