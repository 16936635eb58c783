"""`contrada witness`: cosign the logs of the exchange, so that the centre cannot show two of them."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runtime import default_ports
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.errors import CommandError
from runtime.cli.exits import Exit
from runtime.cli.home import chosen_home
from runtime.cli.input_files import PathName
from runtime.cli.params import Whole
from runtime.cli.render import Column, moment, say, write, write_details, write_json, write_table
from runtime.cli.tokens.seal_options import SealedBy, sealed_by_options

witness = group("witness", short="cosign the exchange's logs, and catch one that forks")

FIELDS = (
    Column("name", "name"),
    Column("home", "home"),
    Column("port", "port"),
    Column("public", "public keys"),
)
HEADS = (
    Column("log", "LOG"),
    Column("size", "SIZE"),
    Column("root", "ROOT", kind=Kind.DIGEST, spare=1),
    Column("t", "COSIGNED", moment),
    Column("continues", "CONTINUES"),
)
EVIDENCE = (
    Column("kind", "EVIDENCE"),
    Column("log", "LOG"),
    Column("t", "SEEN", moment),
    Column("offered_size", "OFFERED"),
    Column("cosigned_size", "COSIGNED"),
    Column("folder", "FOLDER"),
)


class _Caught(CommandError):
    code = "E_FORK"
    exit = Exit.VERIFICATION


class _Suspicious(CommandError):
    code = "E_DEGRADED"
    exit = Exit.PARTIAL


@command(
    witness,
    "init",
    impact=Impact.WRITES,
    short="make a witness: its key, its memory, its settings",
    examples=(
        "contrada --home /var/lib/contrada-witness witness init police.example/witness --policy policy",
        "contrada --home /var/lib/contrada-unit witness init fr.example/witness --policy policy",
    ),
)
@click.argument("name")
@click.option("--policy", type=PathName(path_type=Path), metavar="FILE", help="The logs, from the centre.")
@click.option(
    "--port", type=Whole(1, 65535), default=default_ports.WITNESS_ASKED, show_default=True,
    help="Loopback port where logs ask.",
)  # fmt: skip
@click.option(
    "--http-port", type=Whole(0, 65535), default=default_ports.WITNESS, show_default=True,
    help="Loopback port for health and metrics; 0: none.",
)  # fmt: skip
@click.option(
    "--mirror", metavar="URL|DIR", help="Where the tiles are; the witness then keeps a copy of them."
)
@sealed_by_options
@pass_invocation
def witness_init(
    invocation: Invocation,
    *,
    name: str,
    policy: Path | None,
    port: int,
    http_port: int,
    mirror: str | None,
    seals: SealedBy,
) -> None:
    """Make a witness of this name, which stands in every cosignature and cannot be changed.

    In a unit's home the witness lies in witness/, opens with the unit's own secret, and runs inside
    'contrada unit run'. Elsewhere it is a process of its own. Its public keys are written as the
    witness lines of a policy file, for the centre.
    """
    from clients.cli.witness_setup import make_witness, secret_place
    from runtime.cli.tokens.token_files import secret_or_token

    secret = secret_or_token(seals.secret, seals.token, file=secret_place(chosen_home(invocation).path))
    settings: dict[str, Any] = {"name": name, "port": port, "http_port": http_port, "mirror": mirror}
    settings |= {"secret": secret, "passphrase": seals.passphrase}
    done = make_witness(chosen_home(invocation).path, settings, policy=policy)
    if invocation.json:
        write_json(done)
        return
    write_details(done, FIELDS, as_json=False)
    say(f"hint: bring {done['public']} to the centre, over a channel that it can trust")
    if policy is None:
        say(f"hint: put the centre's policy file at {done['policy']} before you run it")
    say(f"hint: then start it: contrada --home {chosen_home(invocation).path} {done['run']}")


@command(
    witness,
    "run",
    impact=Impact.WRITES,
    short="run the witness until it is told to stop",
    examples=(
        "contrada --home /var/lib/contrada-witness witness run",
        "contrada --home /var/lib/contrada-witness witness run --check-config",
    ),
)
@click.option("--check-config", is_flag=True, help="Check the settings, the key and the policy, then leave.")
@pass_invocation
def witness_run(invocation: Invocation, *, check_config: bool) -> None:
    """Answer logs that ask for a cosignature (C2SP tlog-witness), until SIGTERM or Ctrl-C.

    Listens on loopback only; a reverse proxy makes it public. A checkpoint that does not continue what
    was signed before is refused, kept as evidence, and an alarm in log and metrics.
    """
    from clients.witness.app import check_witness, run_witness

    home = chosen_home(invocation).path
    if check_config:
        say(check_witness(home))
    else:
        run_witness(home)


@command(
    witness,
    "status",
    impact=Impact.READS,
    short="what was cosigned, and evidence against logs",
    examples=(
        "contrada --home /var/lib/contrada-witness witness status",
        "contrada witness status --json | jq .evidence",
    ),
)
@pass_invocation
def witness_status(invocation: Invocation) -> None:
    """Show the newest cosigned checkpoint of each log, and all evidence. Needs no running witness.

    Ends in 7 if there is evidence that a log forked, could not prove that it only grew, or began a half-year
    elsewhere than the last one ended, in 3 if a log offered an older checkpoint that was never signed.
    """
    from clients.cli.witness_view import witness_view

    found = witness_view(chosen_home(invocation).path)
    if invocation.json:
        write_json(found)
    else:
        write_table(found["logs"], HEADS, as_json=False, none="nothing was cosigned yet")
        if found["evidence"]:
            write("")
            write_table(found["evidence"], EVIDENCE, as_json=False, none="")
    kinds = {piece["kind"] for piece in found["evidence"]}
    if kinds - {"older"}:
        raise _Caught(
            "a log signed what does not go together with what this witness signed",
            hint="keep these folders, call the centre and the other units; see docs/runbooks/witness.md",
        )
    if kinds:
        raise _Suspicious(
            "a log offered an older checkpoint that this witness never signed",
            hint="see docs/runbooks/witness.md",
        )
