"""Private keys in memory: they fit the published vectors, and open what was sealed to them and nothing else."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from keys.soft_keys import SoftEpochKey, SoftIdentity, SoftOpener, expand_x_wing
from protocol.envelope.sealing import HPKE_9
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import KeyId
from protocol.signatures import HEADER, Suite, parse_signed, sign, verify
from tests.unit.keys.world import EPOCH_NOW, FR, entropy_of, epoch_key, identity

VECTORS = json.loads(Path(__file__).with_name("x_wing_vectors.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["x_wing"], ids=lambda vector: vector["seed"][:8])
def test_x_wing_key_generation(vector: dict[str, str]) -> None:
    """A seed gives the public key that the X-Wing draft says."""
    _, public = expand_x_wing(bytes.fromhex(vector["seed"]))
    assert sha256(public.x_wing).hexdigest() == vector["public_sha256"]


def test_hpke_9_ke_example_opens() -> None:
    """A key wrap that somebody else made, the example of the COSE-HPKE draft, opens here."""
    vector = VECTORS["hpke_9_ke"]
    key = SoftEpochKey(FR, epoch=1, seed=bytes.fromhex(vector["seed"]))
    assert sha256(key.public.x_wing).hexdigest() == vector["public_sha256"]
    content_key = key.open(
        enc=bytes.fromhex(vector["enc"]),
        ciphertext=bytes.fromhex(vector["ciphertext"]),
        info=bytes.fromhex(vector["info"]),
    )
    assert sha256(content_key).hexdigest() == vector["content_key_sha256"]


@pytest.mark.parametrize("suite", list(Suite))
def test_identity_signs(suite: Suite) -> None:
    """What an identity signs verifies under its public half, in both suites."""
    key = identity("fr")
    signed = parse_signed(sign(b"payload", suite=suite, signer=key, context=HEADER))
    verify(signed, key.public, context=HEADER)
    with pytest.raises(Rejected):
        verify(signed, identity("it").public, context=HEADER)


def _opener() -> SoftOpener:
    opener = SoftOpener()
    opener.put(epoch_key("fr", EPOCH_NOW))
    opener.put(epoch_key("fr", EPOCH_NOW + 1))
    return opener


def test_opener_finds_the_key_by_its_id() -> None:
    """Each wrap opens under the key that it names."""
    for epoch in (EPOCH_NOW, EPOCH_NOW + 1):
        public = epoch_key("fr", epoch).public
        sealed = HPKE_9.encrypt(b"k" * 32, public.hpke_key(), b"info")
        opened = _opener().open(kid=public.kid, enc=sealed[:1120], ciphertext=sealed[1120:], info=b"info")
        assert opened == b"k" * 32


def test_all_failures_to_open_are_one() -> None:
    """Unknown key, foreign key, other info, damage, wrong sizes: the same error, word for word."""
    opener = _opener()
    kid = epoch_key("fr", EPOCH_NOW).kid
    sealed = HPKE_9.encrypt(b"k" * 32, epoch_key("fr", EPOCH_NOW).public.hpke_key(), b"info")
    enc, wrapped = sealed[:1120], sealed[1120:]
    attempts = [
        (KeyId(bytes(16)), enc, wrapped, b"info"),
        (epoch_key("fr", EPOCH_NOW + 1).kid, enc, wrapped, b"info"),
        (kid, enc, wrapped, b"other"),
        (kid, enc, wrapped[:-1] + bytes([wrapped[-1] ^ 1]), b"info"),
        (kid, bytes([enc[0] ^ 1]) + enc[1:], wrapped, b"info"),
        (kid, enc[:-32] + bytes(32), wrapped, b"info"),
        (kid, enc[:-1], wrapped, b"info"),
        (kid, b"", b"", b""),
    ]
    said = set()
    for key, encapsulated, ciphertext, info in attempts:
        with pytest.raises(Rejected) as caught:
            opener.open(kid=key, enc=encapsulated, ciphertext=ciphertext, info=info)
        assert caught.value.reason is Code.E_OPEN
        assert caught.value.__cause__ is None
        said.add(str(caught.value))
    assert len(said) == 1


def test_dropped_key_opens_nothing() -> None:
    """A key that was dropped is gone from the opener."""
    opener = _opener()
    key = epoch_key("fr", EPOCH_NOW)
    opener.drop(key.kid)
    opener.drop(key.kid)
    assert opener.kids() == {epoch_key("fr", EPOCH_NOW + 1).kid}
    sealed = HPKE_9.encrypt(b"k" * 32, key.public.hpke_key(), b"")
    with pytest.raises(Rejected):
        opener.open(kid=key.kid, enc=sealed[:1120], ciphertext=sealed[1120:], info=b"")


def test_seed_of_wrong_size_is_misuse() -> None:
    """No key is made from less than 32 bytes."""
    for seed in (b"", bytes(31), bytes(64)):
        with pytest.raises(MisuseError):
            SoftEpochKey(FR, epoch=1, seed=seed)
        with pytest.raises(MisuseError):
            SoftIdentity(FR, ed25519_seed=bytes(32), ml_dsa_65_seed=seed)


def test_generated_keys_differ() -> None:
    """Each key takes randomness of its own; the two halves of an identity do not share a seed."""
    entropy = entropy_of("one source")
    one, other = SoftIdentity.generate(FR, entropy), SoftIdentity.generate(FR, entropy)
    assert one.public.kid != other.public.kid
    assert one.public.pq_kid != other.public.pq_kid
    assert SoftEpochKey.generate(FR, 1, entropy).kid != SoftEpochKey.generate(FR, 1, entropy).kid
