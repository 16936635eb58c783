"""Each safeguard at the door, taken away, lets in what it keeps out: so each has a test that would miss it."""

from __future__ import annotations

import json

import pytest

from clients.daemon.errors import BadRequest
from clients.daemon.sending.requests import SendRequest, read_api_request
from protocol import base64_text, json_text
from protocol.content import file_fields, file_names
from protocol.content.file_names import file_faults
from protocol.errors import DraftError
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import returning, rewritten, unchecked
from tests.unit.clients.daemon.unit_contexts import draft
from tests.unit.protocol.content.test_file_names import NFC, NFD, read


def sent(*, attachments=(), text=None):
    body = {"kind": "information", "to": ["it"], "draft": draft(), "attachments": list(attachments)}
    return read_api_request((text or json.dumps(body)).encode(), SendRequest)


def attached(**changes):
    return {"name": "a.jpg", "media_type": "image/jpeg", "content_b64": "AAAA"} | changes


def spliced(text):
    """A right request with something more in it."""
    return json.dumps({"kind": "information", "to": ["it"], "draft": draft()})[:-1] + text + "}"


def two_forms():
    if file_faults([[NFC, NFD]], [NFC, NFD]):
        raise DraftError("one name twice")


MUTANTS = [
    ("stray bits", lambda: sent(attachments=[attached(content_b64="AB==")]), Mutant(base64_text.from_base64, unchecked(base64_text.to_base64))),
    ("a foreign alphabet", lambda: sent(attachments=[attached(content_b64="data:image/jpeg;base64,AAAA")]), Mutant(base64_text.from_base64, rewritten("b64decode(text, validate=True)", "b64decode(text)"), unchecked(base64_text.to_base64))),
    ("a field twice", lambda: sent(text=spliced(', "to": ["de"]')), Mutant(json_text._object, returning("dict(pairs)"))),
    ("the bound of bytes", lambda: json_faults(b" " * 20 + b"1", at_most=10), Mutant(json_text.read_json, unchecked("at_most"))),
    ("the bound of depth", lambda: json_faults(b"[" * 40 + b"]" * 40), Mutant(json_text._clean, rewritten("len(steps) >= MAX_JSON_DEPTH", "False"))),
    ("the bound of digits", lambda: json_faults(b"[" + b"9" * 300 + b"]"), Mutant(json_text._whole, returning("int(digits)"))),
    ("numbers that there are", lambda: json_faults(b"[1e999]"), Mutant(json_text._fraction, returning("float(digits)"))),
    ("whole characters", lambda: json_faults(b'["\\ud83d"]'), Mutant(json_text._whole_characters, returning("text"))),
    ("bytes of a name", lambda: read("\u10e1" * 108 + ".jpg"), Mutant(file_names.name_fault, unchecked("MAX_NAME_BYTES"))),
    ("a name of Windows", lambda: read("con.txt"), Mutant(file_names.name_fault, unchecked("device"))),
    ("a turn of direction", lambda: read("a\u200fb"), Mutant(file_names.name_fault, unchecked("mark"))),
    ("the one form of a name", lambda: read(NFC, NFD), Mutant(file_fields._savable, rewritten("normal_name(name)", "name"))),
    ("one name on a disk", two_forms, Mutant(file_names.same_name, returning("name"))),
]  # fmt: skip


def json_faults(data, at_most=1_000):
    faults = json_text.read_json(data, at_most=at_most).faults
    if faults:
        raise DraftError("not this JSON", faults=faults)


@pytest.mark.parametrize(("what", "attack", "mutant"), MUTANTS, ids=[what for what, _, _ in MUTANTS])
def test_each_safeguard_is_needed(what, attack, mutant):
    """With it the input is refused, without it the input comes in."""
    with pytest.raises((BadRequest, DraftError)):
        attack()
    with mutated(mutant):
        attack()
