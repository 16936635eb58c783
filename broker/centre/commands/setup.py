"""`contrada centre init` and `contrada centre topics`: founding an exchange, and its topics."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path

import click

from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.input_files import PathName
from runtime.cli.params import Whole
from runtime.cli.render import Column, say, write_details, write_table

TOPIC_COLUMNS = (
    Column("name", "TOPIC"),
    Column("action", "ACTION"),
    Column("settings", "SETTINGS", kind=Kind.TEXT),
)

topics = group("topics", short="the shape of the exchange in Kafka")


@command(
    None,
    "init",
    impact=Impact.WRITES,
    short="found an exchange: root, registrar, router, topics",
    examples=(
        "contrada --home ./centre --kafka 127.0.0.1:9092 centre init",
        "contrada --home ./centre --kafka 127.0.0.1:9092 centre init --secret /run/credentials/centre.secret",
    ),
)
@click.option("--secret", type=PathName(path_type=Path), metavar="FILE", help="32 bytes that seal the keys.")
@click.option(
    "--router-port",
    type=Whole(0, 65535),
    default=9470,
    show_default=True,
    help="Where the router's health is served, on loopback.",
)
@pass_invocation
def centre_init(invocation: Invocation, *, secret: Path | None, router_port: int) -> None:
    """Found a new exchange in the home directory.

    Makes the root, the registrar, the router and the ledger, each with its keys; writes root.cbor,
    which every unit pins; creates the shared topics; publishes the first statements. Without --secret
    a new one is written beside the keys: move it to another place before the exchange is used in earnest.
    """
    from broker.centre.founding import found_centre
    from runtime.cli.kafka_calls import run_quietly

    done = run_quietly(found_centre(invocation, secret_file=secret, router_port=router_port))
    fields = (
        Column("root", "root"),
        Column("root_fingerprint", "root fingerprint"),
        Column("router_config", "router settings"),
    )
    write_details(done, fields, as_json=invocation.json)
    say(f"hint: start the router: contrada router run --config {done['router_config']}")
    say("hint: give root.cbor to every unit, and read its fingerprint to them over the telephone")
    say(f"hint: keep {done['home']}/keys/root offline from now on")


@command(
    topics,
    "apply",
    impact=Impact.WRITES,
    short="make Kafka agree with the declared topics",
    examples=("contrada --home ./centre centre topics apply", "contrada centre topics apply --json"),
)
@pass_invocation
def topics_apply(invocation: Invocation) -> None:
    """Create missing topics and correct settings. Applied twice, the second time changes nothing."""
    from broker.centre.exchange_topics import apply_topics
    from runtime.cli.kafka_calls import run_quietly

    rows = run_quietly(apply_topics(invocation))
    write_table(rows, TOPIC_COLUMNS, as_json=invocation.json, none="no topics")
