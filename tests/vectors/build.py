"""Building a message step by step, with every intermediate value.

Owns the composition, written out from the specification and not by calling `seal`: the vectors are a second
opinion on it. Two values are random inside the library, HPKE's encapsulation and ML-DSA's signature. They are taken
from the file of the last run where they still open or verify for the same inputs, so that a run changes nothing.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.soft_keys import SoftIdentity
from protocol.canonical import encode
from protocol.envelope.sealing import HPKE_9
from protocol.errors import Rejected
from protocol.merkle import inclusion_paths, leaf_hash
from protocol.public_keys import ALG_ED25519, ALG_HPKE_9_KE, ALG_ML_DSA_65, IdentityPublic
from tests.vectors import parties
from tests.vectors.notation import shown


def sha(data: bytes) -> bytes:
    """SHA-256."""
    return sha256(data).digest()


@dataclass
class Randomness:
    """What was random once, by the hash of what it was made from."""

    old: dict[str, str]
    new: dict[str, str] = field(default_factory=dict)

    def wrapped(self, unit: str, cek: bytes, info: bytes) -> bytes:
        """An encapsulation and the sealed key: the old one if it opens to the same."""
        key, name = parties.epoch_key(unit), sha(b"wrap" + unit.encode() + cek + info).hex()
        kept = bytes.fromhex(self.new.get(name) or self.old.get(name, ""))
        try:
            good = key.open(enc=kept[:1120], ciphertext=kept[1120:], info=info) == cek
        except Rejected:
            good = False
        value = kept if good else HPKE_9.encrypt(cek, key.public.hpke_key(), info)
        self.new[name] = value.hex()
        return value

    def ml_dsa_65(self, signer: SoftIdentity, message: bytes) -> bytes:
        """A signature: the old one if it verifies."""
        name = sha(b"ml-dsa-65" + signer.public.pq_kid + message).hex()
        kept = bytes.fromhex(self.new.get(name) or self.old.get(name, ""))
        good = len(kept) == 3309 and signer.public.verify_ml_dsa_65(kept, message)
        value = kept if good else signer.sign_ml_dsa_65(message)
        self.new[name] = value.hex()
        return value


@dataclass
class Builder:
    """Builds with one store of randomness."""

    random: Randomness

    def plaintext(self, salt: bytes, parts: list[list[Any]]) -> bytes:
        """[ salt, parts, pad ], the pad as the prose says it."""
        bare = len(encode([salt, parts, b""]))
        target = max(_padme(bare), 48)
        return next(
            encoded
            for pad in range(max(0, target - bare - 4), target)
            if len(encoded := encode([salt, parts, bytes(pad)])) >= target
        )

    def message(self, core: list[Any], parts: list[list[Any]], *, name: str, **forged: Any) -> dict[str, Any]:
        """A submission with all that leads to it. `forged` replaces single values on the way."""
        salt, cek, iv = (parties.seed(f"{name} {what}") for what in ("salt", "cek", "iv"))
        iv = iv[:12]
        core_bytes = encode(core)
        hcore = forged.get("hcore", sha(core_bytes))
        salts = [hmac.digest(salt, b"part" + i.to_bytes(2, "big"), "sha256") for i in range(len(parts))]
        each = [hmac.digest(s, encode(part), "sha256") for s, part in zip(salts, parts, strict=True)]
        commitment = forged.get("commitment", sha(b"contrada/commit/1" + b"".join(each)))
        plaintext = forged.get("plaintext", self.plaintext(salt, parts))
        aad = encode(["Encrypt", bytes.fromhex("a10103"), hcore])
        ciphertext = forged.get("ciphertext", AESGCM(cek).encrypt(iv, plaintext, aad))
        infos, wraps = [], []
        for unit, kid, _ in core[9]:
            prot = encode({1: ALG_HPKE_9_KE, 4: kid})
            infos.append(encode(["HPKE Recipient", 3, prot, hcore]))
            sealed = self.random.wrapped(unit, cek, infos[-1])
            wraps.append(encode([prot, {-4: sealed[:1120]}, sealed[1120:]]))
        wraps = forged.get("wraps", wraps)
        seal = encode([sha(ciphertext), len(ciphertext), iv, commitment, [sha(wrap) for wrap in wraps]])
        payload = encode([core_bytes, seal])
        by = parties.identity(forged.get("by", core[7][0]))
        signing = self.sign(
            payload,
            suite=forged.get("suite", core[1]),
            signer=by,
            context=forged.get("context", "contrada/header/1"),
        )
        submission = encode([1, signing["signed"], ciphertext, wraps])
        return {
            "name": name, "core": core, "parts": parts, "salt": salt, "cek": cek, "iv": iv, "core_bytes": core_bytes,
            "hcore": hcore, "part_salts": salts, "part_commitments": each, "commitment": commitment,
            "plaintext": plaintext, "aad": aad, "ciphertext": ciphertext, "infos": infos, "wraps": wraps,
            "wrap_hashes": [sha(wrap) for wrap in wraps], "seal": seal, "payload": payload,
            "to_be_signed": signing["to_be_signed"], "signatures": signing["signatures"],
            "signed_header": signing["signed"], "subject": sha(signing["signed"]), "submission": submission,
        }  # fmt: skip

    def sign(self, payload: bytes, *, suite: int, signer: SoftIdentity, context: str) -> dict[str, Any]:
        """A signed structure, with what was signed."""
        ed = encode({1: ALG_ED25519, 4: signer.public.kid})
        if suite == 1:
            tbs = [encode(["Signature1", ed, context.encode(), payload])]
            signatures = [signer.sign_ed25519(tbs[0])]
            signed = encode([ed, {}, payload, signatures[0]])
        else:
            ml = encode({1: ALG_ML_DSA_65, 4: signer.public.pq_kid})
            tbs = [encode(["Signature", b"", prot, context.encode(), payload]) for prot in (ed, ml)]
            signatures = [signer.sign_ed25519(tbs[0]), self.random.ml_dsa_65(signer, tbs[1])]
            signed = encode([b"", {}, payload, [[ed, {}, signatures[0]], [ml, {}, signatures[1]]]])
        return {"to_be_signed": tbs, "signatures": signatures, "signed": signed}

    def batch(
        self, records: list[list[Any]], *, name: str, by: str = "router", t: int = parties.NOW
    ) -> dict[str, Any]:
        """A router's transaction over these records: decisions and receipts, with all that leads to them."""
        salts = [parties.seed(f"{name} record {i}")[:16] for i in range(len(records))]
        raws = [encode(record) for record in records]
        entries = [
            encode([1, record[1], record[2], hmac.digest(salt, raw, "sha256")])
            for record, salt, raw in zip(records, salts, raws, strict=True)
        ]
        root, paths = inclusion_paths([leaf_hash(entry) for entry in entries])
        payload = encode([1, "router", t, len(records), root])
        signing = self.sign(payload, suite=1, signer=parties.identity(by), context="contrada/batch/1")
        rows = list(zip(raws, salts, strict=True))
        return {
            "records": records, "record_bytes": raws, "record_salts": salts, "entries": entries,
            "leaf_hashes": [leaf_hash(entry) for entry in entries], "root": root, "batch": payload,
            "to_be_signed": signing["to_be_signed"][0], "signed_batch": signing["signed"],
            "decisions": encode([1, [list(row) for row in rows], signing["signed"]]),
            "receipts": [
                encode([1, raw, salt, i, list(path), signing["signed"]])
                for i, ((raw, salt), path) in enumerate(zip(rows, paths, strict=True))
            ],
        }  # fmt: skip


def record_of(made: dict[str, Any], *, offset: int = 0, **changes: Any) -> list[Any]:
    """The record with which a router accepts this message."""
    core = made["core"]
    summary = [
        core[3], core[4], core[7][0], core[7][1], core[7][2], core[2], [[unit, role] for unit, _, role in core[9]],
        core[10], core[12], core[13], core[14], core[15], core[16], core[17], core[19], core[5], core[6], core[20],
        core[18],
    ]  # fmt: skip
    said = changes.get("said", summary)
    return [
        1, changes.get("rtype", 1), changes.get("t", parties.NOW), [core[7][0], 0, offset], sha(made["submission"]),
        changes.get("subject", made["subject"]), said, changes.get("reasons", []), parties.HEAD.size,
    ]  # fmt: skip


def delivery_of(made: dict[str, Any], index: int, receipt: bytes) -> bytes:
    """The delivery to addressee `index`."""
    return encode([1, made["signed_header"], made["ciphertext"], index, made["wraps"][index], receipt])


def public_of(name: str) -> IdentityPublic:
    """An identity's public half."""
    return parties.identity(name).public


def as_json(made: dict[str, Any], items: tuple[str, ...]) -> dict[str, Any]:
    """All values as JSON: CBOR items in their notation, bytes as hexadecimal."""
    return {name: shown(value) if name in items else _hex(value) for name, value in made.items()}


def _hex(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [_hex(part) for part in value]
    return value


def _padme(size: int) -> int:
    exponent = size.bit_length() - 1
    low = exponent - exponent.bit_length()
    return -(-size // (1 << low)) << low
