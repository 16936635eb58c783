"""`centre init`: a new exchange in a directory: keys, pinned root, settings, topics, first statements.

Order: topics first, so that nothing is made while Kafka is not there; the settings file last, because it
is what makes the directory a centre's home. What was interrupted goes on with the keys that it made.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from broker.centre.registry import publish_pending
from broker.process_certificates import authority_here, process_files
from keys.ceremony import Founding, found_exchange
from keys.root_of_trust import fingerprint
from keys.store import prepare_directory
from protocol import topics
from runtime.cli.command import Invocation
from runtime.cli.errors import NoHome
from runtime.cli.home import chosen_home, typed_access
from runtime.cli.unlocking import new_secret
from runtime.errors import Conflict
from runtime.files import replace_file
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.ports import TopicChange
from runtime.kafka.security.access import KafkaAccess, access_lines
from runtime.kafka.security.rights import KafkaRights
from runtime.process.clock import now
from runtime.process.directory_file import write_statements
from runtime.process.homes import CentreHome
from runtime.process.settings_text import toml_text


async def found_centre(
    invocation: Invocation,
    *,
    secret_file: Path | None,
    router_port: int,
    registrars: int = 1,
    cooling_off: int = 0,
    authority: Path | None = None,
) -> dict[str, Any]:
    """Found the exchange; returns what to report and to print."""
    home = CentreHome(chosen_home(invocation).path)
    if home.is_centre or home.is_unit:
        raise Conflict(f"{home.path} is a home already", hint="name an empty directory with --home")
    kafka = typed_access(invocation)
    if kafka is None:
        raise NoHome("no Kafka named", hint="say --kafka HOST:PORT, or set CONTRADA_KAFKA")
    access_lines(kafka)  # a way of which nothing was said is refused before anything is made
    router = process_files("router", kafka, home=home.path, authority=authority)
    changes = await _prepare_kafka(kafka)
    prepare_directory(home.path)
    secret, secret_path = new_secret(home, file=secret_file)
    founding = found_exchange(
        home.keys,
        secret=secret,
        now=now(),
        entropy=os.urandom,
        registrars=registrars,
        cooling_off=cooling_off,
    )
    replace_file(home.root, founding.root.encoded())
    write_statements(home.pending, founding.statements)
    router.make()
    lines = access_lines(kafka) | _authority_line(kafka, authority)
    _write_settings(home, kafka=lines, router=router.access, secret=secret_path, router_port=router_port)
    await publish_pending(home, kafka)
    write_statements(home.replica, founding.statements)
    return _reported(home, founding) | {
        "topics": [{"name": change.name, "action": change.action} for change in changes],
        **router.report(),
    }


async def _prepare_kafka(kafka: KafkaAccess) -> Sequence[TopicChange]:
    """Topics and rights of an exchange that is not there yet."""
    changes = await KafkaTopicAdmin(kafka).apply(topics.shared())
    if await KafkaFeeds(kafka).end(topics.DIRECTORY, 0):
        # Two roots on one directory topic: units of the older exchange would follow it beside the new one.
        raise Conflict(
            f"the Kafka at {kafka} has an exchange already",
            hint="name another cluster with --kafka",
        )
    if kafka.tls is not None:
        async with KafkaRights.at(kafka) as rights:
            await rights.apply(topics.role_rights(), {})
    return changes


def _authority_line(kafka: KafkaAccess, authority: Path | None) -> dict[str, str]:
    """Where the authority lies, for `ledger init` and `centre status`; nothing where it is not here."""
    found = None if kafka.tls is None else authority_here(kafka.tls, authority)
    return {} if found is None else {"authority": str(found)}


def _reported(home: CentreHome, founding: Founding) -> dict[str, Any]:
    return {
        "home": str(home.path),
        "root": str(home.root),
        "root_fingerprint": founding.root.fingerprint(),
        "registrar_fingerprint": fingerprint(founding.registrar.public),
        "further_registrars": [
            {"name": each.name, "keys": str(home.keys / each.name), "fingerprint": fingerprint(each.public)}
            for each in founding.others
        ],
        "router_fingerprint": fingerprint(founding.router.public),
        "ledger_fingerprint": fingerprint(founding.ledger.public),
        "router_config": str(home.router_settings),
    }


def _write_settings(
    home: CentreHome, *, kafka: dict[str, str], router: KafkaAccess, secret: str, router_port: int
) -> None:
    of_router: dict[str, str | int] = {
        **access_lines(router),
        "root": str(home.root),
        "key": f"file:{home.keys / 'router' / 'identity.key'}",
        "secret": str(home.path / secret),
        "verified": str(home.router_verified),
        "http_port": router_port,
    }
    centre: dict[str, str | int] = {
        **kafka,
        "router": f"http://127.0.0.1:{router_port}",
        "secret": secret,
    }
    replace_file(home.router_settings, toml_text(of_router).encode())
    replace_file(home.settings, toml_text(centre).encode())
