"""`contrada router ...`: the router's commands. Joined to the command line by an entry point.

Errors are raised for the command line to report. Rule: nothing heavy is imported here.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

from pathlib import Path

import click

from protocol.identifiers import UnitId
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.input_files import PathName
from runtime.cli.params import OneUnit, Whole, authority_option
from runtime.cli.render import Column, say, write_details
from runtime.cli.tokens.seal_options import token_option

router = group("router", short="run a router of the exchange", text="Run a router of the exchange.")


@command(
    router,
    "run",
    impact=Impact.WRITES,
    short="run a router until it is told to stop",
    examples=(
        "contrada router run --config /etc/contrada/router.toml",
        "contrada router run --config router.toml --check-config",
    ),
    json_help="Print errors as JSON on stderr. The log is JSON in any case.",
)
@click.option("--config", type=PathName(path_type=Path), metavar="FILE", help="The router's TOML file.")
@click.option("--check-config", is_flag=True, help="Check the settings and the keys, then leave.")
@pass_invocation
def router_run(_: Invocation, config: Path | None, *, check_config: bool) -> None:
    """Run a router: it verifies, decides and delivers, until SIGTERM or Ctrl-C.

    Settings that --config does not give are taken from CONTRADA_ROUTER_*.
    """
    from broker.router.__main__ import start

    start(config, check_only=check_config)


@command(
    router,
    "signer",
    impact=Impact.WRITES,
    short="hold a router's key and sign for it, as a process of its own",
    examples=(
        "contrada router signer --config /etc/contrada/signer.toml",
        "contrada router signer --config signer.toml --check-config",
    ),
    json_help="Print errors as JSON on stderr. The log is JSON in any case.",
)
@click.option("--config", type=PathName(path_type=Path), metavar="FILE", help="The signer's TOML file.")
@click.option("--check-config", is_flag=True, help="Check the settings and the key, then leave.")
@pass_invocation
def router_signer(_: Invocation, config: Path | None, *, check_config: bool) -> None:
    """Hold a router's key, and sign on a socket what a router signs, until SIGTERM or Ctrl-C.

    Run it as another user than the router, whose settings then say key = "signer:/path/to/the/socket".
    Settings that --config does not give are taken from CONTRADA_SIGNER_*.
    """
    from broker.signer.__main__ import start

    start(config, check_only=check_config)


_REQUEST = (
    Column("name", "router"),
    Column("request", "request"),
    Column("kid", "key id"),
    Column("fingerprint", "fingerprint"),
)
_FOUNDED = (*_REQUEST, Column("root_fingerprint", "root fingerprint"), Column("config", "settings"))
_BRING = (
    "hint: bring the request to the centre, and read the fingerprint to them: contrada centre appoint FILE"
)


@command(
    router,
    "init",
    impact=Impact.WRITES,
    short="make a further router: its key, its settings, its request to be appointed",
    examples=(
        "contrada --home ./router --kafka kafka:9092 --kafka-tls ./tls router init router-2 --root root.cbor",
        "contrada --home ./router-2 router init router-2 --root root.cbor --ledger-policy policy",
    ),
)
@click.argument("name", metavar="NAME", type=OneUnit())
@click.option(
    "--root", required=True, type=PathName(path_type=Path), metavar="FILE", help="root.cbor, from the centre."
)
@click.option("--secret", type=PathName(path_type=Path), metavar="FILE", help="32 bytes that seal the key.")
@token_option
@click.option(
    "--ledger-policy",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="The ledger's policy, if it has one.",
)
@click.option(
    "--http-port",
    type=Whole(0, 65535),
    default=9471,
    show_default=True,
    help="Loopback port for health and metrics; 0: none.",
)
@authority_option
@pass_invocation
def router_init(
    invocation: Invocation,
    *,
    name: str,
    root: Path,
    secret: Path | None,
    token: str | None,
    ledger_policy: Path | None,
    http_port: int,
    authority: Path | None,
) -> None:
    """Make the home of a further router, with a key of its own, and the request to have it appointed.

    The private key never leaves the home. Until the registrar has appointed it, the router waits.
    """
    from broker.router.router_founding import RouterPlan, found_router
    from runtime.cli.errors import NoHome
    from runtime.cli.home import chosen_home, typed_access
    from runtime.cli.tokens.token_files import secret_or_token

    home = chosen_home(invocation)
    kafka = typed_access(invocation)
    if kafka is None:
        raise NoHome("no Kafka named", hint="say --kafka HOST:PORT, or set CONTRADA_KAFKA")
    plan = RouterPlan(
        home=home.path,
        name=UnitId(name),
        kafka=kafka,
        root=root,
        secret=secret_or_token(secret, token, file=home.path / "router.secret"),
        http_port=http_port,
        ledger_policy=ledger_policy,
        authority=authority,
    )
    done = found_router(plan)
    write_details(done, _FOUNDED, as_json=invocation.json)
    say(_BRING)
    if "to_do" in done:
        say(f"hint: {done['to_do']}")
    say(f"hint: start the router: contrada router run --config {done['config']}")


@command(
    router,
    "renew",
    impact=Impact.WRITES,
    short="make the next key and ask the registrar to appoint it",
    examples=("contrada router renew --config /etc/contrada/router.toml --out router-2.cbor",),
)
@click.option("--config", type=PathName(path_type=Path), metavar="FILE", help="The router's TOML file.")
@click.option("--out", type=PathName(path_type=Path), required=True, metavar="FILE", help="The request.")
@pass_invocation
def router_renew(invocation: Invocation, *, config: Path | None, out: Path) -> None:
    """Make this router's next key, where the present one may not name it by itself any more, or has ended.

    Asked twice, it is the same key. The router signs with it a day after the centre has appointed it, or at
    once where the present key has ended; it need not be started again.
    """
    from broker.router.router_founding import ask_for_next
    from broker.router.settings import RouterSettings, router_secret
    from keys.lifecycle import ROUTER_LIFETIME
    from keys.signer import signer_from_uri
    from keys.statement_types import StatementType

    settings = RouterSettings.load(config)
    own = signer_from_uri(settings.key, router_secret(settings))
    done = ask_for_next(own, StatementType.ROUTER, lifetime=ROUTER_LIFETIME, out=out)
    write_details(done, _REQUEST, as_json=invocation.json)
    say(_BRING)
