"""What was verified before need not be again, and nothing else is spared: a list of digests vouches for nobody."""

from __future__ import annotations

from hashlib import sha256

import pytest

from keys.directory import Directory
from keys.soft_keys import SoftIdentity
from keys.statement_types import StatementType
from protocol import public_keys
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import UnitId
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced
from tests.unit.keys.world import (
    EPOCH_NOW,
    FR,
    NOW,
    World,
    appointment,
    entropy_of,
    facts,
    identity,
    publication,
    stated,
)


def of(*statements: bytes) -> bytes:
    """The digests of these statements."""
    return b"".join(sha256(statement).digest() for statement in statements)


def forged(statement: bytes) -> bytes:
    """The same with another post-quantum signature."""
    changed = bytearray(statement)
    changed[-1] ^= 1
    return bytes(changed)


def count_signatures(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every Ed25519 signature that is verified from here on."""
    seen: list[bytes] = []

    def verify(signature: bytes, public: bytes) -> bytes:
        seen.append(signature)
        return original(signature, public)

    original = public_keys.crypto_sign_open
    monkeypatch.setattr(public_keys, "crypto_sign_open", verify)
    return seen


def test_what_was_verified_gives_the_same_directory_without_a_signature(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the list of a replica another one comes to the same, and computes no signature for it."""
    statements, digests = world.directory.snapshot(), world.directory.digests
    seen = count_signatures(monkeypatch)
    again = Directory.replay(world.root, statements, verified=digests)
    assert seen == []
    assert (again.head, again.digests) == (world.directory.head, digests)
    assert again.units() == world.directory.units()
    assert again.identities(FR) == world.directory.identities(FR)
    assert again.epochs(FR) == world.directory.epochs(FR)


def test_what_comes_after_the_list_is_verified(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list ends: each statement behind it has its two signatures and its proof verified."""
    *before, last = world.directory.snapshot()
    directory = Directory.replay(world.root, before, verified=of(*before))
    seen = count_signatures(monkeypatch)
    with pytest.raises(Rejected):
        directory.apply(forged(last))
    directory.apply(last)
    assert len(seen) == 2
    assert directory.head == world.directory.head


def _a_forgery_beside_the_list(world: World) -> None:
    *before, last = world.directory.snapshot()
    directory = Directory.replay(world.root, before, verified=world.directory.digests)
    with pytest.raises(Rejected) as caught:
        directory.apply(forged(last))
    assert caught.value.reason is Code.E_SIG_PQ


def _a_statement_at_another_place(world: World) -> None:
    """What is on the list counts at its place alone: here the list is of other statements before it."""
    registrar, described, *_ = world.directory.snapshot()
    forgery = forged(described)
    directory = Directory.replay(world.root, [registrar], verified=of(registrar, registrar, forgery))
    with pytest.raises(Rejected):
        directory.apply(forgery)


def _a_key_with_another_second_half(world: World) -> None:
    """The same key id, appointed with another post-quantum key: what the first one signed is not this one's."""
    first = identity("fr")
    ed25519, ml_dsa_65 = entropy_of("identity/fr/1")(32), entropy_of("another")(32)
    other = SoftIdentity(UnitId("fr"), ed25519_seed=ed25519, ml_dsa_65_seed=ml_dsa_65)
    assert other.public.kid == first.public.kid
    fresh = World()
    (registrar,) = fresh.directory.snapshot()
    described = stated(facts("fr"), by=fresh.registrar)
    appointed = stated(appointment(StatementType.IDENTITY, first), by=fresh.registrar)
    exchanged = stated(appointment(StatementType.IDENTITY, other), by=fresh.registrar)
    published = stated(publication("fr", EPOCH_NOW), by=first)
    assert Directory.replay(fresh.root, [registrar, described, appointed, published]).head.size == 4
    known = of(registrar, described, appointed, published)
    directory = Directory.replay(fresh.root, [registrar, described, exchanged], verified=known)
    with pytest.raises(Rejected) as caught:
        directory.apply(published)
    assert caught.value.reason is Code.E_KEY_UNKNOWN


ATTACKS = (_a_forgery_beside_the_list, _a_statement_at_another_place, _a_key_with_another_second_half)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_list_spares_nothing_else(world: World, attack) -> None:
    """A forgery, another place, another past: each is verified as ever."""
    attack(world)


@pytest.mark.parametrize(
    ("mutant", "attack"),
    [
        (Mutant(Directory._was_verified, forced(True, "name")), _a_forgery_beside_the_list),
        (Mutant(Directory.apply, dropped("self._verified")), _a_key_with_another_second_half),
    ],
)
def test_each_safeguard_of_the_list_is_needed(world: World, mutant: Mutant, attack) -> None:
    """Without the comparison, or when it goes on behind another statement, the attack succeeds."""
    with mutated(mutant), pytest.raises((pytest.fail.Exception, AssertionError)):
        attack(world)


def test_rules_are_applied_to_what_was_verified(world: World) -> None:
    """A list that names a statement which the rules refuse does not make it one: only signatures are spared."""
    registrar = world.directory.snapshot()[0]
    stranger = stated(facts("fr"), by=identity("it"))
    directory = Directory.replay(world.root, [registrar], verified=of(registrar, stranger))
    with pytest.raises(Rejected) as caught:
        directory.apply(stranger)
    assert caught.value.reason is Code.E_ISSUER


def test_a_replica_that_keeps_no_statements_answers_the_same(world: World) -> None:
    """All but the statements themselves is there; asking for those is a mistake of the program."""
    directory = Directory(world.root, keeps=False)
    for statement in world.directory.snapshot():
        directory.apply(statement)
    assert directory.head == world.directory.head
    assert directory.root_at(2) == world.directory.root_at(2)
    assert directory.identities(FR) == world.directory.identities(FR)
    repeated = directory.apply(world.directory.snapshot()[1])
    assert (repeated.position, repeated.new) == (1, False)
    for question in (directory.snapshot, lambda: directory.history(FR)):
        with pytest.raises(MisuseError):
            question()


class _Unlisted(dict):
    """A table that can be asked for a key, and not for all it has."""

    def _listed(self):
        raise AssertionError("the whole table was looked through")

    __iter__ = keys = values = items = _listed


def test_no_question_and_no_statement_looks_through_all_units(world: World) -> None:
    """Its cost does not grow with who is merely there: neither of a lookup nor of one more unit."""
    tables = world.directory._tables
    for name in ("keys", "key_names", "epochs", "live_epochs", "facts", "units"):
        setattr(tables, name, _Unlisted(getattr(tables, name)))
    world.enrol("de")
    directory = world.directory
    assert [key.unit for key in directory.identities(FR)] == ["fr"]
    assert [key.epoch for key in directory.epochs(FR)] == [EPOCH_NOW, EPOCH_NOW + 1, EPOCH_NOW + 2]
    assert directory.current_identity(FR, NOW) is not None
    assert [key.unit for key in directory.registrars()] == ["registrar"]
    assert len(directory.history(UnitId("de"))) == 5
