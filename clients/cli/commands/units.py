"""`contrada units`: the units of the exchange, as this unit's verified replica of the directory has them."""

from __future__ import annotations

import click

from clients.cli.local_api import DaemonClient, segment
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.home import unit_home
from runtime.cli.params import OneUnit
from runtime.cli.render import Column, write_details, write_table

units = group("units", short="the units of the exchange, as the directory has them")

COLUMNS = (
    Column("unit", "UNIT"),
    Column("kind", "KIND", spare=1),
    Column("name", "NAME", kind=Kind.TEXT),
    Column("clearance", "CLEARANCE", spare=3),
    Column("basis", "BASIS", spare=2),
    Column("suspended", "SUSPENDED"),
)

FIELDS = (
    *(column.line() for column in COLUMNS),
    Column("purposes", "purposes"),
    Column("national_unit", "national unit"),
    Column("waives_copy", "waives copies"),
    Column("min_suite", "least suite"),
    Column("fingerprint", "fingerprint"),
    Column("epochs", "epoch keys"),
    Column("waits", "waits for another registrar"),
)


@command(
    units,
    "ls",
    impact=Impact.READS,
    short="list the units",
    examples=("contrada units ls", "contrada units ls --json | jq -r '.[].unit'"),
)
@pass_invocation
def units_ls(invocation: Invocation) -> None:
    """List the units that the directory knows, suspended ones too."""
    found = DaemonClient(unit_home(invocation)).get("/v1/units")
    rows = found["items"] if isinstance(found, dict) else found
    write_table(rows, COLUMNS, as_json=invocation.json, none="the directory knows no unit yet")


@command(
    units,
    "show",
    impact=Impact.READS,
    short="one unit, with its fingerprint",
    examples=("contrada units show it", "contrada units show it --json | jq -r .fingerprint"),
)
@click.argument("unit", metavar="UNIT", type=OneUnit())
@pass_invocation
def units_show(invocation: Invocation, unit: str) -> None:
    """Show one unit, and its fingerprint for two people to read to each other."""
    found = DaemonClient(unit_home(invocation)).get(f"/v1/units/{segment(unit)}")
    write_details(found, FIELDS, as_json=invocation.json)
