"""`contrada centre console`: the centre in a browser, and the links that let somebody in."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path

import click

from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.input_files import PathName
from runtime.cli.params import OneLine, Whole, authority_option
from runtime.cli.render import Column, moment, say, write_details

console = group("console", short="the centre in a browser, for those who would rather look")

_MADE = (
    Column("home", "home"),
    Column("config", "settings"),
    Column("port", "port"),
    Column("certificate", "certificate"),
)
_LINK = (
    Column("link", "link", kind=Kind.TEXT),
    Column("role", "role"),
    Column("name", "name"),
    Column("until", "until", moment),
)


@command(
    console,
    "init",
    impact=Impact.WRITES,
    short="make the console's home and its settings",
    examples=(
        "contrada --home ./centre centre console init",
        "contrada --home ./console --kafka kafka:9092 --kafka-tls ./tls centre console init --root root.cbor",
    ),
)
@click.option(
    "--port",
    type=Whole(1, 65535),
    default=9500,
    show_default=True,
    help="Where browsers find it, on loopback.",
)
@click.option(
    "--http-port",
    type=Whole(0, 65535),
    default=0,
    show_default=True,
    help="Loopback port for health and metrics; 0: none.",
)
@click.option(
    "--root",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="root.cbor, where the home is not the centre's.",
)
@click.option(
    "--policy", type=PathName(path_type=Path), metavar="FILE", help="The ledger's policy, likewise."
)
@authority_option
@pass_invocation
def console_init(
    invocation: Invocation,
    *,
    port: int,
    http_port: int,
    root: Path | None,
    policy: Path | None,
    authority: Path | None,
) -> None:
    """Make a console: in the centre's home, or in one of its own that has no key in it.

    It shows Kafka a certificate of its own role, which may read and not write.
    """
    from broker.console.console_founding import ConsolePlan, found_console
    from runtime.cli.home import bootstrap, chosen_home

    home = chosen_home(invocation)
    plan = ConsolePlan(
        home=home.path,
        kafka=bootstrap(invocation, home),
        port=port,
        http_port=http_port,
        root=root,
        policy=policy,
        authority=authority,
    )
    done = found_console(plan)
    write_details(done, _MADE, as_json=invocation.json)
    if "to_do" in done:
        say(f"hint: {done['to_do']}")
    say(f"hint: start it: contrada --home {home.path} centre console run")


@command(
    console,
    "run",
    impact=Impact.WRITES,
    short="run the console until it is told to stop",
    examples=(
        "contrada --home ./centre centre console run",
        "contrada --home ./centre centre console run --check-config",
    ),
    json_help="Print errors as JSON on stderr. The log is JSON in any case.",
)
@click.option("--check-config", is_flag=True, help="Check the settings, then leave.")
@pass_invocation
def console_run(invocation: Invocation, *, check_config: bool) -> None:
    """Run the console: it follows Kafka, and serves pages on loopback, until SIGTERM or Ctrl-C.

    It opens no private key. Nobody is let in without a link: see 'centre console link'.
    """
    from broker.console.app import check_console, run_console
    from runtime.cli.home import chosen_home

    home = chosen_home(invocation).path
    if check_config:
        say(check_console(home))
    else:
        run_console(home)


@command(
    console,
    "link",
    impact=Impact.WRITES,
    short="let a browser in, once",
    examples=(
        "contrada --home ./centre centre console link",
        "contrada --home ./centre centre console link --role act --name 'A. Costa' --minutes 5",
    ),
)
@click.option(
    "--role",
    type=click.Choice(["watch", "act"]),
    default="watch",
    show_default=True,
    help="See everything, or ask for releases, too.",
)
@click.option("--name", type=OneLine(), metavar="NAME", help="Who it is for; needed to act.")
@click.option(
    "--minutes",
    type=Whole(1, 1440),
    default=10,
    show_default=True,
    help="How long the link can be used.",
)
@pass_invocation
def console_link(invocation: Invocation, *, role: str, name: str | None, minutes: int) -> None:
    """Print a link that opens a session of the console in one browser, once, within some minutes.

    Whoever has it is let in: give it to one person, over a way that nobody else reads. The console keeps its
    hash alone. A session lasts 8 hours, and 30 minutes where nobody does anything.
    """
    from broker.console.home import console_home
    from broker.console.people.links import ConsoleRole, Grant, make_link
    from broker.console.settings import ConsoleSettings
    from runtime.cli.home import chosen_home
    from runtime.process.clock import now

    if role == "act" and name is None:
        raise click.UsageError("--role act needs --name: a release names two people")
    home = console_home(chosen_home(invocation).path)
    home.check()
    port = ConsoleSettings.load(home.settings).port
    grant = Grant(ConsoleRole(role), name or "somebody who watches")
    token, until = make_link(home, grant, minutes=minutes, moment=now())
    link = f"http://127.0.0.1:{port}/enter/{token}"
    row = {"link": link, "role": role, "name": grant.name, "until": until}
    write_details(row, _LINK, as_json=invocation.json)
