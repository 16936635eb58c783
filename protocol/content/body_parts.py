"""Encoding a body as the parts of an envelope's content, and decoding them.

Owns the encoding of content (canonical JSON: sorted keys, no spaces, UTF-8, no floats) and its limits.
Knows no cryptography.

Rules: content has one encoding. Whatever was decoded is encoded again and compared, so that duplicate
keys, other spellings, null for absent and trailing bytes are all refused by one check. Every failure is
`Rejected`; its message names paths and rules, never a value, because it may end in a log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from protocol.codes import MessageKind
from protocol.content.bodies import MODELS, Body, items_of
from protocol.content.entities import Item
from protocol.content.fields import Count, DigestField, Model
from protocol.content.file_fields import FileName, MediaType
from protocol.content.file_names import file_faults
from protocol.content.model_faults import field_steps
from protocol.content.parts import ATTACHMENT, FRAME, ITEM, Attachment, Part
from protocol.errors import Code, DraftError, Rejected
from protocol.fault_text import place_text
from protocol.identifiers import digest
from protocol.limits import MAX_ATTACHMENT, MAX_BODY_JSON, MAX_CIPHERTEXT, MAX_PARTS

T = TypeVar("T")

_ITEM: Final[TypeAdapter[Item]] = TypeAdapter(Item)
_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
_LENGTH: Final = 4
_MAX_META: Final = 4_096
_SHOWN_FAULTS: Final = 8


class AttachmentMeta(Model):
    """What stands before an attachment's content."""

    name: FileName
    media_type: MediaType
    sha256: DigestField
    size: Count


def canonical_json(model: Model, *, exclude: set[str] | None = None) -> bytes:
    """Encode a model in the one way that `body_from_parts` accepts."""
    return _dump(model.model_dump(mode="json", exclude=exclude))


def body_to_parts(body: Body, attachments: Sequence[Attachment] = ()) -> tuple[Part, ...]:
    """Split a body into its parts: the frame, each item, each attachment.

    `DraftError` if they are too large, or if the attachments are not the files that the items name.
    """
    faults = file_faults(
        [item.files for item in items_of(body)], [attachment.name for attachment in attachments]
    )
    if faults:
        raise DraftError(
            "the attachments are not the files that the items name:",
            hint="every attachment is named in an item's 'files', and takes its codes from there",
            faults=faults,
        )
    frame, items = _encoded(body)
    parts = (
        Part(FRAME, frame),
        *(Part(ITEM, item) for item in items),
        *(Part(ATTACHMENT, _attachment_bytes(attachment)) for attachment in attachments),
    )
    excess = _excess(parts)
    if excess is not None:
        raise DraftError(excess, hint="send it in several messages")
    return parts


def body_from_parts(kind: MessageKind, parts: Sequence[Part]) -> tuple[Body, tuple[Attachment, ...]]:
    """Read the body of a message of this kind; everything but the one encoding is `Rejected`."""
    excess = _excess(parts)
    if excess is not None:
        raise Rejected(Code.E_BODY, excess)
    frame, items, rest = _sorted_by_kind(parts)
    body = _body(kind, frame, items)
    attachments = tuple(_attachment(content) for content in rest)
    if not _are_named(body, attachments):
        raise Rejected(Code.E_BODY, "attachments and the files that items name are not the same")
    return body, attachments


def item_from_part(part: Part) -> Item:
    """Read one item that was shown alone."""
    if part.kind != ITEM or len(part.content) > MAX_BODY_JSON:
        raise Rejected(Code.E_BODY, "not an item")
    item = _validated(_ITEM.validate_json, part.content)
    if canonical_json(item) != part.content:
        raise Rejected(Code.E_BODY, "an item is not in canonical form")
    return item


def fault_paths(error: ValidationError) -> list[tuple[str, str]]:
    """Where a body breaks which rule, without any value: an unknown field's name is the sender's text."""
    faults = []
    for fault in error.errors(include_input=False, include_context=False, include_url=False):
        location = fault["loc"][:-1] if fault["type"] == "extra_forbidden" else fault["loc"]
        faults.append((place_text(field_steps(location)), fault["type"]))
    return faults


def _body(kind: MessageKind, frame: bytes, items: list[bytes]) -> Body:
    # The whole is read at once, so that rules across items hold. Splicing bytes is safe because of the
    # comparison below: an item that smuggles in a second one, or a frame that brings its own items,
    # does not come out again as the parts that came in.
    whole = frame[:-1] + b',"items":[' + b",".join(items) + b"]}" if items else frame
    body = _validated(_reader(kind), whole)
    if _encoded(body) != (frame, items):
        raise Rejected(Code.E_BODY, "the content is not in canonical form")
    return body


def _encoded(body: Body) -> tuple[bytes, list[bytes]]:
    """The frame and each item, as `canonical_json` encodes them."""
    written = body.model_dump(mode="json")
    items = written.pop("items", ())
    return _dump(written), [_dump(item) for item in items]


def _sorted_by_kind(parts: Sequence[Part]) -> tuple[bytes, list[bytes], list[bytes]]:
    kinds = [part.kind for part in parts]
    if (
        not kinds
        or kinds.count(FRAME) != 1
        or kinds != sorted(kinds)
        or kinds[-1] > ATTACHMENT
        or kinds[0] < FRAME
    ):
        raise Rejected(Code.E_BODY, "the parts are not one frame, then items, then attachments")
    by_kind: tuple[list[bytes], ...] = ([], [], [])
    for part in parts:
        by_kind[part.kind].append(part.content)
    return by_kind[FRAME][0], by_kind[ITEM], by_kind[ATTACHMENT]


def _excess(parts: Sequence[Part]) -> str | None:
    if len(parts) > MAX_PARTS:
        return f"more than {MAX_PARTS} parts"
    if any(len(part.content) > MAX_BODY_JSON for part in parts if part.kind != ATTACHMENT):
        return f"a frame or an item has more than {MAX_BODY_JSON} bytes"
    if any(len(part.content) > _LENGTH + _MAX_META + MAX_ATTACHMENT for part in parts):
        return f"an attachment has more than {MAX_ATTACHMENT} bytes"
    if sum(len(part.content) for part in parts) > MAX_CIPHERTEXT:
        return f"the parts have more than {MAX_CIPHERTEXT} bytes together"
    return None


def _are_named(body: Body, attachments: Sequence[Attachment]) -> bool:
    present = [attachment.name for attachment in attachments]
    named = set(chain.from_iterable(item.files for item in items_of(body)))
    # Two attachments have two names also where a disk ignores case.
    return len({name.casefold() for name in present}) == len(present) and named == set(present)


def _attachment_bytes(attachment: Attachment) -> bytes:
    try:
        meta = AttachmentMeta(
            name=attachment.name,
            media_type=attachment.media_type,
            sha256=digest(attachment.content),
            size=len(attachment.content),
        )
    except ValidationError as error:
        path, rule = fault_paths(error)[0]
        raise DraftError(f"the attachment {attachment.name!r} is not valid: {path} ({rule})") from None
    if meta.size > MAX_ATTACHMENT:
        raise DraftError(f"the attachment {meta.name!r} has {meta.size} bytes, at most {MAX_ATTACHMENT} fit")
    encoded = canonical_json(meta)
    return len(encoded).to_bytes(_LENGTH, "big") + encoded + attachment.content


def _attachment(data: bytes) -> Attachment:
    start = _LENGTH + int.from_bytes(data[:_LENGTH], "big")
    if len(data) < start or not _LENGTH < start <= _LENGTH + _MAX_META:
        raise Rejected(Code.E_BODY, "an attachment is cut off, or its meta is too large")
    encoded, content = data[_LENGTH:start], data[start:]
    meta = _validated(AttachmentMeta.model_validate_json, encoded)
    if canonical_json(meta) != encoded or meta.size != len(content) or meta.sha256 != digest(content):
        raise Rejected(Code.E_BODY, "an attachment is not the one that its meta describes")
    if meta.size > MAX_ATTACHMENT:
        raise Rejected(Code.E_BODY, f"an attachment has more than {MAX_ATTACHMENT} bytes")
    return Attachment(meta.name, meta.media_type, content)


def _reader(kind: MessageKind) -> Callable[[bytes], Body]:
    return MODELS[kind].model_validate_json


def _validated(read: Callable[[bytes], T], data: bytes) -> T:
    try:
        return read(data)
    except ValidationError as error:
        shown = "; ".join(f"{path}: {rule}" for path, rule in fault_paths(error)[:_SHOWN_FAULTS])
    # Raised outside the handler: pydantic's error has the values and must not be the context of this one.
    raise Rejected(Code.E_BODY, f"the content breaks its model: {shown}")


def _dump(value: Any) -> bytes:
    return _CANONICAL.encode(value).encode()
