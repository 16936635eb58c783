"""Gossip: comparing the head of the ledger that a message's header names with this unit's.

A log that shows two units two trees is detected by the first message between them. Owns the comparison and
its alarm. Rules: gossip never stops a message, whose content has been verified by itself; a head ahead of
this unit's is remembered, and compared when the log has grown to it. A head names no log: once the half-year
is over, what matches no log may be of the next one, and is remembered as well. The alarm about a unit is over
when it names a larger tree that this unit holds too. All in the worker's thread, inside the transaction that
takes the message in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clients.daemon.alarms import raise_once
from clients.daemon.state.ledger_state import FollowedLog, Ledger
from protocol.errors import Code, Rejected
from protocol.identifiers import UnitId
from protocol.limits import CLOCK_TOLERANCE
from protocol.parties import TreeHead
from protocol.tlog.proofs import root_at

if TYPE_CHECKING:
    from clients.daemon.state.unit_context import UnitContext

MOST_AHEAD: Final = 256
ALARM: Final = "ledger_gossip"


def compare(context: UnitContext, head: TreeHead, *, sender: UnitId) -> None:
    """Compare the head that a verified header of this sender names with the held log."""
    ledger = context.ledger
    if ledger is None or head.size == 0 or ledger.audit is None:
        return
    known = ledger.roots.get(head.size)
    outcome = "same" if known == head.root else _look(context, ledger, head, sender)
    _note(context, ledger, head, sender, outcome)


def catch_up(context: UnitContext, ledger: Ledger, held: FollowedLog) -> None:
    """Compare the heads that were ahead, and are not any more."""
    for head in [head for head in ledger.ahead if head.size <= held.follower.head.size]:
        sender = ledger.ahead.pop(head)
        outcome = _look(context, ledger, head, sender)
        if head not in ledger.ahead:
            _note(context, ledger, head, sender, outcome)


def _note(context: UnitContext, ledger: Ledger, head: TreeHead, sender: str, outcome: str) -> None:
    context.metrics.heads_compared.labels(outcome).inc()
    if outcome == "same" and head.size > ledger.differs.get(sender, head.size):
        del ledger.differs[sender]
        ledger.clear(_about(sender))


def _look(context: UnitContext, ledger: Ledger, head: TreeHead, sender: str) -> str:
    assert ledger.audit is not None
    # At the turn of a half-year some have seen the new log already, and some have not.
    logs = [held for held in ledger.logs.values() if held.shard is not None]
    roots = [_root(held, head.size) for held in logs if head.size <= held.follower.head.size]
    if head.root in roots:
        return "same"
    if head.size > ledger.audit.follower.head.size or _is_over(context, ledger.audit):
        return _remember(context, ledger, head, sender)
    if None in roots:
        return "unknown"
    ours = _root(ledger.audit, head.size) or b""
    _alarm(context, ledger, head, sender, f"ours has {ours.hex()[:16]}")
    return "different"


def _remember(context: UnitContext, ledger: Ledger, head: TreeHead, sender: str) -> str:
    for other, who in ledger.ahead.items():
        if other.size == head.size and other.root != head.root and who != sender:
            _alarm(context, ledger, head, sender, f"{who} saw {other.root.hex()[:16]}")
            return "different"
    ledger.ahead[head] = sender
    if len(ledger.ahead) > MOST_AHEAD:
        del ledger.ahead[next(iter(ledger.ahead))]
    return "ahead"


def _alarm(context: UnitContext, ledger: Ledger, head: TreeHead, sender: str, other: str) -> None:
    detail = f"{Code.E_GOSSIP_LOG.value}: at {head.size} it saw {head.root.hex()[:16]}, {other}"
    held = None if ledger.audit is None else ledger.audit.follower.note
    ledger.differs[sender] = max(head.size, ledger.differs.get(sender, 0))
    raise_once(context, ledger, ALARM, _about(sender), detail, held=held, shown=head.root)


def _about(sender: str) -> str:
    return f"unit {sender}"


def _is_over(context: UnitContext, held: FollowedLog) -> bool:
    """Whether another unit may have seen the log of the next half-year already."""
    return held.shard is not None and context.clock() + CLOCK_TOLERANCE >= held.shard.end


def _root(held: FollowedLog, size: int) -> bytes | None:
    try:
        return root_at(size, held.tiles.read)
    except Rejected:
        return None
