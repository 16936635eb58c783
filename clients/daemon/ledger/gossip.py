"""Gossip: comparing the head of the ledger that a message's header names with this unit's.

A log that shows two units two trees is detected by the first message between them. Owns the comparison and
its alarm. Rules:

- Gossip never stops a message, whose content has been verified by itself.
- A head ahead of this unit's is remembered, and compared when the log has grown to it. Of each sender the
  first and the newest few are: whoever invents heads puts out no other's.
- Two heads of one size that are both ahead contradict each other, and say nothing of who is right: the alarm
  names both units. Once the log has that size, it names the one that was wrong.
- A head names no log: once the half-year is over, what matches no log may be of the next one, and is
  remembered as well.
- The alarm about a unit is over when it names a larger tree that this unit holds too.

All in the worker's thread, inside the transaction that takes the message in.
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

MOST_AHEAD: Final = 4
"""Heads of one sender that are remembered."""

ALARM: Final = "ledger_gossip"
AHEAD: Final = "heads ahead of ours"
"""What the alarm is about where two units contradict each other, and the log has not come so far."""


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
    size = held.follower.head.size
    for sender, heads in list(ledger.ahead.items()):
        due = [head for head in heads if head.size <= size]
        if not due:
            continue
        del ledger.ahead[sender]
        if left := [head for head in heads if head.size > size]:
            ledger.ahead[sender] = left
        for head in due:
            outcome = _look(context, ledger, head, sender)
            if head not in ledger.ahead.get(sender, ()):
                _note(context, ledger, head, sender, outcome)
    if (ALARM, AHEAD) in ledger.wrong and not _contradictions(ledger):
        ledger.clear(AHEAD)


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
    own = ledger.ahead.setdefault(sender, [])
    if head not in own:
        own.append(head)
        if len(own) > MOST_AHEAD:
            del own[1]
    for who, heads in ledger.ahead.items():
        other = next((one for one in heads if one.size == head.size and one.root != head.root), None)
        if other is not None and who != sender:
            both = f"{sender} saw {head.root.hex()[:16]}, {who} saw {other.root.hex()[:16]}"
            detail = f"{Code.E_GOSSIP_LOG.value}: at {head.size} {both}"
            raise_once(context, ledger, ALARM, AHEAD, detail, held=other.root, shown=head.root)
    return "ahead"


def _contradictions(ledger: Ledger) -> bool:
    """Whether two of the heads that are remembered have one size and two roots."""
    heads = {head for heads in ledger.ahead.values() for head in heads}
    return len({head.size for head in heads}) < len(heads)


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
