"""JSON from every command that prints data: one document, or one object for each line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.terminal import EXAMPLES, contrada, on_terminal
from tests.cli.test_commands import LEAVES
from tests.cli.test_local_api import ID, Daemon, daemon  # noqa: F401 - a fixture

MESSAGE = {
    "id": ID,
    "short": ID[:13],
    "thread": ID,
    "state": "new",
    "kind": "information",
    "sender": "it",
    "to": ["fr"],
}
QUEUED = {"id": ID, "thread": ID, "state": "queued"}
KEY = {"unit": "fr", "kid": "00" * 16, "state": "active", "fingerprint": "0", "not_before": 1, "not_after": 2}
PAGE = {"items": [MESSAGE, MESSAGE], "cursor": "2", "next": None}
DRAFT = f"{EXAMPLES}/vessel.json"
ALARM = {
    "id": 1, "raised": 1, "code": "clock_behind", "detail": "", "state": "open",
    "acknowledged": None, "by": None, "note": None,
}  # fmt: skip
WELL = {
    "unit": "fr", "ready": True, "checks": {}, "alarms": [], "open_alarms": 0,
    "ledger": {"followed": False}, "waiting": {}, "queued": 0,
}  # fmt: skip

ASKED: dict[str, tuple[list[str], Any]] = {
    "inbox ls": ([], PAGE),
    "inbox show": ([ID], MESSAGE),
    "inbox ack": ([ID], QUEUED),
    "inbox answer": ([ID, "--file", DRAFT], MESSAGE | QUEUED),
    "inbox refuse": ([ID, "--ground", "minor-offence", "--reasons", "a fine"], MESSAGE | QUEUED),
    "outbox ls": ([], PAGE),
    "outbox again": ([ID], MESSAGE),
    "outbox show": ([ID], MESSAGE),
    "send": (["--to", "it", DRAFT], QUEUED),
    "request": (["--to", "it", DRAFT], QUEUED),
    "units ls": ([], {"items": [{"unit": "fr"}, {"unit": "it"}]}),
    "units show": (["it"], {"unit": "it"}),
    "keys show": ([], {"identity": KEY, "epochs": []}),
    "keys rotate": ([], KEY | {"request": "f"}),
    "message trace": ([ID], {"id": ID, "steps": [{"t": 1, "event": "created", "unit": "fr", "detail": ""}]}),
    "message proof": ([ID], {"id": ID, "proofs": []}),
    "message receipt": ([ID], {"id": ID, "receipts": []}),
    "unit status": ([], WELL),
    "unit alarms ls": ([], {"items": [ALARM, ALARM], "cursor": "2", "next": None}),
    "unit alarms ack": (["1"], {"items": [ALARM], "acknowledged": [1]}),
}
"""Commands of a unit, and what the daemon answers."""

OFFLINE: dict[str, list[str]] = {
    "errors ls": [],
    "errors show": ["E_SIZE"],
    "policy show": ["--at", "2026-11-22T08:00Z"],
    "policy diff": ["0", "now"],
    "route explain": [f"{EXAMPLES}/vessel.json", "--to", "it", "--at", "2026-11-22T08:00Z"],
}

WITHOUT = {
    "completion": "prints a script for a shell, which has no other form",
    "unit run": "runs until it is told to stop; its log is JSON lines in any case",
    "router run": "the same",
    "router signer": "the same",
    "ledger run": "the same",
    "centre console run": "the same",
    "witness run": "the same",
}
"""Commands that print no data that JSON could hold: there --json is for errors."""

ELSEWHERE = {
    "needs Kafka: tests/cli/test_live.py, test_centre_status.py": """
        centre appoint, centre keys, centre renew, centre init, centre status, centre units, centre enrol, centre suspend, centre resume, centre revoke, centre quota ls, centre quota set, centre agree ls, centre agree to,
        centre topics apply, centre topics end-hanging, centre topics hanging, centre topics plan, centre audit, centre check, centre top, centre watch, centre quarantine ls, centre quarantine show, centre quarantine release,
        centre act policy-change, centre act break-glass, centre act auditor-access, demo""",
    "needs an exchange that has decided: tests/integration/test_policy.py": "policy apply, policy test",
    "needs a ledger: tests/unit/clients/audit/test_commands.py": """
        audit fsck, audit mirror, audit search, audit report, audit verify message, audit verify receipt,
        audit verify checkpoint, audit verify directory, audit prove inclusion, audit prove consistency,
        ledger init, ledger check, ledger record, ledger erase, ledger policy, ledger export""",
    "needs a token: tests/cli/test_token.py": "token check, token init, token move, token show",
    "works on a centre's book, or on any home: tests/cli/test_seeing.py, tests/unit/clients/cli/bundle/test_bundle.py": """
        centre alarms ls, centre alarms ack, centre alarms close, debug bundle""",
    "needs a gap: tests/integration/test_ledger_goes_on.py": "ledger gap",
    "makes a home: tests/cli/test_console.py": "centre console init, centre console link",
    "makes a directory: tests/cli/test_certificate.py": "centre certificate, unit certificate request, unit certificate take",
    "needs a Kafka that was put back: tests/integration/test_older_copy.py": "ledger put-back",
    "needs a Kafka that knows its clients: tests/integration/test_joining.py, test_enrolment_actions.py": """
        centre invite, centre invited, centre uninvite, centre lost-keys, unit join, unit check""",
    "makes a home, or works on one: tests/cli/witness.txt, test_live.py": """
        router init, router renew, unit init, witness init, witness status""",
}


def test_every_command_is_in_one_table() -> None:
    """No command is forgotten: it speaks JSON here or where the table says, or has a reason not to."""
    elsewhere = [" ".join(name.split()) for names in ELSEWHERE.values() for name in names.split(",")]
    assert sorted([*ASKED, *OFFLINE, *WITHOUT, *elsewhere]) == sorted(LEAVES)


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_takes_both_forms(name: str) -> None:
    """--json and --jsonl stand on every line of the tree; the commands of the table say what they are for there."""
    options = {opt: param for param in LEAVES[name].params for opt in param.opts}
    assert {"--json", "--jsonl", "--wide", "--no-color"} <= set(options)
    if name in WITHOUT and name != "completion":
        assert "errors as JSON" in (getattr(options["--json"], "help", "") or "")


def check(whole: str, lines: str) -> None:
    """A list is a line for each of its entries, anything else is one line; both say the same."""
    document = json.loads(whole)
    assert [json.loads(line) for line in lines.splitlines()] == (
        document if isinstance(document, list) else [document]
    )


@pytest.mark.parametrize("name", ASKED)
def test_a_commands_json(daemon: Daemon, name: str) -> None:  # noqa: F811
    """What the daemon said, as one document and as lines."""
    arguments, answer = ASKED[name]
    daemon.answers = [(200, answer)]
    whole, lines = (daemon.run(*name.split(), *arguments, form) for form in ("--json", "--jsonl"))

    assert (whole.exit, lines.exit) == (0, 0), whole.err
    check(whole.out, lines.out)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_list_at_a_terminal_of_this_width(daemon: Daemon, columns: int) -> None:  # noqa: F811
    """No line is wider; ids are short and whole, or whole with --wide; what a program reads is as in a pipe."""
    rows = [
        MESSAGE | {"id": ID[:-1] + end, "urgency": "life", "handling": "H1+H2+H3", "received": 1}
        for end in "ab"
    ]
    daemon.answers = [(200, {"items": rows, "cursor": "2", "next": None})]
    listed = ("--home", daemon.home, "inbox", "ls")
    code, drawn = on_terminal(*listed, columns=columns, NO_COLOR="1")
    _, wide = on_terminal(*listed, "--wide", columns=columns)
    _, lines = on_terminal(*listed, "--jsonl", columns=columns)

    assert code == 0 and drawn.count(f"{ID[:13]} ") + drawn.count(f"{ID[:13]}\r") == 2
    assert max(len(line) for line in drawn.splitlines()) <= columns
    assert all(row["id"] in wide for row in rows) and "1970-01-01T00:00:00Z" in wide
    assert [json.loads(line) for line in lines.splitlines()] == rows


@pytest.mark.parametrize("name", OFFLINE)
def test_an_offline_commands_json(daemon: Daemon, name: str) -> None:  # noqa: F811
    """The same of commands that ask nobody; an error is JSON in both forms."""
    whole, lines = (daemon.run(*name.split(), *OFFLINE[name], form) for form in ("--json", "--jsonl"))
    check(whole.out, lines.out)
    wrong = contrada("errors", "show", "E_NOTHING", "--jsonl")
    assert json.loads(wrong.err)["error"]["exit"] == wrong.exit == 5
