"""Who may do what, as it is declared: nothing of another's, and every name once."""

from __future__ import annotations

import re

import pytest

from deploy.kafka.settings import PRINCIPALS, SUPER_USERS
from keys.wire.certificates import ORGANISATION
from protocol import topics
from protocol.identifiers import UnitId
from protocol.topics import Operation, ResourceKind
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, instead

FR, IT = UnitId("fr"), UnitId("it")


def test_a_unit_has_nothing_of_another_s() -> None:
    """All that a unit may do, line by line; no right of a unit covers more than one name."""
    rights = sorted((r.operation.name, r.kind.name, r.name) for r in topics.unit_rights(FR))

    assert rights == [
        ("READ", "GROUP", "readers.fr"),
        ("READ", "TOPIC", "directory"),
        ("READ", "TOPIC", "inbox.fr"),
        ("READ", "TOPIC", "ledger"),
        ("READ", "TOPIC", "receipts.fr"),
        ("WRITE", "TOPIC", "directory"),
        ("WRITE", "TOPIC", "outbox.fr"),
    ]
    assert {r.principal for r in topics.unit_rights(FR)} == {"unit-fr"}
    assert not any(r.prefixed for r in topics.unit_rights(FR))


def test_routers_read_no_inbox() -> None:
    """Nor does any other role: what is delivered is its addressee's."""
    reading = [
        r for r in topics.role_rights() if r.kind is ResourceKind.TOPIC and r.operation is Operation.READ
    ]

    assert not [
        r for r in reading if topics.inbox(FR).startswith(r.name) or topics.receipts(FR).startswith(r.name)
    ]
    assert not [
        r
        for r in topics.role_rights()
        if r.operation not in {Operation.READ, Operation.WRITE, Operation.DESCRIBE}
    ]


def test_a_suspended_unit_reads_the_directory_alone() -> None:
    """There it finds why, and when it is over."""
    assert [(r.operation, r.name) for r in topics.suspended_rights(FR)] == [(Operation.READ, "directory")]


MAPPED = re.compile(PRINCIPALS.removeprefix("RULE:").partition("$/$1/")[0] + "$")


@pytest.mark.parametrize("name", ["unit-fr", "unit-fr-customs", *topics.ROLES, *topics.SUPER_USERS])
def test_every_party_has_its_name_from_its_certificate(name) -> None:
    """The brokers' rule gives each party the principal that rights are declared for."""
    assert MAPPED.fullmatch(f"CN={name},O={ORGANISATION}")[1] == name


@pytest.mark.parametrize(
    "subject",
    [
        "CN=unit-fr,O=elsewhere",
        "CN=unit-fr,OU=x,O=contrada",
        "CN=x,CN=unit-fr,O=contrada",
        "CN=unit-fr,O=contrada,C=XX",
        "CN=unit-fr\\,O=contrada,O=x",
        "CN=routers,O=contrada",
        "CN=unit-FR,O=contrada",
        "O=contrada,CN=router",
    ],
)
def test_no_name_is_mapped_to_somebody_else_s(subject) -> None:
    """Whatever stands around a name makes it a stranger's."""
    assert MAPPED.fullmatch(subject) is None


def test_no_unit_can_have_the_name_of_a_role() -> None:
    """Whatever its id: a role's name has no such beginning."""
    assert not [one for one in (*topics.ROLES, *topics.SUPER_USERS) if one.startswith(topics.UNIT_PREFIX)]
    assert {f"User:{one}" for one in topics.SUPER_USERS} == set(SUPER_USERS.split(";"))


MUTANTS = {
    "a unit gets what is any unit's": (
        Mutant(topics._of_topic, forced(True, "one in named")),
        test_a_unit_has_nothing_of_another_s,
    ),
    "routers read whatever they write": (
        Mutant(
            topics._of_topic,
            instead(
                "sides = ((topic.access.writers, Operation.READ), (topic.access.readers, Operation.READ))",
                "sides",
            ),
        ),
        test_a_unit_has_nothing_of_another_s,
    ),
    "units are named like roles": (
        Mutant(topics.unit_principal, instead("return unit", "UNIT_PREFIX")),
        test_a_unit_has_nothing_of_another_s,
    ),
    "a suspended unit goes on": (
        Mutant(topics.suspended_rights, instead("return unit_rights(unit)", "DIRECTORY")),
        test_a_suspended_unit_reads_the_directory_alone,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_mutant_breaks_a_promise(mutant) -> None:
    """Without the safeguard its test fails."""
    change, promise = MUTANTS[mutant]
    with mutated(change), pytest.raises(AssertionError):
        promise()
