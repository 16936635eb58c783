"""The rules: each refuses what it must and no more, all reasons are told, and no rule is idle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from keys.statement_types import Revocation
from protocol import exchange_rules as policy
from protocol import limits
from protocol.codes import (
    Classification,
    CopyExemption,
    DataClass,
    Handling,
    LegalBasis,
    MessageKind,
    Purpose,
    RefKind,
    RefusalGround,
    Role,
    UnitKind,
    UrgencyGround,
)
from protocol.envelope.core import Addressee, AttachmentEntry, Limits, Reference
from protocol.epochs import bounds, epoch_of
from protocol.errors import Code
from protocol.exchange_rules import RULES, Consent, ExchangeCase, decide_exchange, explain_exchange
from protocol.parties import TreeHead
from protocol.signatures import Suite
from tests.sim.world import NOON, World

ORIGINAL = bytes([7]) * 32
ONWARD = (Reference(RefKind.ONWARD, ORIGINAL),)
REPLY = (Reference(RefKind.REPLY_TO, ORIGINAL),)
CONSENT = Consent(
    original=ORIGINAL,
    holder="fr",
    targets=frozenset({"it"}),
    purposes=frozenset({Purpose.OPERATIONAL, Purpose.STRATEGIC}),
    not_before=NOON - 1,
    expires=NOON + 1,
)


@pytest.fixture(scope="module")
def world() -> World:
    """The exchange with a few more parties."""
    made = World()
    made.enrol("es", min_suite=Suite.HYBRID)
    made.enrol("mt", clearance=Classification.BPL)
    made.enrol("ch", kind=UnitKind.THIRD_PARTY, basis=LegalBasis.AGREEMENT)
    made.enrol("icpo", kind=UnitKind.INTERNATIONAL_ORGANISATION, basis=LegalBasis.COOPERATION)
    made.enrol("ee", kind=UnitKind.UNION_BODY, basis=LegalBasis.UNION_BODY)
    made.enrol("se", waives_copy=True)
    made.enrol("se-coast", kind=UnitKind.COMPETENT_AUTHORITY, national_unit="se")
    made.enrol("gr-port", kind=UnitKind.COMPETENT_AUTHORITY)
    made.enrol("away")
    made.suspend("away")
    return made


Ask = Callable[[World], ExchangeCase]


def ask(
    sender: str = "fr", to: tuple[str, ...] = ("it",), *, question: dict | None = None, **changes: object
) -> Ask:
    """A question about a message from `sender`, own-initiative information but for `changes`."""

    def of(world: World) -> ExchangeCase:
        core = world.core(sender, list(to), **changes)
        return replace(ExchangeCase(core=core, parties=world.directory, now=world.now), **(question or {}))

    return of


def changed(change: Callable[[World, ExchangeCase], ExchangeCase], base: Ask) -> Ask:
    """A question altered by what only the world knows."""
    return lambda world: change(world, base(world))


def to_strangers(world: World, q: ExchangeCase) -> ExchangeCase:
    """Address a unit that the directory does not know."""
    return replace(q, core=replace(q.core, to=(*q.core.to, Addressee("xx", bytes(16), Role.TO))))


def sealed_to(world: World, q: ExchangeCase) -> ExchangeCase:
    """Address a key that is another unit's."""
    key = world.directory.epoch_key_for("de", epoch_of(world.now)).public.kid
    return replace(q, core=replace(q.core, to=(Addressee("it", key, Role.TO),)))


def consents(*granted: Consent) -> dict:
    """A question asked by a router that knows these permissions."""
    return {"consents": {ORIGINAL: granted}}


H3 = frozenset({Handling.H3})
THIRD_PERSONAL = {"data_class": DataClass.PERSONAL, "basis": LegalBasis.AGREEMENT}
BPL = {"data_class": DataClass.NON_PERSONAL}

# For each rule: questions that this rule alone refuses, with the reasons; and near misses that all let pass.
REFUSES: dict[str, list[tuple[Ask, list[tuple[Code, str | None]]]]] = {
    "replay": [(ask(question={"fresh": False}), [(Code.E_REPLAY, None)])],
    "time": [
        (ask(created=NOON + limits.CLOCK_TOLERANCE + 1), [(Code.E_TIME_FUTURE, None)]),
        (ask(created=NOON - limits.MAX_AGE - 1, expires=NOON + 1), [(Code.E_TIME_STALE, None)]),
        (ask(created=NOON - 1, expires=NOON), [(Code.E_EXPIRED, None)]),
        (ask(expires=NOON + limits.MAX_LIFETIME + 1), [(Code.E_LIFETIME, None)]),
        (ask(created=NOON + 2, expires=NOON + 2), [(Code.E_LIFETIME, None)]),
        (ask(created=NOON + 2, expires=NOON + 1), [(Code.E_LIFETIME, None)]),
    ],
    "parties": [
        (ask("away"), [(Code.E_SENDER_SUSPENDED, "away")]),
        (ask(to=("away",)), [(Code.E_RCPT_SUSPENDED, "away")]),
        (changed(to_strangers, ask()), [(Code.E_RCPT_UNKNOWN, "xx")]),
        (ask("fr", ("it", "away")), [(Code.E_RCPT_SUSPENDED, "away")]),
    ],
    "suite": [
        (ask(to=("es",)), [(Code.E_SUITE_BELOW_MIN, "es")]),
        (ask("es"), [(Code.E_SUITE_BELOW_MIN, "es")]),
    ],
    "epoch": [
        (ask(epoch=epoch_of(NOON) + 2), [(Code.E_RCPT_EPOCH, "it")]),
        (changed(sealed_to, ask()), [(Code.E_RCPT_EPOCH, "it")]),
    ],
    "clearance": [
        (ask(to=("it", "mt"), classification=Classification.EU_RESTRICTED), [(Code.E_CLASS_CLEARANCE, "mt")]),
        (ask("mt", classification=Classification.EU_RESTRICTED), [(Code.E_CLASS_CLEARANCE, "mt")]),
    ],
    "data basis": [
        (ask(to=("nz",), purposes=frozenset({Purpose.STRATEGIC})), [(Code.E_DATA_BASIS, "nz")]),
        (
            ask(to=("nz",), purposes=frozenset({Purpose.STRATEGIC}), basis=LegalBasis.WORKING_ARRANGEMENT),
            [(Code.E_DATA_BASIS, "nz")],
        ),
        (ask(to=("ch",)), [(Code.E_DATA_BASIS, "ch")]),
        (ask(to=("ch",), basis=LegalBasis.ADEQUACY), [(Code.E_DATA_BASIS, "ch")]),
        (ask(to=("icpo",), data_class=DataClass.VICTIM), [(Code.E_DATA_BASIS, "icpo")]),
        (ask(to=("ch", "icpo"), basis=LegalBasis.AGREEMENT), [(Code.E_DATA_BASIS, "icpo")]),
    ],
    "purpose": [
        (ask(purposes=frozenset()), [(Code.E_PURPOSE, None)]),
        (ask(to=("nz",), **BPL), [(Code.E_PURPOSE, "nz")]),
        (ask(purposes=frozenset({Purpose.UNDETERMINED})), [(Code.E_PURPOSE, "it")]),
        (ask(to=("centre", "it"), purposes=frozenset({Purpose.UNDETERMINED})), [(Code.E_PURPOSE, "it")]),
    ],
    "national copy": [
        (ask("fr-customs"), [(Code.E_COPY_MISSING, "fr")]),
        (ask("fr-customs", kind=MessageKind.REQUEST), [(Code.E_COPY_MISSING, "fr")]),
    ],
    "handling": [
        (ask(handling=H3), [(Code.E_HANDLING_INVALID, None)]),
        (ask(h3=Limits((), None)), [(Code.E_HANDLING_INVALID, None)]),
    ],
    "H3 limits": [
        (ask(to=("it", "de"), handling=H3, h3=Limits(("it",), None)), [(Code.E_H3_LIMIT, "de")]),
        (ask(copy=["de"], handling=H3, h3=Limits(("it",), None)), [(Code.E_H3_LIMIT, "de")]),
        (ask(handling=H3, h3=Limits((), NOON + limits.DAY)), [(Code.E_H3_LIMIT, None)]),
    ],
    "H2 onward": [
        (ask(refs=ONWARD), [(Code.E_H2_NO_CONSENT, None)]),
        (ask(refs=ONWARD, question=consents(replace(CONSENT, holder="de"))), [(Code.E_H2_NO_CONSENT, None)]),
        (ask(refs=ONWARD, question=consents(replace(CONSENT, expires=NOON))), [(Code.E_CONSENT_EXPIRED, None)]),
        (ask(refs=ONWARD, question=consents(replace(CONSENT, not_before=NOON + 1))), [(Code.E_CONSENT_EXPIRED, None)]),
        (ask(to=("it", "de"), refs=ONWARD, question=consents(CONSENT)), [(Code.E_CONSENT_SCOPE, "de")]),
        (
            ask(refs=ONWARD, purposes=frozenset({Purpose.RESEARCH}), question=consents(CONSENT)),
            [(Code.E_CONSENT_SCOPE, "it")],
        ),
        (
            ask(refs=(Reference(RefKind.ONWARD, bytes(32)),), question=consents(CONSENT)),
            [(Code.E_H2_NO_CONSENT, None)],
        ),
    ],
    "kind": [
        (ask(urgency=UrgencyGround.LIFE), [(Code.E_KIND_FIELDS, None)]),
        (ask(ground=RefusalGround.INACCURATE), [(Code.E_KIND_FIELDS, None)]),
        (ask(kind=MessageKind.REFUSAL, refs=REPLY), [(Code.E_KIND_FIELDS, None)]),
        (ask(kind=MessageKind.ANSWER), [(Code.E_REF_MISSING, None)]),
        (ask(kind=MessageKind.ACKNOWLEDGEMENT), [(Code.E_REF_MISSING, None)]),
        (ask(kind=MessageKind.REFUSAL, ground=RefusalGround.INACCURATE), [(Code.E_REF_MISSING, None)]),
        (
            ask(kind=MessageKind.ANSWER, refs=(Reference(RefKind.RELATED, ORIGINAL),)),
            [(Code.E_REF_MISSING, None)],
        ),
        (ask(attachments=(AttachmentEntry(bytes(16), 1, bytes(32)),)), [(Code.E_ATT_MISSING, None)]),
        (ask(to=(), copy=["it"]), [(Code.E_RCPT_COUNT, None)]),
    ],
    "directory head": [
        (ask(directory_head=TreeHead(3, bytes(32))), [(Code.E_GOSSIP_DIR, None)]),
        (ask(directory_head=TreeHead(0, bytes(32))), [(Code.E_GOSSIP_DIR, None)]),
    ],
}  # fmt: skip

PASSES: dict[str, list[Ask]] = {
    "replay": [ask()],
    "time": [
        ask(created=NOON + limits.CLOCK_TOLERANCE),
        ask(created=NOON - limits.MAX_AGE, expires=NOON + 1),
        ask(expires=NOON + limits.MAX_LIFETIME),
    ],
    "parties": [ask(), ask("it", ("fr", "de", "centre"))],
    "suite": [ask(to=("es",), suite=Suite.HYBRID), ask("es", suite=Suite.HYBRID), ask(suite=Suite.HYBRID)],
    "epoch": [ask(epoch=epoch_of(NOON) + 1)],
    "clearance": [ask(to=("mt",)), ask(classification=Classification.EU_RESTRICTED)],
    "data basis": [
        ask(to=("nz",), purposes=frozenset({Purpose.STRATEGIC}), **BPL),
        ask(to=("ch",), **THIRD_PERSONAL),
        ask(to=("ch",), **BPL),
        ask(to=("it", "ch"), **THIRD_PERSONAL),
        ask(to=("ee",)),
        ask(data_class=DataClass.VICTIM),
    ],
    "purpose": [
        ask(to=("centre",), purposes=frozenset({Purpose.UNDETERMINED})),
        ask(to=("nz",), purposes=frozenset({Purpose.STRATEGIC}), **BPL),
    ],
    "national copy": [
        ask("fr-customs", copy=["fr"]),
        ask("fr-customs", ("fr",)),
        ask("fr-customs", copy_exemption=CopyExemption.SENSITIVE),
        ask("fr-customs", kind=MessageKind.ACKNOWLEDGEMENT, refs=REPLY),
        ask("se-coast"),
        ask("gr-port"),
    ],
    "handling": [ask(handling=H3, h3=Limits((), None)), ask(handling=frozenset({Handling.H1, Handling.H2}))],
    "H3 limits": [
        ask(handling=H3, h3=Limits(("it",), None)),
        ask(handling=H3, h3=Limits((), NOON + 365 * limits.DAY)),
    ],
    "H2 onward": [
        ask(refs=ONWARD, question=consents(CONSENT)),
        ask(refs=ONWARD, question=consents(replace(CONSENT, holder="de"), CONSENT)),
        ask(refs=(Reference(RefKind.RELATED, ORIGINAL),)),
    ],
    "kind": [
        ask(kind=MessageKind.REQUEST),
        ask(kind=MessageKind.REQUEST, urgency=UrgencyGround.LIFE),
        ask(kind=MessageKind.ANSWER, refs=REPLY),
        ask(kind=MessageKind.REFUSAL, refs=REPLY, ground=RefusalGround.INACCURATE),
        ask(copy=["de"]),
    ],
    "directory head": [ask(), ask(directory_head=TreeHead(10_000, bytes(32)))],
}

REFUSED = [
    pytest.param(rule, question, reasons, id=f"{rule}-{at}")
    for rule, cases in REFUSES.items()
    for at, (question, reasons) in enumerate(cases)
]
PASSED = [
    pytest.param(question, id=f"{rule}-{at}")
    for rule, cases in PASSES.items()
    for at, question in enumerate(cases)
]


def found(question: ExchangeCase) -> list[tuple[Code, str | None]]:
    """The reasons of a decision."""
    return [(reason.code, reason.unit) for reason in decide_exchange(question).reasons]


def test_the_table_is_complete():
    """Every rule has a name of its own, an article and a text, and stands in the tables of this test."""
    names = [rule.name for rule in RULES]

    assert len(set(names)) == len(names)
    assert all(rule.article.strip() and rule.text.strip() for rule in RULES)
    assert list(REFUSES) == list(PASSES) == names


@pytest.mark.parametrize(("rule", "question", "reasons"), REFUSED)
def test_a_rule_refuses(world, rule, question, reasons):
    """Each rule refuses, with its code and the party concerned."""
    assert found(question(world)) == reasons


@pytest.mark.parametrize(("rule", "question", "reasons"), REFUSED)
def test_no_other_rule_would(world, monkeypatch, rule, question, reasons):
    """Without its rule each of these messages is accepted: so the rule is needed, and this test sees it go."""
    asked = question(world)
    monkeypatch.setattr(policy, "RULES", tuple(r for r in RULES if r.name != rule))

    assert decide_exchange(asked).accepted


@pytest.mark.parametrize("question", PASSED)
def test_a_near_miss_is_accepted(world, question):
    """What a rule almost forbids is allowed."""
    assert found(question(world)) == []


def test_explain_names_the_rule_that_refuses(world):
    """An explanation has every rule in the table's order, with what it found."""
    for rule, cases in REFUSES.items():
        for question, reasons in cases:
            told = explain_exchange(question(world))
            assert [row.name for row, _ in told] == [row.name for row in RULES]
            assert {row.name for row, against in told if against} == {rule}
            assert [(r.code, r.unit) for _, against in told for r in against] == reasons


def test_every_reason_is_told(world):
    """A message with many faults is refused with all of them, in the order of the table."""
    question = ask(
        "fr-customs",
        ("nz", "away"),
        created=NOON - limits.MAX_AGE - 1,
        expires=NOON - 1,
        classification=Classification.EU_RESTRICTED,
        handling=H3,
        urgency=UrgencyGround.LIFE,
        directory_head=TreeHead(3, bytes(32)),
        question={"fresh": False},
    )(world)

    assert found(question) == [
        (Code.E_REPLAY, None),
        (Code.E_TIME_STALE, None),
        (Code.E_EXPIRED, None),
        (Code.E_RCPT_SUSPENDED, "away"),
        (Code.E_CLASS_CLEARANCE, "nz"),
        (Code.E_DATA_BASIS, "nz"),
        (Code.E_PURPOSE, "nz"),
        (Code.E_COPY_MISSING, "fr"),
        (Code.E_HANDLING_INVALID, None),
        (Code.E_KIND_FIELDS, None),
        (Code.E_GOSSIP_DIR, None),
    ]


def test_an_unknown_sender_is_refused(world):
    """A sender that the directory does not know is refused by name."""
    question = ask()(world)

    assert (Code.E_SENDER_UNKNOWN, "xx") in found(replace(question, core=replace(question.core, sender="xx")))


def test_an_epoch_ends_after_its_grace():
    """The key of the last epoch is good for a day after its end, and for no millisecond more."""
    world = World()
    core = world.core("fr", ["it"])
    end = bounds(epoch_of(NOON))[1]

    for now, accepted in ((end + limits.EPOCH_GRACE - 1, True), (end + limits.EPOCH_GRACE, False)):
        asked = ExchangeCase(
            core=replace(core, created=now, expires=now + 1), parties=world.directory, now=now
        )
        assert (found(asked) == []) is accepted


def test_a_revoked_epoch_key_is_refused():
    """Nothing is delivered to a key that its owner has withdrawn."""
    world = World()
    core = world.core("fr", ["it"])
    it = world.parties["it"].identity
    world.publish(Revocation("it", core.to[0].key, reason="lost", compromised_since=None), by=it)

    assert found(ExchangeCase(core=core, parties=world.directory, now=world.now)) == [
        (Code.E_RCPT_EPOCH, "it")
    ]


def test_deciding_changes_nothing(world):
    """The same question has the same answer, as often as it is asked."""
    question = ask("fr-customs", ("nz", "away"))(world)

    assert decide_exchange(question) == decide_exchange(question)
