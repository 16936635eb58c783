"""`contrada keys`: the unit's own keys. Public halves and states only; private ones stay with the daemon."""

from __future__ import annotations

from clients.cli.local_api import DaemonClient
from runtime.cli.columns import Kind
from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.home import unit_home
from runtime.cli.render import Column, moment, say, write_details, write_json, write_table

keys = group("keys", short="the unit's own keys")

IDENTITY = (
    Column("unit", "unit"),
    Column("kid", "key id"),
    Column("state", "state"),
    Column("fingerprint", "fingerprint"),
    Column("not_before", "valid from", moment),
    Column("not_after", "valid until", moment),
)
EPOCHS = (
    Column("epoch", "EPOCH"),
    Column("kid", "KEY ID", kind=Kind.ID),
    Column("state", "STATE", painted=True),
    Column("held", "HELD HERE"),
    Column("starts", "STARTS", moment, spare=1),
    Column("ends", "ENDS", moment),
)


@command(
    keys,
    "show",
    impact=Impact.READS,
    short="the keys of this unit and their states",
    examples=("contrada keys show", "contrada keys show --json | jq .identity.fingerprint"),
)
@pass_invocation
def keys_show(invocation: Invocation) -> None:
    """Show the identity and the epoch keys of this unit, as its daemon holds them."""
    found = DaemonClient(unit_home(invocation)).get("/v1/keys")
    if invocation.json:
        write_json(found)
        return
    write_details(found["identity"], IDENTITY, as_json=False)
    write_table(found["epochs"], EPOCHS, as_json=False, none="no epoch keys yet")


@command(
    keys,
    "rotate",
    impact=Impact.WRITES,
    short="make the next identity and ask the centre to appoint it",
    examples=("contrada keys rotate", "contrada keys rotate --json"),
)
@pass_invocation
def keys_rotate(invocation: Invocation) -> None:
    """Make the unit's next identity, signed for by the one of today.

    The request is written beside the keys; bring it to the centre, who runs 'contrada centre enrol' on
    it. The daemon signs with the new identity as soon as the directory has it. Nothing in flight is lost.
    """
    done = DaemonClient(unit_home(invocation)).post("/v1/keys/rotate", {})
    if invocation.json:
        write_json(done)
    else:
        write_details(done, (*IDENTITY, Column("request", "request")), as_json=False)
        say("hint: bring the request to the centre: contrada centre enrol FILE")
