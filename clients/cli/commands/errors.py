"""`contrada errors`: look up an error code, offline."""

from __future__ import annotations

import click

from clients.cli.rules_of import RULE_OF, reason
from protocol.errors import HINTS, Code
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.exits import of_code
from runtime.cli.render import Column, write_details, write_table
from runtime.errors import NotFound

errors = group("errors", short="look up an error code")

COLUMNS = (Column("code", "CODE"), Column("exit", "EXIT"), Column("hint", "WHAT TO DO"))
FIELDS = (
    Column("code", "code"),
    Column("exit", "exit code"),
    Column("rule", "rule"),
    Column("hint", "what to do"),
)


@command(
    errors,
    "ls",
    impact=Impact.READS,
    short="list all codes",
    examples=("contrada errors ls", "contrada errors ls --json | jq -r '.[].code'"),
)
@pass_invocation
def errors_ls(invocation: Invocation) -> None:
    """List every code with which something can be rejected."""
    write_table([_row(code) for code in Code], COLUMNS, as_json=invocation.json, none="no codes")


@command(
    errors,
    "show",
    impact=Impact.READS,
    short="one code: its rule, its exit code, what to do",
    examples=("contrada errors show E_DATA_BASIS", "contrada errors show e_purpose --json"),
)
@click.argument("code", metavar="CODE")
@pass_invocation
def errors_show(invocation: Invocation, code: str) -> None:
    """Explain one code."""
    name = code.upper()
    name = name if name.startswith("E_") else f"E_{name}"
    if name not in Code.__members__:
        from difflib import get_close_matches  # noqa: PLC0415 - only for a slip

        near = get_close_matches(name, list(Code.__members__), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see 'contrada errors ls'"
        raise NotFound(f"there is no code {name}", hint=hint)
    row = _row(Code(name))
    if name in RULE_OF:
        row["rule"] = reason(name, None)["rule"]
    write_details(row, FIELDS, as_json=invocation.json)


def _row(code: Code) -> dict[str, object]:
    return {"code": code.value, "exit": int(of_code(code.value)), "rule": None, "hint": HINTS[code]}
