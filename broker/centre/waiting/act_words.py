"""Acts that take two registrars in words: what the second one signs. All of it, and nothing else."""

from __future__ import annotations

from protocol.times import show_time
from protocol.trail.acts import Act, gap_of, put_back_of
from protocol.trail.records import RecordType


def is_release(act: Act) -> bool:
    """Whether this act takes a record out of quarantine."""
    return act.type is RecordType.QUARANTINE_RELEASE


def act_in_words(act: Act) -> str:
    """What this act states, why, and which people it names."""
    if (gap := gap_of(act)) is not None:
        why, by, second = act.detail[3:]
        what = (
            f"the records {gap.first} to {gap.end - 1} of the audit topic are gone for good, and {gap.log} "
            f"goes on behind them: {why}"
        )
    elif (back := put_back_of(act)) is not None:
        why, by, second = act.detail[4:]
        what = (
            f"Kafka was put back on {show_time(back.restored)} to a copy of {show_time(back.copied)}, why "
            f"the ledger went back at leaf {back.leaf} of {back.log}: {why}"
        )
    elif is_release(act) and act.subject is not None:
        unit, partition, offset, by, second = act.detail
        what = (
            f"take out of quarantine what stood in the outbox of {unit}, partition {partition}, offset "
            f"{offset}, with SHA-256 {act.subject.hex()}"
        )
    else:
        return f"something that this program does not know: {act.type.name.lower()}"
    return f"{what}; by {by}, with {second}"
