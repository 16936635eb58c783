"""`contrada token`: keys in hardware. The token is named by a pkcs11: URI, and never its PIN."""

# ruff: noqa: PLC0415 - keys and the token's library are imported when they are used, so that --help is quick

from __future__ import annotations

from pathlib import Path

import click

from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.input_files import PathName
from runtime.cli.render import Column, say, write_details, write_table

token = group("token", short="keys in a token: make, look, move (PKCS#11)")

_URI = "'pkcs11:token=contrada?module-path=/usr/lib/softhsm/libsofthsm2.so'"

TOKEN = (
    Column("label", "token"),
    Column("serial", "serial"),
    Column("maker", "maker"),
    Column("model", "model"),
    Column("ed25519", "signs Ed25519"),
)
KEYS = (
    Column("label", "LABEL"),
    Column("kind", "KIND"),
    Column("key_id", "ID", spare=1),
    Column("stays", "STAYS IN IT"),
    Column("made_here", "MADE IN IT"),
)
MOVED = (Column("file", "FILE"), Column("done", "DONE"))


@command(
    token,
    "init",
    impact=Impact.WRITES,
    short="make the key in the token that seals files",
    examples=(f"contrada token init {_URI}", f"contrada token init {_URI} --out unit.secret"),
)
@click.argument("uri")
@click.option(
    "--out", type=PathName(path_type=Path), metavar="FILE", help="Write a file that names the token."
)
@pass_invocation
def token_init(invocation: Invocation, *, uri: str, out: Path | None) -> None:
    """Make the sealing key, where there is none. It never leaves the token.

    The file of --out goes in the place of any file with 32 bytes that opens keys: --secret FILE, or the
    setting 'secret'.
    """
    from keys.token.named import open_token
    from keys.token.uri import parse_token_uri
    from runtime.cli.tokens.token_files import name_token

    if out is not None:
        found = name_token(uri, out)
    else:
        found = open_token(parse_token_uri(uri))
        found.make_sealing_key()
    told = found.told()
    write_details(_shown(told), TOKEN, as_json=invocation.json)
    say("hint: have a second token with the same sealing key, or a backup that the maker offers: without it,")
    say("hint: a token that is lost or broken takes every key with it that it opens")


@command(
    token,
    "show",
    impact=Impact.READS,
    short="what a token is, and which keys it has",
    examples=(f"contrada token show {_URI}",),
)
@click.argument("uri")
@pass_invocation
def token_show(invocation: Invocation, *, uri: str) -> None:
    """Show the token and the keys in it. The PIN is read as a service reads it, or asked for."""
    from keys.token.named import open_token
    from keys.token.uri import parse_token_uri

    told = open_token(parse_token_uri(uri)).told()
    rows = [
        {
            "label": key.label,
            "kind": key.kind,
            "key_id": key.key_id,
            "stays": key.stays,
            "made_here": key.made_here,
        }
        for key in told.keys
    ]
    if invocation.json:
        write_details(_shown(told) | {"keys": rows}, TOKEN, as_json=True)
        return
    write_details(_shown(told), TOKEN, as_json=False)
    write_table(rows, KEYS, as_json=False, none="no keys")


@command(
    token,
    "check",
    impact=Impact.READS,
    short="try the PIN once, by hand, after it was refused",
    examples=(f"contrada token check {_URI}",),
)
@click.argument("uri")
@pass_invocation
def token_check(invocation: Invocation, *, uri: str) -> None:
    """Log in to the token once, and look whether the sealing key is there.

    After a wrong PIN no service tries one until a right one was given: few wrong ones lock a token for good.
    This command is how a person gives it.
    """
    from keys.token.named import open_token
    from keys.token.uri import parse_token_uri

    found = open_token(parse_token_uri(uri))
    found.try_pin()
    found.kek(bytes(16))
    write_details(_shown(found.told()), TOKEN, as_json=invocation.json)


@command(
    token,
    "move",
    impact=Impact.WRITES,
    short="seal key files that are there under a token",
    examples=(f"contrada token move keys --secret unit.secret --out unit.secret --token {_URI}",),
)
@click.argument("directory", type=PathName(path_type=Path))
@click.option("--token", "uri", required=True, metavar="URI", help="The token.")
@click.option("--secret", type=PathName(path_type=Path), metavar="FILE", help="What opens them now.")
@click.option("--passphrase", type=PathName(path_type=Path), metavar="FILE", help="Or a file with words.")
@click.option(
    "--out",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="Write a file that names the token; that of --secret is overwritten, if it is the same.",
)
@pass_invocation
def token_move(
    invocation: Invocation,
    *,
    directory: Path,
    uri: str,
    secret: Path | None,
    passphrase: Path | None,
    out: Path | None,
) -> None:
    """Seal each *.key of the directory and below under the token.

    Stop what uses the keys first. Interrupted, say it again. Keys that move stay the same keys: copies of the
    old files and of the old secret open them still. The next identity is made in the token. --secret may name
    another token, from which they move.
    """
    from runtime.cli.tokens.token_files import move_keys

    if secret is not None and passphrase is not None:
        raise click.UsageError("say either --secret or --passphrase")
    rows = move_keys(directory, token=uri, secret=secret, passphrase=passphrase, out=out)
    write_table(rows, MOVED, as_json=invocation.json, none="no keys")
    say("hint: destroy every copy of the old secret, backups too: with the old files it opens these keys")
    say("hint: then exchange the identities, so that the next are made in the token: docs/hardware-keys.md")


def _shown(told: object) -> dict[str, object]:
    names = {"label": "label", "serial": "serial", "maker": "maker", "model": "model"}
    return {shown: getattr(told, name) for name, shown in names.items()} | {
        "ed25519": getattr(told, "signs_ed25519", False)
    }
