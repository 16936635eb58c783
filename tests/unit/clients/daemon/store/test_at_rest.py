"""Content at rest: one key for each message, bound to its row."""

from __future__ import annotations

import os
import pickle

import pytest

from clients.daemon.store.at_rest import ContentErased, ContentUnreadable, Vault
from protocol.errors import MisuseError

KEY = bytes(range(32))


@pytest.fixture
def vault() -> Vault:
    return Vault(KEY, os.urandom)


def test_what_was_locked_opens_again(vault):
    """Content comes back byte for byte, and two locks of the same content differ."""
    first, second = vault.lock(b"content", "inbox", b"id"), vault.lock(b"content", "inbox", b"id")
    assert vault.unlock(first.dek, first.content, "inbox", b"id") == b"content"
    assert first.content != second.content
    assert b"content" not in first.content + first.dek


def test_nothing_opens_in_another_place(vault):
    """A blob that is moved to another row or table, or mixed with another's key, does not open."""
    one, other = vault.lock(b"one", "inbox", b"id-1"), vault.lock(b"two", "inbox", b"id-2")
    for dek, content, place in (
        (one.dek, one.content, ("inbox", b"id-2")),
        (one.dek, one.content, ("outbox", b"id-1")),
        (other.dek, one.content, ("inbox", b"id-1")),
        (one.dek, other.content, ("inbox", b"id-1")),
    ):
        with pytest.raises(ContentUnreadable):
            vault.unlock(dek, content, *place)


def test_every_flipped_bit_is_found(vault):
    """Damage is never taken for content."""
    kept = vault.lock(b"content", "inbox", b"id")
    for column in ("dek", "content"):
        whole = getattr(kept, column)
        for at in range(len(whole)):
            broken = bytearray(whole)
            broken[at] ^= 1
            columns = {"dek": kept.dek, "content": kept.content, column: bytes(broken)}
            with pytest.raises(ContentUnreadable):
                vault.unlock(columns["dek"], columns["content"], "inbox", b"id")


def test_without_its_key_a_message_is_gone(vault):
    """Erasing the small column erases the message, and says so."""
    kept = vault.lock(b"content", "inbox", b"id")
    with pytest.raises(ContentErased):
        vault.unlock(None, kept.content, "inbox", b"id")


def test_the_vault_shows_nothing(vault):
    """No representation, no pickle."""
    kept = vault.lock(b"content", "inbox", b"id")
    assert KEY.hex() not in repr(vault)
    assert kept.dek.hex() not in repr(kept)
    assert repr(kept.dek) not in repr(kept)
    with pytest.raises(MisuseError):
        pickle.dumps(vault)


def test_requests_are_told_apart_without_being_kept(vault):
    """The same request has the same tag, under this unit's key only."""
    assert vault.mac(b"request") == vault.mac(b"request") != vault.mac(b"other")
    assert Vault(bytes(32), os.urandom).mac(b"request") != vault.mac(b"request")
