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
from runtime.kafka.addresses import SERVERS_WORDS, servers_fault
from runtime.kafka.security.access import KafkaAccess, KafkaAddress, TlsFiles, tls_files
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
    return KafkaAccess(invocation.kafka, typed_files(invocation))


def access_lines(address: KafkaAddress) -> dict[str, str]:
    """The lines of a settings file that say the same."""
    files = tls_files(address)
    return {"kafka": str(address)} | ({} if files is None else files.settings())


def bootstrap(invocation: Invocation, home: Home) -> KafkaAccess:
    """The way to Kafka: servers and files, each from the command line, or else from the home."""
    kind = CentreHome if home.is_centre else UnitHome
    path = kind(home.path).settings
    settings = read_settings(path) if path.exists() else {}
    files = typed_files(invocation) or _files_of(settings, path)
    return KafkaAccess(invocation.kafka or _servers_of(settings, path), files)


def typed_files(invocation: Invocation) -> TlsFiles | None:
    """The certificate that the command line names."""
    return None if invocation.kafka_tls is None else TlsFiles.below(invocation.kafka_tls)


def _files_of(settings: dict[str, Any], path: Path) -> TlsFiles | None:
    named = [settings.get(name) for name in ("kafka_ca", "kafka_certificate", "kafka_key")]
    security = settings.get("kafka_security", "plain")
    if security == "plain" and named == [None, None, None]:
        return None
    if security == "tls" and all(isinstance(name, str) for name in named):
        return TlsFiles(*(path.parent / str(name) for name in named))
    raise BadInput(
        f"'kafka_security' in {path} is neither plain nor tls with its files",
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
