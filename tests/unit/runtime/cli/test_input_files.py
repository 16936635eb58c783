"""Files that are typed at a command: one name, whichever normal form the keyboard and the disk have."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.cli.outgoing import attachment
from runtime.cli.file_kinds import FileKind, read_kind
from runtime.cli.input_files import as_on_disk, read_input

NFC = "pièce é.pdf"
NFD = unicodedata.normalize("NFD", NFC)
NAMES = st.text(st.sampled_from("aé\u00fc\uac00\u1e69\u0323\u0307\u212b"), min_size=1, max_size=6)


@pytest.mark.parametrize(("typed", "there"), [(NFC, NFD), (NFD, NFC), (NFC, NFC)])
def test_a_file_is_found_in_either_form(tmp_path: Path, typed: str, there: str) -> None:
    """Also in a folder of such a name, by every reader of files that are typed."""
    (tmp_path / there).mkdir()
    (tmp_path / there / there).write_bytes(b"data")
    path = tmp_path / typed / typed

    assert as_on_disk(path) == tmp_path / there / there
    assert read_input(str(path), 10, what="a draft") == b"data"
    assert read_kind(path, 10, FileKind.RECORD) == b"data"
    assert attachment(path)["content_b64"] == "ZGF0YQ=="


def test_where_both_forms_are_there_the_typed_one_counts(tmp_path: Path) -> None:
    for name in (NFC, NFD):
        (tmp_path / name).write_bytes(name.encode())
    for name in (NFC, NFD):
        assert as_on_disk(tmp_path / name).read_bytes() == name.encode()


def test_what_is_not_there_is_told_as_it_was_typed(tmp_path: Path) -> None:
    """Another letter is another name, and of two that would do none is chosen."""
    (tmp_path / "piece e.pdf").touch()
    mixed = "é" + NFD
    for name in ("e\u0301" + NFC, unicodedata.normalize("NFD", mixed)):
        (tmp_path / name).touch()
    for path in (tmp_path / NFC, tmp_path / mixed, tmp_path / "é" / NFC, Path("é")):
        with pytest.raises(FileNotFoundError) as refused:
            read_input(str(path), 10, what="a draft")
        assert str(refused.value.filename) == str(path)


@given(NAMES, st.sampled_from(["NFC", "NFD"]))
def test_any_form_of_a_name_finds_its_file(name: str, form: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.touch()
        typed = path.with_name(unicodedata.normalize(form, name))  # type: ignore[arg-type]
        assert as_on_disk(typed).samefile(path)
