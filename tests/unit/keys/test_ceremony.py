"""The founding of an exchange, and the pinned root."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import ceremony
from keys.ceremony import PIN_FILE, appoint_registrar, found_exchange, read_pin
from keys.directory import Directory
from keys.errors import KeyFileExists, KeyFileUnreadable, KeyStoreError
from keys.key_files import read_identity
from keys.root_of_trust import RootOfTrust, fingerprint
from keys.signer import signer_from_uri
from keys.unlock import Credential
from protocol.canonical import decode, encode
from protocol.errors import MisuseError, Rejected
from tests.unit.keys.world import NOW, entropy_of, facts, identity, stated

SECRET = Credential(bytes(32))


def test_founded_exchange_works(tmp_path: Path) -> None:
    """From the pin and the first statements everybody comes to a registrar, a router and a ledger."""
    founding = found_exchange(tmp_path / "centre", secret=SECRET, now=NOW, entropy=entropy_of("founding"))
    directory = Directory(read_pin(tmp_path / "centre" / PIN_FILE))
    for statement in founding.statements:
        directory.apply(statement)
    assert directory.router_key(founding.router.public.kid) is not None
    assert [key.public for key in directory.ledgers()] == [founding.ledger.public]
    directory.apply(stated(facts("fr"), by=founding.registrar))
    for name in ("registrar", "router", "ledger"):
        key = getattr(founding, name)
        uri = f"file:{tmp_path}/centre/{name}/identity.key"
        assert signer_from_uri(uri, SECRET).public == key.public


def test_root_key_can_be_taken_offline(tmp_path: Path) -> None:
    """Daily work needs the registrar alone; the root key comes back only to name another."""
    founding = found_exchange(tmp_path / "centre", secret=SECRET, now=NOW, entropy=entropy_of("founding"))
    root_file = tmp_path / "centre" / "root" / "identity.key"
    root_key = signer_from_uri(f"file:{root_file}", SECRET)
    root_file.unlink()
    directory = Directory(founding.root)
    for statement in founding.statements:
        directory.apply(statement)
    directory.apply(stated(facts("fr"), by=founding.registrar))
    directory.apply(appoint_registrar(identity("second"), root_key=root_key, now=NOW))
    assert len(directory.registrars()) == 2


def test_exchange_is_founded_once(tmp_path: Path) -> None:
    """A second founding in the same place makes no second root, and none where the first's keys are elsewhere."""
    centre = tmp_path / "centre"
    founding = found_exchange(centre, secret=SECRET, now=NOW, entropy=entropy_of("one"))
    again = found_exchange(centre, secret=SECRET, now=NOW, entropy=entropy_of("other"))
    assert (again.root, again.router.public) == (founding.root, founding.router.public)

    (centre / "root" / "identity.key").unlink()
    with pytest.raises(KeyFileExists):
        found_exchange(centre, secret=SECRET, now=NOW, entropy=entropy_of("third"))
    assert not (centre / "root" / "identity.key").exists()
    (centre / PIN_FILE).unlink()
    founding = found_exchange(centre, secret=SECRET, now=NOW, entropy=entropy_of("fourth"))
    (centre / "router" / "identity.key").replace(centre / "root" / "identity.key")
    shutil.copy(centre / "root" / "identity.key", centre / "router" / "identity.key")
    with pytest.raises(KeyFileExists):
        found_exchange(centre, secret=SECRET, now=NOW, entropy=entropy_of("fifth"))
    assert read_pin(centre / PIN_FILE) == founding.root


@pytest.mark.parametrize("written", range(1, 5))
def test_an_interrupted_founding_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """However far it came: no key that was made is lost or made twice."""
    real, count = ceremony.make_identity, 0

    def full(*arguments: object, **named: object) -> object:
        nonlocal count
        count += 1
        if count > written:
            raise KeyStoreError("no space left on device")
        return real(*arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(ceremony, "make_identity", full)
        if written < 4:
            with pytest.raises(KeyStoreError):
                found_exchange(tmp_path, secret=SECRET, now=NOW, entropy=entropy_of("one"))
        else:
            found_exchange(tmp_path, secret=SECRET, now=NOW, entropy=entropy_of("one"))
            (tmp_path / PIN_FILE).unlink()
    first = read_identity(tmp_path / "root" / "identity.key", secret=SECRET)
    founding = found_exchange(tmp_path, secret=SECRET, now=NOW, entropy=entropy_of("two"))
    assert founding.root.keys == (first.public,)
    assert read_pin(tmp_path / PIN_FILE) == founding.root


def test_pin_round_trip() -> None:
    """A root is what its file says, and has one fingerprint."""
    root = RootOfTrust(tuple(identity("root", n).public for n in (1, 2, 3)), 2)
    again = RootOfTrust.parse(root.encoded())
    assert again == root
    assert again.fingerprint() == root.fingerprint() != RootOfTrust(root.keys, 3).fingerprint()


def test_a_root_that_no_threshold_fits_is_refused() -> None:
    """No root has fewer keys than it asks for, one key twice, none, or too many."""
    one, two = identity("root").public, identity("root", 2).public
    for keys, threshold in (((), 1), ((one,), 0), ((one,), 2), ((one, one), 2), ((one, two) * 5, 1)):
        with pytest.raises(MisuseError):
            RootOfTrust(keys, threshold)
        with pytest.raises(Rejected):
            RootOfTrust.parse(encode([1, threshold, [[key.ed25519, key.ml_dsa_65] for key in keys]]))


@given(st.binary(max_size=100))
def test_noise_is_no_root(noise: bytes) -> None:
    """Whatever lies in the file, the error is ours."""
    with pytest.raises(Rejected):
        RootOfTrust.parse(noise)


@pytest.mark.parametrize(
    ("at", "value"), [(0, 2), (0, True), (1, True), (1, "1"), (2, []), (2, [[b"", b""]])]
)
def test_root_is_strict(at: int, value: object) -> None:
    """A root in another version or form is not read."""
    item = decode(RootOfTrust((identity("root").public,)).encoded())
    item[at] = value
    with pytest.raises(Rejected):
        RootOfTrust.parse(encode(item))


def test_damaged_pin_says_what_to_do(tmp_path: Path) -> None:
    """A pin that is not one leads to the centre and to comparing fingerprints."""
    path = tmp_path / "root.pin"
    path.write_bytes(b"damaged")
    path.chmod(0o644)
    with pytest.raises(KeyFileUnreadable) as caught:
        read_pin(path)
    assert "fingerprint" in caught.value.hint


def test_fingerprints_are_for_reading_aloud() -> None:
    """Sixteen groups of four, and another for every key."""
    one, two = fingerprint(identity("fr").public), fingerprint(identity("it").public)
    assert one != two
    assert [len(group) for group in one.split(" ")] == [4] * 16
