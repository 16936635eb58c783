"""Agreeing to an act: the second registrar signs what the first one has, and it is carried out.

    looked up -> signed by both, on the disk -> in the audit topic -> a record in its file -> forgotten

Owns this order. Rules: what a release needs is looked up before anything is signed, and nothing leaves
quarantine before the ledger is told. A command that was killed on the way is run again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.centre.clock import check_clock
from broker.centre.quarantine import quarantined_records
from broker.centre.waiting.act_words import is_release
from broker.centre.waiting.half_acts import WaitingAct, forget_act, signed_by_both
from keys.directory import Directory
from keys.soft_keys import PrivateIdentity
from keys.store import write_private
from protocol import topics
from protocol.identifiers import Millis
from protocol.trail.acts import Act
from runtime.cli.command import Invocation
from runtime.errors import Conflict, NotFound
from runtime.kafka.partition_log import KafkaLog
from runtime.kafka.security.access import KafkaAddress
from runtime.process.homes import CentreHome


@dataclass(frozen=True, slots=True)
class ReleasedRecord:
    """A record of quarantine, and the file that it goes to."""

    row: dict[str, Any]
    held: bytes
    out: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ActSigning:
    """What agreeing to acts takes: the home that they wait in, the registrar, the time."""

    home: CentreHome
    kafka: KafkaAddress
    directory: Directory
    signer: PrivateIdentity
    moment: Millis

    async def agree(self, each: WaitingAct, released: ReleasedRecord | None) -> None:
        """Sign it, publish it, and carry it out."""
        await check_clock(self.kafka)
        record = signed_by_both(self.home, each, self.signer, self.directory, self.moment)
        await KafkaLog(self.kafka, topics.AUDIT).append([record])
        if released is not None:
            write_private(released.out, released.held, entropy=os.urandom)
        forget_act(self.home, each)


async def find_released(
    invocation: Invocation, acts: Sequence[WaitingAct], out: Path | None
) -> ReleasedRecord | None:
    """The record that one of these acts takes out of quarantine; `Conflict` where `out` does not fit."""
    release = _released(acts, out)
    if release is None or out is None:
        return None
    found = await record_of(invocation, release)
    if found is None:
        raise NotFound(
            "quarantine does not have the record any more",
            hint="records stay there for 90 days; nothing was signed",
        )
    return ReleasedRecord(*found, out)


def _released(acts: Sequence[WaitingAct], out: Path | None) -> Act | None:
    releases = [each.act for each in acts if is_release(each.act)]
    if out is None and releases:
        raise Conflict(
            "whoever agrees to a release takes the record out", hint="name a new file for it with --out"
        )
    if out is None:
        return None
    if len(releases) != 1:
        raise Conflict(
            f"--out is for one record, and {len(releases)} are to be released", hint="agree to one at a time"
        )
    if out.exists():
        raise Conflict(f"{out} is there already", hint="name a new file with --out")
    return releases[0]


async def record_of(invocation: Invocation, act: Act) -> tuple[dict[str, Any], bytes] | None:
    """The row of quarantine that a release is about, and what it holds; None where it is not there."""
    if not is_release(act) or act.subject is None:
        return None
    unit, partition, offset, _, _ = act.detail
    wanted = (unit, partition, offset, act.subject.hex())
    for row, held in await quarantined_records(invocation):
        if (row["unit"], row["partition"], row["offset"], row["submission"]) == wanted:
            return row, held
    return None
