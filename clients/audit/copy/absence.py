"""What a source does not show: not there yet, or withheld.

    the copy has it            withheld: it was shown before
    another log rests on it    withheld: a half-year begins with the last checkpoint of the one before it, and
                               a ledger that logs anything has logged the key directory
    else                       not there yet, as far as a copy can tell

Owns that judgement, over the copy as it is after a run. Touches no source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from clients.audit.copy.ledger_copy import AUDIT, DIRECTORY, LedgerCopy, LogFiles
from clients.audit.errors import LogForked, LogWentBack, LogWithheld, SourceEmpty
from protocol.errors import ContradaError, Rejected
from protocol.tlog.checkpoints import Checkpoint, parse_checkpoint
from protocol.tlog.tiles import ENTRIES, read_entries, tile_of
from runtime.errors import NotFound, NotVerified

_CALL: Final = "is the address right? Else keep the copy, and ask the centre and the other auditors for it"

_GRAVEST_FIRST: Final = (LogForked, LogWentBack, Rejected, NotVerified, ContradaError)


def judge_absence(
    copy: LedgerCopy,
    wanted: Sequence[str],
    *,
    shown: Sequence[str],
    named: bool,
    note: Callable[[str], object],
) -> list[ContradaError]:
    """What is wrong with the absence of logs. `named` is whether a person asked for these and no others."""
    held = {log.label: log for log in copy.logs()}
    absent = [label for label in wanted if label not in shown]
    problems: list[ContradaError] = [
        LogWithheld(f"the source does not show {label}, which this copy has{_size(held[label])}", hint=_CALL)
        for label in absent
        if label in held
    ]
    missing = [label for label in absent if label not in held]
    if not shown and not problems:
        return [_nothing(missing, named=named)]
    if named:
        problems += [_not_there(label) for label in missing]
    else:
        for label, why in dict(_referred_to(held)).items():
            if label not in held:
                problems.append(LogWithheld(f"the source does not show {label}: {why}", hint=_CALL))
                missing = [each for each in missing if each != label]
        if missing:
            note(f"note: not there yet, as far as the source shows: {', '.join(missing)}")
    return problems


def raise_gravest(problems: Sequence[ContradaError], note: Callable[[str], object]) -> None:
    """Raise one, after the others were told."""
    if not problems:
        return
    gravest = next(each for kind in _GRAVEST_FIRST for each in problems if isinstance(each, kind))
    for other in problems:
        if other is not gravest:
            note(f"{other.code}: {Exception.__str__(other)}")
    raise gravest


def _nothing(missing: Sequence[str], *, named: bool) -> ContradaError:
    if named and missing:
        return _not_there(missing[0])
    return SourceEmpty(
        "the source shows none of the logs that the policy names",
        hint="name the place that has audit/ and directory/; a ledger that never ran shows neither",
    )


def _not_there(label: str) -> NotFound:
    return NotFound(f"the source does not show {label}", hint="leave --log out to see which logs it has")


def _referred_to(held: dict[str, LogFiles]) -> Iterator[tuple[str, str]]:
    """Logs that must be there because of what the copy has, and why."""
    for label, log in held.items():
        if not label.startswith(f"{AUDIT}/"):
            continue
        head = _checkpoint(log)
        if head is None or head.size == 0:
            continue
        yield DIRECTORY, f"{label} has {head.size} leaves, and a ledger logs the key directory first"
        before = _previous(log, head)
        if before is not None:
            yield before, f"{label} begins with its last checkpoint"


def _previous(log: LogFiles, head: Checkpoint) -> str | None:
    try:
        return continued_log(log, head, read_entries(log.read, tile_of(ENTRIES, 0, size=head.size))[0])
    except Rejected:
        return None


def continued_log(log: LogFiles, head: Checkpoint, first: bytes) -> str | None:
    """The place of the log that this one continues, by its first entry; None if it continues none."""
    ledger = head.origin.removesuffix(f"/{log.label}")
    origin = first.partition(b"\n")[0].decode("utf-8", "replace")
    # A record, which is CBOR, cannot begin with the name of a ledger.
    return origin.removeprefix(f"{ledger}/") if origin.startswith(f"{ledger}/") else None


def _checkpoint(log: LogFiles) -> Checkpoint | None:
    try:
        return parse_checkpoint(log.checkpoint()).checkpoint
    except Rejected:
        return None


def _size(log: LogFiles) -> str:
    head = _checkpoint(log)
    return "" if head is None else f" at size {head.size}"
