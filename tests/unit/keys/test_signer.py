"""Signers by URI, and the opener of a directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from keys.errors import KeyFileMissing, KeyStoreError, KeyUriError
from keys.key_files import write_epoch, write_identity
from keys.signer import load_opener, signer_from_uri
from keys.store import prepare_directory
from keys.unlock import Credential
from protocol.envelope import sealing
from tests.unit.keys.world import EPOCH_NOW, entropy_of, epoch_key, identity

SECRET = Credential(bytes(32))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with an identity and an epoch key; its name needs quoting in a URI."""
    directory = tmp_path / "keys of fr"
    prepare_directory(directory)
    entropy = entropy_of("files")
    write_identity(directory / "identity.key", identity("fr"), secret=SECRET, entropy=entropy)
    write_epoch(directory, epoch_key("fr", EPOCH_NOW), secret=SECRET, entropy=entropy)
    return directory


def test_a_path_is_read_as_rfc_8089_has_it(directory: Path) -> None:
    """A path is named as RFC 8089 has it, with or without an empty host, quoted or plain."""
    path = directory / "identity.key"
    for uri in (f"file:{path}", f"file://{path}", path.as_uri()):
        assert signer_from_uri(uri, SECRET).public == identity("fr").public


def test_opener_of_a_directory(directory: Path) -> None:
    """An opener has all epoch keys of a directory, and is what sealing asks for."""
    opener = load_opener(directory, secret=SECRET)
    port: sealing.WrapOpener = opener
    assert port is opener
    assert opener.kids() == {epoch_key("fr", EPOCH_NOW).kid}


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("pkcs11:token=x?pin-value=hunter2", "'pkcs11'"),
        ("/var/lib/hunter2/identity.key", "'no scheme'"),
        ("Hunter2!:x", "'no scheme'"),
        ("", "'no scheme'"),
    ],
)
def test_unknown_scheme_names_the_known_ones(uri: str, shown: str) -> None:
    """The error says what there is, and repeats nothing of the URI but a plain scheme: there may be a PIN."""
    with pytest.raises(KeyUriError) as caught:
        signer_from_uri(uri, SECRET)
    assert shown in str(caught.value)
    assert (
        caught.value.hint
        == "known are: file:, signer:; a token is named where a secret's file is: docs/hardware-keys.md"
    )
    assert "hunter2" not in (str(caught.value) + caught.value.hint).lower()


def test_foreign_host_is_refused() -> None:
    """A file on another host is not one that we can check."""
    with pytest.raises(KeyStoreError, match="another host"):
        signer_from_uri("file://elsewhere/identity.key", SECRET)


def test_a_uri_of_no_file_is_refused_as_missing(tmp_path: Path) -> None:
    """A URI to nothing says that there is nothing."""
    with pytest.raises(KeyFileMissing):
        signer_from_uri(f"file:{tmp_path}/nothing", SECRET)
    with pytest.raises(KeyFileMissing):
        load_opener(tmp_path / "nothing", secret=SECRET)
