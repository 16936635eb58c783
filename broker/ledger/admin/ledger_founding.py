"""`contrada ledger init`: a ledger's directory, its keys, its policy, and its two empty logs.

Owns what is made and in which order: keys first, the database last, since its lock rows make a directory a
ledger. A second run after a failure continues where the first stopped; an existing ledger is never begun
anew.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.ledger.log_head import grown_head, new_head
from broker.ledger.settings import LedgerSettings
from broker.ledger.store.record_store import LogState, RecordStore
from broker.ledger.trust import OwnKeys, read_policy_file
from broker.process_certificates import ProcessFiles, process_files
from keys.errors import KeyFileExists
from keys.note_keys import NOTE_KEY_FILE, NoteKey, read_note_key, write_note_key
from keys.store import prepare_directory, read_credential, read_public, write_public
from protocol.errors import Rejected
from protocol.identifiers import Millis
from protocol.limits import MAX_POLICY_TEXT
from protocol.tlog.checkpoints import seconds
from protocol.tlog.policy_text import WitnessEntry, ledger_policy
from protocol.tlog.shards import directory_origin, shard_of
from runtime.bounded import read_bounded
from runtime.cli.file_kinds import FileKind, read_kind
from runtime.cli.home import access_lines
from runtime.errors import Conflict, Misconfigured
from runtime.files import replace_file
from runtime.kafka.security.access import KafkaAddress
from runtime.process.homes import CentreHome
from runtime.process.settings_text import MAX_SETTINGS, toml_text


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPlan:
    """What a ledger is to be."""

    home: Path
    """The centre's home, which has its keys."""

    origin: str
    kafka: KafkaAddress | None
    http_port: int
    witnesses: Sequence[WitnessEntry]
    quorum: int


def found_ledger(plan: LedgerPlan, *, now: Millis) -> dict[str, Any]:
    """Make it; returns what to report."""
    home = CentreHome(plan.home)
    centre = centre_settings(home)
    secret_file = home.path / str(centre.get("secret", home.secret.name))
    directory, keys, config = home.path / "ledger", home.keys / "ledger", home.ledger_settings
    if config.exists():
        raise Conflict(f"{config} is there already", hint="this centre has a ledger: 'contrada ledger run'")
    secret = read_credential(secret_file)
    files = _files(plan, centre, home)
    prepare_directory(directory)
    note_file = keys / NOTE_KEY_FILE
    with suppress(KeyFileExists):
        write_note_key(note_file, NoteKey.generate(os.urandom), secret=secret, entropy=os.urandom)
    own = OwnKeys(read_note_key(note_file, secret=secret))
    policy = _policy(plan, own, now=now)
    with suppress(KeyFileExists):
        write_public(directory / "policy", policy.encode(), entropy=os.urandom)
    with suppress(KeyFileExists):
        # Beside the logs, for an auditor; who does not trust the centre compares its fingerprint.
        write_public(directory / "root.cbor", read_public(home.root), entropy=os.urandom)
    values: dict[str, Any] = {
        **access_lines(files.access),
        "origin": plan.origin,
        "directory": str(directory),
        "root": str(home.root),
        "key": f"file:{keys / 'identity.key'}",
        "note_key": str(note_file),
        "secret": str(secret_file),
        "verified": str(home.ledger_verified),
        "http_port": plan.http_port,
    }
    settings = LedgerSettings(**values)
    states = begin_logs(RecordStore(settings.records_url), own, plan.origin, now=now)
    files.make()
    replace_file(config, toml_text(values).encode())
    made = {"config": str(config), "directory": str(directory), "policy": str(directory / "policy")}
    return made | {"logs": [state.origin for state in states]} | files.report()


def _files(plan: LedgerPlan, centre: Mapping[str, Any], home: CentreHome) -> ProcessFiles:
    authority = Path(str(centre["authority"])) if "authority" in centre else None
    address = plan.kafka or str(centre["kafka"])
    return process_files("ledger", address, home=home.path, authority=authority)


def _policy(plan: LedgerPlan, keys: OwnKeys, *, now: Millis) -> str:
    if not 0 <= plan.quorum <= len(plan.witnesses):
        raise Misconfigured(
            f"a quorum of {plan.quorum} cannot be had from {len(plan.witnesses)} witnesses",
            hint="name more of them with --witness, or ask for fewer",
        )
    try:
        return ledger_policy(
            plan.origin, now=now, log_keys=keys.vkeys, witnesses=plan.witnesses, quorum=plan.quorum
        )
    except Rejected as rejected:
        raise Misconfigured(rejected.sentence, hint=rejected.hint) from None


def begin_logs(records: RecordStore, keys: OwnKeys, origin: str, *, now: Millis) -> tuple[LogState, ...]:
    """The audit log of this half-year and the directory's, empty, signed; those that are not there yet."""
    there = [state.origin for state in records.states()]
    begun = []
    for each in (shard_of(origin, now), directory_origin(origin)):
        if any(_is_same_log(each, other) for other in there):
            continue
        state, _ = grown_head(new_head(each), (), signers=keys.signers, now=seconds(now))
        records.commit(None, state)
        begun.append(state)
    return tuple(begun)


def _is_same_log(one: str, other: str) -> bool:
    # Shards of the audit log are one log: a later one begins where the sequencer says so.
    return one.rpartition("/")[0] == other.rpartition("/")[0]


def witnesses_in(file: Path) -> tuple[WitnessEntry, ...]:
    """The witnesses that a file names, as `contrada witness init` writes it: the form of a policy."""
    read_kind(file, MAX_POLICY_TEXT, FileKind.POLICY)
    policy = read_policy_file(file)
    names = dict.fromkeys(witness.key.name for witness in policy.witnesses)
    if not names:
        raise Misconfigured(f"{file} names no witness", hint="'contrada witness init' makes such a file")
    entries = []
    for name in names:
        lines = [witness for witness in policy.witnesses if witness.key.name == name]
        entries.append(WitnessEntry(name, tuple(line.key for line in lines), lines[0].url))
    return tuple(entries)


def centre_settings(home: CentreHome) -> dict[str, Any]:
    """What the centre's own settings file says."""
    try:
        return tomllib.loads(read_bounded(home.settings, MAX_SETTINGS, what="a settings file").decode())
    except (OSError, ValueError):
        raise Misconfigured(
            f"{home.path} is not a centre's home",
            hint="name one with --home; 'contrada centre init' makes it",
        ) from None
