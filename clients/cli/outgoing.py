"""The body of POST /v1/messages, from options and files.

Owns the options that all sending commands share, and reading drafts and attachments. Does not judge the
draft: the daemon does, with the models of the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from protocol import limits
from protocol.base64_text import to_base64
from protocol.codes import Classification, CopyExemption, DataClass, LegalBasis, Purpose
from protocol.content.file_names import name_fault, normal_name, same_name
from protocol.content.media_types import media_type_of
from protocol.json_text import read_json
from protocol.times import Bound
from runtime.bounded import read_bounded
from runtime.cli.input_files import PathName, as_on_disk, read_input
from runtime.cli.params import Codes, Duration, HandlingCodes, Identifier, Moment, Term, Units, flatten

MAX_KEY = 200

Function = TypeVar("Function", bound=Callable[..., object])


class _Key(click.ParamType[str]):
    """A key that a header can hold (RFC 9651, 3.3.3)."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not 1 <= len(text) <= MAX_KEY or not (text.isascii() and text.isprintable()):
            self.fail(f"{value!r} is no key; expected 1 to {MAX_KEY} printable ASCII characters", param, ctx)
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
        type=PathName(path_type=Path),
        metavar="FILE",
        help="A file; one that no item names is added to all items, and takes their strictest codes.",
    ),
    click.option(
        "--expires",
        type=Term(at_most=limits.MAX_LIFETIME),
        default="7d",
        show_default=True,
        help="Not delivered after; 30d from now at most.",
    ),
    click.option(
        "--review",
        type=Term(at_most=limits.MAX_REVIEW),
        help="To be reviewed after; else as the items say, 1095d at most.",
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
) -> tuple[dict[str, Any], list[str]]:
    """The body of POST /v1/messages; and what to tell of it once it is taken."""
    only, delete_by = flatten(options["h3_only"]), options["h3_delete_by"]
    if (only or delete_by is not None) and "H3" not in (options["handling"] or ""):
        raise click.UsageError("--h3-only and --h3-delete-by need --handling with H3")
    files = [attachment(path) for path in options["attachments"]]
    draft, added = with_files(draft, [file["name"] for file in files])
    body = {
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
        "reply_to_sender": options.get("reply_to_sender"),
        "thread": options.get("thread"),
        "expires_in_s": options["expires"],
        "suite": None if options["suite"] is None else int(options["suite"]),
        "attachments": files,
    } | ({} if options["review"] is None else {"review_in_s": options["review"]})
    return body, [f"{name} is named by no item: added to {_items_of(draft)}" for name in added]


def read_draft_file(name: str, kind: str = "information") -> dict[str, Any]:
    """The draft in the file, or on stdin for `-`. With JSON that is wrong, all else that is wrong is told."""
    data = read_input(name, limits.MAX_RECORD, what="a draft")
    read = read_json(data, at_most=limits.MAX_RECORD)
    if not read.faults and isinstance(read.value, dict):
        return read.value
    # The models and the kinds of files are imported for one that is wrong.
    from clients.cli.draft_faults import explain_draft  # noqa: PLC0415
    from runtime.cli.file_kinds import FileKind, refuse_other_kind  # noqa: PLC0415

    where = "stdin" if name == "-" else name
    if not read.is_json:
        refuse_other_kind(data, FileKind.DRAFT, name=where)
    raise explain_draft(where, data, kind)


def with_files(draft: dict[str, Any], names: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The draft with the files that no item of it names, in every item; and their names.

    A file takes the codes of the items that name it: of all, so that none of their restrictions is lost.
    """
    items = draft.get("items")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        return draft, []
    known = {same_name(str(name)) for item in items for name in _list(item.get("files"))}
    # A name that is refused anyway is told of where it was typed, and not in an item that nobody wrote.
    added = [
        name
        for name in dict.fromkeys(names)
        if same_name(name) not in known and name_fault(normal_name(name)) is None
    ]
    if not added:
        return draft, []
    return draft | {"items": [item | {"files": [*_list(item.get("files")), *added]} for item in items]}, added


def _items_of(draft: dict[str, Any]) -> str:
    count = len(draft["items"])
    return "the item" if count == 1 else f"each of the {count} items"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def attachment(path: Path) -> dict[str, str]:
    """A file as the API takes it."""
    content = read_bounded(as_on_disk(path), limits.MAX_ATTACHMENT, what="an attachment")
    return {
        "name": path.name,
        "media_type": media_type_of(path.name),
        "content_b64": to_base64(content),
    }
