"""Gathering a bundle: each part by itself, so that what is broken keeps nothing else out.

Owns what is asked and where. What may be shown of it is shown.py beside this: nothing goes into a part that
did not come out of there. Rules: each question has a bound in bytes and in time; what failed is told by the
type of its error alone, since its words may hold a path or an address.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import platform
import stat
import sys
import tarfile
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from clients.cli.bundle.shown import (
    PATHS,
    is_known_setting,
    is_topic,
    shown_line,
    shown_metrics,
    shown_setting,
    shown_value,
)
from clients.cli.local_api import DaemonClient
from runtime.bounded import read_bounded
from runtime.cli.command import Invocation
from runtime.cli.home import bootstrap, chosen_home
from runtime.cli.kafka_calls import run_quietly
from runtime.deadline import within
from runtime.environment import OURS, PROGRAMS
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.feeds import KafkaFeeds
from runtime.process.homes import Home, UnitHome
from runtime.process.settings_text import MAX_SETTINGS

ANSWER_WITHIN: Final = 10.0
MAX_PAGE: Final = 4_000_000
MAX_LOG: Final = 1_000_000
LAST_LINES: Final = 1_000
MOST_TOPICS: Final = 2_000

SETTINGS: Final = (
    "centre.toml",
    "router.toml",
    "ledger.toml",
    "unit.toml",
    "witness/witness.toml",
    "witness.toml",
)
FILES: Final = (
    "root.cbor", "directory.log", "directory.verified", "state.sqlite", "state.sqlite-wal", "ledger-policy",
    "enrolment.cbor", "rotation.cbor", "pending.log", "alarms.json", "router.verified", "ledger.verified",
    "unit.secret", "centre.secret", "witness/heads.sqlite", "ledger/records.sqlite", "ledger/policy",
)  # fmt: skip
PACKAGES: Final = (
    "contrada", "aiokafka", "cryptography", "pydantic", "structlog", "prometheus-client", "pynacl", "cbor2",
    "click", "rich", "starlette", "uvicorn", "httpx", "sqlalchemy", "uvloop", "obstore",
)  # fmt: skip

ABOUT: Final = """A bundle of Contrada: what somebody who helps needs to know of this installation.

In it: settings (numbers and words; of paths, addresses and names only that they are set), versions, sizes and
modes of the home's files, offsets of topics, checks, metrics, and the last lines of logs with their events,
codes and numbers. Not in it: content, keys, secrets, passphrases, paths, addresses, free text. Look through
it all the same.
"""


@dataclass(slots=True)
class Bundle:
    """The parts, by the names that they have in the archive."""

    parts: dict[str, bytes] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, gather: Callable[[], object]) -> None:
        """One part, or that it could not be had."""
        try:
            found = gather()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other parts are wanted
            self.failed[name] = type(error).__name__
            return
        text = found if isinstance(found, str) else json.dumps(found, indent=1, sort_keys=True) + "\n"
        self.parts[name] = text.encode()

    def packed(self) -> bytes:
        """The archive: a tar of gzip."""
        self.parts["about.txt"] = ABOUT.encode()
        self.parts["failed.json"] = (json.dumps(self.failed, indent=1) + "\n").encode()
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name, data in sorted(self.parts.items()):
                entry = tarfile.TarInfo(f"contrada-bundle/{name}")
                entry.size, entry.mode = len(data), 0o600
                tar.addfile(entry, io.BytesIO(data))
        return packed.getvalue()


def gather_bundle(invocation: Invocation, *, logs: Iterable[Path], with_kafka: bool) -> Bundle:
    """Everything that can be had of this home now."""
    home, bundle = chosen_home(invocation), Bundle()
    bundle.add("versions.json", versions)
    bundle.add("settings.json", lambda: settings_of(home.path, os.environ))
    bundle.add("files.json", lambda: files_of(home.path))
    for number, port in enumerate(_ports(home.path)):
        bundle.add(f"ready-{number}.json", lambda port=port: _ready(port))  # type: ignore[misc]
        bundle.add(f"metrics-{number}.txt", lambda port=port: _metrics(port))  # type: ignore[misc]
    if home.is_unit:
        bundle.add("status.json", lambda: shown_value(DaemonClient(UnitHome(home.path)).get("/v1/status")))
    if with_kafka:
        bundle.add("offsets.json", lambda: run_quietly(_offsets(invocation, home)))
    for number, log in enumerate(logs):
        bundle.add(f"log-{number}.jsonl", lambda log=log: last_lines(log))  # type: ignore[misc]
    return bundle


def versions() -> dict[str, str]:
    """Of the program, of what it is built on, and of the machine."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found | {
        "python": platform.python_version(),
        "system": sys.platform,
        "machine": platform.machine(),
    }


def settings_of(home: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Each setting with where it stands: in the file, in the drop-in of this number, in the environment."""
    found: dict[str, Any] = {}
    for name in SETTINGS:
        path = home / name
        if not path.exists():
            continue
        files = [path, *sorted((path.parent / "conf.d").glob("*.toml"))]
        found[name] = [_settings_in(file, home) for file in files]
    ours = [name for name in environment if name.startswith(OURS)]
    of_programs = tuple(f"{OURS}{program.upper()}_" for program in PROGRAMS)
    known = [
        name
        for name in ours
        if any(name.startswith(each) and is_known_setting(name[len(each) :].lower()) for each in of_programs)
    ]
    return found | {"environment": sorted(known), "other_variables": len(ours) - len(known)}


def _settings_in(file: Path, home: Path) -> dict[str, Any]:
    try:
        read = tomllib.loads(read_bounded(file, MAX_SETTINGS, what="a settings file").decode())
    except (OSError, ValueError):
        return {"readable": False}
    known = {name: value for name, value in read.items() if is_known_setting(name)}
    shown = {
        name: _path_facts(home / value)
        if name in PATHS and isinstance(value, str)
        else shown_setting(name, value)
        for name, value in known.items()
    }
    return {"settings": shown, "unknown": len(read) - len(known)}


def files_of(home: Path) -> dict[str, Any]:
    """The files that a home has by its layout; what else lies there is counted."""
    there = {name: _path_facts(home / name) for name in FILES if (home / name).exists()}
    top = {
        name.partition("/")[0]
        for name in (*FILES, *SETTINGS, "keys", "conf.d", "run", "acts", "lock", "evidence")
    }
    return {"files": there, "others": sum(entry.name not in top for entry in os.scandir(home))}


def _path_facts(path: Path) -> dict[str, Any]:
    try:
        found = path.stat()
    except OSError:
        return {"there": False}
    return {
        "there": True,
        "mode": stat.filemode(found.st_mode),
        "bytes": found.st_size,
        "own": found.st_uid == os.getuid(),
        "changed": int(found.st_mtime),
    }


def _ports(home: Path) -> list[int]:
    found = []
    for name in SETTINGS:
        for file in (home / name, *sorted((home / name).parent.joinpath("conf.d").glob("*.toml"))):
            try:
                read = tomllib.loads(read_bounded(file, MAX_SETTINGS, what="a settings file").decode())
            except (OSError, ValueError):
                continue
            found += [read.get(each) for each in ("http_port", "watch_port")]
    return list(dict.fromkeys(port for port in found if isinstance(port, int) and 0 < port < 65_536))


def _ready(port: int) -> object:
    return shown_value(json.loads(_page(port, "/readyz")))


def _metrics(port: int) -> str:
    return "".join(f"{line}\n" for line in shown_metrics(_page(port, "/metrics").decode("utf-8", "replace")))


def _page(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WITHIN)

    def ask() -> bytes:
        connection.request("GET", path)
        return connection.getresponse().read(MAX_PAGE)

    try:
        return within(ANSWER_WITHIN, ask)
    finally:
        connection.close()


async def _offsets(invocation: Invocation, home: Home) -> dict[str, int]:
    """Where the first partition of each topic ends that this party may see."""
    kafka = bootstrap(invocation, home)
    names = [name for name in await KafkaTopicAdmin(kafka).list() if is_topic(name)][:MOST_TOPICS]
    ends = await KafkaFeeds(kafka).ends([(name, 0) for name in names])
    return {name: ends[name, 0] for name in names}


def last_lines(log: Path) -> str:
    """The last lines of a log, as far as they may be shown, and how many others there were."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MAX_LOG))
        lines = file.read(MAX_LOG).decode("utf-8", "replace").splitlines()[-LAST_LINES:]
    shown = [shown_line(line) for line in lines]
    kept = [line for line in shown if line is not None]
    return "".join(f"{line}\n" for line in (*kept, json.dumps({"left_out": len(lines) - len(kept)})))
