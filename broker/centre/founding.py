"""`centre init`: a new exchange in a directory: keys, pinned root, settings, topics, first statements.

Order: topics first, so that nothing is made while Kafka is not there; the settings file last, because it
is what makes the directory a centre's home.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from broker.centre.registry import now, publish_pending
from keys.ceremony import found_exchange, write_pin
from keys.root_of_trust import fingerprint
from keys.statement_file import write_statements
from keys.store import prepare_directory
from protocol import topics
from runtime.cli.command import Invocation
from runtime.cli.errors import NoHome
from runtime.cli.home import Home, chosen_home
from runtime.cli.unlocking import new_secret
from runtime.errors import Conflict
from runtime.kafka.admin import KafkaTopics
from runtime.kafka.feeds import KafkaFeeds


async def found(invocation: Invocation, *, secret_file: Path | None, router_port: int) -> dict[str, Any]:
    """Found the exchange; what to tell and to print."""
    home = chosen_home(invocation)
    if home.is_centre or home.is_unit:
        raise Conflict(f"{home.path} is a home already", hint="name an empty directory with --home")
    if invocation.kafka is None:
        raise NoHome("no Kafka named", hint="say --kafka HOST:PORT, or set CONTRADA_KAFKA")
    changes = await KafkaTopics(invocation.kafka).apply(topics.shared())
    if await KafkaFeeds(invocation.kafka).end(topics.DIRECTORY, 0):
        # Two roots on one directory topic: every unit of the older exchange would go on beside ours.
        raise Conflict(
            f"the Kafka at {invocation.kafka} has an exchange already",
            hint="name another cluster with --kafka",
        )
    prepare_directory(home.path)
    secret, secret_path = new_secret(home, file=secret_file)
    founding = found_exchange(home.keys, secret=secret, now=now())
    write_pin(home.root_file, founding.root)
    write_statements(home.path / "pending.log", founding.statements)
    _write_settings(home, kafka=invocation.kafka, secret=secret_path, router_port=router_port)
    await publish_pending(home, invocation.kafka)
    write_statements(home.replica, founding.statements)
    return {
        "home": str(home.path),
        "root": str(home.root_file),
        "root_fingerprint": founding.root.fingerprint(),
        "registrar_fingerprint": fingerprint(founding.registrar.public),
        "router_fingerprint": fingerprint(founding.router.public),
        "ledger_fingerprint": fingerprint(founding.ledger.public),
        "router_config": str(home.path / "router.toml"),
        "topics": [{"name": change.name, "action": change.action} for change in changes],
    }


def _write_settings(home: Home, *, kafka: str, secret: str, router_port: int) -> None:
    router = {
        "kafka": kafka,
        "root": str(home.root_file),
        "key": f"file:{home.keys / 'router' / 'identity.key'}",
        "secret": str(home.path / secret),
        "http_port": router_port,
    }
    centre = {"kafka": kafka, "router": f"http://127.0.0.1:{router_port}", "secret": secret}
    (home.path / "router.toml").write_text(toml(router), encoding="utf-8")
    home.centre_file.write_text(toml(centre), encoding="utf-8")


def toml(values: dict[str, Any]) -> str:
    """Flat settings as TOML: strings, numbers."""
    return "".join(f"{name} = {_value(value)}\n" for name, value in values.items())


def _value(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    if not escaped.isprintable():
        raise NoHome("a setting has characters that cannot be printed", hint="use a plain path")
    return f'"{escaped}"'
