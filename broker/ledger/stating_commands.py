"""The command line of what two people state: gaps, put-backs. Named by the table of `contrada ledger`."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from broker.ledger.ledger_commands import ledger_config_option, ledger_home, ledger_settings
from protocol.times import Bound
from runtime.cli.command import Impact, Invocation, command, pass_invocation
from runtime.cli.params import Moment, OneLine
from runtime.cli.render import fields_of, say, write_details


@command(
    None,
    "gap",
    impact=Impact.WRITES,
    short="state that records were deleted before they were sequenced; two people",
    examples=("contrada --home centre ledger gap --by 'A. Costa' --second 'M. Smit' --why 'report 4/2027'",),
)
@click.option("--by", required=True, type=OneLine(), metavar="NAME", help="Who states it.")
@click.option("--second", required=True, type=OneLine(), metavar="NAME", help="Who agreed.")
@click.option("--why", required=True, type=OneLine(), metavar="TEXT", help="How they came to be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@ledger_config_option
@pass_invocation
def ledger_gap(
    invocation: Invocation, *, by: str, second: str, why: str, yes: bool, config: Path | None
) -> None:
    """State that records are gone for good: those between where the ledger stands and where the topic begins.

    Nothing else makes the ledger go on behind them. The leaf stands at that place for ever, and every unit
    and auditor is told. Start the ledger afterwards. Where the exchange has two registrars, another one
    agrees first, with 'contrada centre agree to'.
    """
    from broker.ledger.admin.gap_stating import GapStatement, find_gap, state_gap
    from runtime.cli.confirm import confirm

    settings, said = ledger_settings(invocation, config), GapStatement(why=why, by=by, second=second)
    gap = asyncio.run(find_gap(settings, said))
    confirm(f"log for good that {gap.end - gap.first} offsets of the audit topic are gone", yes=yes)
    _tell(invocation, asyncio.run(state_gap(settings, ledger_home(invocation), gap, said)))


@command(
    None,
    "put-back",
    impact=Impact.WRITES,
    short="state that Kafka was put back to an older copy; two people",
    examples=(
        (
            "contrada --home centre ledger put-back --copied 2026-12-01T08:00Z --restored 2026-12-01T11:30Z"
            " --by 'A. Costa' --second 'M. Smit' --why 'report 4/2027'"
        ),
    ),
)
@click.option("--copied", required=True, type=Moment(Bound.LOWER), help="Of which time the copy is.")
@click.option("--restored", required=True, type=Moment(Bound.LOWER), help="When it was put back.")
@click.option("--by", required=True, type=OneLine(), metavar="NAME", help="Who states it.")
@click.option("--second", required=True, type=OneLine(), metavar="NAME", help="Who agreed.")
@click.option("--why", required=True, type=OneLine(), metavar="TEXT", help="How it came to that.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@ledger_config_option
@pass_invocation
def ledger_put_back(
    invocation: Invocation,
    *,
    copied: int,
    restored: int,
    by: str,
    second: str,
    why: str,
    yes: bool,
    config: Path | None,
) -> None:
    """State why the ledger went back: Kafka's disks were lost, and this is an older copy of them.

    Only of a leaf at which the ledger says so itself, and both times must agree with what it had read. From
    then on an auditor takes what is decided again behind that leaf as explained. The leaf stands for ever,
    and every unit and auditor is told. The ledger may run. Where the exchange has two registrars, another
    one agrees first, with 'contrada centre agree to'.
    """
    from broker.ledger.admin.put_back_stating import PutBackStatement, find_way_back, state_put_back
    from protocol.identifiers import Millis
    from protocol.times import show_time
    from runtime.cli.confirm import confirm

    settings = ledger_settings(invocation, config)
    times = {"copied": Millis(copied), "restored": Millis(restored)}
    said = PutBackStatement(**times, why=why, by=by, second=second)
    back = find_way_back(settings, said)
    confirm(f"log for good that Kafka was put back to a copy of {show_time(copied)}", yes=yes)
    _tell(invocation, asyncio.run(state_put_back(settings, ledger_home(invocation), back, said)))


def _tell(invocation: Invocation, made: dict[str, Any]) -> None:
    from broker.centre.commands.agree import say_half

    columns = [column for column in fields_of(made) if made[column.key] is not None]
    write_details(made, columns, as_json=invocation.json)
    if made["ballot"] is None:
        say("one registrar has signed for both: this exchange was founded with one")
    else:
        say_half(made["ballot"])
