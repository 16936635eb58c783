"""Arguments and options of the auditor's commands: a copy, a policy, a root, moments, message ids.

Owns reading them from the command line, not opening the files. Rule: nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from protocol.errors import Rejected
from protocol.identifiers import ID_WORDS, IdPrefix, read_id_or_prefix
from runtime.cli.input_files import PathName

Function = TypeVar("Function", bound=Callable[..., object])


class MessageName(click.ParamType[bytes | IdPrefix]):
    """The id of a message as its 16 bytes, or its first digits; the copy says which message they mean."""

    name = "id"
    words = ID_WORDS

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes | IdPrefix:
        """The 16 bytes, or what they begin with."""
        if isinstance(value, bytes | IdPrefix):
            return value
        try:
            return read_id_or_prefix(str(value))
        except Rejected as rejected:
            said = f"{str(value)!r} is {rejected.sentence}; expected {rejected.hint}"
            self.fail(said, param, ctx)


# The code that opens them reports missing ones: in one way, and with the exit code for it.
FILE = PathName(dir_okay=False, path_type=Path)
DIRECTORY = PathName(file_okay=False, path_type=Path)


def copy_argument(function: Function) -> Function:
    """DIR: the copy of the ledger."""
    return click.argument("directory", metavar="DIR", type=DIRECTORY)(function)


def policy_option(function: Function) -> Function:
    """--policy: the auditor's own list of keys."""
    return click.option(
        "--policy",
        type=FILE,
        metavar="FILE",
        help="Your own policy: keys of the log and its witnesses. [default: DIR/policy]",
    )(function)


def root_option(function: Function) -> Function:
    """--root: the pinned root of the key directory."""
    return click.option(
        "--root",
        type=FILE,
        metavar="FILE",
        help="The pinned root of the key directory. [default: DIR/root.cbor]",
    )(function)
