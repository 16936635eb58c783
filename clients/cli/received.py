"""Showing a received message, and saving its attachments.

Rules: what another unit wrote is printed through `render.printable` only; an attachment's name never decides
its directory, nothing is overwritten, and of the attachments of a message all are saved or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from protocol.base64_text import from_base64
from protocol.content.file_names import saved_names
from runtime.cli.render import Column, moment, plain, write


def _limits(h3: dict[str, Any]) -> str:
    only, delete_by = h3.get("only") or [], h3.get("delete_by")
    said = [f"only {', '.join(only)}"] if only else []
    return "; ".join(said + ([f"delete by {moment(delete_by)}"] if delete_by is not None else []))


FIELDS = (
    Column("id", "id"),
    Column("state", "state"),
    Column("kind", "kind"),
    Column("sender", "from"),
    Column("to", "to"),
    Column("thread", "thread"),
    Column("reply_to", "reply to"),
    Column("odd", "odd: it"),
    Column("handling", "handling"),
    Column("h3", "limits", _limits),
    Column("classification", "classification"),
    Column("data_class", "data class"),
    Column("purposes", "purposes"),
    Column("urgency", "urgent"),
    Column("ground", "ground"),
    Column("created", "created", moment),
    Column("received", "received", moment),
    Column("expires", "expires", moment),
    Column("review", "review", moment),
)


# The fields of bodies that are moments (`Instant`, `Term` in protocol/content/fields.py); a test compares.
MOMENTS = frozenset({"review", "first_seen", "last_seen", "seen_at", "silent_since"})


def show_caveats(message: dict[str, Any], line: Callable[[str], object]) -> None:
    """What the daemon says of fields that nobody is refused for, such as a zone that was not checked."""
    for caveat in message.get("caveats") or []:
        line(f"caveat: {plain(caveat.get('field'))}: {plain(caveat.get('text'))}")


def show_content(message: dict[str, Any]) -> None:
    """The body, field by field, items with their codes first."""
    body = message.get("body")
    if not isinstance(body, dict):
        return
    show_caveats(message, write)
    write("")
    for line in _lines({name: value for name, value in body.items() if name != "items"}, 0):
        write(line)
    for number, item in enumerate(body.get("items") or [], 1):
        codes = f"handling {plain(item.get('handling'))}, evaluation {plain(item.get('evaluation'))}"
        write("")
        write(f"item {number}: {plain(item.get('type'))} ({codes})")
        shown = {
            name: value for name, value in item.items() if name not in ("type", "handling", "evaluation")
        }
        for line in _lines(shown, 2):
            write(line)
    for file in message.get("attachments") or []:
        write("")
        write(f"attachment {plain(file.get('name'))}, {plain(file.get('media_type'))}")


def _lines(value: dict[str, Any], depth: int) -> Iterator[str]:
    for name, entry in value.items():
        label = " " * depth + name.replace("_", " ")
        match entry:
            case None | [] | "":
                continue
            case dict():
                yield f"{label}:"
                yield from _lines(entry, depth + 2)
            case [dict(), *_]:
                for inner in entry:
                    yield f"{label}:"
                    yield from _lines(inner, depth + 2)
            case int() if name in MOMENTS:
                yield f"{label}: {moment(entry)}"
            case _:
                yield f"{label}: {plain(entry)}"


def save_attachments(message: dict[str, Any], directory: Path) -> list[Path]:
    """Write the attachments into the directory, each as a new file: all of them or none.

    Their names are the sender's, and so made safe; nobody but the owner reads files and directory.
    """
    from runtime.files import write_new_files  # noqa: PLC0415 - it brings the keys; most calls write nothing

    attached = message.get("attachments") or []
    names = saved_names([str(file["name"]) for file in attached])
    files = {
        directory / name: from_base64(file["content_b64"]) for name, file in zip(names, attached, strict=True)
    }
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # What was saved and could not be shown is asked for once more.
    write_new_files(files, hint="name another directory with --save-to", again=True, private=True)
    return list(files)
