"""Signatures: COSE_Sign1 (suite 1) and COSE_Sign with two signatures (suite 2), made and verified.

    suite 1   [ prot, {}, payload, sig ]                         Ed25519
    suite 2   [ h'', {}, payload, [ [prot, {}, sig],             Ed25519, and then
                                    [prot, {}, sig] ] ]          ML-DSA-65: both must verify

What a signature covers (RFC 9052, 4.4):

    ["Signature1",      prot, context, payload]                  suite 1
    ["Signature", h'',  prot, context, payload]                  suite 2, once per signature

`context` (the external_aad) separates the uses: a signed statement can never be taken for a signed header.
Rules: the suite follows from the structure and is compared with what the caller expects; an algorithm
is never chosen from a message. Keys come in as arguments; this module knows no key store.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Protocol

from protocol.canonical import decode, decode_again, encode
from protocol.errors import Code, Rejected
from protocol.identifiers import KeyId
from protocol.limits import MAX_HEADER
from protocol.public_keys import ALG_ED25519, ALG_ML_DSA_65, IdentityPublic

ED25519_SIGNATURE = 64
ML_DSA_65_SIGNATURE = 3309


class Suite(IntEnum):
    """The closed list of suites. 3 is reserved for P-curve hardware and not built."""

    CLASSICAL = 1
    """Ed25519; content sealed with X-Wing (X25519 and ML-KEM-768) all the same."""

    HYBRID = 2
    """Ed25519 and ML-DSA-65."""


class Context(bytes):
    """What a signature is for. Part of the signed bytes."""


HEADER = Context(b"contrada/header/1")
STATEMENT = Context(b"contrada/statement/1")
BATCH = Context(b"contrada/batch/1")
ACTS = Context(b"contrada/actions/1")
AGREEMENT = Context(b"contrada/agreement/1")


class Signer(Protocol):
    """A private identity, kept in a file, a card or another process."""

    @property
    def public(self) -> IdentityPublic:
        """The public half."""
        ...

    def sign_ed25519(self, message: bytes) -> bytes:
        """64 bytes, RFC 8032."""
        ...

    def sign_ml_dsa_65(self, message: bytes) -> bytes:
        """3309 bytes, FIPS 204 with an empty context string."""
        ...


@dataclass(frozen=True, slots=True)
class Signed:
    """A parsed signed structure. Nothing in it is verified yet."""

    suite: Suite
    payload: bytes
    kid: KeyId
    pq_kid: KeyId | None
    signatures: tuple[bytes, ...]


def sign(payload: bytes, *, suite: Suite, signer: Signer, context: Context) -> bytes:
    """The signed structure, encoded."""
    ed = _protected(ALG_ED25519, signer.public.kid)
    if suite is Suite.CLASSICAL:
        return encode([ed, {}, payload, signer.sign_ed25519(_to_sign_1(ed, context, payload))])
    ml = _protected(ALG_ML_DSA_65, signer.public.pq_kid)
    both = [
        [ed, {}, signer.sign_ed25519(_to_sign(ed, context, payload))],
        [ml, {}, signer.sign_ml_dsa_65(_to_sign(ml, context, payload))],
    ]
    return encode([b"", {}, payload, both])


def parse_signed(data: bytes, *, limit: int = MAX_HEADER, again: bool = False) -> Signed:
    """The structure, checked in form only. Call `verify` before any of it is used.

    `again`: these very bytes were parsed before, and so their one encoding is not computed a second time.
    """
    match decode_again(data) if again else decode(data, limit=limit):
        case [bytes(prot), dict(unprotected), bytes(payload), bytes(signature)]:
            _empty(unprotected)
            kid = _key_of(prot, ALG_ED25519)
            _sized(signature, ED25519_SIGNATURE)
            return Signed(Suite.CLASSICAL, payload, kid, None, (signature,))
        case [
            b"",
            dict(unprotected),
            bytes(payload),
            [
                [bytes(ed), dict(ed_unprotected), bytes(ed_sig)],
                [bytes(ml), dict(ml_unprotected), bytes(ml_sig)],
            ],
        ]:
            _empty(unprotected, ed_unprotected, ml_unprotected)
            kid, pq_kid = _key_of(ed, ALG_ED25519), _key_of(ml, ALG_ML_DSA_65)
            _sized(ed_sig, ED25519_SIGNATURE)
            _sized(ml_sig, ML_DSA_65_SIGNATURE)
            return Signed(Suite.HYBRID, payload, kid, pq_kid, (ed_sig, ml_sig))
        case _:
            raise Rejected(Code.E_SCHEMA, "not a signed structure of suite 1 or 2")


def verify(signed: Signed, public: IdentityPublic, *, context: Context) -> None:
    """Every signature of the suite, or `Rejected`."""
    if signed.kid != public.kid or signed.pq_kid not in (None, public.pq_kid):
        raise Rejected(Code.E_KEY_UNKNOWN, "signed under another key")
    ed = _protected(ALG_ED25519, signed.kid)
    if signed.suite is Suite.CLASSICAL:
        to_be_signed = _to_sign_1(ed, context, signed.payload)
    else:
        to_be_signed = _to_sign(ed, context, signed.payload)
    if not public.verify_ed25519(signed.signatures[0], to_be_signed):
        raise Rejected(Code.E_SIG_CLASSICAL, "the Ed25519 signature does not verify")
    if signed.suite is Suite.HYBRID:
        ml = _protected(ALG_ML_DSA_65, public.pq_kid)
        if not public.verify_ml_dsa_65(signed.signatures[1], _to_sign(ml, context, signed.payload)):
            raise Rejected(Code.E_SIG_PQ, "the ML-DSA-65 signature does not verify")


# The same few senders sign again and again: their protected headers are made and parsed once. Bounded,
# so that a hostile sender can only fill the cache, not the memory.
@lru_cache(maxsize=4096)
def _protected(alg: int, kid: KeyId) -> bytes:
    return encode({1: alg, 4: kid})


def _to_sign_1(prot: bytes, context: Context, payload: bytes) -> bytes:
    return encode(["Signature1", prot, bytes(context), payload])


def _to_sign(prot: bytes, context: Context, payload: bytes) -> bytes:
    return encode(["Signature", b"", prot, bytes(context), payload])


@lru_cache(maxsize=4096)
def _key_of(prot: bytes, alg: int) -> KeyId:
    match decode(prot, limit=64):
        case {1: int(found), 4: bytes(kid), **rest} if not rest and len(kid) == 16:
            if found != alg:
                raise Rejected(Code.E_ALG_MIX, f"algorithm {found} where the suite has {alg}")
            return KeyId(kid)
        case _:
            raise Rejected(Code.E_SCHEMA, "the protected header is not {1: alg, 4: kid}")


def _empty(*maps: dict[int, object]) -> None:
    # The unprotected map is outside the signature: anything in it could be changed on the way.
    if any(maps):
        raise Rejected(Code.E_UNPROTECTED, "the unprotected map is not empty")


def _sized(signature: bytes, size: int) -> None:
    if len(signature) != size:
        raise Rejected(Code.E_SCHEMA, f"a signature of {len(signature)} bytes, not {size}")
