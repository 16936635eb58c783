"""Public keys: one name each, one algorithm for life, and one verdict about every signature."""

from __future__ import annotations

import random
from hashlib import sha256

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.soft_keys import SoftEpochKey, SoftIdentity
from protocol.errors import Code, Rejected
from protocol.public_keys import (
    ALG_ED25519,
    ALG_HPKE_9_KE,
    ALG_ML_DSA_65,
    ED25519_SIZE,
    ML_DSA_65_SIZE,
    X_WING_SIZE,
    EpochPublic,
    IdentityPublic,
    key_id,
)
from tests.unit.protocol.strategies import QUICK

_entropy = random.Random(3).randbytes
FR = SoftIdentity.generate("fr", _entropy)
KEY = SoftEpochKey.generate("fr", 1, _entropy)
# The order of the base point's group: S + L is another number for the same S.
L = 2**252 + 27742317777372353535851937790883648493
# Points of small order, encoded: the neutral element, and points of order 2, 4 and 8.
SMALL = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
]


@pytest.mark.parametrize(
    ("alg", "public", "cose_key"),
    [
        (ALG_ED25519, FR.public.ed25519, {1: 1, 3: -19, -1: 6, -2: FR.public.ed25519}),
        (ALG_ML_DSA_65, FR.public.ml_dsa_65, {1: 7, 3: -49, -1: FR.public.ml_dsa_65}),
        (ALG_HPKE_9_KE, KEY.public.x_wing, {1: 7, 3: 57, -1: KEY.public.x_wing}),
    ],
)
def test_a_key_id_names_key_and_algorithm(alg, public, cose_key):
    """The id is the hash of the COSE key, in which the algorithm stands."""
    assert key_id(alg, public) == sha256(cbor2.dumps(cose_key, canonical=True)).digest()[:16]


def test_two_algorithms_give_two_names():
    """The same bytes as keys of two algorithms are two keys."""
    assert key_id(ALG_ML_DSA_65, bytes(32)) != key_id(ALG_HPKE_9_KE, bytes(32))


@pytest.mark.parametrize(("ed", "ml"), [(31, 1952), (33, 1952), (32, 1951), (32, 1953), (0, 0), (1952, 32)])
def test_a_signing_key_of_another_size_is_refused(ed, ml):
    """Sizes are checked before anything is verified with the key."""
    with pytest.raises(Rejected) as caught:
        IdentityPublic(bytes(ed), bytes(ml))

    assert caught.value.reason is Code.E_SCHEMA


@pytest.mark.parametrize("size", [0, 32, X_WING_SIZE - 1, X_WING_SIZE + 1])
def test_an_epoch_key_of_another_size_is_refused(size):
    """An X-Wing key has one size."""
    with pytest.raises(Rejected):
        EpochPublic(bytes(size))


def test_an_epoch_key_that_is_none_is_refused():
    """Bytes of the right size that are no ML-KEM key are refused in the one family of errors."""
    with pytest.raises(Rejected):
        EpochPublic(b"\xff" * X_WING_SIZE).hpke_key()


@QUICK
@given(st.binary(max_size=60))
def test_signatures_verify(message):
    """What was signed verifies under both keys, and nothing else does."""
    ed, ml = FR.sign_ed25519(message), FR.sign_ml_dsa_65(message)

    assert FR.public.verify_ed25519(ed, message)
    assert FR.public.verify_ml_dsa_65(ml, message)
    assert not FR.public.verify_ed25519(ed, message + b"\x00")
    assert not FR.public.verify_ml_dsa_65(ml, message + b"\x00")


def test_a_signature_does_not_flow_into_its_message():
    """Signature and message are not one string: moving the border between them is refused."""
    message = b"abcdef"
    whole = FR.sign_ed25519(message) + message

    for size in (0, 1, 32, 63, 65, 66, 70):
        assert not FR.public.verify_ed25519(whole[:size], whole[size:])


def test_a_second_form_of_a_signature_is_refused():
    """S and S + L mean the same to a lax verifier: one message would have two signed forms."""
    message = b"message"
    signature = FR.sign_ed25519(message)
    other = int.from_bytes(signature[32:], "little") + L
    if other < 2**256:
        assert not FR.public.verify_ed25519(signature[:32] + other.to_bytes(32, "little"), message)


@pytest.mark.parametrize("key", SMALL)
@pytest.mark.parametrize("r", SMALL)
def test_a_key_of_small_order_signs_nothing(key, r):
    """Under a key of small order a signature of nothing would verify for every message."""
    public = IdentityPublic(bytes.fromhex(key), bytes(ML_DSA_65_SIZE))

    for message in (b"", b"a", b"b", b"c"):
        assert not public.verify_ed25519(bytes.fromhex(r) + bytes(32), message)


@pytest.mark.parametrize("size", [0, 1, 3308, 3310])
def test_an_ml_dsa_signature_of_another_size_is_refused(size):
    """The wrong size is no error of the library's, but no."""
    assert not FR.public.verify_ml_dsa_65(bytes(size), b"message")


def test_a_key_that_is_no_point_verifies_nothing():
    """Bytes that are no point of the curve verify nothing, and raise nothing."""
    public = IdentityPublic(b"\xff" * ED25519_SIZE, bytes(ML_DSA_65_SIZE))

    assert not public.verify_ed25519(bytes(64), b"message")
