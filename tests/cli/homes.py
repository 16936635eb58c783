"""Homes for command lines to work on: made with the real keys code, without Kafka, the same every time.

    {tmp}/centre   a centre       {tmp}/fr   a unit with a replica of the directory
    {tmp}/it       a unit with a replica in which registrars have stated two policies, a day later
    {tmp}/sealed.cbor, {tmp}/changed.cbor    a message from fr to it, and the same with one bit changed

The directory: fr, it (national units), fr-customs (competent authority of fr), no (third party with a
working arrangement), all enrolled at `THEN`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from keys.ceremony import appoint_registrar, appoint_router
from keys.directory import Directory
from keys.enrolment import enrolment_statements, request_enrolment
from keys.possession import appoint
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import SoftEpochKey, SoftIdentity
from keys.statement_types import EpochPublication, PolicyVersion, StatementType, UnitFacts
from keys.statements import issue
from protocol.codes import (
    Classification,
    DataClass,
    Handling,
    LegalBasis,
    MessageKind,
    Purpose,
    Role,
    UnitKind,
)
from protocol.content.parts import FRAME, Part
from protocol.envelope.core import Addressee, Core, Position
from protocol.envelope.sealing import seal
from protocol.epochs import epoch_of, to_publish
from protocol.exchange.exchange_policy import ALWAYS, MAY_CARRY, PROTOCOL_POLICY
from protocol.identifiers import MessageId, Millis, StreamId, ThreadId, UnitId
from protocol.limits import DAY
from protocol.signatures import Suite
from runtime.process.directory_file import write_statements

THEN = Millis(1_790_000_000_000)
ALL = frozenset(Purpose) - {Purpose.UNDETERMINED}


def _entropy(seed: str) -> Callable[[int], bytes]:
    count = 0

    def take(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed}/{count}".encode()).digest(size)

    return take


@dataclass(frozen=True)
class World:
    """All that a home is made of."""

    root: RootOfTrust
    statements: tuple[bytes, ...]
    policies: tuple[bytes, ...]
    sealed: bytes


def _facts(name: str, kind: UnitKind, basis: LegalBasis, national: str | None = None) -> UnitFacts:
    return UnitFacts(
        unit=UnitId(name), version=1, kind=kind, name=f"Unit {name}", clearance=Classification.BPL, basis=basis,
        purposes=ALL, national_unit=None if national is None else UnitId(national), waives_copy=False,
        min_suite=Suite.CLASSICAL,
    )  # fmt: skip


UNITS = (
    _facts("fr", UnitKind.NATIONAL_UNIT, LegalBasis.UNION_LAW),
    _facts("it", UnitKind.NATIONAL_UNIT, LegalBasis.UNION_LAW),
    _facts("fr-customs", UnitKind.COMPETENT_AUTHORITY, LegalBasis.UNION_LAW, "fr"),
    _facts("no", UnitKind.THIRD_PARTY, LegalBasis.WORKING_ARRANGEMENT),
)


@cache
def world() -> World:
    """Made once for all tests of a process."""
    root_key, registrar, router = (
        SoftIdentity.generate(UnitId(name), _entropy(name)) for name in ("root", "registrar", "router")
    )
    root = RootOfTrust((root_key.public,))
    directory = Directory(root)
    directory.apply(appoint_registrar(registrar, root_key=root_key, now=THEN))
    directory.apply(appoint_router(router, registrar=registrar, now=THEN))
    identities = {}
    for facts in UNITS:
        identities[facts.unit] = SoftIdentity.generate(facts.unit, _entropy(facts.unit))
        for statement in enrolment_statements(
            _request(identities[facts.unit]), registrar=registrar, facts=facts, now=THEN
        ):
            directory.apply(statement)
    sealed = _sealed(identities[UnitId("fr")], directory)
    return World(root, tuple(directory.snapshot()), _policies(registrar), sealed)


def _policies(registrar: SoftIdentity) -> tuple[bytes, ...]:
    """One that is in force since, and one that waits for its time."""
    short = replace(PROTOCOL_POLICY, lifetime=3 * DAY, suites=(Suite.CLASSICAL, Suite.HYBRID))
    few = replace(short, addressees=8, data=(MAY_CARRY, MAY_CARRY, ALWAYS, ALWAYS))
    made = (PolicyVersion(1, Millis(THEN + DAY), short), PolicyVersion(2, Millis(THEN + 200 * DAY), few))
    return tuple(issue(body, signer=registrar, issued=Millis(THEN + DAY)) for body in made)


def _request(identity: SoftIdentity) -> bytes:
    unit = identity.name
    epochs = []
    for epoch in to_publish(THEN):
        key = SoftEpochKey.generate(unit, epoch, _entropy(f"{unit}/{epoch}"))
        epochs.append(issue(EpochPublication(unit, epoch, key.public), signer=identity, issued=THEN))
    made = appoint(
        StatementType.IDENTITY, unit, signer=identity, not_before=THEN, not_after=Millis(THEN + 700 * DAY)
    )
    return request_enrolment(made, signer=identity, contact="test", epochs=epochs)


def _sealed(sender: SoftIdentity, directory: Directory) -> bytes:
    key = directory.epoch_key_for(UnitId("it"), epoch_of(THEN))
    assert key is not None
    core = Core(
        suite=Suite.CLASSICAL, kind=MessageKind.INFORMATION, message_id=MessageId(bytes(15) + b"\1"),
        thread=ThreadId(bytes(15) + b"\2"), created=THEN, expires=Millis(THEN + 7 * DAY), sender=sender.name,
        position=Position(StreamId(bytes(8)), 0), signing_key=sender.public.kid,
        to=(Addressee(UnitId("it"), key.public.kid, Role.TO),), handling=frozenset({Handling.H0}),
        data_class=DataClass.PERSONAL, purposes=frozenset({Purpose.OPERATIONAL}), review=Millis(THEN + DAY),
        directory_head=directory.head,
    )  # fmt: skip
    parts = [Part(FRAME, b"{}")]
    return seal(core, parts, keys=[key.public], signer=sender, entropy=_entropy("seal")).submission


def fixture_homes(tmp: Path) -> None:
    """Write the homes."""
    made = world()
    for name, file, text in (
        ("fr", "unit.toml", 'unit = "fr"\nkafka = "127.0.0.1:1"\nkafka_security = "plain"\n'),
        ("it", "unit.toml", 'unit = "it"\nkafka = "127.0.0.1:1"\nkafka_security = "plain"\n'),
        ("centre", "centre.toml", 'kafka = "127.0.0.1:1"\nkafka_security = "plain"\n'),
    ):
        home = tmp / name
        home.mkdir(mode=0o700)
        (home / file).write_text(text)
        (home / "root.cbor").write_bytes(made.root.encoded())
        (home / "root.cbor").chmod(0o644)
        stated = made.policies if name == "it" else ()
        write_statements(home / "directory.log", (*made.statements, *stated))
    (tmp / "sealed.cbor").write_bytes(made.sealed)
    changed = bytearray(made.sealed)
    changed[len(changed) // 2] ^= 1
    (tmp / "changed.cbor").write_bytes(bytes(changed))
    (tmp / "draft.json").write_text(
        '{"subject": "vessel", "language": "en", "crime_areas": ["migrant-smuggling"], "items": []}'
    )
