"""The body of POST /v1/messages, from options and files.

Owns the options that all sending commands share, and reading drafts and attachments. Does not judge the
draft: the daemon does, with the models of the protocol.
"""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from protocol import limits
from protocol.codes import Classification, CopyExemption, DataClass, LegalBasis, Purpose
from protocol.times import Bound
from runtime.bounded import read_bounded
from runtime.cli.errors import BadInput
from runtime.cli.input_files import read_input
from runtime.cli.params import Codes, Duration, HandlingCodes, Identifier, Moment, Units, flatten

MAX_KEY = 200

Function = TypeVar("Function", bound=Callable[..., object])


class _Key(click.ParamType[str]):
    """A key that a header can hold (RFC 9651, 3.3.3)."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not 1 <= len(text) <= MAX_KEY or not (text.isascii() and text.isprintable()):
            self.fail(f"1 to {MAX_KEY} printable ASCII characters", param, ctx)
        return text


_OPTIONS = (
    click.option(
        "--copy", type=Units(), multiple=True, metavar="UNIT,...", help="Units that receive a copy."
    ),
    click.option(
        "--handling",
        type=HandlingCodes(),
        metavar="CODES",
        help="H0, or H1, H2, H3 joined by +; else the draft's.",
    ),
    click.option(
        "--h3-only",
        type=Units(),
        multiple=True,
        metavar="UNIT,...",
        help="With H3: nobody else may receive it.",
    ),
    click.option("--h3-delete-by", type=Moment(Bound.TERM), help="With H3: to be deleted by then."),
    click.option(
        "--purpose",
        "purposes",
        type=Codes(Purpose),
        multiple=True,
        help="What for (ER 18(2)); else the draft's.",
    ),
    click.option("--data-class", type=Codes(DataClass), help="The strictest data inside; else the draft's."),
    click.option(
        "--classification", type=Codes(Classification), default="bpl", show_default=True, help="The marking."
    ),
    click.option(
        "--basis", type=Codes(LegalBasis), help="The ground of a transfer outside the Union (ER 25)."
    ),
    click.option(
        "--copy-exemption", type=Codes(CopyExemption), help="Why the national unit gets no copy (DIR 4(2))."
    ),
    click.option("--suite", type=click.Choice(["1", "2"]), help="1: Ed25519; 2: with ML-DSA-65 beside it."),
    click.option(
        "--attach",
        "attachments",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A file that the draft's items name.",
    ),
    click.option("--expires", type=Duration(), default="7d", show_default=True, help="Not delivered after."),
    click.option(
        "--review", type=Duration(), help="To be reviewed after; else as the items say, 1095d at most."
    ),
    click.option(
        "--idempotency-key",
        type=_Key(),
        metavar="KEY",
        help="Said twice, it is sent once.",
    ),
    click.option("--wait", is_flag=True, help="Wait for the router's decision; 6 if it refuses."),
    click.option(
        "--timeout", type=Duration(), default="60s", show_default=True, help="How long --wait waits."
    ),
)

to_option = click.option(
    "--to", type=Units(), multiple=True, required=True, metavar="UNIT,...", help="The units addressed."
)
thread_option = click.option("--thread", type=Identifier(), help="The conversation that it belongs to.")


def message_options(function: Function) -> Function:
    """The options of every command that sends."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def message_to_send(
    kind: str, draft: dict[str, Any], *, to: list[str], options: dict[str, Any]
) -> dict[str, Any]:
    """The body of POST /v1/messages."""
    only, delete_by = flatten(options["h3_only"]), options["h3_delete_by"]
    if (only or delete_by is not None) and "H3" not in (options["handling"] or ""):
        raise click.UsageError("--h3-only and --h3-delete-by need --handling with H3")
    return {
        "kind": kind,
        "to": to,
        "copy": flatten(options["copy"]),
        "draft": draft,
        "handling": options["handling"],
        "h3": {"only": sorted(only), "delete_by": delete_by} if only or delete_by is not None else None,
        "classification": options["classification"],
        "data_class": options["data_class"],
        "purposes": list(dict.fromkeys(options["purposes"])),
        "urgency": options.get("urgency"),
        "ground": options.get("ground"),
        "basis": options["basis"],
        "copy_exemption": options["copy_exemption"],
        "reply_to": options.get("reply_to"),
        "thread": options.get("thread"),
        "expires_in_s": options["expires"],
        "suite": None if options["suite"] is None else int(options["suite"]),
        "attachments": [attachment(path) for path in options["attachments"]],
    } | ({} if options["review"] is None else {"review_in_s": options["review"]})


def read_draft_file(name: str) -> dict[str, Any]:
    """The draft in the file, or on stdin for `-`."""
    where = "stdin" if name == "-" else name
    data = read_input(name, limits.MAX_RECORD, what="a draft")
    try:
        draft = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_each_once)
    except json.JSONDecodeError as error:
        raise BadInput(
            f"{where} is not JSON: line {error.lineno}, column {error.colno}",
            hint="a draft is a JSON object; see examples/",
        ) from None
    except (UnicodeDecodeError, RecursionError, ValueError):
        raise BadInput(f"{where} is not JSON in UTF-8", hint="a draft is a JSON object in UTF-8") from None
    if not isinstance(draft, dict):
        raise BadInput(f"{where} is not a JSON object", hint="a draft begins with { and has a subject")
    return draft


def attachment(path: Path) -> dict[str, str]:
    """A file as the API takes it."""
    content = read_bounded(path, limits.MAX_ATTACHMENT, what="an attachment")
    media_type, _ = mimetypes.guess_type(path.name)
    return {
        "name": path.name,
        "media_type": media_type or "application/octet-stream",
        "content_b64": base64.b64encode(content).decode(),
    }


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # The daemon refuses a duplicate field; json.loads here would drop one of them silently.
    together = dict(pairs)
    if len(together) != len(pairs):
        raise BadInput("a field stands twice in one object of the draft", hint="keep one of the two")
    return together
