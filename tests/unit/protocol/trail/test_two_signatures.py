"""What takes two registrars counts with the signatures of two people with two keys, and with nothing less."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.soft_keys import SoftIdentity
from keys.statement_types import Revocation, StatementType
from protocol.canonical import decode, encode
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from protocol.limits import AGREED_WITHIN, CLOCK_TOLERANCE, DAY
from protocol.signatures import ACTS, AGREEMENT, Suite, parse_signed, sign
from protocol.trail import stated_acts, two_signatures
from protocol.trail.acts import Act
from protocol.trail.records import RecordType
from protocol.trail.stated_acts import acts_in, check_stated, sign_acts, verify_acts, verify_half
from protocol.trail.two_signatures import TAKES_TWO, half_of
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.two_registrars import TwoRegistrars
from tests.sim.world import NOON, World
from tests.unit.protocol.strategies import QUICK
from tests.unit.protocol.trail.acts import every_act, stated

ACTS_OF_TWO = [act for act in every_act(NOON) if act.type in TAKES_TWO]
RELEASE = next(act for act in ACTS_OF_TWO if act.type is RecordType.QUARANTINE_RELEASE)

_FOUNDED = TwoRegistrars()


@pytest.fixture
def two() -> TwoRegistrars:
    """An exchange of two registrars, which a test may change."""
    made = copy.copy(_FOUNDED)
    made.directory = copy.deepcopy(_FOUNDED.directory)
    return made


def refused(data: bytes, two: World) -> Code:
    """The code with which a record of acts is refused."""
    with pytest.raises(Rejected) as caught:
        verify_acts(data, parties=two.directory)
    return caught.value.reason


def signed_of(record: bytes) -> bytes:
    """What was signed, of a record."""
    signed = decode(record)[3]
    assert isinstance(signed, bytes)
    return signed


def agreement(two: TwoRegistrars, record: bytes, **changes: object) -> bytes:
    """A half with a second signature that is wrong in one way."""
    parts = {
        "actor": two.second.name, "t": NOON, "half": sha256(signed_of(record)).digest(), "version": 1,
        "by": two.second, "suite": Suite.HYBRID, "context": AGREEMENT,
    } | changes  # fmt: skip
    payload = encode([parts["version"], parts["actor"], parts["t"], parts["half"]])
    made = sign(payload, suite=parts["suite"], signer=parts["by"], context=parts["context"])
    return encode([*decode(record)[:3], encode([signed_of(record), made])])


@pytest.mark.parametrize("act", ACTS_OF_TWO, ids=lambda act: act.type.name)
def test_it_counts_with_both(two: TwoRegistrars, act: Act) -> None:
    """Both are told by name; it counts from the second one's time on."""
    made = verify_acts(two.both(act, later=DAY), parties=two.directory)
    assert made.acts == (act,)
    assert made.by.names == "registrar and registrar-2"
    assert made.by.last == ("registrar-2", act.t + DAY)
    assert check_stated(made.signed, [leaf.entry for leaf in made.leaves], parties=two.directory) == made.by


@pytest.mark.parametrize("act", ACTS_OF_TWO, ids=lambda act: act.type.name)
def test_one_signature_is_nothing(two: TwoRegistrars, act: Act) -> None:
    """Whatever names stand in it: one person typed both. Another one can agree with it."""
    assert refused(two.half(act), two) is Code.E_AGREEMENT
    assert verify_half(two.half(act), parties=two.directory).acts == (act,)


def test_where_one_registrar_was_founded_one_signs(two: TwoRegistrars) -> None:
    """As ever, byte for byte; and two signatures are not a second form of it."""
    world = World()
    for act in ACTS_OF_TWO:
        made = verify_acts(stated(world, "registrar", act), parties=world.directory)
        assert (made.by.names, made.by.last) == ("registrar alone", ("registrar", act.t))
        half = sign_acts([act], actor=act.actor, now=act.t, signer=world.registrar, entropy=world.entropy)
        more = SoftIdentity.generate("registrar-2", world.entropy)
        world.appoint(StatementType.REGISTRAR, more, by=world.root_key)
        assert refused(two.agreed(half, t=NOON, by=more), world) is Code.E_AGREEMENT
        with pytest.raises(Rejected):
            verify_half(half, parties=world.directory)


def test_other_acts_take_one(two: TwoRegistrars) -> None:
    """Deleting, break-glass, access: stated by one registrar, and two signatures are not a form of it."""
    for act in every_act(NOON):
        if act.type in TAKES_TWO or act.actor != "registrar":
            continue
        assert verify_acts(two.half(act), parties=two.directory).by.agreed is None
        assert refused(two.both(act), two) is Code.E_AGREEMENT


def test_nobody_is_two(two: TwoRegistrars) -> None:
    """With one key, or with the next one of the same registrar: two are two by their names."""
    half = two.half(RELEASE)
    assert refused(two.agreed(half, t=NOON, by=two.registrar), two) is Code.E_AGREEMENT
    following = SoftIdentity.generate("registrar", two.entropy)
    two.appoint(StatementType.REGISTRAR, following, by=two.root_key)
    assert refused(two.agreed(half, t=NOON, by=following), two) is Code.E_AGREEMENT
    # In another's name it is signed with a key that is not that one's.
    assert refused(agreement(two, half, by=two.registrar), two) is Code.E_ISSUER


def test_what_was_agreed_to_is_this_act(two: TwoRegistrars) -> None:
    """A second signature is over the first one, and fits under no other, though the act be the same."""
    one, other = two.half(RELEASE), two.half(RELEASE)
    _, agreed = decode(signed_of(two.agreed(one, t=NOON)))
    moved = encode([*decode(other)[:3], encode([signed_of(other), agreed])])
    assert refused(moved, two) is Code.E_AGREEMENT


def test_the_act_is_what_both_signed(two: TwoRegistrars) -> None:
    """Other words, another place, another salt: nothing of it fits under the signatures."""
    both = two.both(RELEASE)
    changed = decode(two.half(replace(RELEASE, detail=("fr", 0, 13, "one", "another"))))
    assert refused(encode([*changed[:3], signed_of(both)]), two) is Code.E_RECEIPT


def test_it_is_stated_alone(two: TwoRegistrars) -> None:
    """The second one is shown one act: no other one is signed with it."""
    acts = [RELEASE, replace(RELEASE, detail=("fr", 0, 13, "one", "another"))]
    half = sign_acts(acts, actor="registrar", now=NOON, signer=two.registrar, entropy=two.entropy)
    assert refused(two.agreed(half, t=NOON), two) is Code.E_AGREEMENT
    with pytest.raises(Rejected) as caught:
        verify_half(half, parties=two.directory)
    assert caught.value.reason is Code.E_AGREEMENT


@pytest.mark.parametrize(
    ("later", "counts"),
    [
        (-CLOCK_TOLERANCE - 1, False), (-CLOCK_TOLERANCE, True), (0, True), (AGREED_WITHIN, True),
        (AGREED_WITHIN + 1, False),
    ],
)  # fmt: skip
def test_it_is_made_stale_by_thirty_days(two: TwoRegistrars, later: int, counts: bool) -> None:
    """What nobody agrees to ends by itself; and nobody agrees before it is stated, but for a clock."""
    record = two.both(RELEASE, later=later)
    if counts:
        assert verify_acts(record, parties=two.directory).by.agreed is not None
    else:
        assert refused(record, two) is Code.E_AGREEMENT


def test_registrars_agree_and_nobody_else(two: TwoRegistrars) -> None:
    """Not a router, the ledger, a unit, a root key or a stranger."""
    half = two.half(RELEASE)
    stranger = SoftIdentity.generate("registrar-2", two.entropy)
    for by in (two.router, two.ledger, two.parties["fr"].identity, two.root_key, stranger):
        assert refused(two.agreed(half, t=NOON, by=by), two) is Code.E_ISSUER


WITHDRAWN = [
    (None, Code.E_ISSUER), (NOON, Code.E_ISSUER), (NOON + DAY, Code.E_ISSUER), (NOON + DAY + 1, None),
]  # fmt: skip


@pytest.mark.parametrize("whose", ["registrar", "registrar-2"])
@pytest.mark.parametrize(("since", "code"), WITHDRAWN)
def test_a_withdrawn_key_signs_nothing(
    two: TwoRegistrars, whose: str, since: int | None, code: Code | None
) -> None:
    """Both keys must be good when the second one signs: so a half that is dated back is worth nothing."""
    record = two.both(RELEASE, later=DAY)
    key = two.registrar if whose == "registrar" else two.second
    two.now = Millis(NOON + 2 * DAY)
    two.publish(
        Revocation(key.name, key.public.kid, reason="stolen", compromised_since=since), by=two.root_key
    )
    if code is None:
        assert verify_acts(record, parties=two.directory).by.agreed is not None
    else:
        assert refused(record, two) is code


def test_both_signatures_of_the_second_are_asked_for(two: TwoRegistrars) -> None:
    """The classical one alone is not enough, and neither is one for another use, form or version."""
    half = two.half(RELEASE)
    assert refused(agreement(two, half, suite=Suite.CLASSICAL), two) is Code.E_SUITE_BELOW_MIN
    assert refused(agreement(two, half, context=ACTS), two) is Code.E_SIG_CLASSICAL
    assert refused(agreement(two, half, version=2), two) is Code.E_VER
    assert refused(agreement(two, half, t=-1), two) is Code.E_SCHEMA
    assert refused(agreement(two, half, half="x"), two) is Code.E_SCHEMA


def test_who_agreed_has_stated_nothing(two: TwoRegistrars) -> None:
    """The two signatures do not change places, and neither is the other's."""
    half = two.half(RELEASE)
    first, second = decode(signed_of(two.agreed(half, t=NOON)))
    for pair in ([second, first], [first, first], [second, second]):
        with pytest.raises(Rejected):
            verify_acts(encode([*decode(half)[:3], encode(pair)]), parties=two.directory)


def test_every_altered_byte_of_what_two_signed_is_refused(two: TwoRegistrars) -> None:
    """Or what is shown is what was signed."""
    record = two.both(RELEASE)
    for at in range(0, len(record), 11):
        altered = record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]
        with pytest.raises(Rejected):
            verify_acts(altered, parties=two.directory)


@QUICK
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_second_signature(data: bytes) -> None:
    """Behind the first signature, in its place, or in place of both."""
    half = _FOUNDED.half(RELEASE)
    for signed in (data, encode([signed_of(half), data]), encode([data, data]), b"\x82" + data):
        record = encode([*decode(half)[:3], signed])
        with pytest.raises(Rejected):
            verify_acts(record, parties=_FOUNDED.directory)
    half_of(data)


def test_what_two_signed_names_no_record(two: TwoRegistrars) -> None:
    """Neither record nor salt: what was released can be deleted, and who signed it stays."""
    made = verify_acts(two.both(RELEASE), parties=two.directory)
    for secret in (made.leaves[0].record, made.leaves[0].salt):
        assert secret not in made.signed


def test_what_is_the_same_is_known_by_the_first_signature(two: TwoRegistrars) -> None:
    """However often others agree to it."""
    half = two.half(RELEASE)
    once, again = (signed_of(two.agreed(half, t=NOON + later)) for later in (0, 1))
    assert once != again
    assert half_of(once) == half_of(again) == half_of(signed_of(half)) == signed_of(half)


def test_a_program_that_knows_one_signature_takes_it_for_none(two: TwoRegistrars) -> None:
    """The outer form is the old one; what was signed is none for it, so its ledger logs an unverified leaf."""
    record = two.both(RELEASE)
    assert record[:1] == b"\x84" and len(decode(record)) == 4
    with pytest.raises(Rejected) as caught:
        parse_signed(signed_of(record))
    assert caught.value.reason is Code.E_SCHEMA


def test_a_half_can_be_read_by_whoever_has_it(two: TwoRegistrars) -> None:
    """Its form, before anybody's signature is looked at."""
    assert acts_in(two.half(RELEASE)) == (RELEASE,)


Promise = Callable[..., None]
MUTANTS: list[tuple[str, Mutant, Promise, tuple[object, ...]]] = [
    ("asked", Mutant(stated_acts.check_stated, rewritten("not takes_two(entries, parties)", "agreed is None")), test_one_signature_is_nothing, (RELEASE,)),
    ("one form", Mutant(stated_acts.check_stated, unchecked("agreed is not None")), test_other_acts_take_one, ()),
    ("by name", Mutant(two_signatures.check_agreement, forced(False, "second.identity.unit", "by.actor")), test_nobody_is_two, ()),
    ("this act", Mutant(two_signatures.check_agreement, forced(False, "half", "sha256")), test_what_was_agreed_to_is_this_act, ()),
    ("alone", Mutant(stated_acts.check_stated, unchecked("len(entries)")), test_it_is_stated_alone, ()),
    ("one act of a half", Mutant(stated_acts.verify_half, unchecked("takes_two")), test_it_is_stated_alone, ()),
    ("thirty days", Mutant(two_signatures._in_time, rewritten("stated + limits.AGREED_WITHIN", "agreed")), test_it_is_made_stale_by_thirty_days, (AGREED_WITHIN + 1, False)),
    ("not before", Mutant(two_signatures._in_time, rewritten("stated - limits.CLOCK_TOLERANCE", "agreed")), test_it_is_made_stale_by_thirty_days, (-CLOCK_TOLERANCE - 1, False)),
    ("registrars", Mutant(two_signatures.check_agreement, unchecked("OperatorRole.REGISTRAR")), test_registrars_agree_and_nobody_else, ()),
    ("the first's key then", Mutant(two_signatures.check_agreement, dropped("operator_at", "by.kid")), test_a_withdrawn_key_signs_nothing, ("registrar", NOON + DAY, Code.E_ISSUER)),
    ("the second's key then", Mutant(two_signatures.check_agreement, rewritten("operator_at(parties, signed.kid, actor, at)", "parties.operator_key(signed.kid)")), test_a_withdrawn_key_signs_nothing, ("registrar-2", NOON, Code.E_ISSUER)),
    ("suite", Mutant(two_signatures.check_agreement, unchecked("Suite.HYBRID")), test_both_signatures_of_the_second_are_asked_for, ()),
    ("signature", Mutant(two_signatures.check_agreement, dropped("verify")), test_both_signatures_of_the_second_are_asked_for, ()),
    ("once", Mutant(two_signatures.half_of, rewritten("split_signed(signed)[0]", "signed")), test_what_is_the_same_is_known_by_the_first_signature, ()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("mutant", "promise", "given"), [row[1:] for row in MUTANTS], ids=[row[0] for row in MUTANTS]
)
async def test_each_rule_taken_away_is_noticed(
    mutant: Mutant, promise: Promise, given: tuple[object, ...], two: TwoRegistrars
) -> None:
    await assert_missed(mutant, promise, given, two=two)


assert Millis(NOON) == _FOUNDED.now
