"""The rule and article behind an error code, for people who were refused.

Owns the mapping from codes to rows of `protocol.exchange_rules.RULES`, by name; a test holds it against that
table. Light: the rules themselves are imported only when one is to be shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from protocol.errors import HINTS, Code

RULE_OF: dict[str, str] = {
    "E_REPLAY": "replay",
    "E_TIME_FUTURE": "time",
    "E_TIME_STALE": "time",
    "E_EXPIRED": "time",
    "E_LIFETIME": "time",
    "E_SENDER_UNKNOWN": "parties",
    "E_SENDER_SUSPENDED": "parties",
    "E_RCPT_UNKNOWN": "parties",
    "E_RCPT_SUSPENDED": "parties",
    "E_SUITE_BELOW_MIN": "suite",
    "E_RCPT_EPOCH": "epoch",
    "E_CLASS_CLEARANCE": "clearance",
    "E_DATA_BASIS": "data basis",
    "E_PURPOSE": "purpose",
    "E_COPY_MISSING": "national copy",
    "E_HANDLING_INVALID": "handling",
    "E_H3_LIMIT": "H3 limits",
    "E_H2_NO_CONSENT": "H2 onward",
    "E_CONSENT_SCOPE": "H2 onward",
    "E_CONSENT_EXPIRED": "H2 onward",
    "E_KIND_FIELDS": "kind",
    "E_REF_MISSING": "kind",
    "E_ATT_MISSING": "kind",
    "E_RCPT_COUNT": "kind",
    "E_GOSSIP_DIR": "directory head",
}


def reason(code: str, unit: str | None, found: str | None = None) -> dict[str, str | None]:
    """A reason of a decision: what was found, the rule behind it with its article, and what to do.

    `found` is what the daemon or the rules say of this message; else it is told by code and unit alone.
    """
    from protocol.exchange_rules import RULES  # noqa: PLC0415 - brings cryptography, 80 ms; only when refused
    from protocol.trail.code_meanings import reason_in_words  # noqa: PLC0415

    rule = next((row for row in RULES if row.name == RULE_OF.get(code)), None)
    known = code in Code.__members__
    return {
        "code": code,
        "unit": unit,
        "found": found or (reason_in_words(Code(code), unit) if known else None),
        "rule": None if rule is None else f"{rule.text} ({rule.name}: {rule.article})",
        "source": None if rule is None else f"{rule.name}, {rule.article}",
        "hint": HINTS[Code(code)] if known else None,
    }


def reasons(answered: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str | None], ...]:
    """The reasons in the daemon's answer."""
    return tuple(reason(row["code"], row.get("unit"), row.get("found")) for row in answered)
