"""Private keys in this process's memory: identities, epoch keys, the storage key.

Owns how a private key is made from seeds, its form inside a sealed file, and the `Signer` and `Opener` over
it; and an identity whose Ed25519 half lies in a place apart, of which the file has but the name.

    identity = [ v: 1, name, ed25519-seed: 32, ml-dsa-65-seed: 32 ]
             / [ v: 2, name, ed25519-public: 32, key-id: 16, ml-dsa-65-seed: 32 ]      in a token (keys/token)
    epoch    = [ v: 1, unit, epoch, x-wing-seed: 32, statement: bstr ]
    storage  = [ v: 1, unit, key: 32 ]

X-Wing (draft-connolly-cfrg-xwing-kem, 5.2): SHAKE256(seed, 96) = ML-KEM-768 seed (64) || X25519 key (32).
"""

from __future__ import annotations

from hashlib import shake_256
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from keys.secrecy import Guarded
from keys.unlock import KeyPlace
from protocol.canonical import encode
from protocol.envelope.sealing import HPKE_9
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Entropy, KeyId, UnitId
from protocol.public_keys import EpochPublic, IdentityPublic
from protocol.signatures import Signer

SEED_SIZE = 32


class PrivateIdentity(Signer, Protocol):
    """A signing identity of ours, wherever its keys are."""

    @property
    def name(self) -> UnitId:
        """The unit, registrar or router whose identity it is."""
        ...

    def secret_bytes(self) -> bytes:
        """What goes into the sealed file, and nowhere else."""
        ...

    def reach(self) -> None:
        """`KeyAway` where it could not sign now."""
        ...


class SoftIdentity(Guarded):
    """A signing identity in memory. A `protocol.signatures.Signer`."""

    __slots__ = ("_ed25519", "_ml_dsa_65", "_name", "_public")

    def __init__(self, name: UnitId, *, ed25519_seed: bytes, ml_dsa_65_seed: bytes) -> None:
        _check_seed(ed25519_seed)
        _check_seed(ml_dsa_65_seed)
        self._name = name
        self._ed25519 = Ed25519PrivateKey.from_private_bytes(ed25519_seed)
        self._ml_dsa_65 = MLDSA65PrivateKey.from_seed_bytes(ml_dsa_65_seed)
        self._public = IdentityPublic(
            self._ed25519.public_key().public_bytes_raw(), self._ml_dsa_65.public_key().public_bytes_raw()
        )

    @classmethod
    def generate(cls, name: UnitId, entropy: Entropy) -> SoftIdentity:
        """A fresh identity."""
        return cls(name, ed25519_seed=entropy(SEED_SIZE), ml_dsa_65_seed=entropy(SEED_SIZE))

    @property
    def name(self) -> UnitId:
        """The unit, registrar or router whose identity it is."""
        return self._name

    @property
    def public(self) -> IdentityPublic:
        """The public half."""
        return self._public

    def sign_ed25519(self, message: bytes) -> bytes:
        """64 bytes, RFC 8032."""
        return self._ed25519.sign(message)

    def sign_ml_dsa_65(self, message: bytes) -> bytes:
        """3309 bytes, FIPS 204, hedged."""
        return self._ml_dsa_65.sign(message)

    def secret_bytes(self) -> bytes:
        """What goes into the sealed file, and nowhere else."""
        return encode([1, self._name, self._ed25519.private_bytes_raw(), self._ml_dsa_65.private_bytes_raw()])

    def reach(self) -> None:
        """It is here."""


class PlacedIdentity(Guarded):
    """An identity whose Ed25519 key is in a place apart; whoever takes its file has half of it."""

    __slots__ = ("_key_id", "_ml_dsa_65", "_name", "_place", "_public")

    def __init__(
        self, name: UnitId, place: KeyPlace, *, key_id: bytes, ed25519: bytes, ml_dsa_65_seed: bytes
    ) -> None:
        _check_seed(ml_dsa_65_seed)
        self._name = name
        self._place = place
        self._key_id = key_id
        self._ml_dsa_65 = MLDSA65PrivateKey.from_seed_bytes(ml_dsa_65_seed)
        self._public = IdentityPublic(ed25519, self._ml_dsa_65.public_key().public_bytes_raw())

    @property
    def name(self) -> UnitId:
        """The unit, registrar or router whose identity it is."""
        return self._name

    @property
    def public(self) -> IdentityPublic:
        """The public half."""
        return self._public

    @property
    def key_id(self) -> bytes:
        """The name of the Ed25519 key in its place."""
        return self._key_id

    def sign_ed25519(self, message: bytes) -> bytes:
        """64 bytes, RFC 8032, by the place."""
        return self._place.sign_ed25519(self._key_id, message, public=self._public.ed25519)

    def sign_ml_dsa_65(self, message: bytes) -> bytes:
        """3309 bytes, FIPS 204, hedged."""
        return self._ml_dsa_65.sign(message)

    def secret_bytes(self) -> bytes:
        """What goes into the sealed file, and nowhere else: of the Ed25519 key its name alone."""
        seed = self._ml_dsa_65.private_bytes_raw()
        return encode([2, self._name, self._public.ed25519, self._key_id, seed])

    def reach(self) -> None:
        """`KeyAway` where the place does not answer."""
        self._place.reach()


class SoftEpochKey(Guarded):
    """The private key of one epoch, and the statement that published it."""

    __slots__ = ("_private", "_public", "_seed", "epoch", "statement", "unit")

    def __init__(
        self,
        unit: UnitId,
        *,
        epoch: int,
        seed: bytes,
        statement: bytes = b"",
        made: tuple[MLKEM768X25519PrivateKey, EpochPublic] | None = None,
    ) -> None:
        """The key of this seed; `made` is what `expand_x_wing` has made of it, where that is known."""
        _check_seed(seed)
        self.unit, self.epoch, self.statement = unit, epoch, statement
        self._seed = seed
        self._private, self._public = expand_x_wing(seed) if made is None else made

    @classmethod
    def generate(cls, unit: UnitId, epoch: int, entropy: Entropy) -> SoftEpochKey:
        """A fresh key, not published yet."""
        return cls(unit, epoch=epoch, seed=entropy(SEED_SIZE))

    @property
    def public(self) -> EpochPublic:
        """The public half."""
        return self._public

    @property
    def kid(self) -> KeyId:
        """Its name."""
        return self._public.kid

    def stated(self, statement: bytes) -> SoftEpochKey:
        """The same key with another statement."""
        # Not made of its seed again, which takes as long as the first time.
        made = self._private, self._public
        return SoftEpochKey(self.unit, epoch=self.epoch, seed=self._seed, statement=statement, made=made)

    def open(self, *, enc: bytes, ciphertext: bytes, info: bytes) -> bytes:
        """HPKE, base mode, one message. Whatever goes wrong looks the same."""
        try:
            return HPKE_9.decrypt(enc + ciphertext, self._private, info)
        except Exception:  # noqa: BLE001 - the library has several errors, and none must tell why
            raise cannot_open() from None

    def secret_bytes(self) -> bytes:
        """What goes into the sealed file, and nowhere else."""
        return encode([1, self.unit, self.epoch, self._seed, self.statement])


class SoftOpener(Guarded):
    """A unit's epoch keys in memory. A `protocol.envelope.sealing.Opener`."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[KeyId, SoftEpochKey] = {}

    def open(self, *, kid: KeyId, enc: bytes, ciphertext: bytes, info: bytes) -> bytes:
        """The wrapped key, or `Rejected(E_OPEN)`."""
        key = self._keys.get(kid)
        if key is None:
            raise cannot_open()
        return key.open(enc=enc, ciphertext=ciphertext, info=info)

    def kids(self) -> frozenset[KeyId]:
        """The keys that are there."""
        return frozenset(self._keys)

    def held(self) -> tuple[SoftEpochKey, ...]:
        """The keys themselves, by epoch, for their upkeep."""
        return tuple(sorted(self._keys.values(), key=lambda key: (key.epoch, key.kid)))

    def put(self, key: SoftEpochKey) -> None:
        """Add a key, or replace it."""
        self._keys[key.kid] = key

    def drop(self, kid: KeyId) -> None:
        """Forget a key."""
        self._keys.pop(kid, None)


def expand_x_wing(seed: bytes) -> tuple[MLKEM768X25519PrivateKey, EpochPublic]:
    """The X-Wing key pair of a 32-byte seed."""
    expanded = shake_256(seed).digest(96)
    ml_kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
    public = ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    return MLKEM768X25519PrivateKey(ml_kem, x25519), EpochPublic(public)


def cannot_open() -> Rejected:
    """The one error of opening."""
    return Rejected(Code.E_OPEN, "the key wrap does not open")


def _check_seed(seed: bytes) -> None:
    if len(seed) != SEED_SIZE:
        raise MisuseError(f"a seed has {SEED_SIZE} bytes")
