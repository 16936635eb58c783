"""When a party names its next key by itself, and the statement that does. Pure but for the signers.

Owns the decision; what the directory takes is line.py, and where the next key lies is for its holder
(own_identity.py of routers and ledgers, keys/unit_keys.py of units). Rule: the next key ends later than the
present one by a month at least. Towards the end of its line that is not to be had, and a registrar appoints.
"""

from __future__ import annotations

from keys.directory import Directory
from keys.lifecycle import KeyState, followed_by, key_state
from keys.possession import appoint
from keys.statement_types import StatementType
from keys.statements import issue
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY
from protocol.parties import IdentityKey
from protocol.signatures import Signer

WORTH = 30 * DAY
"""What a successor must bring, so that a line does not end in keys of days."""


def successor_end(present: IdentityKey, *, directory: Directory, now: Millis, lifetime: int) -> Millis | None:
    """Until when the successor is to be valid that this key names now; None where it names none now.

    Not before it is due, not while another key of the same party lasts longer, and not where it may not.
    """
    kid = present.public.kid
    limit = directory.self_renewed_until(kid)
    if limit is None or key_state(present, now) is not KeyState.DUE or directory.successor(kid) is not None:
        return None
    if followed_by(present, directory.party(kid)) is not None:
        return None
    unit = directory.unit(present.unit)
    if unit is not None and unit.suspended:
        return None
    until = Millis(min(now + lifetime, limit))
    return until if until - present.not_after >= WORTH else None


def succession(name: UnitId, *, present: Signer, successor: Signer, now: Millis, until: Millis) -> bytes:
    """The statement by which a party's present key names the next one."""
    made = appoint(StatementType.SUCCESSION, name, signer=successor, not_before=now, not_after=until)
    return issue(made, signer=present, issued=now)
