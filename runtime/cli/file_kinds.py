"""What a file is that a command was given, told by its first bytes or by its form.

Owns the kinds of files that commands read, where each comes from, and the sentence for one of another kind. A
person who named the wrong file is told what it is, and not in which byte it differs from the right one.

Rule: only a file that is certainly something else is refused here. One that may be what is wanted, damaged or
forged, is left to its reader, which says what does not hold.
"""
# ruff: noqa: PLC0415 - the parsers are imported for a file that is read, so that --help is quick

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar

from protocol.errors import Code, Rejected
from protocol.json_text import read_json
from runtime.bounded import read_bounded
from runtime.cli.errors import BadInput
from runtime.cli.input_files import as_on_disk

T = TypeVar("T")


class FileKind(Enum):
    """A kind of file that commands take: what it is, and where it comes from."""

    REQUEST = (
        "a request of a unit",
        "it is enrolment.cbor, which 'unit init' made, or a unit's rotation.cbor",
    )
    INVITATION = ("an invitation", "it is UNIT.invitation, which the centre made with 'centre invite'")
    APPOINTMENT = (
        "a request to be appointed",
        "it is appointment.cbor, which 'router init' made, or what 'router renew' wrote",
    )
    ROOT = ("a root of trust", "it is the file root.cbor that the centre gives out")
    POLICY = ("a policy", "it is the policy file that the centre's ledger gives out")
    SUBMISSION = ("a sealed message", "it is a message as its sender put it into its outbox")
    RECEIPT = ("a router's receipt", "it is a file that 'contrada message receipt --out DIR' wrote")
    PROOF = ("a proof", "it is a .tlog-proof file, as 'contrada message proof --out DIR' wrote it")
    CHECKPOINT = ("a checkpoint", "it is the file checkpoint of a log, or a copy of it")
    REPLICA = ("a replica of the directory", "it is the file directory.log in a unit's home")
    DRAFT = ("a draft", "it is JSON, as docs/drafts.md and the files of examples/ have it")
    RECORD = ("a record with its salt", "it is the .json file beside a proof, or the proof has it inside")

    @property
    def words(self) -> str:
        """What it is."""
        return str(self.value[0])

    @property
    def source(self) -> str:
        """Where it comes from."""
        return str(self.value[1])


_TEXT: Final = frozenset({FileKind.POLICY, FileKind.PROOF, FileKind.CHECKPOINT, FileKind.DRAFT})
_BEGINNINGS: Final = {
    b"\x89PNG": "an image (PNG)", b"\xff\xd8\xff": "an image (JPEG)", b"%PDF-": "a PDF",
    b"PK\x03\x04": "a ZIP archive or an office document", b"\x1f\x8b": "a gzip archive",
    b"SQLite format 3\x00": "an SQLite database", b"\x7fELF": "a program",
    b"\xff\xfe": "a text in UTF-16", b"\xfe\xff": "a text in UTF-16",
}  # fmt: skip
_FORM: Final = frozenset({
    Code.E_SIZE, Code.E_CBOR, Code.E_NONDET, Code.E_SCHEMA, Code.E_VER, Code.E_UNPROTECTED, Code.E_ALG_MIX,
})  # fmt: skip
"""What a damaged file can be, beside false."""

_PEM: Final = re.compile(rb"\s*-----BEGIN ([A-Z0-9 ]{1,40})-----")
_SHOWN: Final = 65_536


def read_kind(path: Path, limit: int, kind: FileKind) -> bytes:
    """The file's bytes; `BadInput` if it is certainly no file of this kind."""
    try:
        data = read_bounded(as_on_disk(path), limit, what=kind.words)
    except IsADirectoryError:
        raise BadInput(f"{path} is a directory, and not {kind.words}", hint=kind.source) from None
    refuse_other_kind(data, kind, name=str(path))
    return data


def parse_kind(path: Path, limit: int, kind: FileKind, parse: Callable[[bytes], T]) -> T:
    """What the file holds; `BadInput` as above, or `Rejected` that names the file if its form is damaged."""
    data = read_kind(path, limit, kind)
    try:
        return parse(data)
    except Rejected as rejected:
        if rejected.reason not in _FORM:
            raise
        message = f"{path} is not {kind.words}, or is damaged: {Exception.__str__(rejected)}"
        raise Rejected(rejected.reason, message, hint=kind.source) from None


def refuse_other_kind(data: bytes, kind: FileKind, *, name: str) -> None:
    """The same of bytes that were read already."""
    found = _other_than(kind, data)
    if found is not None:
        raise BadInput(f"{name} is {found}, and not {kind.words}", hint=kind.source)


def _other_than(wanted: FileKind, data: bytes) -> str | None:
    if not data:
        return "empty"
    for beginning, words in _BEGINNINGS.items():
        if data.startswith(beginning):
            return words
    pem = _PEM.match(data)
    if pem is not None:
        return f"a PEM file ({pem[1].decode('ascii').lower()})"
    if wanted in _FORMS and _holds(_FORMS[wanted], data):
        return None
    for kind, holds in _FORMS.items():
        if _holds(holds, data):
            return kind.words
    return _other_form(wanted, data)


def _other_form(wanted: FileKind, data: bytes) -> str | None:
    is_text = _is_text(data)
    if wanted is FileKind.RECORD:
        # It can be JSON or CBOR; its reader says what is missing.
        return None
    if is_text and data.lstrip()[:1] in (b"{", b"[") and read_json(data, at_most=len(data)).is_json:
        return "JSON"
    if wanted in _TEXT:
        return None if is_text else "no text"
    return "a text" if is_text else None


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\r\n\f" for character in text[:_SHOWN])


def _holds(parse: Callable[[bytes], object], data: bytes) -> bool:
    try:
        parse(data)
    except Rejected:
        return False
    return True


def _root(data: bytes) -> object:
    from keys.root_of_trust import RootOfTrust

    return RootOfTrust.parse(data)


def _request(data: bytes) -> object:
    from keys.enrolment import parse_enrolment
    from protocol.signatures import parse_signed

    outer = parse_signed(data)
    try:
        return parse_enrolment(data)
    except Rejected:
        return parse_enrolment(outer.payload)


def _invitation(data: bytes) -> object:
    from keys.joining.invitation import parse_invitation

    return parse_invitation(data)


def _appointment(data: bytes) -> object:
    from keys.appointments.request import parse_appointment_request

    return parse_appointment_request(data)


def _submission(data: bytes) -> object:
    from protocol.envelope.wire import parse_submission

    return parse_submission(data)


def _policy(data: bytes) -> object:
    from protocol.tlog.policy import parse_policy

    return parse_policy(data)


def _proof(data: bytes) -> object:
    from protocol.tlog.proof_file import parse_proof

    return parse_proof(data)


def _checkpoint(data: bytes) -> object:
    from protocol.tlog.checkpoints import parse_checkpoint

    return parse_checkpoint(data)


_FORMS: Final[dict[FileKind, Callable[[bytes], object]]] = {
    FileKind.POLICY: _policy,
    FileKind.PROOF: _proof,
    FileKind.CHECKPOINT: _checkpoint,
    FileKind.ROOT: _root,
    FileKind.SUBMISSION: _submission,
    FileKind.REQUEST: _request,
    FileKind.APPOINTMENT: _appointment,
    FileKind.INVITATION: _invitation,
}
"""The kinds that can be told by their form alone. A receipt needs the keys of its router."""
