"""A file's name is one that every disk can save, and is no other's there."""

from __future__ import annotations

import json
import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codes import MessageKind
from protocol.content.body_parts import body_from_parts, body_to_parts
from protocol.content.drafts import parse_draft
from protocol.content.file_names import file_faults, name_fault, normal_name, same_name
from protocol.content.parts import Attachment
from protocol.errors import DraftError

NFC, NFD = "Z\u00fcrich.pdf", "Zu\u0308rich.pdf"


def draft(*names):
    item = {"type": "narrative", "text": "x", "purposes": ["operational"], "data_class": "non-personal"}
    whole = {
        "subject": "x",
        "language": "en",
        "crime_areas": ["terrorism"],
        "items": [item | {"files": list(names)}],
    }
    return json.dumps(whole).encode()


def read(*names):
    return parse_draft(MessageKind.INFORMATION, draft(*names))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("\u10e1" * 108 + ".jpg", "112 characters of 328 bytes"),
        ("a:b", "the character :"),
        ("a?", "the character ?"),
        ("a\\b", "the character \\"),
        ("a|b", "the character |"),
        ("photo\u202egpj.exe", "U+202E"),
        ("a\u200fb", "U+200F"),
        ("a\u061cb", "U+061C"),
        ("a.", '"a."'),
        ("...", '"..."'),
        (".bashrc", '".bashrc"'),
        ("con", '"con"'),
        ("Aux.txt", '"Aux"'),
        ("nul .tar.gz", '"nul"'),
        ("COM1", '"COM1"'),
        ("lpt\u00b2.doc", '"lpt\\u00b2"'),
        ("CONIN$", '"CONIN$"'),
    ],
)
def test_a_name_that_some_disk_does_not_take_is_refused_at_the_sender(name, found):
    """With what was found in it, and what would be right."""
    with pytest.raises(DraftError) as caught:
        read(name)

    (fault,) = caught.value.faults
    assert (fault.field, fault.rule) == ("items[0].files[0]", "file_name")
    assert found in fault.found


@pytest.mark.parametrize(
    "name",
    ["a.jpg", "aux2.txt", "com10.txt", "console.log", "\u10e1" * 80 + ".jpg", "x" * 120, "\u0646\u200c\u0645.pdf", "a.b.c", "-a", "a b"],
)  # fmt: skip
def test_any_other_name_is_taken(name):
    """Names of any script; a joiner within a word is a letter's form and no trick."""
    assert read(name).items[0].files == (name,)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120))
def test_what_is_taken_can_be_saved(tmp_path_factory, name):
    """A name without a fault is a file's name on this disk, and no longer than disks count."""
    name = normal_name(name)
    if name_fault(name) is None:
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(b"")
        assert len(os.fsencode(path.name)) <= 255
        path.unlink()


@given(st.text(min_size=1, max_size=20))
def test_a_name_is_the_same_in_every_form(name):
    """Every normal form and case of a name is one name, and the one form stays as it is."""
    for form in ("NFC", "NFD"):
        assert same_name(unicodedata.normalize(form, name)) == same_name(name)
        assert normal_name(unicodedata.normalize(form, name)) == normal_name(name)
    assert same_name(name.casefold()) == same_name(name)
    assert normal_name(normal_name(name)) == normal_name(name)


def test_both_forms_of_a_name_are_one_name():
    """In a draft either is taken, and goes out in the one form; both at once are twice the same."""
    assert read(NFD).items[0].files == read(NFC).items[0].files == (NFC,)
    with pytest.raises(DraftError) as caught:
        read(NFC, NFD)
    (fault,) = caught.value.faults
    assert (fault.field, fault.rule) == ("items[0].files", "distinct")


def test_two_attachments_have_two_names_on_every_disk():
    """Two forms and two cases of a name are one; each fault stands where the second is."""
    assert [(f.field, f.rule) for f in file_faults([[NFC, NFD, "a", "A"]], [NFC, NFD, "a", "A"])] == [
        ("attachments[1].name", "file_twice"),
        ("attachments[3].name", "file_twice"),
    ]


def test_attachments_are_the_files_that_items_name():
    """What is missing, what is too much, and what is there in other letters: all of it at once."""
    faults = file_faults([["a.jpg", "B.jpg"], ["c"]], ["b.jpg", "d"])

    assert [str(fault) for fault in faults] == [
        "items[0].files[0]: found no attachment of this name; expected it attached",
        'items[0].files[1]: found the attachment "b.jpg"; expected it attached',
        "items[1].files[0]: found no attachment of this name; expected it attached",
        'attachments[0].name: found "b.jpg"; expected an item that names it in its files',
        'attachments[1].name: found "d"; expected an item that names it in its files',
    ]
    assert file_faults([["a"], ["a"]], ["a"]) == ()


def test_what_was_sent_before_can_still_be_opened():
    """On the wire a name may be what it might be: the sender is asked for more, and not the reader."""
    body = read("a.txt")
    old = body.model_copy(update={"items": (body.items[0].model_copy(update={"files": ("CON?",)}),)})
    parts = body_to_parts(old, [Attachment("CON?", "text/plain", b"x")])

    assert body_from_parts(MessageKind.INFORMATION, parts)[1][0].name == "CON?"
