"""`route explain`: the answer of every rule about one message, by the directory of this home.

No Kafka, no daemon.

The message is a sealed submission, or a header in JSON that was never sealed (hypothetical.py). Of a
sealed one the signatures and hashes are verified first, as the router does. Two things that a router knows
are unknown here, and are reported as assumptions: that the message was not decided before, and which
permissions originators have given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clients.cli.hypothetical import draft_caveats, hypothetical_core
from clients.cli.rules_of import reason
from keys.directory import Directory
from protocol.content.caveats import Caveat
from protocol.content.code_forms import show_code, show_handling
from protocol.envelope.core import Core
from protocol.envelope.wire import parse_submission
from protocol.errors import Rejected
from protocol.exchange_rules import ExchangeCase, explain_exchange
from protocol.identifiers import Millis, UnitId, show_id
from protocol.trail.batches import Reason
from protocol.trail.reason_words import ReasonContext, found_in
from protocol.verification import verify_submission

SOURCE = "docs/spec, How a router verifies a submission"
ASSUMED = ("the message was not decided before", "no originator has given permission to pass it on")


@dataclass(frozen=True, slots=True)
class Explanation:
    """The rules' answers."""

    shown: dict[str, Any]
    verified: bool
    accepted: bool


def explain_file(
    data: bytes, *, directory: Directory, sender: UnitId | None, options: dict[str, Any], now: Millis
) -> Explanation:
    """What would happen to the message in this file."""
    rules: list[dict[str, Any]] = []
    caveats: tuple[Caveat, ...] = ()
    if not _is_sealed(data):
        core = hypothetical_core(data, directory=directory, sender=sender, options=options, now=now)
        caveats = draft_caveats(data)
    else:
        submission = parse_submission(data)
        core = submission.header.core
        rules.append(_verification(lambda: verify_submission(
            submission, owner=core.sender, parties=directory, now=now
        )))  # fmt: skip
    verified = all(rule["holds"] for rule in rules)
    context = ReasonContext(said=core, parties=directory, created=core.created, decided=now)
    rules += [
        _row(rule.name, rule.article, rule.text, found, context)
        for rule, found in explain_exchange(ExchangeCase(core=core, parties=directory, now=now))
    ]
    accepted = all(rule["holds"] for rule in rules)
    shown = {
        "accepted": accepted,
        "message": _message(core),
        "rules": rules,
        "caveats": [{"field": one.field, "rule": one.rule, "text": one.text} for one in caveats],
        "assumed": list(ASSUMED),
        "directory": {"size": directory.head.size, "root": directory.head.root.hex()},
        "at": now,
    }
    return Explanation(shown, verified, accepted)


def _is_sealed(data: bytes) -> bool:
    # A submission is a CBOR array (0x80 to 0x9f); no text begins with such a byte.
    return data[:1] != b"" and data[0] >> 5 == 4


def _verification(check: Any) -> dict[str, Any]:
    text = "signed by a key of its sender that is good now, and whole"
    try:
        check()
    except Rejected as rejected:
        return _row("verification", SOURCE, text, (Reason(rejected.reason),))
    return _row("verification", SOURCE, text, ())


def _row(
    name: str, article: str, text: str, found: tuple[Reason, ...], context: ReasonContext | None = None
) -> dict[str, Any]:
    reasons = []
    for one in found:
        told = reason(one.code.value, one.unit, None if context is None else found_in(one, context))
        reasons.append({name: told[name] for name in ("code", "unit", "found", "hint")})
    return {"rule": name, "holds": not found, "article": article, "text": text, "reasons": reasons}


def _message(core: Core) -> dict[str, Any]:
    return {
        "id": show_id(core.message_id),
        "kind": show_code(core.kind),
        "sender": core.sender,
        "to": [{"unit": addressee.unit, "role": show_code(addressee.role)} for addressee in core.to],
        "handling": show_handling(core.handling),
        "classification": show_code(core.classification),
        "data_class": show_code(core.data_class),
        "purposes": [show_code(purpose) for purpose in sorted(core.purposes)],
        "suite": int(core.suite),
        "created": core.created,
        "expires": core.expires,
    }
