"""`contrada centre init` and `contrada centre topics`: founding an exchange, and its topics in Kafka."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path

import click

from protocol.limits import SECOND
from runtime import default_ports
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.errors import CommandError
from runtime.cli.exits import Exit
from runtime.cli.input_files import PathName
from runtime.cli.params import Duration, Whole, authority_option
from runtime.cli.render import Column, moment, say, write_details, write_table
from runtime.cli.tokens.seal_options import token_option

TOPIC_COLUMNS = (
    Column("kind", "KIND"),
    Column("name", "NAME"),
    Column("action", "ACTION"),
    Column("settings", "SETTINGS", kind=Kind.TEXT),
)

FOUNDED = (
    Column("root", "root"),
    Column("root_fingerprint", "root fingerprint"),
    Column("router_config", "router settings"),
)
HANGING_COLUMNS = (
    Column("topic", "TOPIC"),
    Column("partition", "PARTITION"),
    Column("offset", "FROM OFFSET"),
    Column("t", "SINCE", moment),
    Column("decided", "DECIDED"),
)
ENDED_COLUMNS = (
    *HANGING_COLUMNS,
    Column("ended", "ENDED"),
    Column("error", "KAFKA SAYS", spare=1),
)

topics = group("topics", short="the shape of the exchange in Kafka")


@command(
    None,
    "init",
    impact=Impact.WRITES,
    short="found an exchange: root, registrar, router, topics",
    examples=(
        "contrada --home ./centre --kafka kafka:9092 --kafka-tls ./tls centre init",
        "contrada --home ./centre --kafka kafka:9092 --kafka-tls ./tls centre init --secret ./centre.secret",
        "contrada --home ./centre --kafka kafka:9092 --kafka-tls ./tls centre init --registrars 2",
    ),
)
@click.option("--secret", type=PathName(path_type=Path), metavar="FILE", help="32 bytes that seal the keys.")
@token_option
@click.option(
    "--router-port",
    type=Whole(0, 65535),
    default=default_ports.ROUTER,
    show_default=True,
    help="Where the router's health is served, on loopback.",
)
@click.option(
    "--registrars",
    type=Whole(1, 4),
    default=1,
    show_default=True,
    help="How many must agree before anybody is given anything; chosen once.",
)
@click.option(
    "--cooling-off",
    type=Duration(),
    default="0s",
    show_default=True,
    help="How long a unit's new key rests before it counts, 7d at most; chosen once.",
)
@authority_option
@pass_invocation
def centre_init(
    invocation: Invocation,
    *,
    secret: Path | None,
    token: str | None,
    router_port: int,
    registrars: int,
    cooling_off: int,
    authority: Path | None,
) -> None:
    """Found a new exchange in the home directory.

    Makes the root, the registrar, the router and the ledger, each with its keys; writes root.cbor,
    which every unit pins; creates the shared topics; publishes the first statements. Without --secret
    a new one is written beside the keys: move it to another place before the exchange is used in earnest.
    Over TLS the router's settings name a certificate of the router's own, made where the authority is found.
    """
    from broker.centre.founding import found_centre
    from runtime.cli.home import chosen_home
    from runtime.cli.kafka_calls import run_quietly
    from runtime.cli.tokens.token_files import secret_or_token

    work = found_centre(
        invocation,
        secret_file=secret_or_token(secret, token, file=chosen_home(invocation).path / "centre.secret"),
        router_port=router_port,
        registrars=registrars,
        cooling_off=cooling_off * SECOND,
        authority=authority,
    )
    done = run_quietly(work)
    write_details(done, FOUNDED, as_json=invocation.json)
    if "to_do" in done:
        say(f"hint: {done['to_do']}")
    say(f"hint: start the router: contrada router run --config {done['router_config']}")
    say("hint: give root.cbor to every unit, and read its fingerprint to them over the telephone")
    say(f"hint: keep {done['home']}/keys/root offline from now on")
    for other in done["further_registrars"]:
        say(f"hint: carry {other['keys']} to another person, and leave no copy here")


@command(
    topics,
    "plan",
    impact=Impact.READS,
    short="how Kafka differs from the declared topics, rights and quotas",
    examples=("contrada --home ./centre centre topics plan", "contrada centre topics plan --json"),
)
@pass_invocation
def topics_plan(invocation: Invocation) -> None:
    """Show what `apply` would create, correct, grant, withdraw and set. Nothing is changed."""
    from broker.centre.exchange_topics import plan_topics
    from runtime.cli.kafka_calls import run_quietly

    rows = run_quietly(plan_topics(invocation))
    write_table(rows, TOPIC_COLUMNS, as_json=invocation.json, none="Kafka is as declared")


@command(
    topics,
    "apply",
    impact=Impact.WRITES,
    short="make Kafka agree with the declared topics, rights and quotas",
    examples=("contrada --home ./centre centre topics apply", "contrada centre topics apply --json"),
)
@pass_invocation
def topics_apply(invocation: Invocation) -> None:
    """Create missing topics, correct settings, grant and withdraw rights, set quotas.

    Applied twice, the second time changes nothing. Rights and quotas are applied where Kafka is spoken to
    with certificates; each right that is not declared is withdrawn, whoever gave it.
    """
    from broker.centre.exchange_topics import apply_topics
    from runtime.cli.kafka_calls import run_quietly

    rows = run_quietly(apply_topics(invocation))
    write_table(rows, TOPIC_COLUMNS, as_json=invocation.json, none="no topics")


class _Hanging(CommandError):
    code = "E_HANGING"
    exit = Exit.PARTIAL


@command(
    topics,
    "hanging",
    impact=Impact.READS,
    short="transactions that Kafka has decided and not ended",
    examples=("contrada --home ./centre centre topics hanging", "contrada centre topics hanging --json"),
)
@pass_invocation
def topics_hanging(invocation: Invocation) -> None:
    """Show where a transaction hangs: nobody reads past it. Ends in 3 if there is one.

    Kafka 4.1 and later may leave some behind when all its brokers are killed together, as by a cut of power.
    """
    from broker.centre.hanging import find_hanging
    from runtime.cli.kafka_calls import run_quietly

    rows = run_quietly(find_hanging(invocation))
    write_table(rows, HANGING_COLUMNS, as_json=invocation.json, none="no transaction hangs")
    if rows:
        raise _Hanging(
            f"a transaction hangs in {len(rows)} partitions",
            hint="end those that are decided: contrada centre topics end-hanging",
        )


@command(
    topics,
    "end-hanging",
    impact=Impact.WRITES,
    short="end the transactions that hang, as Kafka had decided",
    examples=(
        "contrada --home ./centre centre topics end-hanging",
        "contrada centre topics end-hanging --json",
    ),
)
@pass_invocation
def topics_end_hanging(invocation: Invocation) -> None:
    """End each transaction that hangs as its coordinator had decided. Ends in 3 if one is left.

    What was acknowledged can be read then. One without a decision is left as it is: see the runbook. It asks
    for the right to alter the cluster.
    """
    from broker.centre.hanging import end_hanging
    from runtime.cli.kafka_calls import run_quietly

    rows = run_quietly(end_hanging(invocation))
    write_table(rows, ENDED_COLUMNS, as_json=invocation.json, none="no transaction hangs")
    if left := [row for row in rows if not row["ended"]]:
        raise _Hanging(
            f"a transaction still hangs in {len(left)} partitions",
            hint="docs/runbooks/hanging-transactions.md says what to do with one that is undecided",
        )
