"""`contrada centre act` and `centre quarantine release`: stating acts to the ledger."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.confirm import confirm
from runtime.cli.input_files import PathName
from runtime.cli.params import OneLine, Sha256, Whole
from runtime.cli.render import say, write_json

act = group("act", short="state what was done, for the ledger")

_who = click.option(
    "--who", required=True, type=OneLine(), metavar="NAME", help="The person, and the office."
)
_why = click.option(
    "--why", required=True, type=OneLine(), metavar="TEXT", help="One line; it is kept for decades."
)
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@command(
    act,
    "policy-change",
    impact=Impact.WRITES,
    short="a policy file is another one from now on",
    examples=("contrada centre act policy-change policy --why 'a third witness: nl'",),
)
@click.argument("file", type=PathName(dir_okay=False, path_type=Path))
@_why
@pass_invocation
def act_policy_change(invocation: Invocation, *, file: Path, why: str) -> None:
    """State that a policy was changed. The file's SHA-256 is logged, and its name; not its content."""
    from broker.centre.acts import change_policy
    from protocol.limits import MAX_POLICY_TEXT
    from runtime.cli.file_kinds import FileKind, read_kind
    from runtime.cli.kafka_calls import run_quietly

    policy = read_kind(file, MAX_POLICY_TEXT, FileKind.POLICY)
    _tell(invocation, run_quietly(change_policy(invocation, file.name, policy, why=why)))


@command(
    act,
    "break-glass",
    impact=Impact.WRITES,
    short="somebody acts outside the rules, in an emergency",
    examples=(
        "contrada centre act break-glass --who 'duty officer Smit' --why 'life in danger, case 17/26'",
    ),
)
@_who
@_why
@click.option("--submission", type=Sha256(), metavar="SHA256", help="The submission that it is about.")
@_yes
@pass_invocation
def act_break_glass(
    invocation: Invocation, *, who: str, why: str, submission: bytes | None, yes: bool
) -> None:
    """State an act outside the rules, before it is done. It gives nobody any key: content stays sealed."""
    from broker.centre.acts import break_glass as break_it
    from runtime.cli.kafka_calls import run_quietly

    confirm(f"log for good that {who} acts outside the rules", yes=yes)
    _tell(invocation, run_quietly(break_it(invocation, who=who, why=why, submission=submission)))


@command(
    act,
    "auditor-access",
    impact=Impact.WRITES,
    short="an auditor was given a copy, or an answer",
    examples=("contrada centre act auditor-access --who 'EDPS, inspection 4/26' --asked 'all of 2026h2'",),
)
@_who
@click.option(
    "--asked", required=True, type=OneLine(), metavar="TEXT", help="What was asked for, in one line."
)
@pass_invocation
def act_auditor_access(invocation: Invocation, *, who: str, asked: str) -> None:
    """State that an auditor was given records of the ledger."""
    from broker.centre.acts import give_access
    from runtime.cli.kafka_calls import run_quietly

    _tell(invocation, run_quietly(give_access(invocation, who=who, asked=asked)))


@command(
    None,
    "release",
    impact=Impact.WRITES,
    short="take a record out, into a file; two people",
    examples=("contrada centre quarantine release 3 --by 'A. Costa' --second 'M. Smit' --out record.bin",),
)
@click.argument("number", type=Whole(0))
@click.option("--by", required=True, type=OneLine(), metavar="NAME", help="Who takes it out.")
@click.option("--second", required=True, type=OneLine(), metavar="NAME", help="Who agreed.")
@click.option("--out", required=True, type=PathName(path_type=Path), metavar="FILE", help="A new file.")
@_yes
@pass_invocation
def quarantine_release(
    invocation: Invocation, *, number: int, by: str, second: str, out: Path, yes: bool
) -> None:
    """Take a record out of quarantine into a file, for those who look into it. The ledger is told first.

    Nothing is delivered by it: what was not verified stays undelivered. The file holds what somebody put
    into an outbox; take it for hostile. Where the exchange has two registrars, this signs for one of them:
    the other one takes the record out, with 'contrada centre agree to'.
    """
    from broker.centre.acts import check_release
    from broker.centre.acts import release_record as take_out
    from runtime.cli.kafka_calls import run_quietly

    check_release(by=by, second=second, out=out)
    confirm(f"release record {number} of the quarantine to {out}", yes=yes)
    made = run_quietly(take_out(invocation, number, by=by, second=second, out=out))
    if made["ballot"] is not None:
        _tell_half(invocation, made, out)
        return
    _tell(invocation, made)
    say("one registrar has signed for both: this exchange was founded with one")
    if made["held"] < made["size"]:
        say(f"{out} has the first {made['held']:,} of {made['size']:,} bytes: quarantine holds no more")


def _tell_half(invocation: Invocation, made: dict[str, Any], out: Path) -> None:
    from broker.centre.commands.agree import say_half

    if invocation.json:
        write_json(made)
    say_half(made["ballot"], out=out)


def _tell(invocation: Invocation, made: dict[str, Any]) -> None:
    if invocation.json:
        write_json(made)
    say(f"stated {made['act']} as {made['by']}; the ledger takes it from there")
