"""Runs one vector from its JSON alone.

Owns the reading of a case: which step it is for, and how its outcome is named. Everything it needs stands in the
case and in parties.json; a second implementation does the same with its own code.
"""

from __future__ import annotations

from typing import Any

from protocol.content.parts import Part
from protocol.envelope.commitment import Disclosure, verify_disclosure
from protocol.envelope.wire import parse_delivery, parse_submission
from protocol.errors import Rejected
from protocol.identifiers import Digest
from protocol.trail.batches import verify_decisions, verify_receipt
from protocol.verification import Opened, verify_and_open, verify_submission
from tests.vectors.notation import item_of
from tests.vectors.parties import Directory, opener_of


def outcome(case: dict[str, Any], written: dict[str, Any]) -> str:
    """`ok`, or the code with which the case is refused."""
    if case["step"] == "disclosure":
        return (
            "ok"
            if verify_disclosure(_disclosure(case), Digest(bytes.fromhex(case["commitment"])))
            else "refused"
        )
    if case["step"] == "message":
        return _message(case, written)
    directory, data = Directory.of(written), bytes.fromhex(case["bytes"])
    try:
        match case["step"]:
            case "submission":
                verify_submission(
                    parse_submission(data), owner=case["owner"], parties=directory, now=case["now"]
                )
            case "delivery":
                opened(data, case, written)
            case "receipt":
                verify_receipt(data, parties=directory)
            case "decisions":
                verify_decisions(data, parties=directory)
    except Rejected as rejected:
        return rejected.code
    return "ok"


def opened(data: bytes, case: dict[str, Any], written: dict[str, Any]) -> Opened:
    """The opened delivery."""
    return verify_and_open(
        parse_delivery(data),
        me=case["me"],
        parties=Directory.of(written),
        opener=opener_of(written, case["me"]),
        now=case["now"],
    )


def _disclosure(case: dict[str, Any]) -> Disclosure:
    kind, content = item_of(case["part"])
    others = tuple(Digest(bytes.fromhex(other)) for other in case["others"])
    return Disclosure(case["index"], Part(kind, content), bytes.fromhex(case["part_salt"]), others)


def _message(case: dict[str, Any], written: dict[str, Any]) -> str:
    """A good message: the router takes it, and each addressee opens its delivery to the parts that were sealed."""
    found = outcome({**case, "step": "submission", "bytes": case["submission"]}, written)
    parts = tuple(Part(kind, content) for kind, content in item_of(case["parts"]))
    for (unit, _, _), raw in zip(case["core"][9], case["deliveries"], strict=True):
        try:
            content = opened(bytes.fromhex(raw), {**case, "me": unit}, written).content
        except Rejected as rejected:
            return f"{unit}: {rejected.code}"
        if content.parts != parts or content.salt.hex() != case["salt"]:
            return f"{unit}: other parts"
    return found
