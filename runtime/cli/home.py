"""The home that a command works on, and its settings. The layout of homes is runtime/process/homes.py.

Reads settings, writes nothing (`unit init` and `centre init` do).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from runtime.bounded import read_bounded
from runtime.cli.command import Invocation
from runtime.cli.errors import BadInput, NoHome
from runtime.cli.render import say
from runtime.kafka.addresses import SERVERS_WORDS, servers_fault
from runtime.kafka.security.access import (
    TYPED_WAYS,
    KafkaAccess,
    KafkaTyped,
    TlsFiles,
    Unguarded,
    allowed_way,
    unguarded_hint,
)
from runtime.process.homes import CentreHome, Home, UnitHome
from runtime.process.settings_text import MAX_SETTINGS


def chosen_home(invocation: Invocation) -> Home:
    """The directory that was named, whether or not anything is in it."""
    if invocation.home is None:
        raise NoHome("no home given", hint="say --home DIR, or set CONTRADA_HOME")
    return Home(invocation.home.absolute())


def unit_home(invocation: Invocation) -> UnitHome:
    """The home of a unit."""
    home = chosen_home(invocation)
    if not home.is_unit:
        raise _not_a_home(home, "unit", other="centre" if home.is_centre else None)
    return UnitHome(home.path)


def centre_home(invocation: Invocation) -> CentreHome:
    """The home of a centre."""
    home = chosen_home(invocation)
    if not home.is_centre:
        raise _not_a_home(home, "centre", other="unit" if home.is_unit else None)
    return CentreHome(home.path)


def _not_a_home(home: Home, wanted: str, *, other: str | None) -> NoHome:
    if other is not None:
        return NoHome(
            f"{home.path} is a {other}'s home, and this needs a {wanted}'s", hint="name the other with --home"
        )
    if home.path.exists() and not home.path.is_dir():
        return NoHome(f"{home.path} is a file, and a home is a directory", hint="name another with --home")
    return NoHome(
        f"{home.path} is not a {wanted}'s home",
        hint=f"make one with 'contrada --home {home.path} {wanted} init', or name another with --home",
    )


def read_settings(path: Path) -> dict[str, Any]:
    """A home's settings file."""
    try:
        return tomllib.loads(read_bounded(path, MAX_SETTINGS, what="a settings file").decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise BadInput(f"{path} is not a TOML file", hint="restore it, or make the home again") from None


def typed_access(invocation: Invocation) -> KafkaAccess | None:
    """The way to Kafka that the command line alone says; None where it names no servers."""
    if invocation.kafka is None:
        return None
    return typed_way(invocation).over(KafkaAccess(invocation.kafka, None, Unguarded.UNSAID))


def typed_way(invocation: Invocation) -> KafkaTyped:
    """What the command line says of the way to Kafka."""
    if invocation.kafka_tls is not None and invocation.kafka_security is not None:
        raise BadInput(
            "--kafka-tls and --kafka-security say two ways to Kafka", hint="leave one out, and its variable"
        )
    files = None if invocation.kafka_tls is None else TlsFiles.below(invocation.kafka_tls)
    word = invocation.kafka_security
    return KafkaTyped(invocation.kafka, files, None if word is None else Unguarded(word))


def bootstrap(invocation: Invocation, home: Home) -> KafkaAccess:
    """The way to Kafka: each part from the command line, or else from the home."""
    kind = CentreHome if home.is_centre else UnitHome
    path = kind(home.path).settings
    settings = read_settings(path) if path.exists() else {}
    typed = typed_way(invocation)
    servers = typed.servers or _servers_of(settings, path)
    if typed.tls is not None or typed.unguarded is not None:
        return typed.over(KafkaAccess(servers))
    found = _way_of(settings, servers, path)
    if found.tls is None and found.unguarded is Unguarded.UNSAID:
        if not settings:
            raise BadInput("nothing says how Kafka is to be spoken to", hint=TYPED_WAYS)
        say(f"warning: {path}: {unguarded_hint(found)}")
    return allowed_way(found)


def _way_of(settings: dict[str, Any], servers: str, path: Path) -> KafkaAccess:
    named = [settings.get(name) for name in ("kafka_ca", "kafka_certificate", "kafka_key")]
    match settings.get("kafka_security"):
        case "tls" if all(isinstance(name, str) for name in named):
            return KafkaAccess(servers, TlsFiles(*(path.parent / str(name) for name in named)))
        case None if not any(named):
            return KafkaAccess(servers, None, Unguarded.UNSAID)
        case Unguarded.PLAIN | Unguarded.TUNNEL as word if not any(named):
            return KafkaAccess(servers, None, Unguarded(word))
        case _:
            raise BadInput(
                f"'kafka_security' in {path} is neither plain, nor tunnel, nor tls with its files",
                hint='write kafka_security = "tls", and kafka_ca, kafka_certificate and kafka_key',
            )


def _servers_of(settings: dict[str, Any], path: Path) -> str:
    found = settings.get("kafka")
    if isinstance(found, dict):
        found = found.get("bootstrap")
    if not isinstance(found, str) or not found:
        raise NoHome("no Kafka named", hint="say --kafka HOST:PORT, or set CONTRADA_KAFKA")
    fault = servers_fault(found)
    if fault is not None:
        raise BadInput(f"'kafka' in {path}: {fault}", hint=f"write {SERVERS_WORDS}")
    return found
