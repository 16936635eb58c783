"""The policy of the exchange as commands show it: versions, differences, and what a trial found.

Owns reading a policy's file, and the rows that are printed and written as JSON. The rows of a policy itself
are protocol/exchange/policy_words.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from keys.directory import Directory
from keys.statements import encode_body
from keys.tables import KnownPolicy
from protocol.errors import Code
from protocol.exchange.exchange_policy import PROTOCOL_POLICY, ExchangePolicy
from protocol.exchange.policy_trial import ChangedDecision, PolicyTrial
from protocol.exchange.policy_words import (
    MAX_POLICY_FILE,
    WORDS,
    changed_rows,
    parse_policy_file,
    policy_rows,
)
from protocol.identifiers import KeyId, Millis, digest
from protocol.trail.code_meanings import reason_in_words
from protocol.trail.decision_text import header_in_words
from protocol.trail.records import Record
from runtime.cli.columns import Kind
from runtime.cli.errors import BadInput
from runtime.cli.input_files import read_input
from runtime.cli.render import Column, moment, reasons_text, say, write, write_table
from runtime.errors import NotFound, NotVerified
from runtime.policy.recorded_decisions import RecordedDecisions

VERSIONS: Final = (
    Column("version", "VERSION"),
    Column("state", "STATE", painted=True),
    Column("from", "FROM", moment),
    Column("stated", "AGREED", moment, spare=1),
    Column("by", "BY", kind=Kind.TEXT),
    Column("digest", "SHA-256", kind=Kind.DIGEST, spare=2),
)
ROWS: Final = (
    Column("row", "ROW"),
    Column("value", "VALUE", kind=Kind.TEXT),
    Column("words", "WHAT IT SAYS", kind=Kind.TEXT, spare=1),
)
CHANGES: Final = (
    Column("row", "ROW"),
    Column("before", "BEFORE", kind=Kind.TEXT),
    Column("after", "AFTER", kind=Kind.TEXT),
    Column("words", "WHAT IT SAYS", kind=Kind.TEXT, spare=1),
)
CHANGED: Final = (
    Column("t", "TIME", moment),
    Column("unit", "FROM"),
    Column("to", "TO", kind=Kind.TEXT),
    Column("was", "WAS"),
    Column("would", "WOULD BE"),
    Column("reasons", "REASONS", reasons_text, kind=Kind.TEXT),
    Column("id", "MESSAGE", kind=Kind.ID, spare=1),
)
SHOWN: Final = 20
"""So many changed decisions are shown one by one, as many as fit a screen; JSON has all that are kept."""

Report = dict[str, Any]


def read_policy_of_file(name: str) -> ExchangePolicy:
    """The policy in this file, or `BadInput` with all that is wrong."""
    policy, faults = parse_policy_file(read_input(name, MAX_POLICY_FILE, what="a policy of the exchange"))
    if policy is None:
        raise BadInput(
            f"{'stdin' if name == '-' else name} is no policy of an exchange:",
            hint="'contrada policy show --file' prints one that is",
            faults=faults,
        )
    return policy


def policy_named(name: str, directory: Directory, at: Millis) -> ExchangePolicy:
    """The policy that is meant: `now`, the number of a version, 0 for the protocol's own, or a file."""
    if name == "now":
        return directory.policy_at(at)
    if not (name.isascii() and name.isdigit()):
        return read_policy_of_file(name)
    if int(name) == 0:
        return PROTOCOL_POLICY
    return version_of(directory, int(name)).body.policy


def version_of(directory: Directory, version: int) -> KnownPolicy:
    """This version, or `NotFound`."""
    for known in directory.policies():
        if known.body.version == version:
            return known
    raise NotFound(f"there is no version {version} of the policy", hint="see 'contrada policy show'")


def versions_report(directory: Directory, at: Millis) -> list[Report]:
    """All versions that registrars have agreed on, the oldest first."""
    return [
        {
            "version": known.body.version,
            "state": _state(known, directory.policies(), at),
            "from": known.holds_from,
            "stated": max(vote.issued for vote in known.votes),
            "by": [_name_of(vote.by, directory) for vote in known.votes],
            "digest": digest(encode_body(known.body)).hex(),
        }
        for known in directory.policies()
    ]


def _state(known: KnownPolicy, every: tuple[KnownPolicy, ...], at: Millis) -> str:
    """One word for what a version is at this time."""
    if not known.stands:
        return "fallen"
    # A later version takes the place of this one when its own time has come, be that sooner than this one's.
    later = [each.holds_from for each in every if each.stands and each.body.version > known.body.version]
    if known.holds_from > at:
        return "replaced" if any(each <= known.holds_from for each in later) else "waits"
    return "over" if any(each <= at for each in later) else "in force"


def _name_of(kid: KeyId, directory: Directory) -> str:
    known = directory.operator_key(kid)
    return kid.hex() if known is None else known.identity.unit


def rows_report(policy: ExchangePolicy) -> list[Report]:
    """Each row of a policy."""
    return [
        {"row": name, "value": value, "words": WORDS[name]} for name, value in policy_rows(policy).items()
    ]


def changes_report(before: ExchangePolicy, after: ExchangePolicy) -> list[Report]:
    """What differs between two policies."""
    return [
        {"row": each.row, "before": each.before, "after": each.after, "words": each.words}
        for each in changed_rows(before, after)
    ]


def show_changes(rows: list[Report], *, as_json: bool = False) -> None:
    """As a table."""
    write_table(rows, CHANGES, as_json=as_json, none="they say the same")


def try_policy(
    policy: ExchangePolicy, held: RecordedDecisions, judged: Iterator[tuple[Record, Directory]]
) -> Report:
    """What a policy would have changed of these decisions."""
    trial = PolicyTrial(policy)
    for record, directory in judged:
        trial.take(record, directory)
    changed = sorted(trial.changed, key=lambda each: each.record.t)
    return {
        "decisions": trial.decisions,
        "older": held.passed,
        "untried": trial.untried,
        "would_be_refused": trial.refused,
        "would_be_accepted": trial.accepted,
        "stronger_suite": trial.stronger,
        "accepted_against": [_row(each) for each in trial.against],
        "by_reason": {code.value: count for code, count in sorted(trial.by_reason.items())},
        "changed": [_changed(each) for each in changed],
    }


def _row(record: Record) -> Report:
    return {
        "t": record.t,
        "unit": record.source.unit,
        **header_in_words(record),
        "partition": record.source.partition,
        "offset": record.source.offset,
        "directory_size": record.directory_size,
    }


def _changed(each: ChangedDecision) -> Report:
    record = each.record
    return _row(record) | {
        "was": record.type.name.lower(),
        "would": "accepted" if each.accepted else "rejected",
        "reasons": [
            {
                "code": reason.code.value,
                "unit": reason.unit,
                "found": reason_in_words(reason.code, reason.unit),
            }
            for reason in (each.reasons or record.reasons)
        ],
    }


def show_trial(found: Report) -> None:
    """In words, and the first of what would change."""
    changes = found["would_be_refused"] + found["would_be_accepted"]
    write(f"{found['decisions']} decisions tried, {changes} would be others")
    if changes:
        write(f"would be refused   {found['would_be_refused']}")
        write(f"would be accepted  {found['would_be_accepted']}")
        for code, count in found["by_reason"].items():
            write(f"  {code}  {count}")
        write("")
        write_table(list(islice(found["changed"], SHOWN)), CHANGED, as_json=False, none="")
        if changes > SHOWN:
            say(f"{changes - SHOWN} more; --json has the first {len(found['changed'])}")
        if Code.E_LIFETIME in found["by_reason"]:
            say("note: a daemon that knows the policy shortens the life of a message by itself")
    for count, words in (
        (
            found["stronger_suite"],
            "would have to be sealed with a stronger suite; daemons do so by themselves",
        ),
        (found["untried"], "could not be tried: unreadable, unverified, or there twice"),
        (found["older"], "older ones were left out: say a higher --limit"),
    ):
        if count:
            say(f"note: {count} {words}")


def refuse_against(found: Report) -> None:
    """`NotVerified` where something was accepted against the policy of its time."""
    if against := found["accepted_against"]:
        names = ", ".join(str(each["id"]) for each in against[:3])
        raise NotVerified(
            f"{len(against)} messages were accepted against the policy of their time: {names}",
            hint="which router did so is in 'contrada centre audit'; see docs/runbooks/policy.md",
        )
