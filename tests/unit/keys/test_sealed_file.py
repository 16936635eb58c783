"""Sealed containers: nothing of them opens unless all of it is right."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.errors import CredentialError, KeyFileUnreadable
from keys.sealed_file import open_sealed, seal_file
from keys.unlock import Credential, Passphrase
from protocol.canonical import decode, encode
from tests.unit.keys.world import entropy_of

CREDENTIAL = Credential(bytes(range(32)))
CONTENT = b"the content of a private file"


def sealed(purpose: str = "identity") -> bytes:
    """A container under CREDENTIAL."""
    return seal_file(CONTENT, purpose=purpose, secret=CREDENTIAL, entropy=entropy_of("file"))


def test_round_trip_with_a_credential() -> None:
    """The same purpose and the same credential give the content back."""
    again = Credential(bytes(range(32)))
    assert open_sealed(sealed(), purpose="identity", secret=again, name="f") == CONTENT


def test_round_trip_with_a_passphrase() -> None:
    """The same words open it, however the keyboard composed their letters."""
    data = seal_file(
        CONTENT, purpose="p", secret=Passphrase("caf\u00e9 au lait, svp"), entropy=entropy_of("file")
    )
    again = Passphrase("cafe\u0301 au lait, svp")
    assert open_sealed(data, purpose="p", secret=again, name="f") == CONTENT


def test_content_is_not_in_the_container() -> None:
    """The container shows nothing of its content."""
    assert CONTENT not in sealed()


def test_every_byte_counts() -> None:
    """Each byte of the container is covered: changed, it does not open."""
    data = sealed()
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            with pytest.raises(KeyFileUnreadable):
                open_sealed(bytes(changed), purpose="identity", secret=CREDENTIAL, name="f")


def test_version_has_one_form() -> None:
    """No other byte passes for version 1, not even the one that Python takes for an equal."""
    data = bytearray(sealed())
    assert data[1] == 1
    for value in (*range(1), *range(2, 256)):
        data[1] = value
        with pytest.raises(KeyFileUnreadable):
            open_sealed(bytes(data), purpose="identity", secret=CREDENTIAL, name="f")


def test_damage_and_wrong_secret_look_the_same() -> None:
    """Truncated, changed, or another credential: one error, so that guessing learns nothing."""
    data = sealed()
    said = set()
    for attempt, secret in (
        (data[:-1], CREDENTIAL),
        (b"", CREDENTIAL),
        (data + b"\x00", CREDENTIAL),
        (data[:-1] + bytes([data[-1] ^ 1]), CREDENTIAL),
        (data, Credential(bytes(32))),
    ):
        with pytest.raises(KeyFileUnreadable) as caught:
            open_sealed(attempt, purpose="identity", secret=secret, name="f")
        assert caught.value.__cause__ is None
        said.add((str(caught.value), caught.value.hint))
    assert len(said) == 1


def test_purpose_is_bound() -> None:
    """A file of one purpose does not open as another, even if the label in it is changed."""
    data = sealed("storage")
    with pytest.raises(KeyFileUnreadable):
        open_sealed(data, purpose="identity", secret=CREDENTIAL, name="f")
    item = decode(data)
    item[1] = "identity"
    with pytest.raises(KeyFileUnreadable):
        open_sealed(encode(item), purpose="identity", secret=CREDENTIAL, name="f")


def test_wrong_kind_of_secret_says_which_is_needed() -> None:
    """The kind is no secret, and naming it saves a person an hour."""
    with pytest.raises(KeyFileUnreadable, match="opens with a credential, and a passphrase was given"):
        open_sealed(sealed(), purpose="identity", secret=Passphrase("long enough words"), name="f")


def test_each_credential_file_has_a_key_and_a_nonce_of_its_own() -> None:
    """Sealing the same twice gives two different files."""
    entropy = entropy_of("same source")
    one = seal_file(CONTENT, purpose="p", secret=CREDENTIAL, entropy=entropy)
    other = seal_file(CONTENT, purpose="p", secret=CREDENTIAL, entropy=entropy)
    first, second = decode(one), decode(other)
    assert first[3] != second[3]
    assert first[4] != second[4]


def test_passphrase_is_stretched_once_for_files_written_together() -> None:
    """Files written in one sitting share a salt and so one Argon2id; their nonces differ."""
    secret = Passphrase("long enough words")
    entropy = entropy_of("sitting")
    one = decode(seal_file(CONTENT, purpose="p", secret=secret, entropy=entropy))
    other = decode(seal_file(CONTENT, purpose="q", secret=secret, entropy=entropy))
    assert one[3] == other[3]
    assert one[4] != other[4]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_noise_does_not_open(noise: bytes) -> None:
    """Whatever lies in the file, the error is ours."""
    with pytest.raises(KeyFileUnreadable):
        open_sealed(noise, purpose="identity", secret=CREDENTIAL, name="f")


def test_weak_secrets_are_refused() -> None:
    """A credential has exactly 32 bytes, and a passphrase some length."""
    for raw in (b"", bytes(31), bytes(33)):
        with pytest.raises(CredentialError):
            Credential(raw)
    for words in ("", "short"):
        with pytest.raises(CredentialError):
            Passphrase(words)
