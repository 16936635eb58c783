"""Acts of the centre: stated by who may, under their own name, when their key is good; one form each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.soft_keys import SoftIdentity
from keys.statement_types import Revocation, StatementType
from protocol.canonical import decode, encode
from protocol.errors import Code, MisuseError, Rejected
from protocol.limits import DAY
from protocol.parties import OperatorRole
from protocol.signatures import ACTS, BATCH, Suite, parse_signed, sign
from protocol.trail.acts import (
    Act,
    PutBack,
    Rewinding,
    act_leaf,
    encode_act,
    parse_act,
    parse_any_record,
    put_back_of,
    rewinding_of,
    software_start,
    unit_named,
)
from protocol.trail.batches import Delivered, Record, delivery_leaves, verify_decisions
from protocol.trail.records import RecordType
from protocol.trail.stated_acts import (
    MAY_STATE,
    StatedActs,
    check_stated,
    is_acts,
    sign_acts,
    verify_acts,
)
from tests.sim.world import NOON, World
from tests.unit.protocol.strategies import QUICK
from tests.unit.protocol.trail.acts import every_act, stated, stated_acts

ROLES = ("router", "registrar", "ledger")


@pytest.fixture(scope="module")
def world() -> World:
    """An exchange."""
    return World()


def refused(call, *args, **kwargs) -> Code:
    """The code with which it is refused."""
    with pytest.raises(Rejected) as caught:
        call(*args, **kwargs)
    return caught.value.reason


def forged(world: World, act: Act, *, signer, actor: str, t: int = NOON, suite=Suite.HYBRID, context=ACTS):
    """Acts signed without asking whether they may be."""
    leaf = act_leaf(act, bytes(16))
    stated = sign(encode([1, actor, t, 1, leaf.hash]), suite=suite, signer=signer, context=context)
    return encode([1, "acts", [[leaf.record, leaf.salt]], stated])


@pytest.mark.parametrize("act", every_act(NOON), ids=lambda act: act.type.name)
def test_an_act_comes_out_as_it_went_in(act):
    """Every type of act survives its encoding, which is its only one."""
    assert parse_act(encode_act(act)) == parse_any_record(encode_act(act)) == act


def test_every_type_of_the_list_has_a_form(world):
    """What is no decision and no delivery is an act, and each has its row in both tables."""
    acts = set(RecordType) - {
        RecordType.ACCEPTED, RecordType.REJECTED, RecordType.DUPLICATE, RecordType.DELIVERED
    }  # fmt: skip

    assert set(MAY_STATE) == acts == {act.type for act in every_act(NOON)}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("act", every_act(NOON), ids=lambda act: act.type.name)
def test_each_act_is_stated_by_its_roles_alone(world, act, role):
    """A role states what the table gives it, and is refused everything else."""
    raw = stated(world, role, replace(act, actor=role))
    if OperatorRole(role) in MAY_STATE[act.type]:
        assert verify_acts(raw, parties=world.directory).acts == (replace(act, actor=role),)
    else:
        assert refused(verify_acts, raw, parties=world.directory) is Code.E_ISSUER


def test_nobody_states_what_the_ledger_writes_itself():
    """That a record did not verify, and that it went back: into its own log, and taken from no topic."""
    assert MAY_STATE[RecordType.UNVERIFIED] == MAY_STATE[RecordType.AUDIT_REWOUND] == frozenset()


@pytest.mark.parametrize(
    ("kind", "lower", "higher"),
    [(RecordType.AUDIT_GAP, 1, 2), (RecordType.AUDIT_REWOUND, 1, 0), (RecordType.KAFKA_PUT_BACK, 2, 3)],
)
def test_what_lies_between_two_fields_is_not_nothing(kind, lower, higher):
    """A gap has an offset in it, a way back goes back, and a copy is made before it is put back."""
    act = next(act for act in every_act(NOON) if act.type is kind)
    row = decode(encode_act(act))
    for value in (row[5][higher], row[5][higher] + 1):
        row[5][lower] = value
        assert refused(parse_act, encode(row)) is Code.E_SCHEMA


def test_a_way_back_and_a_put_back_are_read_from_their_acts_alone():
    """Each comes out as it went in, and no other act is one."""
    ways = [rewinding_of(act) for act in every_act(NOON)]
    backs = [put_back_of(act) for act in every_act(NOON)]
    log = "contrada.example/audit/2026h"

    assert [way for way in ways if way is not None] == [Rewinding(80, 35, f"{log}1", 0)]
    assert [back for back in backs if back is not None] == [PutBack(f"{log}2", 0, 1, 2)]


def test_only_operators_state_acts(world):
    """The key of a unit, of the root or of a stranger states nothing, under whatever name."""
    act = software_start(NOON, "router", program="router", version="1")
    stranger = SoftIdentity.generate("router", world.entropy)
    for signer in (world.parties["fr"].identity, world.root_key, stranger):
        raw = forged(world, act, signer=signer, actor="router")
        assert refused(verify_acts, raw, parties=world.directory) is Code.E_ISSUER


def test_no_operator_speaks_in_the_name_of_another(world):
    """Neither the list nor an act in it may name somebody else than the key's owner."""
    for actor, named in (("ledger", "ledger"), ("router", "ledger"), ("ledger", "router")):
        act = software_start(NOON, named, program="router", version="1")
        raw = forged(world, act, signer=world.router, actor=actor)
        assert refused(verify_acts, raw, parties=world.directory) is Code.E_ISSUER


def test_an_act_has_the_time_at_which_it_was_stated(world):
    """An act cannot be dated otherwise than the signature over it."""
    act = software_start(NOON - 1, "router", program="router", version="1")
    raw = forged(world, act, signer=world.router, actor="router")

    assert refused(verify_acts, raw, parties=world.directory) is Code.E_ISSUER


@pytest.mark.parametrize("t", [NOON - 2 * DAY, NOON + 400 * DAY])
def test_a_key_states_nothing_outside_its_validity(world, t):
    """Before it was valid and after, an operator's key counts for nothing."""
    act = software_start(t, "router", program="router", version="1")
    raw = forged(world, act, signer=world.router, actor="router", t=t)

    assert refused(verify_acts, raw, parties=world.directory) is Code.E_ISSUER


@pytest.mark.parametrize(("since", "is_good"), [(NOON, False), (NOON + 1, True), (None, False)])
def test_a_revoked_key_states_nothing_from_then_on(since, is_good):
    """What was stated before the compromise stays; what was stated from then on falls."""
    world = World()
    raw = stated(world, "router", software_start(NOON, "router", program="router", version="1"))
    gone = Revocation("router", world.router.public.kid, reason="test", compromised_since=since)
    world.now += 10
    world.publish(gone, by=world.registrar)
    if is_good:
        assert verify_acts(raw, parties=world.directory).by.role is OperatorRole.ROUTER
    else:
        assert refused(verify_acts, raw, parties=world.directory) is Code.E_ISSUER


def test_acts_have_both_signatures(world):
    """A list with the classical signature alone is refused, and one signed for another use too."""
    act = software_start(NOON, "router", program="router", version="1")
    one = forged(world, act, signer=world.router, actor="router", suite=Suite.CLASSICAL)
    other = forged(world, act, signer=world.router, actor="router", context=BATCH)

    assert refused(verify_acts, one, parties=world.directory) is Code.E_SUITE_BELOW_MIN
    assert refused(verify_acts, other, parties=world.directory) is Code.E_SIG_CLASSICAL


def test_every_altered_byte_is_refused(world):
    """No byte of a list of acts can be changed without refusal."""
    raw = stated(world, "router", software_start(NOON, "router", program="router", version="1"))
    for at in range(len(raw)):
        if at > 400 and at % 7:
            continue  # the signature of 3309 bytes: some of it
        altered = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        refused(verify_acts, altered, parties=world.directory)


def test_acts_and_decisions_are_told_apart(world):
    """By the first byte of the record, which no reader of the other takes."""
    world.send("fr", ["it"])
    for raw in stated_acts(world):
        assert is_acts(raw)
        refused(verify_decisions, raw, parties=world.directory)
    assert not is_acts(world.audit[-1])
    refused(verify_acts, world.audit[-1], parties=world.directory)


def test_whatever_stands_behind_a_leaf_is_read(world):
    """One reader takes decisions, deliveries and acts."""
    world.send("fr", ["it"])
    made = verify_decisions(world.audit[-1], parties=world.directory)
    (leaf,) = delivery_leaves(made.records[0], made.leaves[0].record, made.leaves[0].salt)

    assert isinstance(parse_any_record(made.leaves[0].record), Record)
    assert isinstance(parse_any_record(leaf.record), Delivered)
    assert isinstance(parse_any_record(encode_act(every_act(NOON)[0])), Act)


@pytest.mark.parametrize("act", every_act(NOON), ids=lambda act: act.type.name)
def test_each_field_of_an_act_has_its_form(act):
    """A field left out, put in, or of another type is refused, and true is no number."""
    row = decode(encode_act(act))
    for at in range(len(row[5])):
        for wrong in (None, True, -1, 2**53, b"", "", "a\nb", [], [1, 1], "x" * 201, bytes(31)):
            if wrong is None and row[5][at] is None:
                continue
            detail = [*row[5][:at], wrong, *row[5][at + 1 :]]
            assert refused(parse_act, encode([*row[:5], detail])) is Code.E_SCHEMA
    for detail in (row[5][:-1], [*row[5], 1]):
        assert refused(parse_act, encode([*row[:5], detail])) is Code.E_SCHEMA
    for version, code in ((2, Code.E_VER), (True, Code.E_SCHEMA)):
        assert refused(parse_act, encode([version, *row[1:]])) is code


def test_a_deletion_names_each_leaf_once():
    """Indexes ascend, so that one deletion has one form."""
    act = next(act for act in every_act(NOON) if act.type is RecordType.DELETION)
    row = decode(encode_act(act))

    assert row[5][1] == [3, 9]
    for indexes in ([9, 3], [3, 3], []):
        row[5][1] = indexes
        assert refused(parse_act, encode(row)) is Code.E_SCHEMA


def test_acts_that_nobody_could_state_are_not_signed(world):
    """Who signs for another, for another time, or nothing, is told before anything is signed."""
    act = software_start(NOON, "router", program="router", version="1")
    for acts in ([], [replace(act, actor="ledger")], [replace(act, t=NOON - 1)]):
        with pytest.raises(MisuseError):
            sign_acts(acts, actor="router", now=NOON, signer=world.router, entropy=world.entropy)


def test_a_new_ledger_key_takes_over(world):
    """Acts of a key appointed later count, and so do those of the one before."""
    world = World()
    first = stated(world, "ledger", every_act(NOON)[0])
    world.ledger = SoftIdentity.generate("ledger", world.entropy)
    world.appoint(StatementType.LEDGER, world.ledger, by=world.registrar)
    for raw in (first, stated(world, "ledger", every_act(NOON)[0])):
        assert isinstance(verify_acts(raw, parties=world.directory), StatedActs)


def test_an_act_names_whom_it_is_about():
    """The unit of a statement and of a release are found; other acts name nobody."""
    named = {act.type: unit_named(act) for act in every_act(NOON)}

    assert named.pop(RecordType.DIRECTORY_STATEMENT) == named.pop(RecordType.QUARANTINE_RELEASE) == "fr"
    assert set(named.values()) == {None}


@QUICK
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_acts(world, data):
    """Random bytes are no act, no list and no record."""
    refused(verify_acts, data, parties=world.directory)
    refused(parse_act, data)
    refused(parse_any_record, data)


def test_each_act_has_its_own_salt(world):
    """Two equal acts of one list have two leaves."""
    act = software_start(NOON, "router", program="router", version="1")
    made = verify_acts(stated(world, "router", act, act), parties=world.directory)

    assert len({leaf.entry for leaf in made.leaves}) == 2
    assert parse_signed(made.signed).suite is Suite.HYBRID


def test_what_was_signed_is_over_exactly_these_acts(world):
    """None of them may be missing, added, exchanged or stand elsewhere; and no list is stated of nothing."""
    act = software_start(NOON, "router", program="router", version="1")
    made = verify_acts(stated(world, "router", act, act, act), parties=world.directory)
    one, two, three = (leaf.entry for leaf in made.leaves)
    other = act_leaf(act, bytes(16)).entry

    assert check_stated(made.signed, [one, two, three], parties=world.directory) == made.by
    for entries in ([one, two], [one, two, three, other], [one, two, other], [one, three, two], []):
        assert refused(check_stated, made.signed, entries, parties=world.directory) is Code.E_RECEIPT


def test_what_was_signed_names_no_record(world):
    """Neither record nor salt is in what is kept for auditors, so that a deleted record stays deleted."""
    act = software_start(NOON, "router", program="router", version="1")
    made = verify_acts(stated(world, "router", act), parties=world.directory)

    for secret in (made.leaves[0].record, made.leaves[0].salt):
        assert secret not in made.signed


def test_a_list_of_nothing_is_no_list(world):
    """An operator who signs an empty list has stated nothing."""
    payload = encode([1, "router", NOON, 0, bytes(32)])
    signed = sign(payload, suite=Suite.HYBRID, signer=world.router, context=ACTS)

    assert refused(verify_acts, encode([1, "acts", [], signed]), parties=world.directory) is Code.E_SCHEMA
    assert refused(check_stated, signed, [], parties=world.directory) is Code.E_RECEIPT
