"""Attacks on the directory, each a few lines: it must refuse, with a code of ours, and stay as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys.directory import Directory
from keys.possession import POSSESSION
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import SoftIdentity
from keys.statement_types import Appointment, Body, EpochPublication, StatementType
from keys.statements import parse_statement
from protocol.canonical import encode
from protocol.epochs import epoch_of
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from protocol.limits import DAY
from protocol.public_keys import EpochPublic, IdentityPublic
from protocol.signatures import HEADER, STATEMENT, Suite, sign
from tests.unit.keys.world import (
    EPOCH_NOW,
    FR,
    NOW,
    YEAR,
    World,
    appointment,
    epoch_key,
    facts,
    identity,
    publication,
    revocation,
    stated,
    status,
)


@pytest.fixture
def world() -> World:
    """An exchange with two units and a router."""
    world = World()
    world.enrol("fr")
    world.enrol("it")
    world.apply(appointment(StatementType.ROUTER, identity("router")), by=world.registrar)
    return world


def refused(world: World, body: Body, *, by: SoftIdentity, at: int = NOW) -> Code:
    """The code of the refusal; the directory must not have moved."""
    return _refused(world, stated(body, by=by, at=at))


def _refused(world: World, statement: bytes) -> Code:
    directory = world.directory
    before = directory.head, directory.units(), directory.identities(FR), directory.epochs(FR)
    with pytest.raises(Rejected) as caught:
        directory.apply(statement)
    assert (directory.head, directory.units(), directory.identities(FR), directory.epochs(FR)) == before
    return caught.value.reason


def test_unit_signs_another_units_epoch_key(world: World) -> None:
    """A unit cannot have messages for another sealed to itself."""
    assert refused(world, publication("fr", EPOCH_NOW + 2, 2), by=identity("it")) is Code.E_ISSUER


def test_unit_makes_registrar_statements(world: World) -> None:
    """A unit cannot raise its own clearance, resume itself, or appoint anybody."""
    fr = identity("fr")
    for body in (
        facts("fr", version=2),
        status("fr", suspended=False),
        appointment(StatementType.IDENTITY, identity("fr", 2)),
        appointment(StatementType.ROUTER, identity("fr", 2)),
        appointment(StatementType.LEDGER, identity("fr", 2)),
        appointment(StatementType.REGISTRAR, identity("fr", 2)),
    ):
        assert refused(world, body, by=fr) is Code.E_ISSUER


@pytest.mark.parametrize("role", [StatementType.ROUTER, StatementType.LEDGER])
def test_processes_state_nothing(world: World, role: StatementType) -> None:
    """The router decides about messages, the ledger writes down, and neither states anything of keys."""
    router = identity(role.name.lower())
    if role is StatementType.LEDGER:
        world.apply(appointment(role, router), by=world.registrar)
    for body in (
        facts("fr", version=2),
        status("fr", suspended=True),
        revocation("fr", identity("fr").public.kid),
        publication("fr", EPOCH_NOW + 2, 2),
        appointment(StatementType.IDENTITY, identity("fr", 2)),
    ):
        assert refused(world, body, by=router) is Code.E_ISSUER


def test_registrar_appoints_no_registrar(world: World) -> None:
    """One registrar cannot multiply: that takes the root."""
    second = appointment(StatementType.REGISTRAR, identity("registrar", 2))
    assert refused(world, second, by=world.registrar) is Code.E_ISSUER


def test_root_does_no_daily_work(world: World) -> None:
    """The root names and withdraws registrars; used for anything else it would have to be at hand."""
    root = world.root_keys[0]
    assert refused(world, facts("de"), by=root) is Code.E_ISSUER
    assert refused(world, revocation("fr", identity("fr").public.kid), by=root) is Code.E_ISSUER


def test_foreign_root(world: World) -> None:
    """A complete and valid directory under another root is worth nothing here."""
    foreign = identity("root", 9)
    naming = appointment(StatementType.REGISTRAR, identity("registrar", 9))
    assert refused(world, naming, by=foreign) is Code.E_ISSUER
    other = Directory(RootOfTrust((foreign.public,)))
    for statement in world.directory.snapshot():
        with pytest.raises(Rejected):
            other.apply(statement)


def test_revoked_registrar_issues_nothing_more(world: World) -> None:
    """A registrar whose key is withdrawn issues nothing, and cannot date itself back either."""
    world.apply(revocation("registrar", world.registrar.public.kid), by=world.root_keys[0], at=NOW + 10)
    for at in (NOW + 20, NOW + 10, NOW):
        assert refused(world, facts("de"), by=world.registrar, at=at) is Code.E_ISSUER


def test_expired_registrar_cannot_date_back(world: World) -> None:
    """Once two have claimed a later time, an expired key does not help by claiming an earlier one."""
    successor = identity("registrar", 2)
    late = NOW + YEAR + DAY
    naming = appointment(StatementType.REGISTRAR, successor, not_before=NOW, not_after=NOW + 2 * YEAR)
    world.apply(naming, by=world.root_keys[0])
    assert refused(world, facts("de"), by=world.registrar, at=late) is Code.E_ISSUER
    world.apply(facts("de"), by=successor, at=late)
    another = appointment(StatementType.IDENTITY, identity("de"), not_before=late, not_after=late + YEAR)
    world.apply(another, by=successor, at=late)
    world.apply(publication("de", epoch_of(Millis(late))), by=identity("de"), at=late)
    assert refused(world, facts("at"), by=world.registrar, at=NOW + 5) is Code.E_ISSUER
    assert refused(world, publication("fr", EPOCH_NOW + 2, 2), by=identity("fr")) is Code.E_ISSUER


def test_issuer_before_its_time(world: World) -> None:
    """A key issues nothing before its validity begins."""
    assert refused(world, facts("de"), by=world.registrar, at=NOW - 1) is Code.E_ISSUER


def test_unit_cannot_outdate_the_others(world: World) -> None:
    """A unit that claims a time far ahead ends no key of another."""
    far = NOW + 2 * YEAR
    lasting = appointment(StatementType.IDENTITY, identity("fr", 2), not_after=far)
    world.apply(lasting, by=world.registrar)
    world.apply(publication("fr", epoch_of(Millis(far))), by=identity("fr", 2), at=far)
    world.apply(facts("de"), by=world.registrar)


def test_rollback_of_a_units_facts(world: World) -> None:
    """An older version does not come back, and a version cannot be made unreachable."""
    world.apply(facts("fr", version=2, name="new"), by=world.registrar)
    for version in (0, 1, 2, 4, 2**53 - 1):
        body = facts("fr", version=version, name="old")
        assert refused(world, body, by=world.registrar) is Code.E_STATEMENT


def test_held_back_status_does_not_come_out_later(world: World) -> None:
    """An old resumption, kept from the log by whoever runs it, does not undo a newer suspension."""
    held_back = stated(status("fr", suspended=False), by=world.registrar, at=NOW + 1)
    world.apply(status("fr", suspended=True), by=world.registrar, at=NOW + 2)
    assert _refused(world, held_back) is Code.E_STATEMENT


def test_statement_signed_as_a_header(world: World) -> None:
    """A registrar that was led to sign something as a message has not stated it."""
    payload = parse_statement(stated(facts("de"), by=world.registrar)).signed.payload
    forged = sign(payload, suite=Suite.HYBRID, signer=world.registrar, context=HEADER)
    assert _refused(world, forged) is Code.E_SIG_CLASSICAL


def test_classical_key_alone_is_not_enough(world: World) -> None:
    """Who breaks Ed25519 still cannot state anything: the ML-DSA-65 signature must be the issuer's."""

    class Half:
        public = world.registrar.public
        sign_ed25519 = world.registrar.sign_ed25519
        sign_ml_dsa_65 = identity("it").sign_ml_dsa_65

    payload = parse_statement(stated(facts("de"), by=world.registrar)).signed.payload
    forged = sign(payload, suite=Suite.HYBRID, signer=Half(), context=STATEMENT)
    assert _refused(world, forged) is Code.E_SIG_PQ


def test_somebody_elses_key_as_ones_own(world: World) -> None:
    """A registrar cannot bind a key to a name without the key's consent."""
    victim = identity("de")
    for_itself = appointment(StatementType.IDENTITY, victim)
    assert isinstance(for_itself, Appointment)
    stolen = replace(for_itself, name=FR)
    assert refused(world, stolen, by=world.registrar) is Code.E_STATEMENT


@pytest.mark.parametrize("owner", ["it", "registrar", "router", "root"])
def test_a_key_has_one_role_for_life(world: World, owner: str) -> None:
    """A key that was appointed once, or is pinned, is not appointed again under any name."""
    again = appointment(StatementType.IDENTITY, identity(owner), name="fr")
    assert refused(world, again, by=world.registrar) is Code.E_STATEMENT


def test_half_of_a_known_key_pair_is_not_taken(world: World) -> None:
    """A fresh Ed25519 key does not bring an ML-DSA-65 key along that belongs to another identity."""
    fresh, known = identity("de"), identity("it")

    class Mixed:
        public = IdentityPublic(fresh.public.ed25519, known.public.ml_dsa_65)
        sign_ed25519 = fresh.sign_ed25519
        sign_ml_dsa_65 = known.sign_ml_dsa_65

    mixed = appointment(StatementType.IDENTITY, _as_identity(Mixed()), name="fr")
    assert refused(world, mixed, by=world.registrar) is Code.E_STATEMENT


def test_identity_of_an_unknown_unit(world: World) -> None:
    """Keys are bound to units that are described."""
    assert refused(world, appointment(StatementType.IDENTITY, identity("de")), by=world.registrar) is (
        Code.E_STATEMENT
    )


def test_no_key_is_appointed_for_ever_or_backwards(world: World) -> None:
    """No key is appointed for ever, for no time, or backwards."""
    for not_after in (NOW + 4 * YEAR, NOW, NOW - 1):
        body = appointment(StatementType.IDENTITY, identity("fr", 2), not_after=not_after)
        assert refused(world, body, by=world.registrar) is Code.E_STATEMENT


def test_epoch_key_of_another_unit_under_ones_own_name(world: World) -> None:
    """A unit cannot publish another's epoch key as its own and so confuse who can open what."""
    world.apply(revocation("it", epoch_key("it", EPOCH_NOW).kid), by=identity("it"))
    copied = EpochPublication(identity("it").name, EPOCH_NOW, epoch_key("fr", EPOCH_NOW).public)
    assert refused(world, copied, by=identity("it")) is Code.E_STATEMENT


def test_epoch_key_that_cannot_be_sealed_to(world: World) -> None:
    """A unit cannot make every sender fail by publishing a key of small order or one that is no key."""
    world.apply(revocation("fr", epoch_key("fr", EPOCH_NOW).kid), by=identity("fr"))
    good = epoch_key("fr", EPOCH_NOW, 2).public.x_wing
    small = [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18]
    broken = [good[:1184] + value.to_bytes(32, "little") for value in small] + [b"\xff" * 1184 + good[1184:]]
    for x_wing in broken:
        body = EpochPublication(FR, EPOCH_NOW, EpochPublic(x_wing))
        assert refused(world, body, by=identity("fr")) in (Code.E_STATEMENT, Code.E_SCHEMA)


def test_identity_under_which_everything_verifies(world: World) -> None:
    """An Ed25519 key of small order, under which careless verifiers take anything, is not appointed."""
    honest = identity("fr", 2)

    class Forgeable:
        public = IdentityPublic(b"\x01" + bytes(31), honest.public.ml_dsa_65)
        sign_ml_dsa_65 = honest.sign_ml_dsa_65

        def sign_ed25519(self, message: bytes) -> bytes:
            return b"\x01" + bytes(63)

    careless = Ed25519PublicKey.from_public_bytes(Forgeable.public.ed25519)
    careless.verify(b"\x01" + bytes(63), b"whatever")
    body = appointment(StatementType.IDENTITY, _as_identity(Forgeable()), name="fr")
    assert refused(world, body, by=world.registrar) is Code.E_SIG_CLASSICAL


def test_unit_revokes_anothers_key(world: World) -> None:
    """A unit cannot silence another by revoking its keys, whatever unit it names."""
    target = identity("fr").public.kid
    assert refused(world, revocation("fr", target), by=identity("it")) is Code.E_ISSUER
    assert refused(world, revocation("it", target), by=identity("it")) is Code.E_STATEMENT
    epoch = epoch_key("fr", EPOCH_NOW).kid
    assert refused(world, revocation("fr", epoch), by=identity("it")) is Code.E_ISSUER
    router = identity("router").public.kid
    assert refused(world, revocation("router", router), by=identity("it")) is Code.E_ISSUER
    registrar = world.registrar.public.kid
    assert refused(world, revocation("registrar", registrar), by=identity("it")) is Code.E_ISSUER


def test_unit_named_like_a_router(world: World) -> None:
    """A unit that bears a router's name has no power over the router's key for that."""
    namesake = identity("router", 2)
    world.apply(facts("router"), by=world.registrar)
    world.apply(appointment(StatementType.IDENTITY, namesake), by=world.registrar)
    body = revocation("router", identity("router").public.kid)
    assert refused(world, body, by=namesake) is Code.E_ISSUER


def test_registrar_revokes_no_registrar(world: World) -> None:
    """A stolen registrar's key cannot lock the honest registrars out."""
    body = revocation("registrar", world.registrar.public.kid)
    assert refused(world, body, by=world.registrar) is Code.E_ISSUER


def test_revoked_identity_publishes_no_epoch_key(world: World) -> None:
    """After a revocation the thief's epoch keys are not taken, whatever time they claim."""
    world.apply(revocation("fr", identity("fr").public.kid), by=world.registrar)
    world.apply(revocation("fr", epoch_key("fr", EPOCH_NOW).kid), by=world.registrar)
    assert refused(world, publication("fr", EPOCH_NOW, 2), by=identity("fr")) is Code.E_ISSUER


def test_a_compromise_in_the_future_is_refused(world: World) -> None:
    """A compromise cannot be announced for the future."""
    body = revocation("fr", identity("fr").public.kid, since=NOW + 1)
    assert refused(world, body, by=world.registrar) is Code.E_STATEMENT


def test_revocation_is_for_good(world: World) -> None:
    """A revocation is not undone or softened by a later one, and the key is not appointed again."""
    kid = identity("fr").public.kid
    world.apply(revocation("fr", kid, since=NOW - 5), by=world.registrar)
    for since in (None, NOW - 5, NOW - 4):
        assert refused(world, revocation("fr", kid, since=since), by=world.registrar) is Code.E_STATEMENT
    again = appointment(StatementType.IDENTITY, identity("fr"))
    assert refused(world, again, by=world.registrar) is Code.E_STATEMENT


def test_statements_about_unknown_units_and_keys_are_refused(world: World) -> None:
    """Nothing is said about units and keys that nobody knows."""
    assert refused(world, status("de", suspended=True), by=world.registrar) is Code.E_STATEMENT
    assert refused(world, revocation("fr", identity("de").public.kid), by=world.registrar) is Code.E_STATEMENT


def test_proof_of_possession_is_no_statement(world: World) -> None:
    """What a key signed to prove itself cannot be replayed as something that it states."""
    claim = encode([1, int(StatementType.IDENTITY), FR, NOW, NOW + 1])
    proof = sign(claim, suite=Suite.HYBRID, signer=world.registrar, context=POSSESSION)
    assert _refused(world, proof) is Code.E_SCHEMA


def _as_identity(signer: object) -> SoftIdentity:
    return signer  # type: ignore[return-value]
