"""A file of another kind is called what it is, and one that may be damaged is left to its reader."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.centre.enrolments import read_request
from keys.enrolment import parse_enrolment
from protocol.errors import Rejected
from runtime.cli.errors import BadInput
from runtime.cli.file_kinds import FileKind, read_kind
from tests.cli.homes import _request, world
from tests.unit.keys.world import identity

SEALED = world().sealed
ROOT = world().root.encoded()
REQUEST = _request(identity("es", 1))
POLICY = b"quorum none\n"
OTHERS = {
    "empty": b"",
    "JSON": b'[\n  {"unit": "fr"}\n]\n',
    "a PEM file (certificate)": b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "a text": b"Sehr geehrte Damen und Herren,\n",
    "a text in UTF-16": "hello".encode("utf-16"),
    "a ZIP archive or an office document": b"PK\x03\x04\x14\x00",
    "a gzip archive": gzip.compress(b"x", mtime=0),
    "an image (PNG)": b"\x89PNG\r\n\x1a\n",
    "a PDF": b"%PDF-1.7\n",
    "a root of trust": ROOT,
    "a sealed message": SEALED,
    "a policy": POLICY,
}


@pytest.mark.parametrize(("words", "data"), OTHERS.items())
def test_whoever_enrols_is_told_what_the_file_is(tmp_path: Path, words: str, data: bytes) -> None:
    """What it is, what is wanted, and where that comes from; no word of CBOR."""
    file = tmp_path / "enrolment.cbor"
    file.write_bytes(data)
    with pytest.raises(BadInput) as told:
        read_request(file)

    assert str(told.value) == f"{file} is {words}, and not a request of a unit"
    assert "enrolment.cbor, which 'unit init' made" in told.value.hint


def test_a_directory_is_called_one(tmp_path: Path) -> None:
    """As every file of another kind."""
    with pytest.raises(BadInput, match="is a directory, and not a request of a unit"):
        read_request(tmp_path)


def test_what_is_wanted_is_read(tmp_path: Path) -> None:
    """Each kind, from a file of its kind."""
    for kind, data in (
        (FileKind.REQUEST, REQUEST), (FileKind.ROOT, ROOT), (FileKind.POLICY, POLICY), (FileKind.SUBMISSION, SEALED),
    ):  # fmt: skip
        (tmp_path / "file").write_bytes(data)
        assert read_kind(tmp_path / "file", 100_000, kind) == data
    (tmp_path / "file").write_bytes(REQUEST)
    assert read_request(tmp_path / "file").parsed == parse_enrolment(REQUEST)


@given(st.integers(0, len(REQUEST) - 1), st.integers(1, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_damaged_request_is_still_one_that_does_not_verify(tmp_path: Path, place: int, change: int) -> None:
    """One byte changed: never taken, and never called something else than a request that is damaged or false."""
    damaged = bytearray(REQUEST)
    damaged[place] ^= change
    (tmp_path / "file").write_bytes(bytes(damaged))
    with pytest.raises(Rejected):
        read_request(tmp_path / "file")


@given(st.sampled_from(FileKind), st.binary(max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_called_something(tmp_path: Path, kind: FileKind, data: bytes) -> None:
    """No file ends in anything else, and what is shown of it cannot act on a terminal."""
    (tmp_path / "file").write_bytes(data)
    try:
        assert read_kind(tmp_path / "file", 100, kind) == data
    except BadInput as told:
        assert str(told).isprintable()


def test_a_text_that_may_be_a_policy_is_left_to_its_reader(tmp_path: Path) -> None:
    """A slip in a policy is told by its line, and not as a file of another kind."""
    (tmp_path / "policy").write_bytes(b"quorun none\n")

    assert read_kind(tmp_path / "policy", 100, FileKind.POLICY) == b"quorun none\n"
