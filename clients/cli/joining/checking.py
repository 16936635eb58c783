"""`unit check`: an echo through the whole exchange, and everything about it verified here.

    enrolled, key counts -> sealed to this unit itself -> a router decides -> delivered, opened, acknowledged
                         -> both leaves in the ledger, proved against the policy by this process

Owns the steps and their sentences. The echo is a message of the unit to itself: out through its outbox, past
the router, into its inbox, as every other one; so no other unit is bothered by it, and no person has to
answer. What the daemon says of the proofs is not believed: each is verified here, with the policy file of the
home.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from clients.cli.commands.send import await_decision, check_accepted
from clients.cli.local_api import DaemonClient, segment
from protocol.errors import ContradaError, Rejected
from protocol.merkle import leaf_hash
from protocol.tlog.policy import Policy, parse_policy
from protocol.tlog.proof_file import parse_proof, verify_proof
from protocol.trail.acts import parse_any_record
from protocol.trail.batches import verify_receipt
from protocol.trail.records import Delivered, Record, RecordType, entry_of
from runtime.bounded import read_bounded
from runtime.cli.columns import moment
from runtime.cli.errors import CommandError, DaemonProblem, DaemonUnreachable, NotInTime
from runtime.cli.exits import Exit
from runtime.cli.failures import error_text
from runtime.cli.render import say
from runtime.errors import NotVerified
from runtime.process.directory_file import local_directory
from runtime.process.homes import UnitHome

T = TypeVar("T")
Step = Callable[[str], None]

HOLDS: Final = "everything holds: this unit sends and receives, and the ledger has it"

_PAUSE: Final = 0.2
_ONCE: Final = 120.0
_AGAIN: Final = 2.0
_LEAVES: Final = frozenset({"accepted", "delivered"})
_MAX_POLICY: Final = 1_048_576


class NotProved(CommandError):
    """The echo came back, and there is no policy to prove it by."""

    code = "E_NOT_CHECKED"
    exit = Exit.PARTIAL


def check_alongside(home: UnitHome) -> None:
    """Check once beside the daemon that this process is about to run, and tell how it ends."""
    threading.Thread(target=_check_once, args=(home,), name="check", daemon=True).start()


def _check_once(home: UnitHome) -> None:
    told = ""
    while True:
        try:
            check_unit(home, timeout=_ONCE, tell=say, starts=True)
        except NotInTime as error:
            # A cooling-off time, or an exchange of which a part is down: told once, and waited for.
            if str(error) != told:
                told = str(error)
                say(error_text(error))
            time.sleep(_AGAIN)
            continue
        except ContradaError as error:
            say(error_text(error))
            return
        say(HOLDS)
        return


def check_unit(home: UnitHome, *, timeout: float, tell: Step, starts: bool = False) -> dict[str, Any]:
    """The whole way there and back; returns what was found, or raises what is missing.

    A daemon that `starts` only now is waited for.
    """
    until = time.monotonic() + timeout
    daemon = DaemonClient(home)
    me = _wait(until, lambda: _ready_unit(daemon, starts=starts), "the daemon of this unit is not ready")
    tell(f"{me} is enrolled, and its key counts")
    sent = daemon.post("/v1/messages", _echo(daemon, me), once=os.urandom(16).hex())
    message = str(sent["id"])
    row = await_decision(daemon, message, timeout=max(1.0, until - time.monotonic()))
    check_accepted(row)
    tell("a router has accepted the echo, and signed for it")
    _wait(
        until,
        lambda: _is_back(daemon, message),
        "the echo was accepted and has not come back: the router decided it, and this unit's inbox is behind",
    )
    tell("the echo came back, was opened, and is acknowledged")
    policy = _policy(home.ledger_policy)
    if policy is None:
        raise NotProved(
            "the echo came back, and nothing proves it: this unit follows no ledger",
            hint="get the policy file from the centre, compare its SHA-256 by voice, put it into the home as "
            "ledger-policy, and start the daemon again",
        )
    rows = _wait(
        until,
        lambda: _proofs(daemon, message),
        "the echo came back and is not in the ledger yet: the ledger stands still, or too few witnesses sign",
    )
    signed = _signed(daemon, message, home)
    proved = [_proved(each, policy, row["subject"], signed) for each in rows]
    for one in proved:
        by = ", ".join(one["witnesses"]) or "nobody else"
        tell(f"leaf {one['leaf']} of {one['log']} is its {one['what']}, cosigned by {by}")
    return {"unit": me, "id": message, "decided": row["decided"], "proofs": proved}


def _ready_unit(daemon: DaemonClient, *, starts: bool) -> str | None:
    """The unit's id once it can send; None while it only has to be waited for."""
    try:
        status = daemon.get("/v1/status")
    except DaemonUnreachable:
        if not starts:
            raise
        return None
    checks = status["checks"]
    rests = checks["key"].get("rests_until")
    if rests is not None:
        raise NotInTime(
            f"this unit's key counts from {moment(rests)} on: the root asks for a cooling-off time",
            hint="nothing is wrong; check again then",
        )
    ready = all(checks[name]["ok"] for name in ("directory", "kafka", "enrolled", "key") if name in checks)
    return str(status["unit"]) if ready else None


def _echo(daemon: DaemonClient, me: str) -> dict[str, Any]:
    known = daemon.get(f"/v1/units/{segment(me)}")
    copy = [known["national_unit"]] if known["national_unit"] and known["national_unit"] != me else []
    item = {
        "type": "narrative",
        "text": "An echo of this unit to itself. It says nothing about anybody.",
        "purposes": known["purposes"][:1],
        "data_class": "non-personal",
    }
    draft = {
        "subject": "unit check",
        "language": "en",
        "crime_areas": ["migrant-smuggling"],
        "items": [item],
    }
    return {"kind": "information", "to": [me], "copy": copy, "draft": draft, "echo": True}


def _is_back(daemon: DaemonClient, message: str) -> bool | None:
    row = daemon.get(f"/v1/outbox/{segment(message)}")
    return True if any(each["stage"] is not None for each in row["deliveries"]) else None


def _proofs(daemon: DaemonClient, message: str) -> list[dict[str, Any]] | None:
    try:
        rows: list[dict[str, Any]] = daemon.get(f"/v1/proofs/{segment(message)}")["proofs"]
    except DaemonProblem:
        return None
    return rows if {row["leaf"] for row in rows} >= _LEAVES else None


def _signed(daemon: DaemonClient, message: str, home: UnitHome) -> list[Record]:
    """What routers have signed of the message, by keys that follow from the pinned root."""
    directory = local_directory(home)
    rows = daemon.get(f"/v1/receipts/{segment(message)}")["receipts"]
    return [verify_receipt(bytes.fromhex(row["receipt"]), parties=directory) for row in rows]


def _proved(row: dict[str, Any], policy: Policy, subject: str, signed: list[Record]) -> dict[str, Any]:
    """A leaf that is in the log, by this process's own computation; `Rejected` or `NotVerified` else."""
    try:
        data, salt = bytes.fromhex(row["record"]), bytes.fromhex(row["salt"])
    except (TypeError, ValueError):
        raise NotVerified(f"the leaf {row['leaf']} has no record here that proves it") from None
    record = parse_any_record(data)
    if not isinstance(record, Record | Delivered) or record.header_digest is None:
        raise NotVerified("the proof is of something else than a message")
    if record.header_digest.hex() != subject:
        raise NotVerified("the proof is of another message than the echo")
    kind = record.type if isinstance(record, Record) else RecordType.DELIVERED
    if isinstance(record, Record) and record not in signed:
        raise NotVerified("the ledger's decision is not the one that a router has signed")
    proof = parse_proof(row["proof"].encode())
    trusted = verify_proof(proof, leaf_hash(entry_of(kind, record.t, salt, data)), policy)
    return {
        "what": "decision" if isinstance(record, Record) else "delivery",
        "log": trusted.checkpoint.origin,
        "leaf": proof.index,
        "size": trusted.checkpoint.size,
        "witnesses": list(trusted.witnesses),
    }


def _policy(path: Path) -> Policy | None:
    if not path.exists():
        return None
    try:
        return parse_policy(read_bounded(path, _MAX_POLICY, what="a policy"))
    except Rejected as rejected:
        raise NotVerified(f"{path} is no policy: {rejected.sentence}", hint="get it again") from None


def _wait(until: float, look: Callable[[], T | None], missing: str) -> T:
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > until:
            raise NotInTime(missing, hint="contrada unit status, and docs/runbooks/joining.md")
        time.sleep(_PAUSE)
