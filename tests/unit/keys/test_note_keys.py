"""Keys of logs and witnesses: one secret, a key for each name and algorithm, a sealed file."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from keys.errors import KeyFileExists, KeyFileExposed, KeyFileMissing, KeyFileUnreadable
from keys.note_keys import NOTE_KEY_FILE, NoteKey, NoteSigner, NoteUse, read_note_key, write_note_key
from keys.sealed_file import seal_file
from keys.secrecy import Guarded
from keys.store import write_private
from keys.unlock import Credential
from protocol.canonical import encode
from protocol.errors import MisuseError, Rejected
from protocol.public_keys import verify_ed25519, verify_ml_dsa_44
from protocol.tlog.notes import NoteAlgorithm, format_vkey
from tests.unit.keys.test_secrecy import assert_silent
from tests.unit.keys.world import entropy_of

SECRET = Credential(bytes(range(32)))
SEED = bytes(range(100, 132))
NAME = "contrada.example/audit/2026h2"
KEY_IDS = ["922fbd01", "b2960d00", "75acd9f4", "b2960d00"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory that only we can enter."""
    tmp_path.chmod(0o700)
    return tmp_path


def written(directory: Path, seed: bytes = SEED) -> Path:
    """A key file."""
    path = directory / NOTE_KEY_FILE
    write_note_key(path, NoteKey(seed), secret=SECRET, entropy=entropy_of("note"))
    return path


def test_a_log_and_a_witness_sign_differently() -> None:
    """The algorithms of C2SP for each use, under the name that was asked for."""
    key = NoteKey(SEED)

    assert [vkey.algorithm for vkey in key.vkeys(NAME)] == [1, 6]
    assert [vkey.algorithm for vkey in key.vkeys(NAME, NoteUse.WITNESS)] == [4, 6]
    assert {vkey.name for use in NoteUse for vkey in key.vkeys(NAME, use)} == {NAME}


def test_the_keys_follow_from_the_secret() -> None:
    """The same secret gives the same keys on every machine and in every version: published ones stay true."""
    vkeys = [format_vkey(vkey) for use in NoteUse for vkey in NoteKey(SEED).vkeys(NAME, use)]

    assert vkeys == [format_vkey(vkey) for use in NoteUse for vkey in NoteKey(SEED).vkeys(NAME, use)]
    assert [vkey.split("+")[1] for vkey in vkeys] == KEY_IDS


def test_no_key_serves_two_purposes() -> None:
    """Another name, another algorithm or another secret is another public key."""
    public = [
        vkey.public
        for seed in (SEED, bytes(32))
        for name in (NAME, "contrada.example/directory", "contrada.example/witness/fr")
        for vkey in (*NoteKey(seed).vkeys(name), NoteKey(seed).vkeys(name, NoteUse.WITNESS)[0])
    ]

    assert len(set(public)) == len(public) == 18


def test_signatures_verify() -> None:
    """Each signer signs with the key that it shows."""
    for use in NoteUse:
        for signer in NoteKey(SEED).signers(NAME, use):
            pq = signer.verifier.algorithm is NoteAlgorithm.COSIGNED_ML_DSA_44
            verify = verify_ml_dsa_44 if pq else verify_ed25519
            assert verify(signer.verifier.public, signer.sign(b"message"), b"message")
            assert not verify(signer.verifier.public, signer.sign(b"message"), b"another")


def test_round_trip_through_a_file(directory: Path) -> None:
    """What was written is read again, and it is private."""
    path = written(directory)

    assert read_note_key(path, secret=SECRET).vkeys(NAME) == NoteKey(SEED).vkeys(NAME)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SEED not in path.read_bytes()


def test_a_key_is_never_overwritten(directory: Path) -> None:
    """A second secret beside the first would sign a second history."""
    path = written(directory)
    with pytest.raises(KeyFileExists):
        written(directory, bytes(32))

    assert read_note_key(path, secret=SECRET).vkeys(NAME) == NoteKey(SEED).vkeys(NAME)


def test_a_file_that_is_not_right_does_not_open(directory: Path) -> None:
    """Missing, open to others, damaged, or under another credential."""
    path = directory / NOTE_KEY_FILE
    with pytest.raises(KeyFileMissing):
        read_note_key(path, secret=SECRET)
    written(directory)
    with pytest.raises(KeyFileUnreadable):
        read_note_key(path, secret=Credential(bytes(32)))
    path.chmod(0o644)
    with pytest.raises(KeyFileExposed):
        read_note_key(path, secret=SECRET)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(KeyFileUnreadable):
        read_note_key(path, secret=SECRET)


@pytest.mark.parametrize(
    ("purpose", "content"),
    [
        ("storage", encode([1, SEED])),
        ("note", encode([2, SEED])),
        ("note", encode([1, SEED[:31]])),
        ("note", encode([1, SEED, 0])),
        ("note", encode([1, "x"])),
        ("note", b"no CBOR"),
    ],
)
def test_another_content_is_refused(directory: Path, purpose: str, content: bytes) -> None:
    """A file for another purpose, or with another content, is not a note key."""
    path = directory / NOTE_KEY_FILE
    data = seal_file(content, purpose=purpose, secret=SECRET, entropy=entropy_of("note"))
    write_private(path, data, entropy=entropy_of("file"))
    with pytest.raises(KeyFileUnreadable):
        read_note_key(path, secret=SECRET)


def test_a_secret_has_one_size() -> None:
    """32 bytes, from the source that was given."""
    for size in (0, 31, 33):
        with pytest.raises(MisuseError):
            NoteKey(bytes(size))
    assert NoteKey.generate(lambda size: SEED[:size]).vkeys(NAME) == NoteKey(SEED).vkeys(NAME)


def test_a_bad_name_has_no_keys() -> None:
    """A name that could not stand in a note."""
    for name in ("", "a b", "a+b", "a\nb"):
        with pytest.raises(Rejected):
            NoteKey(SEED).vkeys(name)


def test_nothing_shows_the_secret() -> None:
    """Neither printed nor pickled nor copied."""
    key = NoteKey(SEED)
    for holder in (key, *key.signers(NAME)):
        assert isinstance(holder, Guarded)
        assert_silent(f"{holder!r} {holder!s} {[holder]}", [SEED])
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(MisuseError):
                attempt(holder)
    with pytest.raises(MisuseError) as caught:
        NoteKey(SEED[:31])
    assert_silent(repr(caught.value), [SEED[:31]])
    assert not hasattr(NoteSigner(NAME, NoteAlgorithm.ED25519, SEED), "__dict__")
