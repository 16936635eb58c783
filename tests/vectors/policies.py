"""Vectors of the exchange's policy: its one item, which version is in force when, and what the rules say by it.

Owns policies.json. Its units are those of parties.json, its messages those of messages.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keys.registrars.policies import known_policy_in_force
from keys.statement_types import PolicyVersion
from keys.tables import KnownPolicy, Tables
from protocol.canonical import decode, encode
from protocol.envelope.core import parse_core
from protocol.errors import Rejected
from protocol.exchange.exchange_policy import PROTOCOL_POLICY, parse_policy_item, policy_item
from protocol.exchange_rules import ExchangeCase, decide_exchange
from protocol.identifiers import Millis
from protocol.limits import CLOCK_OFF, CLOCK_TOLERANCE, DAY, HOUR, MAX_AGE, POLICY_NOTICE
from tests.vectors.parties import NOW, Directory

OWN = policy_item(PROTOCOL_POLICY)
AHEAD, AGE, LIFETIME, ADDRESSEES, SUITES, DATA, RESTRICTED, QUOTA = range(8)


def _with(**rows: Any) -> list[Any]:
    """The protocol's policy with these rows, by their names."""
    places = {"ahead": AHEAD, "age": AGE, "lifetime": LIFETIME, "addressees": ADDRESSEES, "suites": SUITES,
              "data": DATA, "restricted": RESTRICTED, "quota": QUOTA}  # fmt: skip
    made = list(OWN)
    for name, value in rows.items():
        made[places[name]] = value
    return made


_UNION = [1]
_ITEMS: list[tuple[str, list[Any], str]] = [
    ("the protocol's own", OWN, "ok"),
    ("the least of every number", _with(ahead=CLOCK_OFF, age=HOUR, lifetime=DAY, addressees=2,
                                        quota=[1, 1_200_000, 76_800_000, 1]), "ok"),
    ("a stronger suite for what is marked", _with(suites=[1, 2]), "ok"),
    ("Union law alone for victims' data", _with(data=[OWN[DATA][0], OWN[DATA][1], _UNION, _UNION]), "ok"),
    ("a larger quota", _with(quota=[2**53 - 1] * 4), "ok"),
    ("further ahead than clocks may differ", _with(ahead=CLOCK_TOLERANCE + 1), "E_SCHEMA"),
    ("older than outboxes are kept", _with(age=MAX_AGE + 1), "E_SCHEMA"),
    ("one addressee", _with(addressees=1), "E_SCHEMA"),
    ("a weaker suite for what is marked", _with(suites=[2, 1]), "E_SCHEMA"),
    ("suite 3", _with(suites=[1, 3]), "E_SCHEMA"),
    ("a working arrangement with personal data", _with(data=[[*range(1, 11)], *OWN[DATA][1:]]), "E_SCHEMA"),
    ("a stricter class for more parties", _with(data=[_UNION, *OWN[DATA][1:]]), "E_SCHEMA"),
    ("nobody under Union law", _with(restricted=[2]), "E_SCHEMA"),
    ("bases that do not ascend", _with(restricted=[2, 1]), "E_SCHEMA"),
    ("a quota by which nothing fits", _with(quota=[1, 1_199_999, 76_800_000, 1]), "E_SCHEMA"),
    ("a row more", [*OWN, 0], "E_SCHEMA"),
]  # fmt: skip

_AGREED = NOW
_KNOWN = [
    {"version": 1, "since": 0, "agreed": _AGREED, "stands": True},
    {"version": 2, "since": _AGREED + 30 * DAY, "agreed": _AGREED, "stands": True},
    {"version": 3, "since": _AGREED + 10 * DAY, "agreed": _AGREED + DAY, "stands": False},
    {"version": 4, "since": _AGREED + 20 * DAY, "agreed": _AGREED + DAY, "stands": True},
    {"version": 5, "since": _AGREED, "agreed": _AGREED + 40 * DAY, "stands": True},
]
_MOMENTS = {
    "before the notice is over": (_AGREED + POLICY_NOTICE - 1, 0),
    "when it is over": (_AGREED + POLICY_NOTICE, 1),
    "one that has fallen is never in force": (_AGREED + 11 * DAY, 1),
    "one that waited": (_AGREED + 20 * DAY, 4),
    "an earlier version with a later time": (_AGREED + 31 * DAY, 4),
    "agreed on long after its time": (_AGREED + 40 * DAY + POLICY_NOTICE - 1, 4),
    "and the notice after that": (_AGREED + 40 * DAY + POLICY_NOTICE, 5),
}

_JUDGED = {
    "as the protocol has it": OWN,
    "a day's life": _with(lifetime=DAY),
    "what is personal for Union law alone": _with(data=[_UNION] * 4),
    "hybrid signatures": _with(suites=[2, 2]),
}


def contents(messages: list[dict[str, Any]], written: dict[str, Any]) -> dict[str, Any]:
    """The file's content."""
    items = [{"name": name, "bytes": encode(item).hex(), "expect": expect} for name, item, expect in _ITEMS]
    moments = [{"name": name, "at": at, "version": version} for name, (at, version) in _MOMENTS.items()]
    return {
        "what": "Policies of an exchange: items, versions in force (0: the protocol's), what the rules say by one.",
        "items": items,
        "known": _KNOWN,
        "moments": moments,
        "decisions": list(_decisions(messages, written)),
    }


def _decisions(messages: list[dict[str, Any]], written: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for message in messages:
        for name, item in _JUDGED.items():
            case = {
                "name": f"{message['name']}: {name}",
                "message": message["name"],
                "core_bytes": message["core_bytes"],
                "now": message["now"],
                "policy": encode(item).hex(),
            }
            yield case | {"reasons": reasons_of(case, written)}


def item_outcome(case: dict[str, Any]) -> str:
    """`ok`, or the code with which an item is refused."""
    try:
        parse_policy_item(decode(bytes.fromhex(case["bytes"])))
    except Rejected as rejected:
        return rejected.code
    return "ok"


def version_at(known: list[dict[str, Any]], at: int) -> int:
    """The version in force then; 0 where it is the protocol's own."""
    tables = Tables()
    for each in known:
        body = PolicyVersion(each["version"], Millis(each["since"]), PROTOCOL_POLICY)
        begins = Millis(max(each["since"], each["agreed"] + POLICY_NOTICE))
        tables.policies[each["version"]] = KnownPolicy(body, (), begins, each["stands"])
    found = known_policy_in_force(tables, Millis(at))
    return 0 if found is None else found.body.version


def reasons_of(case: dict[str, Any], written: dict[str, Any]) -> list[list[str | None]]:
    """What the rules say to a header by this policy, in their order."""
    asked = ExchangeCase(
        core=parse_core(bytes.fromhex(case["core_bytes"])),
        parties=Directory.of(written),
        now=Millis(case["now"]),
        trial=parse_policy_item(decode(bytes.fromhex(case["policy"]))),
    )
    return [[reason.code.value, reason.unit] for reason in decide_exchange(asked).reasons]
