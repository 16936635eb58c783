"""A policy as a file: what is written is read, and all that is wrong with one is told at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codes import LegalBasis
from protocol.exchange import policy_words
from protocol.exchange.exchange_policy import ALWAYS, MAY_CARRY, PROTOCOL_POLICY, ExchangePolicy
from protocol.exchange.policy_words import (
    WORDS,
    changed_rows,
    parse_policy_file,
    policy_file_lines,
    policy_rows,
)
from protocol.limits import DAY, HOUR, MINUTE
from protocol.signatures import Suite
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.unit.protocol.exchange.test_exchange_policy import NARROW


def text_of(policy: ExchangePolicy) -> bytes:
    return "\n".join(policy_file_lines(policy)).encode()


@pytest.mark.parametrize("policy", [PROTOCOL_POLICY, NARROW], ids=["the protocol's", "a narrow one"])
def test_what_is_written_is_read(policy: ExchangePolicy) -> None:
    """A policy that is shown as a file is the same policy."""
    assert parse_policy_file(text_of(policy)) == (policy, ())


def test_what_a_file_does_not_name_is_the_protocols() -> None:
    """A file is the whole of a policy, whatever is in force."""
    assert parse_policy_file(b"") == (PROTOCOL_POLICY, ())
    short, _ = parse_policy_file(b'age = "1d12h"\n[suite]\neu-restricted = 2\n')
    assert short == replace(PROTOCOL_POLICY, age=DAY + 12 * HOUR, suites=(Suite.CLASSICAL, Suite.HYBRID))


def test_each_row_has_its_words_and_its_value() -> None:
    """In one order, for people."""
    rows = policy_rows(NARROW)
    assert list(rows) == list(WORDS)
    assert (rows["ahead"], rows["suite.eu-restricted"]) == ("2m", "2")
    assert rows["data.personal"] == "all but working-arrangement"
    assert rows["data.victim"] == "union-law"
    assert policy_rows(PROTOCOL_POLICY)["marked.eu-restricted"] == "all"


def test_what_differs_is_told_row_by_row() -> None:
    """And nothing else is."""
    assert changed_rows(NARROW, NARROW) == []
    after = replace(NARROW, ahead=3 * MINUTE, data=(MAY_CARRY, MAY_CARRY, ALWAYS, ALWAYS))
    changed = changed_rows(NARROW, after)
    assert [(each.row, each.before, each.after) for each in changed] == [
        ("ahead", "2m", "3m"), ("data.special", "union-law", "all but working-arrangement"),
    ]  # fmt: skip
    assert changed[0].words == WORDS["ahead"]


WRONG: dict[str, tuple[bytes, list[str]]] = {
    "no TOML": (b"age: 2d\n", ["(top)"]),
    "no text": (b"\xff\xfe", ["(top)"]),
    "as deep as Python goes": (b"a = " + b"[" * 8_000, ["(top)"]),
    "a row twice": (b'age = "1d"\nage = "2d"\n', ["(top)"]),
    "unknown rows": (b"speed = 1\n[suite]\nsecret = 2\n", ["speed", "suite.secret"]),
    "a table of its own": (b'[times]\nage = "1d"\n', ["times.age"]),
    "a number without its unit": (b"age = 7\n", ["age"]),
    "too long, too short": (b'age = "8d"\nlifetime = "1h"\n', ["age", "lifetime"]),
    "more ahead than clocks may differ": (b'ahead = "6m"\n', ["ahead"]),
    "one addressee": (b"addressees = 1\n", ["addressees"]),
    "true is no number": (b"[quota]\nmessages = true\n", ["quota.messages"]),
    "suite 3": (b"[suite]\nbpl = 3\n", ["suite.bpl"]),
    "a working arrangement": (b'[data]\nminor = ["union-law", "working-arrangement"]\n', ["data.minor"]),
    "without Union law": (b'[marked]\neu-restricted = ["union-body"]\n', ["marked.eu-restricted"]),
    "a basis twice": (b'[data]\nminor = ["union-law", "union-law"]\n', ["data.minor"]),
    "no such basis": (b'[data]\nminor = ["union-law", "friendship"]\n', ["data.minor"]),
    "a weaker suite for a stricter marking": (b"[suite]\nbpl = 2\n", ["suite"]),
    "a stricter class for more parties": (b'[data]\npersonal = ["union-law"]\n', ["data"]),
    "nothing": (b"[quota]\nmessages = 0\nbytes = 1\n", ["quota.bytes", "quota.messages"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_all_that_is_wrong_with_a_file_is_told(what: str) -> None:
    """Each place once, with what would be right; nothing of it is taken."""
    data, places = WRONG[what]
    policy, faults = parse_policy_file(data)
    assert policy is None
    assert [fault.field for fault in faults] == places
    assert all(fault.right for fault in faults)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_file_is_more_than_wrong(data: bytes) -> None:
    """A policy, or what is wrong: nothing else comes of any bytes."""
    policy, faults = parse_policy_file(data)
    assert (policy is None) == bool(faults)


MUTANTS = [
    ("times", Mutant(policy_words._time, rewritten("least <= length <= most", "True")), "too long, too short"),
    ("numbers", Mutant(policy_words._number, rewritten("type(value) is not int", "False")), "true is no number"),
    ("bases", Mutant(policy_words._read_bases, rewritten("len(found) != len(value)", "False")), "a basis twice"),
    ("rows", Mutant(parse_policy_file, rewritten("name not in WORDS", "False")), "unknown rows"),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "what"), [row[1:] for row in MUTANTS], ids=[row[0] for row in MUTANTS])
async def test_each_check_of_a_file_taken_away_is_noticed(mutant: Mutant, what: str) -> None:
    await assert_missed(mutant, test_all_that_is_wrong_with_a_file_is_told, (what,))


def test_the_bases_are_those_of_the_list() -> None:
    """A basis that is added some day has a place in every file."""
    every = ", ".join(f'"{each.name.lower().replace("_", "-")}"' for each in LegalBasis)
    policy, faults = parse_policy_file(f"[marked]\neu-restricted = [{every}]\n".encode())
    assert (policy, faults) == (PROTOCOL_POLICY, ())
