"""A record's summary of the header, checked in form.

    summary = [ mid, thread, sender, stream, seq, kind, [ [unit, role], ... ], handling, class, data,
                purposes, urgency, ground, basis, refs, created, expires, review, exempt ]

Owns the check; `audit.summarize` makes summaries. They are signed by a router, and read by tools and auditors
years later: a compromised router must not be able to break those with a number where a name belongs. Each
field is checked as the field of a core that it came from.
"""

from __future__ import annotations

from protocol.canonical import Item
from protocol.envelope.core import VERSION, Core, parse_core_items
from protocol.errors import Code, Rejected
from protocol.identifiers import KeyId
from protocol.signatures import Suite

_KEY = KeyId(bytes(16))
_HEAD = [0, bytes(32)]


def check_summary(value: Item) -> None:
    """`Rejected` where this is not the summary of any core."""
    parse_core_items(_core_items(value))


def core_of_summary(value: Item) -> Core:
    """A core that has this summary, and nothing of what a summary leaves out; or `Rejected`."""
    return parse_core_items(_core_items(value))


def _core_items(value: Item) -> list[Item]:
    match value:
        case [message_id, thread, sender, stream, seq, kind, [*to], handling, clas, data, purposes, *rest]:
            addressees = [_with_key(entry) for entry in to]
        case _:
            raise _bad()
    match rest:
        case [urgency, ground, basis, refs, created, expires, review, exempt]:
            return [
                VERSION, int(Suite.CLASSICAL), kind, message_id, thread, created, expires,
                [sender, stream, seq], _KEY, addressees, handling, None, clas, data, purposes,
                urgency, ground, basis, exempt, refs, review, [], _HEAD, _HEAD,
            ]  # fmt: skip
        case _:
            raise _bad()


def _with_key(entry: Item) -> Item:
    match entry:
        case [unit, role]:
            return [unit, _KEY, role]
        case _:
            raise _bad()


def _bad() -> Rejected:
    return Rejected(Code.E_SCHEMA, "a record's summary of the header has another structure")
