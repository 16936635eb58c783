"""Confirming what cannot be undone. Asked on a terminal only: a script passes --yes."""

from __future__ import annotations

import os
import pwd
import sys

import click

from runtime.cli.errors import Declined


def confirm(what: str, *, yes: bool) -> None:
    """Go on, or `Declined`."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"this asks first, and there is no terminal to ask at: {what}? Say --yes if so"
        )
    if not click.confirm(f"Really? {what}", err=True):
        raise Declined("nothing was done")


def acting_user() -> str:
    """Whoever this process belongs to: the environment's names can be anybody's."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
