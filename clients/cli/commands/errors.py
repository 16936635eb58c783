"""`contrada errors`: look up an error code, offline: those of messages, and a program's own."""

from __future__ import annotations

import click

from clients.cli.rules_of import RULE_OF, reason
from protocol.errors import HINTS, Code
from protocol.trail.code_meanings import MEANINGS
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.exits import of_code
from runtime.cli.local_codes import LOCAL_CODES
from runtime.cli.render import Column, write_details, write_table
from runtime.errors import NotFound

errors = group("errors", short="look up an error code")

COLUMNS = (Column("code", "CODE"), Column("exit", "EXIT"), Column("means", "MEANS", kind=Kind.TEXT))
FIELDS = (
    Column("code", "code"),
    Column("means", "means"),
    Column("rule", "rule"),
    Column("hint", "what to do"),
    Column("exit", "exit code"),
)
ALL = (*Code, *LOCAL_CODES)


@command(
    errors,
    "ls",
    impact=Impact.READS,
    short="list all codes",
    examples=("contrada errors ls", "contrada errors ls --json | jq -r '.[].code'"),
)
@pass_invocation
def errors_ls(invocation: Invocation) -> None:
    """List every code: those with which something can be rejected, then those of a program's own trouble."""
    write_table([_row(code) for code in ALL], COLUMNS, as_json=invocation.json, none="no codes")


@command(
    errors,
    "show",
    impact=Impact.READS,
    short="one code: what it means, its rule, what to do, its exit code",
    examples=("contrada errors show E_DATA_BASIS", "contrada errors show e_purpose --json"),
)
@click.argument("code", metavar="CODE")
@pass_invocation
def errors_show(invocation: Invocation, code: str) -> None:
    """Explain one code."""
    name = code.strip().upper()
    name = name if name.startswith("E_") else f"E_{name}"
    if name not in ALL:
        from difflib import get_close_matches  # noqa: PLC0415 - only for a slip

        near = get_close_matches(name, ALL, n=3, cutoff=0.75)
        hint = f"did you mean {' or '.join(near)}?" if near else "see 'contrada errors ls'"
        raise NotFound(f"there is no code {code.strip().upper()}", hint=hint)
    row = _row(name)
    if name in RULE_OF:
        row["rule"] = reason(name, None)["rule"]
    write_details(row, FIELDS, as_json=invocation.json)


def _row(code: str) -> dict[str, object]:
    local = LOCAL_CODES.get(code)
    means = MEANINGS[Code(code)] if local is None else local.means
    hint = HINTS[Code(code)] if local is None else local.hint
    return {"code": str(code), "exit": int(of_code(code)), "means": means, "rule": None, "hint": hint}
