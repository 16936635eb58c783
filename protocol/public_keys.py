"""Public keys, their COSE form and their names (key ids).

A key is bound to one algorithm for life: the COSE key that is hashed into the key id names it, and a
verifier takes the algorithm from here, never from a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey, MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from protocol.canonical import encode
from protocol.errors import Code, Rejected
from protocol.identifiers import KeyId

ALG_ED25519 = -19  # RFC 9864
ALG_ML_DSA_65 = -49  # RFC 9964
ALG_HPKE_9_KE = 57  # draft-ietf-cose-hpke-pq-pqt; a provisional number, pinned by the suite

ED25519_SIZE = 32
ED25519_SIGNATURE_SIZE = 64
ML_DSA_44_SIZE = 1312
ML_DSA_65_SIZE = 1952
X_WING_SIZE = 1216  # ML-KEM-768 encapsulation key (1184), then X25519 public key (32)

_COSE_SHAPE = {
    # alg -> COSE key type and fixed members: OKP (1) with curve Ed25519 (6), AKP (7)
    ALG_ED25519: {1: 1, 3: ALG_ED25519, -1: 6},
    ALG_ML_DSA_65: {1: 7, 3: ALG_ML_DSA_65},
    ALG_HPKE_9_KE: {1: 7, 3: ALG_HPKE_9_KE},
}
_PUBLIC_LABEL = {ALG_ED25519: -2, ALG_ML_DSA_65: -1, ALG_HPKE_9_KE: -1}


@lru_cache(maxsize=4096)
def key_id(alg: int, public: bytes) -> KeyId:
    """The first 16 bytes of SHA-256 over the COSE key."""
    cose_key = encode(_COSE_SHAPE[alg] | {_PUBLIC_LABEL[alg]: public})
    return KeyId(sha256(cose_key).digest()[:16])


def verify_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """RFC 8032 verification by libsodium: S < L, no small-order key, no small-order R.

    One library for all verifiers: two could differ on such signatures, and then a router would accept what an
    addressee refuses (docs/adr/0005-one-ed25519-verifier.md).
    """
    # libsodium takes both as one string: only the size says where the signature ends.
    if len(signature) != ED25519_SIGNATURE_SIZE:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True


def verify_ml_dsa_44(public: bytes, signature: bytes, message: bytes) -> bool:
    """FIPS 204 verification with an empty context string; the logs' and the witnesses' parameter set."""
    try:
        _ml_dsa_44(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@dataclass(frozen=True, slots=True)
class IdentityPublic:
    """The two public signing keys of one identity: classical and post-quantum."""

    ed25519: bytes
    ml_dsa_65: bytes

    def __post_init__(self) -> None:
        """Refuse a key of the wrong size before anything is verified with it."""
        if len(self.ed25519) != ED25519_SIZE or len(self.ml_dsa_65) != ML_DSA_65_SIZE:
            raise Rejected(Code.E_SCHEMA, "a public signing key has the wrong size")

    @property
    def kid(self) -> KeyId:
        """The name of the identity: the id of its Ed25519 key."""
        return key_id(ALG_ED25519, self.ed25519)

    @property
    def pq_kid(self) -> KeyId:
        """The id of its ML-DSA-65 key."""
        return key_id(ALG_ML_DSA_65, self.ml_dsa_65)

    def verify_ed25519(self, signature: bytes, message: bytes) -> bool:
        """Whether this identity made the Ed25519 signature."""
        return verify_ed25519(self.ed25519, signature, message)

    def verify_ml_dsa_65(self, signature: bytes, message: bytes) -> bool:
        """FIPS 204 verification with an empty context string."""
        try:
            _ml_dsa_65(self.ml_dsa_65).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class EpochPublic:
    """The X-Wing public key to which messages of one epoch are sealed."""

    x_wing: bytes

    def __post_init__(self) -> None:
        """Refuse a key of the wrong size."""
        if len(self.x_wing) != X_WING_SIZE:
            raise Rejected(Code.E_SCHEMA, "an epoch key has the wrong size")

    @property
    def kid(self) -> KeyId:
        """The id of the key."""
        return key_id(ALG_HPKE_9_KE, self.x_wing)

    def hpke_key(self) -> MLKEM768X25519PublicKey:
        """The key in the form that the HPKE library takes."""
        return _x_wing(self.x_wing)


# Parsing a key costs as much as using it, and a router uses few keys often: the caches are bounded.
@lru_cache(maxsize=256)
def _ml_dsa_44(raw: bytes) -> MLDSA44PublicKey:
    try:
        return MLDSA44PublicKey.from_public_bytes(raw)
    except ValueError:
        raise Rejected(Code.E_SCHEMA, "not an ML-DSA-44 public key") from None


@lru_cache(maxsize=256)
def _ml_dsa_65(raw: bytes) -> MLDSA65PublicKey:
    try:
        return MLDSA65PublicKey.from_public_bytes(raw)
    except ValueError:
        raise Rejected(Code.E_SCHEMA, "not an ML-DSA-65 public key") from None


@lru_cache(maxsize=1024)
def _x_wing(raw: bytes) -> MLKEM768X25519PublicKey:
    try:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(raw[:1184]), X25519PublicKey.from_public_bytes(raw[1184:])
        )
    except ValueError:
        raise Rejected(Code.E_SCHEMA, "not an X-Wing public key") from None
