"""The ledger of an exchange under test: its directory, its processes, and the witnesses in two of the daemons.

    <place>/ledger/         what an auditor copies: tiles, checkpoints, records.sqlite, policy
    <place>/ledger-0.toml   the ledger                    ledger-1.toml   one that is sometimes beside it
    <home>/witness/         of each unit in `WITNESSES`; the policy asks for one of them. The ledger reaches that of
                            `DRIPPING` through a relay (dripping.py)

Founded by the same functions that `contrada ledger init` and `witness init` call.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from broker.ledger.admin.ledger_founding import begin_logs, witnesses_in
from broker.ledger.log_storage import prefix_of
from broker.ledger.store.record_store import LogState, RecordStore
from broker.ledger.trust import OwnKeys
from clients.cli.witness_setup import make_witness
from clients.demo.free_ports import free_port
from clients.witness.home import WitnessHome, witness_home
from keys.note_keys import NoteKey, write_note_key
from keys.unlock import Secret
from protocol.errors import Rejected
from protocol.identifiers import Millis
from protocol.tlog.checkpoints import SignedCheckpoint, parse_checkpoint
from protocol.tlog.policy import Policy, parse_policy
from protocol.tlog.policy_text import ledger_policy
from runtime.errors import Unavailable
from runtime.kafka.security.access import KafkaAddress
from runtime.process.homes import UnitHome
from tests.chaos.dripping import HOST, DrippingRelay
from tests.chaos.processes import Process
from tests.guarded import lines_as

LedgerKind = Literal["real", "naive", "none"]

NAME = "contrada.example"
WITNESSES = ("fr", "it")
DRIPPING = "it"


@dataclass
class LedgerSite:
    """The ledger: made by `found`, run by `processes`, and what lies in its directory."""

    place: Path
    bootstrap: KafkaAddress
    kind: LedgerKind = "real"
    env: dict[str, str] = field(default_factory=dict)
    homes: dict[str, WitnessHome] = field(default_factory=dict)
    policy: Policy = field(init=False)
    process: Process = field(init=False)
    second: Process = field(init=False)
    """A ledger on the same directory; runs for some seconds only."""

    relay: DrippingRelay = field(init=False)

    @property
    def directory(self) -> Path:
        """What an auditor copies."""
        return self.place / "ledger"

    @property
    def records_url(self) -> str:
        """The database of its records."""
        return f"sqlite:///{self.directory / 'records.sqlite'}"

    def found(self, units: Mapping[str, UnitHome], *, secret: Secret, now: Millis) -> None:
        """Make witnesses, keys, policy and logs, and give the policy to everybody."""
        named = []
        for unit in WITNESSES:
            settings = {"name": f"{unit}.example/witness", "port": free_port()}
            make_witness(units[unit].path, settings, policy=None)
            self.homes[unit] = witness_home(units[unit].path)
            (entry,) = witnesses_in(self.homes[unit].public)
            if unit == DRIPPING:
                port = free_port()
                self.relay = DrippingRelay(port, settings["port"])
                entry = replace(entry, url=f"http://{HOST}:{port}")
            named.append(entry)
        self.directory.mkdir(mode=0o700)
        note_key = NoteKey.generate(os.urandom)
        write_note_key(self.place / "note.key", note_key, secret=secret, entropy=os.urandom)
        keys = OwnKeys(note_key)
        text = ledger_policy(NAME, now=now, log_keys=keys.vkeys, witnesses=named, quorum=1)
        for path in (
            self.directory / "policy",
            *(home.ledger_policy for home in units.values()),
            *(home.policy for home in self.homes.values()),
        ):
            path.write_text(text)
        self.policy = parse_policy(text)
        records = RecordStore(self.records_url)
        begin_logs(records, keys, NAME, now=now)
        records.close()
        self.process, self.second = self._process(0), self._process(1)

    def states(self) -> tuple[LogState, ...]:
        """The lock rows; none while a naive ledger, which has forgotten everything, makes its database again."""
        try:
            records = RecordStore(self.records_url, read_only=True)
        except Unavailable:
            if self.kind != "naive":
                raise
            return ()
        try:
            return records.states()
        finally:
            records.close()

    def checkpoint(self, origin: str) -> SignedCheckpoint | None:
        """What is published of a log in its directory."""
        try:
            return parse_checkpoint((self.directory / prefix_of(origin, NAME) / "checkpoint").read_bytes())
        except (OSError, Rejected):
            return None

    def trusted(self) -> dict[str, int]:
        """The size of each log's checkpoint, if the policy trusts it."""
        sizes = {}
        for state in self.states():
            signed = self.checkpoint(state.origin)
            try:
                sizes[state.origin] = -1 if signed is None else self.policy.trusted(signed).checkpoint.size
            except Rejected:
                sizes[state.origin] = -1
        return sizes

    def covers(self, last: int) -> bool:
        """Whether all up to this offset of the audit topic is logged, and trusted checkpoints cover it."""
        states, trusted = self.states(), self.trusted()
        read = max((state.position for state in states if state.next is None), default=0)
        return read > last and all(trusted.get(state.origin) == state.size for state in states)

    def _process(self, number: int) -> Process:
        name, centre = f"ledger-{number}", self.place / "centre-home"
        config = self.place / f"{name}.toml"
        values = {
            **lines_as(self.bootstrap, "ledger"),
            "origin": NAME,
            "directory": str(self.directory),
            "root": str(self.place / "root.pin"),
            "key": f"file:{centre}/ledger/identity.key",
            "note_key": str(self.place / "note.key"),
            "secret": str(centre / "secret"),
        }
        config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
        module = "tests.chaos.naive_ledger" if self.kind == "naive" else "broker.ledger"
        # Not -P: the naive ledger lies in tests/, which is no installed package.
        command = [sys.executable, "-m", module, str(config)]
        return Process(name, command, self.place / "logs" / f"{name}.log", env=self.env)
