"""The policy of an exchange as people write and read it: rows, one for each thing that it says. Pure.

    age = "2d"                            a row is a name and a value
    [data]
    victim = ["union-law", "union-body"]

Owns the rows, their names and words, reading them from TOML, and what differs between two policies. The
values and their bounds are in exchange_policy.py. Rules:
- What a file does not name is as the protocol has it, whatever is in force: a file is the whole of a policy.
- Everything that is wrong with a file is told at once, with what would be right.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from protocol.codes import Classification, LegalBasis
from protocol.content.code_forms import forms_of, read_code, show_code
from protocol.errors import Code, Fault, Rejected
from protocol.exchange.exchange_policy import (
    ALWAYS,
    BOUNDS,
    EVERY_BASIS,
    MAY_CARRY,
    PERSONAL,
    PROTOCOL_POLICY,
    QUOTA_ROWS,
    Bases,
    ExchangePolicy,
)
from protocol.fault_text import place_text, value_text
from protocol.signatures import Suite
from protocol.times import read_duration, show_duration

MAX_POLICY_FILE: Final = 16_384

TIMES: Final = ("ahead", "age", "lifetime")
_SUITES: Final = {f"suite.{show_code(each)}": each for each in Classification}
_DATA: Final = {f"data.{show_code(each)}": each for each in PERSONAL}
_MARKED: Final = f"marked.{show_code(Classification.EU_RESTRICTED)}"

WORDS: Final[dict[str, str]] = {
    "ahead": "so far ahead of the router's clock a message may have been made",
    "age": "so long ago it may have been made when it is decided",
    "lifetime": "so long after it was made it may expire",
    "addressees": "so many units it may address",
    **{name: f"the least suite of a message marked {name[6:]}" for name in _SUITES},
    **{name: f"to parties with these legal bases {name[5:]} data may go" for name in _DATA},
    _MARKED: f"parties with these legal bases may send and get what is marked {_MARKED[7:]}",
    "quota.messages": "so many messages in a minute, of a unit without a quota of its own",
    "quota.bytes": "so many bytes of them in a minute",
    "quota.copies": "so many bytes in a minute, once for each addressee",
    "quota.refusals": "so much of it may be quarantined or over the quota in an hour",
}
"""Every row of a policy, in the order in which they are shown, with what it says."""


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A row in which two policies differ."""

    row: str
    before: str
    after: str

    @property
    def words(self) -> str:
        """What the row says."""
        return WORDS[self.row]


def policy_rows(policy: ExchangePolicy) -> dict[str, str]:
    """Each row of a policy with its value, for people."""
    shown = {
        name: show_duration(value) if name in TIMES else str(value)
        for name, value in policy.numbers().items()
    }
    shown |= {name: str(int(policy.least_suite(marking))) for name, marking in _SUITES.items()}
    bases = (*zip(_DATA, policy.data, strict=True), (_MARKED, policy.restricted))
    shown |= {name: _show_bases(each) for name, each in bases}
    return {name: shown[name] for name in WORDS}


def changed_rows(before: ExchangePolicy, after: ExchangePolicy) -> list[ChangedRow]:
    """The rows in which they differ, in the order in which rows are shown."""
    old, new = policy_rows(before), policy_rows(after)
    return [ChangedRow(name, old[name], new[name]) for name in WORDS if old[name] != new[name]]


def policy_file_lines(policy: ExchangePolicy) -> list[str]:
    """A policy as the lines of a file that `parse_policy_file` reads."""
    lists = {**dict(zip(_DATA, policy.data, strict=True)), _MARKED: policy.restricted}
    lines: list[str] = []
    room = ""
    for name, shown in policy_rows(policy).items():
        table, _, key = name.rpartition(".")
        if table != room:
            room = table
            lines += ["", f"[{table}]"]
        value = f'"{shown}"' if name in TIMES else shown
        if name in lists:
            value = "[" + ", ".join(f'"{show_code(each)}"' for each in sorted(lists[name])) + "]"
        lines.append(f"{key} = {value}")
    return lines


def _show_bases(bases: Bases) -> str:
    """The list, or what is not in it where that is shorter."""
    missing = EVERY_BASIS - bases
    if not missing:
        return "all"
    if len(missing) < len(bases):
        return f"all but {', '.join(map(show_code, sorted(missing)))}"
    return ", ".join(map(show_code, sorted(bases)))


def parse_policy_file(data: bytes) -> tuple[ExchangePolicy | None, tuple[Fault, ...]]:
    """The policy in a file, or all that is wrong with it."""
    try:
        written = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        return None, (Fault("(top)", "toml", "TOML, in UTF-8"),)
    # Whatever is nested as deep as Python goes is no policy either.
    except (tomllib.TOMLDecodeError, RecursionError):
        return None, (Fault("(top)", "toml", "TOML, such as 'contrada policy show --file' prints"),)
    rows = dict(_flat(written))
    faults = [
        Fault(place_text([name]), "unknown", "one of the rows of 'contrada policy show'")
        for name in rows
        if name not in WORDS
    ]
    values: dict[str, Any] = {}
    for name in WORDS.keys() & rows.keys():
        try:
            values[name] = _READ[name](name, rows[name])
        except Rejected as rejected:
            faults.append(Fault(name, "value", rejected.hint, value_text(rows[name])))
    if faults:
        return None, tuple(sorted(faults, key=lambda fault: fault.field))
    try:
        return _policy_of(values), ()
    except Rejected as rejected:
        return None, (Fault(rejected.sentence.rpartition(": ")[2], "bounds", rejected.hint),)


def _policy_of(values: Mapping[str, Any]) -> ExchangePolicy:
    own = PROTOCOL_POLICY
    numbers = own.numbers() | {name: values[name] for name in BOUNDS if name in values}
    suites = (values.get(name, own.least_suite(marking)) for name, marking in _SUITES.items())
    data = (values.get(name, own.may_have(each)) for name, each in _DATA.items())
    return ExchangePolicy(
        ahead=numbers["ahead"],
        age=numbers["age"],
        lifetime=numbers["lifetime"],
        addressees=numbers["addressees"],
        suites=tuple(suites),
        data=tuple(data),
        restricted=values.get(_MARKED, own.restricted),
        quota=(
            numbers["quota.messages"],
            numbers["quota.bytes"],
            numbers["quota.copies"],
            numbers["quota.refusals"],
        ),
    )


def _flat(written: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Rows by their dotted names. A row in a table that no policy has is named by the table alone."""
    for key, value in written.items():
        if isinstance(value, dict) and not above:
            yield from _flat(value, f"{key}.")
        else:
            yield f"{above}{key}", value


def _time(name: str, value: object) -> int:
    least, most = BOUNDS[name]
    right = f'a length of time in quotes, from "{show_duration(least)}" to "{show_duration(most)}"'
    try:
        length = read_duration(value) if isinstance(value, str) else -1
    except Rejected:
        length = -1
    if not least <= length <= most:
        raise _other(right)
    return length


def _number(name: str, value: object) -> int:
    least, most = BOUNDS[name]
    if type(value) is not int or not least <= value <= most:
        raise _other(f"a number from {least:,} to {most:,}")
    return value


def _suite(_: str, value: object) -> Suite:
    if type(value) is not int or value not in set(map(int, Suite)):
        raise _other("1 or 2")
    return Suite(value)


def _read_bases(name: str, value: object) -> Bases:
    most = EVERY_BASIS if name == _MARKED else MAY_CARRY
    without = "" if name == _MARKED else ", and no working-arrangement"
    right = f"a list with union-law in it{without}, of {forms_of(LegalBasis)}"
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _other(right)
    try:
        found = frozenset(read_code(LegalBasis, each) for each in value)
    except Rejected:
        raise _other(right) from None
    if not ALWAYS <= found <= most or len(found) != len(value):
        raise _other(right)
    return found


def _other(right: str) -> Rejected:
    return Rejected(Code.E_SCHEMA, "another value", hint=right)


_READ: Final[dict[str, Callable[[str, object], Any]]] = {
    **dict.fromkeys(TIMES, _time),
    **dict.fromkeys(("addressees", *QUOTA_ROWS), _number),
    **dict.fromkeys(_SUITES, _suite),
    **dict.fromkeys((*_DATA, _MARKED), _read_bases),
}
