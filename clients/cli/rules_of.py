"""The rule and article behind an error code, for people who were refused.

Owns the mapping from codes to rows of `protocol.exchange_rules.RULES`, by name; a test holds it against that
table. Light: the rules themselves are imported only when one is to be shown.
"""

from __future__ import annotations

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


def reason(code: str, unit: str | None) -> dict[str, str | None]:
    """A reason of a decision with its hint, its rule and the article behind it."""
    from protocol.exchange_rules import RULES  # noqa: PLC0415 - brings cryptography, 80 ms; only when refused

    rule = next((row for row in RULES if row.name == RULE_OF.get(code)), None)
    return {
        "code": code,
        "unit": unit,
        "rule": None if rule is None else f"{rule.text} ({rule.name}: {rule.article})",
        "hint": HINTS[Code(code)] if code in Code.__members__ else None,
    }


def reasons(found: list[Any]) -> tuple[dict[str, str | None], ...]:
    """The reasons in the daemon's answer."""
    pairs = [(row.get("code"), row.get("unit")) if isinstance(row, dict) else (row, None) for row in found]
    return tuple(reason(str(code), unit if unit is None else str(unit)) for code, unit in pairs)
