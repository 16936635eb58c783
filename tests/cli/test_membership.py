"""What the registrar is told to do where an enrolment cannot go on."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from broker.centre.enrolments import check_epochs_are_free
from keys.enrolment import EnrolmentRequest, enrolment_statements, parse_enrolment, request_enrolment
from keys.statement_types import StatementType
from protocol.identifiers import KeyId
from protocol.times import Bound
from runtime.cli.params import Moment
from runtime.errors import Conflict
from runtime.process.homes import CentreHome
from tests.unit.keys.world import (
    DE,
    EPOCH_NOW,
    NOW,
    World,
    appointment,
    identity,
    publication,
    revocation,
    stated,
)

HOME = CentreHome(Path("/srv/the centre"))


def new_keys(*epochs: int) -> bytes:
    """A request of a unit that lost its first identity."""
    own = identity("de", 2)
    published = [stated(publication("de", epoch, 2), by=own) for epoch in epochs]
    return request_enrolment(
        appointment(StatementType.IDENTITY, own), signer=own, contact="desk", epochs=published
    )


def check(world: World, request: bytes) -> EnrolmentRequest:
    """Ask, at the time of the world."""
    parsed = parse_enrolment(request)
    check_epochs_are_free(parsed, world.directory, home=HOME, moment=NOW)
    return parsed


def test_keys_in_use_are_named_with_the_command_that_helps() -> None:
    """Re-enrolling ends in a conflict; the command in its hint is enough for the enrolment to go through."""
    world = World()
    world.enrol("de")
    request = new_keys(EPOCH_NOW, EPOCH_NOW + 1)
    with pytest.raises(Conflict) as told:
        check(world, request)

    words = shlex.split(told.value.hint.splitlines()[1])
    assert words[:6] == ["contrada", "--home", str(HOME.path), "centre", "revoke", "de"]
    kid, since = KeyId(bytes.fromhex(words[6])), Moment(Bound.LOWER).convert(words[-1], None, None)
    assert kid == identity("de").public.kid
    world.directory.apply(stated(revocation("de", kid, since=since), by=world.registrar))
    check(world, request)
    for statement in enrolment_statements(request, registrar=world.registrar, facts=None, now=NOW):
        world.directory.apply(statement)
    assert world.directory.current_identity(DE, NOW).public == identity("de", 2).public


def test_free_epochs_are_nobodys_business() -> None:
    """A new unit is taken in, and so is one that asks for other weeks."""
    check(World(), new_keys(EPOCH_NOW))
    world = World()
    world.enrol("de", epochs=False)
    check(world, new_keys(EPOCH_NOW))
