"""The form of statements: one form each, both signatures, nothing that a terminal or a parser would misread."""

from __future__ import annotations

import pytest

from keys.possession import POSSESSION, appoint, check_possession
from keys.statement_types import StatementType, UnitFacts
from keys.statements import issue, parse_statement
from protocol.canonical import decode, encode
from protocol.codes import Purpose
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Millis
from protocol.signatures import HEADER, STATEMENT, Suite, sign
from tests.unit.keys.world import (
    EPOCH_NOW,
    FR,
    NOW,
    appointment,
    facts,
    identity,
    publication,
    revocation,
    stated,
    status,
)

BODIES = [
    appointment(StatementType.REGISTRAR, identity("registrar")),
    appointment(StatementType.IDENTITY, identity("fr")),
    appointment(StatementType.ROUTER, identity("router")),
    appointment(StatementType.LEDGER, identity("ledger")),
    facts("fr", national_unit="it", waives_copy=True, outbox_partitions=64, inbox_partitions=2),
    publication("fr", EPOCH_NOW),
    status("fr", suspended=True),
    revocation("fr", identity("fr").public.kid),
    revocation("fr", identity("fr").public.kid, since=NOW),
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_what_is_issued_is_what_is_parsed(body: object) -> None:
    """What is issued is what is parsed."""
    key = identity("registrar")
    parsed = parse_statement(issue(body, signer=key, issued=NOW))  # type: ignore[arg-type]
    assert parsed.statement.body == body
    assert (parsed.statement.issued, parsed.statement.issuer) == (NOW, key.public.kid)
    parsed.verify(key.public)


def _signed(item: object, *, suite: Suite = Suite.HYBRID, context: object = STATEMENT) -> bytes:
    return sign(encode(item), suite=suite, signer=identity("registrar"), context=context)  # type: ignore[arg-type]


def _item(body: object) -> list[object]:
    item = decode(parse_statement(stated(body, by=identity("registrar"))).signed.payload)  # type: ignore[arg-type]
    assert isinstance(item, list)
    return item


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, True),
        (0, 2),
        (1, 0),
        (1, 9),
        (1, 65_536),
        (1, False),
        (2, -1),
        (2, None),
        (2, 2**60),
        (3, b"short"),
        (3, "text"),
        (4, []),
        (4, None),
    ],
)
def test_frame_is_strict(at: int, value: object) -> None:
    """No other version, type, time, issuer or shape of a statement is read."""
    item = _item(status("fr", suspended=True))
    item[at] = value
    with pytest.raises(Rejected) as caught:
        parse_statement(_signed(item))
    assert caught.value.reason in (Code.E_SCHEMA, Code.E_VER, Code.E_ISSUER)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, "FR"),
        (0, ""),
        (0, 5),
        (1, True),
        (1, -1),
        (2, 0),
        (2, True),
        (3, "two\nlines"),
        (3, "\x1b[31mred"),
        (3, "right\u202eleft"),
        (3, ""),
        (3, "x" * 201),
        (4, 9),
        (5, 11),
        (6, [3, 1]),
        (6, [1, 1]),
        (6, [True]),
        (6, [7]),
        (7, ""),
        (8, 0),
        (9, 3),
        (10, 0),
        (10, 65),
        (11, None),
    ],
)
def test_facts_are_strict(at: int, value: object) -> None:
    """Each field of a unit's facts takes its closed set of values, in one form."""
    item = _item(facts("fr"))
    fields = item[4]
    assert isinstance(fields, list)
    fields[at] = value
    with pytest.raises(Rejected) as caught:
        parse_statement(_signed(item))
    assert caught.value.reason is Code.E_SCHEMA


def test_extra_field_is_refused() -> None:
    """A statement with a field more is another statement, and unknown."""
    for body in (facts("fr"), status("fr", suspended=True), publication("fr", 1), BODIES[0], BODIES[-1]):
        item = _item(body)
        fields = item[4]
        assert isinstance(fields, list)
        fields.append(0)
        with pytest.raises(Rejected):
            parse_statement(_signed(item))


def test_classical_signature_alone_is_refused() -> None:
    """A statement is long-lived: it carries the post-quantum signature, always."""
    with pytest.raises(Rejected) as caught:
        parse_statement(_signed(_item(status("fr", suspended=True)), suite=Suite.CLASSICAL))
    assert caught.value.reason is Code.E_SUITE_BELOW_MIN


def test_signature_for_another_use_is_refused() -> None:
    """What was signed as a message header cannot pass for a statement."""
    parsed = parse_statement(_signed(_item(status("fr", suspended=True)), context=HEADER))
    with pytest.raises(Rejected) as caught:
        parsed.verify(identity("registrar").public)
    assert caught.value.reason is Code.E_SIG_CLASSICAL


def test_named_issuer_is_the_signer() -> None:
    """Nobody signs in another's name, not even with a valid signature of their own."""
    item = _item(status("fr", suspended=True))
    item[3] = identity("root").public.kid
    with pytest.raises(Rejected) as caught:
        parse_statement(_signed(item))
    assert caught.value.reason is Code.E_ISSUER


def test_issuing_what_would_be_refused_is_misuse() -> None:
    """A registrar learns of a mistake before signing it, not from the other side."""
    wrong = UnitFacts(**{**_fields(facts("fr")), "name": "two\nlines"})  # type: ignore[arg-type]
    with pytest.raises(MisuseError):
        issue(wrong, signer=identity("registrar"), issued=NOW)


def test_purposes_have_one_order() -> None:
    """The same facts are the same bytes, in whatever order they were given."""
    one = facts("fr", purposes=frozenset([Purpose.RESEARCH, Purpose.CROSS_CHECK]))
    other = facts("fr", purposes=frozenset([Purpose.CROSS_CHECK, Purpose.RESEARCH]))
    assert _item(one) == _item(other)


def test_possession_binds_name_role_and_validity() -> None:
    """A proof of possession made for one appointment proves no other."""
    made = appoint(
        StatementType.IDENTITY, FR, signer=identity("fr"), not_before=NOW, not_after=Millis(NOW + 1)
    )
    check_possession(made)
    for change in (
        {"stype": StatementType.ROUTER},
        {"name": "it"},
        {"not_before": NOW - 1},
        {"not_after": NOW + 2},
        {"public": identity("it").public},
    ):
        changed = type(made)(**{**_fields(made), **change})  # type: ignore[arg-type]
        with pytest.raises(Rejected):
            check_possession(changed)


def test_possession_needs_both_keys() -> None:
    """A proof with the classical signature alone does not show that the other key is held."""
    made = appoint(
        StatementType.IDENTITY, FR, signer=identity("fr"), not_before=NOW, not_after=Millis(NOW + 1)
    )
    claim = encode([1, int(StatementType.IDENTITY), FR, NOW, NOW + 1])
    half = sign(claim, suite=Suite.CLASSICAL, signer=identity("fr"), context=POSSESSION)
    with pytest.raises(Rejected):
        check_possession(type(made)(**{**_fields(made), "proof": half}))  # type: ignore[arg-type]


def test_only_roles_are_appointed_to() -> None:
    """There is no appointment by a statement of another kind."""
    with pytest.raises(MisuseError):
        appoint(StatementType.STATUS, FR, signer=identity("fr"), not_before=NOW, not_after=NOW)


def _fields(value: object) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__slots__}  # type: ignore[attr-defined]
