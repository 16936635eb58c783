"""The fields of attachments: a file's name, and its media type.

Owns how both look on the wire, and what is asked of them beyond that in a draft (`file_names`,
`media_types`): there a name is put into its normal form, and a type into lower case.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, StringConstraints, ValidationInfo

from protocol.content.cross_rules import broken
from protocol.content.fields import DRAFT, Line
from protocol.content.file_names import name_fault, normal_name
from protocol.content.media_types import RIGHT_TYPE, is_media_type

_FILE_NAME: Final = re.compile(r"[^/\\:.\s][^/\\:]*")


def _savable(name: object, info: ValidationInfo) -> object:
    if info.context != DRAFT or not isinstance(name, str):
        return name
    normal = normal_name(name)
    fault = name_fault(normal)
    if fault is not None:
        raise broken("file_name", *fault)
    return normal


def _file_name(name: str) -> str:
    if _FILE_NAME.fullmatch(name) is None:
        raise broken("file_name", "a name without folders and colons, which does not start with a dot")
    return name


def _media_type(text: str, info: ValidationInfo) -> str:
    if not is_media_type(text):
        raise broken("media_type", RIGHT_TYPE)
    lower = text.lower()
    if lower != text and info.context != DRAFT:
        raise broken("media_type", "a media type in lower case")
    return lower


FileName = Annotated[
    Line, StringConstraints(max_length=120), AfterValidator(_file_name), BeforeValidator(_savable)
]
MediaType = Annotated[str, AfterValidator(_media_type)]
