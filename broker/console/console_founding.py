"""`contrada centre console init`: the console's home and its settings. No key is made, since it has none.

in the centre's home      console/ in it; root, policy, acts and the processes' ports are the centre's
in a home of its own      root.cbor and the policy are brought: for a user, or a machine, of its own
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from broker.console.home import ConsoleHome, console_home
from broker.console.settings import ConsoleSettings
from broker.ledger.trust import read_policy_file
from broker.process_certificates import process_files
from keys.ceremony import read_pin
from keys.store import prepare_directory, read_public, write_public
from protocol.limits import MAX_POLICY_TEXT
from runtime.bounded import read_bounded
from runtime.cli.home import read_settings
from runtime.errors import Conflict, Misconfigured
from runtime.files import replace_file
from runtime.kafka.security.access import KafkaAccess, access_lines
from runtime.process.homes import CentreHome
from runtime.process.settings_text import toml_text

ROLE: Final = "console"
"""As its certificate names it: it reads, and writes nothing (protocol/topics.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePlan:
    """What a console is to be."""

    home: Path
    kafka: KafkaAccess
    port: int
    http_port: int
    root: Path | None
    """None: the centre's."""

    policy: Path | None
    authority: Path | None


def found_console(plan: ConsolePlan) -> dict[str, Any]:
    """Make it; returns what to report."""
    home = console_home(plan.home)
    if home.settings.exists():
        raise Conflict(
            f"{home.settings} is there already",
            hint="this is a console's home: 'contrada centre console run'",
        )
    authority = plan.authority if home.centre is None else plan.authority or _authority_of(home.centre)
    access = KafkaAccess(plan.kafka.servers, plan.kafka.tls, plan.kafka.unguarded)
    files = process_files(ROLE, access, home=plan.home, authority=authority)
    values: dict[str, str | int] = {
        **access_lines(files.access),
        **_read_from(home, plan),
        "port": plan.port,
        "http_port": plan.http_port,
    }
    ConsoleSettings(**values)  # type: ignore[arg-type]
    prepare_directory(home.path)
    prepare_directory(home.links)
    _bring(home, plan)
    files.make()
    replace_file(home.settings, toml_text(values).encode())
    return {"home": str(home.path), "config": str(home.settings), "port": plan.port} | files.report()


def _read_from(home: ConsoleHome, plan: ConsolePlan) -> dict[str, str]:
    """Where root, policy, acts and processes are."""
    if home.centre is None:
        if plan.root is None:
            raise Misconfigured(
                "a console outside the centre's home needs the root",
                hint="name root.cbor with --root, or the centre's home with --home",
            )
        return {"root": home.root.name} | ({} if plan.policy is None else {"policy": home.policy.name})
    found = {"root": str(home.centre.root), "acts": str(home.centre.acts)}
    found |= _port_of(home.centre.router_settings, "routers")
    if home.centre.ledger_settings.exists():
        directory = read_settings(home.centre.ledger_settings).get("directory")
        found |= {"policy": str(Path(str(directory)) / "policy")}
        found |= _port_of(home.centre.ledger_settings, "ledgers")
    return found


def _port_of(settings: Path, name: str) -> dict[str, str]:
    port = read_settings(settings).get("http_port") if settings.exists() else None
    return {name: f"http://127.0.0.1:{port}"} if isinstance(port, int) and port else {}


def _authority_of(centre: CentreHome) -> Path | None:
    named = read_settings(centre.settings).get("authority")
    return Path(named) if isinstance(named, str) else None


def _bring(home: ConsoleHome, plan: ConsolePlan) -> None:
    if home.centre is not None:
        return
    if plan.root is not None:
        read_pin(plan.root)
        write_public(home.root, read_public(plan.root), entropy=os.urandom)
    if plan.policy is not None:
        read_policy_file(plan.policy)
        text = read_bounded(plan.policy, MAX_POLICY_TEXT, what="a policy")
        write_public(home.policy, text, entropy=os.urandom)
