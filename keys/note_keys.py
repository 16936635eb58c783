r"""The note keys of a log or of a witness: one secret, and a key derived for each name and algorithm.

    note-key = [ v: 1, seed: 32 ]                                      inside a sealed file
    seed of a key = HKDF-SHA256(seed, info = "contrada/note-key/v1\n" || algorithm: 1 byte || name)

Why derived: C2SP asks that one public key serves one log, one cosigner and one signature type only. Half-
yearly logs have new names, so each has its own keys, and those of the coming ones can be published ahead.

Rules: the secret leaves this module only sealed. Hardware would need its own `CheckpointSigner`.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.errors import KeyFileUnreadable
from keys.sealed_file import open_sealed, seal_file
from keys.secrecy import Guarded
from keys.store import read_private, write_private
from keys.unlock import Secret
from protocol.canonical import decode, encode
from protocol.errors import MisuseError, Rejected
from protocol.identifiers import Entropy
from protocol.tlog.notes import NoteAlgorithm, VerifierKey, verifier_key

NOTE_KEY_FILE = "note.key"
_PURPOSE = "note"
_SEED_SIZE = 32


class NoteUse(Enum):
    """The kind of signer: it decides the algorithms."""

    LOG = (NoteAlgorithm.ED25519, NoteAlgorithm.COSIGNED_ML_DSA_44)
    WITNESS = (NoteAlgorithm.COSIGNED_ED25519, NoteAlgorithm.COSIGNED_ML_DSA_44)


class NoteSigner(Guarded):
    """A private key for one name and algorithm. A `protocol.tlog.checkpoints.CheckpointSigner`."""

    __slots__ = ("_private", "_verifier")

    def __init__(self, name: str, algorithm: NoteAlgorithm, seed: bytes) -> None:
        self._private: Ed25519PrivateKey | MLDSA44PrivateKey
        if algorithm is NoteAlgorithm.COSIGNED_ML_DSA_44:
            self._private = MLDSA44PrivateKey.from_seed_bytes(seed)
        else:
            self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._verifier = verifier_key(name, algorithm, self._private.public_key().public_bytes_raw())

    @property
    def verifier(self) -> VerifierKey:
        """The public half, with its name."""
        return self._verifier

    def sign(self, message: bytes) -> bytes:
        """Ed25519: 64 bytes. ML-DSA-44, hedged, empty context: 2420 bytes."""
        return self._private.sign(message)


class NoteKey(Guarded):
    """The secret of one log operator or one witness."""

    __slots__ = ("_seed",)

    def __init__(self, seed: bytes) -> None:
        if len(seed) != _SEED_SIZE:
            raise MisuseError(f"a seed has {_SEED_SIZE} bytes")
        self._seed = seed

    @classmethod
    def generate(cls, entropy: Entropy) -> NoteKey:
        """A fresh secret."""
        return cls(entropy(_SEED_SIZE))

    def signers(self, name: str, use: NoteUse = NoteUse.LOG) -> tuple[NoteSigner, ...]:
        """All keys with which a log or a witness of this name signs."""
        return tuple(NoteSigner(name, algorithm, self._derived(name, algorithm)) for algorithm in use.value)

    def vkeys(self, name: str, use: NoteUse = NoteUse.LOG) -> tuple[VerifierKey, ...]:
        """Their public halves."""
        return tuple(signer.verifier for signer in self.signers(name, use))

    def secret_bytes(self) -> bytes:
        """What goes into the sealed file, and nowhere else."""
        return encode([1, self._seed])

    def _derived(self, name: str, algorithm: NoteAlgorithm) -> bytes:
        info = b"contrada/note-key/v1\n" + bytes([algorithm]) + name.encode()
        return HKDF(SHA256(), _SEED_SIZE, salt=None, info=info).derive(self._seed)


def write_note_key(path: Path, key: NoteKey, *, secret: Secret, entropy: Entropy) -> None:
    """Write a new secret; never over another."""
    data = seal_file(key.secret_bytes(), purpose=_PURPOSE, secret=secret, entropy=entropy)
    write_private(path, data, entropy=entropy)


def read_note_key(path: Path, *, secret: Secret) -> NoteKey:
    """The secret in this file."""
    content = open_sealed(read_private(path), purpose=_PURPOSE, secret=secret, name=str(path))
    try:
        item = decode(content)
    except Rejected:
        item = None
    match item:
        case [1, bytes(seed)] if len(seed) == _SEED_SIZE:
            return NoteKey(seed)
        case _:
            raise KeyFileUnreadable(
                f"{path} opens, but is not what its name says", hint="restore it from a backup"
            )
