"""Alarms about the ledger: raised once, when something begins to be wrong, with the evidence kept.

Owns the table `ledger_evidence` and which alarms were raised. All in the worker's thread. Which alarm
means what: docs/runbooks/ledger-alarms.md.

What is wrong with a log of the policy is over when the log is correct again. A log that the policy does not
name never is; its alarm is over when no such log was published for an hour. All of them are one alarm: a
writer to the topic can invent names without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clients.daemon.state.ledger_state import Ledger
from protocol.errors import Code

if TYPE_CHECKING:
    from clients.daemon.state.unit_context import UnitContext

UNTRUSTED: Final = "ledger_untrusted"
ALARMS: Final = {
    Code.E_LOG_FORK: "ledger_fork",
    Code.E_LOG_ROLLBACK: "ledger_rollback",
    Code.E_LOG_GAP: "ledger_gap",
    Code.E_LOG_UNKNOWN: UNTRUSTED,
    Code.E_LOG_SIGNATURE: UNTRUSTED,
    Code.E_COSIGNATURE: UNTRUSTED,
    Code.E_QUORUM: UNTRUSTED,
}
"""Which alarm a refused publication is; any other code is `ledger_damaged`."""

DAMAGED: Final = "ledger_damaged"

UNKNOWN_LOG: Final = "unknown log"
"""What an alarm is about where the policy does not name the log."""

QUIET: Final = 3600.0
"""Seconds without an unknown log, in a feed that was read all the time, after which its alarm is over."""

KEPT: Final = 200
"""So many pieces of evidence are shown, the newest."""

KEPT_OF_EACH: Final = 20
"""Of each alarm and what it is about, beside the first."""

LONGEST: Final = 65_536
"""Of a note that is kept; a true one is much shorter."""


def raise_once(
    context: UnitContext,
    ledger: Ledger,
    alarm: str,
    about: str,
    detail: str,
    *,
    held: bytes | None = None,
    shown: bytes | None = None,
) -> None:
    """Raise an alarm, unless it was raised and is not over; keep both notes of a contradiction.

    Inside a transaction.
    """
    if (alarm, about) in ledger.wrong:
        return
    ledger.wrong[alarm, about] = detail
    context.alarm(alarm, cause=about, detail=f"{about} {detail}".strip())
    if shown is None:
        return
    context.store.write(
        "INSERT INTO ledger_evidence (raised, code, about, held, shown) VALUES (?, ?, ?, ?, ?)",
        context.clock(),
        alarm,
        about,
        held,
        shown[:LONGEST],
    )
    # The first one stays, and the newest: whoever makes new ones puts out neither it nor another's.
    context.store.write(
        """DELETE FROM ledger_evidence WHERE code = ? AND about = ?
             AND id > (SELECT min(id) FROM ledger_evidence WHERE code = ? AND about = ?)
             AND id <= (SELECT id FROM ledger_evidence WHERE code = ? AND about = ?
                        ORDER BY id DESC LIMIT 1 OFFSET ?)""",
        *(alarm, about) * 3,
        KEPT_OF_EACH,
    )


def end_unknown_log_alarm(context: UnitContext, ledger: Ledger, *, steady_since: float | None) -> None:
    """End the alarm about unknown logs, if none was published for long enough."""
    if ledger.unknown_log_seen is None or steady_since is None:
        return
    if context.monotonic() - max(ledger.unknown_log_seen, steady_since) >= QUIET:
        ledger.unknown_log_seen = None
        ledger.clear(UNKNOWN_LOG)
