"""Media types: by the grammar of RFC 6838, and by a table that is the same everywhere."""

from __future__ import annotations

import mimetypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codes import MessageKind
from protocol.content.body_parts import body_from_parts, body_to_parts
from protocol.content.media_types import is_media_type, media_type_of
from protocol.content.parts import Attachment
from tests.unit.protocol.content.test_file_names import read

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
NAME = st.builds(str.__add__, st.sampled_from(LETTERS), st.text(alphabet=LETTERS + "!#$&-^_.+", max_size=126))


@given(NAME, NAME)
def test_every_restricted_name_is_a_type(first, second):
    """RFC 6838, 4.2: 127 characters of its alphabet on either side."""
    assert is_media_type(f"{first}/{second}")


@pytest.mark.parametrize(
    "text",
    ["", "text", "text/", "/plain", "text/plain; charset=utf-8", "text/pl ain", "-a/b", "a/.b", "a/b/c", "a/" + "b" * 128, "tex\u0442/plain", "a/b\n"],
)  # fmt: skip
def test_anything_else_is_none(text):
    """Parameters, spaces, other letters, too long: no type of an attachment."""
    assert not is_media_type(text)


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("list.xlsm", "application/vnd.ms-excel.sheet.macroenabled.12"),
        ("log.txt.gz", "application/gzip"),
        ("a.tar.bz2", "application/x-bzip2"),
        ("archive.TGZ", "application/gzip"),
        ("PHOTO.JPG", "image/jpeg"),
        ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("noending", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("gz", "application/octet-stream"),
    ],
)
def test_a_name_gives_its_type(name, type_):
    """By the last ending, whatever the case: the container, and not what is in it."""
    assert media_type_of(name) == type_


def test_the_type_does_not_come_from_the_machine(monkeypatch):
    """What the machine has in its tables changes nothing."""
    before = media_type_of("a.xlsm"), media_type_of("a.never")
    mimetypes.add_type("x/y", ".xlsm")
    mimetypes.add_type("x/y", ".never")
    try:
        assert (media_type_of("a.xlsm"), media_type_of("a.never")) == before
    finally:
        mimetypes.init()


@given(st.text(alphabet=LETTERS + ".", min_size=1, max_size=12))
def test_every_type_of_the_table_is_one(name):
    """What is made of a name is a type, in lower case, that a message can carry."""
    type_ = media_type_of(name)

    assert is_media_type(type_)
    assert type_ == type_.lower()


def test_a_type_of_any_registered_length_travels():
    """The longest name of the grammar goes through the wire."""
    type_ = "application/" + "x" * 127
    parts = body_to_parts(read("a"), [Attachment("a", type_, b"x")])

    assert body_from_parts(MessageKind.INFORMATION, parts)[1][0].media_type == type_
