"""`contrada ledger policy`: the next policy file, made from the one in use.

Owns what the next one names: every existing log, past half-years included, so that old checkpoints still
verify; the half-years to come; the present witnesses, with those that join and without those that leave.
Writes a new file and installs nothing: people decide on a policy.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.ledger.admin.ledger_founding import witnesses_in
from broker.ledger.settings import LedgerSettings, own_secret
from broker.ledger.store.record_store import RecordStore
from broker.ledger.trust import OwnKeys, read_policy_file
from keys.errors import KeyFileExists
from keys.note_keys import read_note_key
from keys.store import write_public
from protocol.errors import MisuseError, Rejected
from protocol.identifiers import Millis
from protocol.tlog.policy import Policy
from protocol.tlog.policy_text import QUORUM, WitnessEntry, ledger_origins, policy_text
from runtime.errors import Conflict, Misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChanges:
    """The changes to the policy in use."""

    joining: Sequence[Path] = ()
    leaving: Sequence[str] = ()
    quorum: int | None = None
    """None: as many as now."""


def renew_policy(
    settings: LedgerSettings, wanted: PolicyChanges, out: Path, *, now: Millis
) -> dict[str, Any]:
    """Write the next policy to `out`; returns what to report."""
    today = read_policy_file(settings.policy)
    witnesses = _witnesses(settings.policy, today, wanted)
    quorum = _quorum(today) if wanted.quorum is None else wanted.quorum
    keys = OwnKeys(read_note_key(settings.note_key, secret=own_secret(settings.secret)))
    states = RecordStore(settings.records_url, read_only=True).states()
    origins = dict.fromkeys([*(state.origin for state in states), *ledger_origins(settings.origin, now)])
    try:
        text = policy_text(
            [key for origin in origins for key in keys.vkeys(origin)], witnesses=witnesses, quorum=quorum
        )
    except (MisuseError, Rejected) as error:
        raise Misconfigured(error.sentence, hint="name other witnesses, or another --quorum") from None
    try:
        write_public(out, text.encode(), entropy=os.urandom)
    except KeyFileExists:
        raise Conflict(f"{out} is there already", hint="name a new file with --out") from None
    return {
        "policy": str(out),
        "logs": list(origins),
        "witnesses": [entry.name for entry in witnesses],
        "quorum": quorum,
    }


def _witnesses(file: Path, today: Policy, wanted: PolicyChanges) -> list[WitnessEntry]:
    there = {entry.name: entry for entry in (witnesses_in(file) if today.witnesses else ())}
    there |= {entry.name: entry for path in wanted.joining for entry in witnesses_in(path)}
    for name in wanted.leaving:
        if there.pop(name, None) is None:
            raise Misconfigured(f"the policy has no witness {name}", hint=f"it has: {', '.join(there)}")
    return list(there.values())


def _quorum(today: Policy) -> int:
    """How many witnesses it takes today; a policy of another make says it in another way."""
    if today.quorum != QUORUM:
        return 0
    return next(group.threshold for group in today.groups if group.name == QUORUM)
