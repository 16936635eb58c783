"""`contrada message`: the way of one message."""

from __future__ import annotations

import click

from clients.cli.command import Impact, Invocation, command, group, pass_invocation
from clients.cli.home import chosen_home, unit_home
from clients.cli.local_api import Daemon, segment
from clients.cli.params import Identifier
from clients.cli.render import Column, moment, write_json, write_table

message = group("message", short="the way of one message")

STEPS = (
    Column("t", "TIME", moment),
    Column("event", "EVENT"),
    Column("unit", "UNIT"),
    Column("detail", "DETAIL"),
)


@command(
    message,
    "trace",
    impact=Impact.READS,
    short="what is known of a message, step by step",
    examples=(
        "contrada message trace 019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a",
        "contrada --home centre message trace ID",
        "contrada message trace ID --kafka 127.0.0.1:9092 --json",
    ),
)
@click.argument("message_id", metavar="ID", type=Identifier())
@pass_invocation
def trace(invocation: Invocation, message_id: str) -> None:
    """Show the way of a message: what a unit's daemon knows of it, or what the audit trail says.

    In a centre's home, or with --kafka on the line, the verified audit trail is read; else the unit's
    daemon is asked. Never shows content.
    """
    home = chosen_home(invocation)
    if home.is_centre or invocation.kafka_was_typed:
        from clients.cli.work.audit_trail import trace_in_audit  # noqa: PLC0415 - brings Kafka and cryptography

        found = trace_in_audit(invocation, message_id)
    else:
        found = Daemon(unit_home(invocation)).get(f"/v1/trace/{segment(message_id)}")
    if invocation.json:
        write_json(found)
    else:
        write_table(found["steps"], STEPS, as_json=False, none="nothing is known of it")
