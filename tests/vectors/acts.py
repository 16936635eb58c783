"""Vectors of acts that take two registrars: the record, what each of the two signs, and what is refused.

Owns acts.json, whose parties are its own: registrars stand in no other vector. Built by hand here, and judged by
the programs.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from keys.soft_keys import SoftIdentity
from protocol.canonical import encode
from protocol.errors import Rejected
from protocol.identifiers import KeyId, UnitId
from protocol.limits import AGREED_WITHIN, DAY
from protocol.merkle import leaf_hash
from protocol.parties import IdentityKey, OperatorKey, OperatorRole
from protocol.public_keys import IdentityPublic
from protocol.trail.stated_acts import verify_acts
from tests.vectors.build import Builder, sha
from tests.vectors.parties import NOW, seed

_WHOSE = {
    "registrar": "registrar",
    "registrar, its next key": "registrar",
    "registrar-2": "registrar-2",
    "registrar-2, withdrawn": "registrar-2",
}
_STATING, _AGREEING = "contrada/actions/1", "contrada/agreement/1"


def key(name: str) -> SoftIdentity:
    """A registrar's key."""
    seeds = {"ed25519_seed": seed(f"{name} ed25519"), "ml_dsa_65_seed": seed(f"{name} ml-dsa-65")}
    return SoftIdentity(UnitId(_WHOSE[name]), **seeds)


def described() -> list[dict[str, Any]]:
    """The keys of acts.json."""
    return [
        {
            "key": name, "registrar": whose, "ed25519_seed": seed(f"{name} ed25519").hex(),
            "ml_dsa_65_seed": seed(f"{name} ml-dsa-65").hex(), "kid": key(name).public.kid.hex(),
            "not_before": NOW - 30 * DAY, "not_after": NOW + 300 * DAY, "revoked": "withdrawn" in name,
        }
        for name, whose in _WHOSE.items()
    ]  # fmt: skip


@dataclass(frozen=True)
class Registrars:
    """As much of `protocol.parties.Parties` as acts need, from acts.json alone."""

    agreeing: int
    keys: dict[KeyId, OperatorKey]

    @classmethod
    def of(cls, written: list[dict[str, Any]], agreeing: int) -> Registrars:
        """Those that the file describes; so many must agree."""
        found = {}
        for row in written:
            seeds = (bytes.fromhex(row[f"{name}_seed"]) for name in ("ed25519", "ml_dsa_65"))
            public = _public(row["registrar"], *seeds)
            times = row["not_before"], row["not_after"]
            known = IdentityKey(row["registrar"], public, *times, row["revoked"], None)
            found[public.kid] = OperatorKey(OperatorRole.REGISTRAR, known)
        return cls(agreeing, found)

    def operator_key(self, kid: KeyId) -> OperatorKey | None:
        """A registrar's key."""
        return self.keys.get(kid)


def _public(name: str, ed25519: bytes, ml_dsa_65: bytes) -> IdentityPublic:
    return SoftIdentity(UnitId(name), ed25519_seed=ed25519, ml_dsa_65_seed=ml_dsa_65).public


def outcome(case: dict[str, Any], written: list[dict[str, Any]]) -> str:
    """`ok`, or the code with which the record is refused."""
    try:
        verify_acts(bytes.fromhex(case["bytes"]), parties=Registrars.of(written, case["agreeing"]))  # type: ignore[arg-type]
    except Rejected as rejected:
        return rejected.code
    return "ok"


def cases(build: Builder) -> Iterable[dict[str, Any]]:
    """One of each type that takes two, and what is wrong in one way."""
    log = "contrada.example/audit/2026h2"
    release = [15, sha(b"submission"), ["fr", 0, 12, "A. Costa", "M. Smit"]]
    gap = [19, None, [log, 4, 7, "retention", "A. Costa", "M. Smit"]]
    back = [21, None, [log, 9, NOW - 2 * DAY, NOW - DAY, "three disks", "A. Costa", "M. Smit"]]

    def case(name: str, expect: str, record: bytes, *, agreeing: int = 2, **told: Any) -> dict[str, Any]:
        return {"name": name, "agreeing": agreeing, "bytes": record, **told, "expect": expect}

    for name, what in (("a release", release), ("a gap", gap), ("a put-back", back)):
        made = _stated(build, *what, name=name)
        agreed = _agreed(build, made["stated"], "registrar-2")
        record = _record(made, agreed["both"])
        yield case(name, "ok", record, **made, **agreed)
        alone = _record(made, made["stated"])
        yield case(f"{name}, signed by one", "E_AGREEMENT", alone)
        yield case(f"{name}, signed by one where one is enough", "ok", alone, agreeing=1)
        yield case(f"{name}, signed by two where one is enough", "E_AGREEMENT", record, agreeing=1)
    made = _stated(build, *release, name="refused")
    other = _stated(build, *release, name="another salt")
    for name, expect, by, changes in (
        ("agreed with the first one's own key", "E_AGREEMENT", "registrar", {}),
        ("agreed with the next key of the same registrar", "E_AGREEMENT", "registrar, its next key", {}),
        ("agreed with a withdrawn key", "E_ISSUER", "registrar-2, withdrawn", {}),
        ("agreed in another's name", "E_ISSUER", "registrar", {"actor": "registrar-2"}),
        ("agreed to another half", "E_AGREEMENT", "registrar-2", {"half": sha(other["stated"])}),
        ("agreed after thirty days", "ok", "registrar-2", {"t": NOW + AGREED_WITHIN}),
        ("agreed later than that", "E_AGREEMENT", "registrar-2", {"t": NOW + AGREED_WITHIN + 1}),
        ("agreed before it was stated", "E_AGREEMENT", "registrar-2", {"t": NOW - DAY}),
        ("signed as an act is", "E_SIG_CLASSICAL", "registrar-2", {"context": _STATING}),
        ("agreed with one signature", "E_SUITE_BELOW_MIN", "registrar-2", {"suite": 1}),
        ("version 2 of an agreement", "E_VER", "registrar-2", {"version": 2}),
    ):
        yield case(name, expect, _record(made, _agreed(build, made["stated"], by, **changes)["both"]))
    agreed = _agreed(build, made["stated"], "registrar-2")["agreed"]
    yield case("both in the other order", "E_SCHEMA", _record(made, encode([agreed, made["stated"]])))
    yield case("the agreement alone", "E_SCHEMA", _record(made, agreed))
    yield case("three signatures", "E_SCHEMA", _record(made, encode([made["stated"], agreed, agreed])))
    glass = _stated(build, 13, None, ["the duty officer", "a drill"], name="break-glass")
    both = _agreed(build, glass["stated"], "registrar-2")["both"]
    yield case("two for an act that takes one", "E_AGREEMENT", _record(glass, both))


def _stated(
    build: Builder, kind: int, subject: bytes | None, detail: list[Any], *, name: str
) -> dict[str, Any]:
    act = encode([1, kind, NOW, "registrar", subject, detail])
    salt = seed(f"{name} act")[:16]
    entry = encode([1, kind, NOW, hmac.digest(salt, act, "sha256")])
    payload = encode([1, "registrar", NOW, 1, leaf_hash(entry)])
    signing = build.sign(payload, suite=2, signer=key("registrar"), context=_STATING)
    return {
        "act": act, "salt": salt, "entry": entry, "stated_payload": payload, "stated": signing["signed"],
        "half": sha(signing["signed"]),
    }  # fmt: skip


def _agreed(build: Builder, stated: bytes, by: str, **changes: Any) -> dict[str, Any]:
    said = {"version": 1, "actor": _WHOSE[by], "t": NOW + DAY, "half": sha(stated)} | changes
    payload = encode([said[name] for name in ("version", "actor", "t", "half")])
    context = changes.get("context", _AGREEING)
    signing = build.sign(payload, suite=changes.get("suite", 2), signer=key(by), context=context)
    return {
        "agreed_payload": payload, "agreed_to_be_signed": signing["to_be_signed"],
        "agreed": signing["signed"], "both": encode([stated, signing["signed"]]),
    }  # fmt: skip


def _record(made: dict[str, Any], signed: bytes) -> bytes:
    return encode([1, "acts", [[made["act"], made["salt"]]], signed])
