"""The demo's last acts: the ledger has every decision, and tampering with it is detected.

Each act checks what outsiders see: a unit's proof, an auditor's copy, a witness, a unit's alarms. Owns what
is expected; changes nothing of the running ledger.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from clients.demo.exchange import WITNESSES, Exchange, example
from clients.demo.intruder import Intruder
from clients.demo.processes import CONTRADA, eventually
from clients.demo.scene import PATIENCE, Scene
from protocol.tlog.checkpoints import parse_checkpoint
from runtime.files import replace_file

_Found = dict[str, Any]


@dataclass(slots=True)
class LedgerCase:
    """One playing of these acts, over an exchange in which messages were sent."""

    exchange: Exchange
    message: str
    """One that France sent and Italy received."""

    altered: int = -1

    def acts(self) -> list[Callable[[], Scene]]:
        """The acts in their order."""
        return [self.proved, self.audited, self.tampered, self.put_back, self.rewritten]

    def proved(self) -> Scene:
        """Sender and addressee have proofs of their leaves by themselves, under both witnesses."""
        wanted = {"fr": {"accepted"}, "it": {"accepted", "delivered"}}
        seen = [
            unit
            for unit, leaves in wanted.items()
            if eventually(partial(self._has_proofs, unit, leaves), within=PATIENCE)
        ]
        return Scene(
            "the first message in the ledger",
            f"proved to fr, it; cosigned by {', '.join(WITNESSES)}",
            f"proved to {_names(seen)}; cosigned by {_names(self._cosigners())}",
        )

    def audited(self) -> Scene:
        """An auditor copies the ledger and recomputes all of it."""
        eventually(self._mirror, within=PATIENCE)
        code, found = self._fsck(self._copy("auditor"))
        return Scene(
            "an auditor's copy, checked offline", "exit code 0: nothing found", _verdict(code, found)
        )

    def tampered(self) -> Scene:
        """A record altered and another removed on the centre's disk: fsck names both leaves."""
        intruder = self._intruder("disk")
        self.altered, removed = intruder.alter(), intruder.remove()
        code, found = self._fsck(intruder.copy)
        return Scene(
            "one record altered, one removed on the disk",
            f"exit code 7: record-altered at leaf {self.altered}, record-missing at leaf {removed}",
            _verdict(code, found),
        )

    def _fsck(self, copy: Path) -> tuple[int, _Found]:
        """The whole audit of a copy, by the policy that a unit has and not by the copy's own."""
        policy = self.exchange.home("it") / "ledger-policy"
        return self._contrada("audit", "fsck", str(copy), "--live", "--policy", str(policy))

    def put_back(self) -> Scene:
        """The disk is put back to where it was: a ledger on it does not start."""
        old = self._copy("auditor")
        self._grow()
        config = old.parent / "put-back.toml"
        text = (self.exchange.centre / "ledger.toml").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if not line.startswith("directory ")]
        lines.append(f"directory = {json.dumps(str(old))}")
        replace_file(config, ("\n".join(lines) + "\n").encode())
        code, found = self._contrada("ledger", "check", "--config", str(config))
        return Scene(
            "the ledger put back to an older copy",
            "exit code 7, E_ROLLED_BACK",
            f"exit code {code}, {found.get('error', {}).get('code', 'nothing')}",
        )

    def rewritten(self) -> Scene:
        """The log written anew, without the altered leaf, under its own keys: none accepts it."""
        log = self._audit_log("fr")
        forged = self._intruder("forged").rewrite(log["origin"], without=self.altered, now=int(time.time()))
        answers = [str(forged.offer(self.exchange.witness(unit))) for unit in WITNESSES]
        forged.publish(self.exchange.access("ledger"))
        alarmed = [
            unit
            for unit in self.exchange.daemons
            if eventually(partial(self._is_alarmed, unit, log["origin"]), within=PATIENCE)
        ]
        self._grow()  # and the true log is the one published last
        return Scene(
            "the log rewritten and signed with its own key",
            f"witnesses answer 422, 422; ledger_fork at {', '.join(self.exchange.daemons)}",
            f"witnesses answer {', '.join(answers)}; ledger_fork at {_names(alarmed)}",
        )

    def _mirror(self) -> bool:
        """Copy the ledger; whether the copy is of one moment, as the copy of a disk that stands still is."""
        copy = self._copy("auditor")
        shutil.rmtree(copy, ignore_errors=True)
        self._contrada("audit", "mirror", str(self.exchange.ledger), str(copy))
        origin = self._audit_log("fr")["origin"]
        note = (copy / origin.partition("/")[2] / "checkpoint").read_bytes()
        with closing(sqlite3.connect(copy / "records.sqlite")) as store:
            (size,) = store.execute("SELECT size FROM logs WHERE origin = ?", (origin,)).fetchone()
        return parse_checkpoint(note).checkpoint.size == int(size)

    def _has_proofs(self, unit: str, leaves: Iterable[str]) -> bool:
        found = self.exchange.daemon(unit).get(f"/v1/proofs/{self.message}")
        return {proof["leaf"] for proof in found["proofs"]} >= set(leaves)

    def _cosigners(self) -> list[str]:
        names = self._audit_log("fr")["witnesses"]
        return [unit for unit in WITNESSES if any(name.startswith(f"{unit}.") for name in names)]

    def _audit_log(self, unit: str) -> _Found:
        logs = self.exchange.daemon(unit).get("/v1/status")["ledger"]["logs"]
        return next((log for log in logs if "/audit/" in log["origin"]), {"origin": "", "witnesses": {}})

    def _is_alarmed(self, unit: str, origin: str) -> bool:
        alarms = self.exchange.daemon(unit).get("/v1/status")["alarms"]
        return any(alarm["code"] == "ledger_fork" and origin in alarm["detail"] for alarm in alarms)

    def _grow(self) -> None:
        """One more message, and the ledger has published it."""
        size = self._audit_log("fr")["size"]
        body = {"kind": "information", "to": ["it"], "draft": json.loads(example("vessel.json"))}
        self.exchange.daemon("fr").post("/v1/messages", body)
        eventually(lambda: bool(self._audit_log("fr")["size"] > size), within=PATIENCE)

    def _intruder(self, name: str) -> Intruder:
        copy = self._copy(name)
        shutil.copytree(self._copy("auditor"), copy)
        return Intruder(copy, self.exchange.centre)

    def _copy(self, name: str) -> Path:
        return self.exchange.directory / "copies" / name

    @staticmethod
    def _contrada(*arguments: str) -> tuple[int, _Found]:
        done = subprocess.run(  # noqa: S603 - our own program
            [*CONTRADA, *arguments, "--json"], capture_output=True, check=False, timeout=60
        )
        try:
            found = json.loads(done.stdout.strip() or done.stderr.strip().splitlines()[-1])
        except (ValueError, IndexError):
            found = {}
        return done.returncode, found if isinstance(found, dict) else {}


def _verdict(code: int, found: _Found) -> str:
    findings = [f"{finding['kind']} at leaf {finding['leaf']}" for finding in found.get("findings", ())]
    return f"exit code {code}: {', '.join(findings) or 'nothing found'}"


def _names(units: Iterable[str]) -> str:
    return ", ".join(units) or "nobody"
