"""Acts of the centre's operators: stated by the registrar, logged by the ledger.

Owns making and sending them. What each may say is protocol/trail/acts.py. Rule: an act is stated before it is
carried out, so that nothing is done that the ledger does not show. Where an act takes two registrars it is
kept until another one agrees (waiting/half_acts.py), and nothing is done.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from broker.centre.clock import check_clock
from broker.centre.quarantine import held_in_quarantine
from broker.centre.registry import registrar_of
from broker.centre.waiting.half_acts import keep_half, shown_name
from keys.store import write_private
from protocol import topics
from protocol.identifiers import Digest, digest, parse_unit_id
from protocol.trail.acts import Act
from protocol.trail.records import RecordType
from protocol.trail.stated_acts import sign_acts
from runtime.cli.command import Invocation
from runtime.cli.home import bootstrap, centre_home
from runtime.errors import Conflict
from runtime.kafka.partition_log import KafkaLog
from runtime.process.clock import now

Made = dict[str, Any]


async def change_policy(invocation: Invocation, name: str, content: bytes, *, why: str) -> Made:
    """A policy was changed; it is named by its SHA-256."""
    return await _state(invocation, RecordType.POLICY_CHANGE, digest(content), (name, why))


async def break_glass(invocation: Invocation, *, who: str, why: str, submission: bytes | None) -> Made:
    """Somebody acts outside the rules, and says why."""
    subject = None if submission is None else Digest(submission)
    return await _state(invocation, RecordType.BREAK_GLASS, subject, (who, why))


async def give_access(invocation: Invocation, *, who: str, asked: str) -> Made:
    """An auditor is given a copy, or an answer."""
    return await _state(invocation, RecordType.AUDITOR_ACCESS, None, (who, asked))


def check_release(*, by: str, second: str, out: Path) -> None:
    """Refuse a release by fewer than two people, or into a file that exists."""
    if by.casefold() == second.casefold():
        raise Conflict("a release takes two people", hint="name another one with --second")
    if out.exists():
        raise Conflict(f"{out} is there already", hint="name a new file with --out")


async def release_record(invocation: Invocation, number: int, *, by: str, second: str, out: Path) -> Made:
    """Two people take a record out of quarantine, into a file. The act is stated first.

    Where it takes two registrars it waits, and whoever agrees takes the record out.
    """
    row, held = await held_in_quarantine(invocation, number)
    detail = (parse_unit_id(row["unit"]), row["partition"], row["offset"], by, second)
    subject = Digest(bytes.fromhex(row["submission"]))
    made = await _state(invocation, RecordType.QUARANTINE_RELEASE, subject, detail)
    if made["ballot"] is None:
        write_private(out, held, entropy=os.urandom)
    return made | {"file": str(out), "held": row["held"], "size": row["size"]}


async def _state(
    invocation: Invocation, kind: RecordType, subject: Digest | None, detail: tuple[Any, ...]
) -> Made:
    home, moment = centre_home(invocation), now()
    kafka = bootstrap(invocation, home)
    await check_clock(kafka)
    signer = registrar_of(home)
    act = Act(kind, moment, signer.name, subject, detail)
    value = sign_acts([act], actor=signer.name, now=moment, signer=signer, entropy=os.urandom)
    waits = keep_half(home, act, value)
    if waits is None:
        await KafkaLog(kafka, topics.AUDIT).append([value])
    return {
        "act": kind.name.lower(),
        "by": signer.name,
        "t": moment,
        "subject": None if subject is None else subject.hex(),
        "ballot": None if waits is None else shown_name(waits),
    }
