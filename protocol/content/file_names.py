"""The names of files in a message: which can be saved wherever they arrive, and which are one name.

Owns both, and what does not fit between the files that items name and those that are attached. What a name is
on the wire at least is in `file_fields`; what is asked here is asked of whoever sends, so that what was
received before can still be opened.

- A name has its normal form, NFC (UAX 15): a letter and its accent are one character.
- Two names are one if they are equal in normal form without regard to case, as on the disks of macOS and
  Windows.
- It has 255 bytes of UTF-8 at most (ext4, XFS, Btrfs). NTFS and APFS count 255 units, which are fewer.
- Refused is what Windows does not take: its separators, wildcards and control characters, the names of
  devices with any ending, and a dot or space at the end; a dot at the beginning, which hides a file; and
  marks that change the direction of text, by which `exe.jpg` is read as `gpj.exe`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from protocol.errors import Fault
from protocol.fault_text import value_text

MAX_NAME_BYTES: Final = 255
MAX_ENDING_BYTES: Final = 32
"""An ending that is longer says nothing to anybody."""

_SEPARATOR: Final = re.compile(r"[/\\]")
_FOREIGN: Final = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_DIRECTION: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# As Windows has them: it takes superscripts for digits, and looks only at what stands before the first dot.
_DEVICE: Final = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE
)


def normal_name(name: str) -> str:
    """The name in its one form."""
    return unicodedata.normalize("NFC", name)


def same_name(name: str) -> str:
    """What two names have in common that a disk may take for one (canonical caseless match, Unicode D145)."""
    folded = unicodedata.normalize("NFD", name).casefold()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", folded).casefold())


def saved_names(names: Sequence[str]) -> tuple[str, ...]:
    """What the files of a message are called where they are saved: in their order, one name each.

    A name that every disk takes stays as it is. Of others what is not safe is left out or becomes `_`; the
    ending stays, by which people know what a file is. No two are one name.
    """
    taken: set[str] = set()
    made: list[str] = []
    for name in names:
        wanted = chosen = _safe(name)
        number = 1
        while same_name(chosen) in taken:
            number += 1
            chosen = _fitted(wanted, mark=f" ({number})")
        taken.add(same_name(chosen))
        made.append(chosen)
    return tuple(made)


def _safe(name: str) -> str:
    shown = normal_name(_SEPARATOR.split(name)[-1]).encode(errors="replace").decode()
    seen = "".join(each if each.isprintable() else "_" for each in _DIRECTION.sub("", shown))
    clean = _FOREIGN.sub("_", seen).rstrip(". ")
    if clean[:1] in ("-", ".", " "):
        # An option to whoever lists the folder's files for a command; or hidden.
        clean = "_" + clean[1:]
    if _DEVICE.fullmatch(clean.split(".", 1)[0].rstrip(" ")):
        clean = "_" + clean
    return _fitted(clean or "attachment")


def _fitted(name: str, *, mark: str = "") -> str:
    """The name with this behind its stem, the stem cut where it has too many bytes."""
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem or len(ending.encode()) > MAX_ENDING_BYTES:
        stem, ending = name, ""
    behind = mark + (f".{ending}" if ending else "")
    room = MAX_NAME_BYTES - len(behind.encode())
    fitted = stem.encode()[:room].decode(errors="ignore") + behind
    return fitted.rstrip(". ")


def name_fault(name: str) -> tuple[str, str] | None:
    """What would be right and what was found, if some disk cannot save a file of this name; else None."""
    size = len(name.encode(errors="surrogateescape"))
    foreign, mark = _FOREIGN.search(name), _DIRECTION.search(name)
    device = _DEVICE.fullmatch(name.split(".", 1)[0].rstrip(" "))
    if size > MAX_NAME_BYTES:
        return f"at most {MAX_NAME_BYTES} bytes in UTF-8", f"{len(name)} characters of {size} bytes"
    if foreign is not None:
        return 'a name without < > : " / \\ | ? * and control characters', _character(foreign[0])
    if mark is not None:
        return "no marks that change the direction of text", _character(mark[0])
    if name.startswith(".") or name.endswith((".", " ")):
        return "no dot at the beginning, and neither dot nor space at the end", value_text(name) or ""
    if device is not None:
        return "another name, because Windows has a device of this one", value_text(device[0]) or ""
    return None


def file_faults(named: Sequence[Sequence[str]], attached: Sequence[str]) -> tuple[Fault, ...]:
    """What does not fit between the names in each item's `files` and the names of the attachments."""
    if not attached and not any(named):
        return ()
    return (*_missing(named, attached), *_too_many(named, attached))


def _missing(named: Sequence[Sequence[str]], attached: Sequence[str]) -> Iterator[Fault]:
    alike = {same_name(name): name for name in attached}
    for item, files in enumerate(named):
        for place, name in enumerate(files):
            if name not in attached:
                other = value_text(alike.get(same_name(name)))
                found = "no attachment of this name" if other == "null" else f"the attachment {other}"
                yield Fault(f"items[{item}].files[{place}]", "file_missing", "it attached", found)


def _too_many(named: Sequence[Sequence[str]], attached: Sequence[str]) -> Iterator[Fault]:
    known = {name for files in named for name in files}
    seen: set[str] = set()
    for place, name in enumerate(attached):
        where, found = f"attachments[{place}].name", value_text(name)
        if same_name(name) in seen:
            yield Fault(where, "file_twice", "a name that is no other's, on any disk", found)
        elif name not in known:
            yield Fault(where, "file_unnamed", "an item that names it in its files", found)
        seen.add(same_name(name))


def _character(character: str) -> str:
    shown = character if character.isascii() and character.isprintable() else f"U+{ord(character):04X}"
    return f"the character {shown}"
