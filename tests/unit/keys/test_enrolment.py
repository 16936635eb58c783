"""Requests to be taken in, and what a registrar makes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.enrolment import (
    ENROLMENT,
    ROTATION,
    enrolment_statements,
    parse_enrolment,
    request_enrolment,
    request_rotation,
    rotation_statements,
)
from keys.possession import appoint
from keys.statement_types import Appointment, StatementType
from keys.statements import appointment_item
from protocol.canonical import encode
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Millis, UnitId
from protocol.signatures import Suite, sign
from tests.unit.keys.world import (
    DE,
    EPOCH_NOW,
    FR,
    NOW,
    YEAR,
    World,
    facts,
    identity,
    publication,
    revocation,
    stated,
    status,
)


def made(name: str = "de", generation: int = 1, *, unit: UnitId | None = None) -> Appointment:
    """An appointment with its proof."""
    key = identity(name, generation)
    return appoint(
        StatementType.IDENTITY, unit or key.name, signer=key, not_before=NOW, not_after=Millis(NOW + YEAR)
    )


def request(*, epochs: list[bytes] | None = None, contact: str = "J. Doe, +49 30 1234") -> bytes:
    """A unit's request."""
    own = [stated(publication("de", EPOCH_NOW + n), by=identity("de")) for n in range(3)]
    return request_enrolment(
        made(), signer=identity("de"), contact=contact, epochs=own if epochs is None else epochs
    )


def test_a_good_request_becomes_statements_that_the_directory_takes() -> None:
    """A good request becomes statements that the directory takes, in the order in which they come."""
    world = World()
    statements = enrolment_statements(request(), registrar=world.registrar, facts=facts("de"), now=NOW)
    assert [world.directory.apply(statement).new for statement in statements] == [True] * 5
    assert world.directory.unit(DE) is not None
    assert world.directory.epoch_key_for(DE, EPOCH_NOW + 2) is not None


def test_request_shows_what_two_people_compare() -> None:
    """The fingerprint is a matter of the keys alone, and another key has another."""
    parsed = parse_enrolment(request())
    assert (parsed.unit, parsed.contact) == (DE, "J. Doe, +49 30 1234")
    assert parsed.fingerprint == parse_enrolment(request(epochs=[])).fingerprint
    assert len(parsed.fingerprint.split()) == 16
    other = request_enrolment(made("de", 2), signer=identity("de", 2), contact="x", epochs=[])
    assert parse_enrolment(other).fingerprint != parsed.fingerprint


def test_reenrolment_of_a_known_unit() -> None:
    """A unit that lost its keys gets new ones without its facts being stated again."""
    world = World()
    world.enrol("de", epochs=False)
    again = request_enrolment(made("de", 2), signer=identity("de", 2), contact="x", epochs=[])
    for statement in enrolment_statements(again, registrar=world.registrar, facts=None, now=NOW):
        world.directory.apply(statement)
    assert len(world.directory.identities(DE)) == 2


def test_facts_of_another_unit_are_refused() -> None:
    """A registrar cannot give one unit's facts to another's keys by mistake."""
    with pytest.raises(Rejected):
        enrolment_statements(request(), registrar=identity("registrar"), facts=facts("fr"), now=NOW)


def test_request_for_somebody_elses_key() -> None:
    """A request is signed by the key that it asks for, and the proof is that key's."""
    forged = request_enrolment(made("fr"), signer=identity("de"), contact="x", epochs=[])
    with pytest.raises(Rejected):
        parse_enrolment(forged)
    stolen = replace(made("de"), proof=made("fr").proof)
    with pytest.raises(Rejected):
        parse_enrolment(request_enrolment(stolen, signer=identity("de"), contact="x", epochs=[]))
    renamed = replace(made("de"), name=FR)
    with pytest.raises(Rejected):
        parse_enrolment(request_enrolment(renamed, signer=identity("de"), contact="x", epochs=[]))


@pytest.mark.parametrize(
    "smuggled",
    [
        stated(publication("fr", EPOCH_NOW), by=identity("fr")),
        stated(publication("fr", EPOCH_NOW), by=identity("de")),
        stated(publication("de", EPOCH_NOW), by=identity("fr")),
        stated(status("de", suspended=False), by=identity("de")),
        stated(revocation("de", identity("de").public.kid), by=identity("de")),
        b"noise",
    ],
)
def test_nothing_is_smuggled_in_with_a_request(smuggled: bytes) -> None:
    """Only the unit's own epoch keys, signed by the key that asks, come along."""
    with pytest.raises(Rejected):
        enrolment_statements(
            request(epochs=[smuggled]), registrar=identity("registrar"), facts=facts("de"), now=NOW
        )


def test_number_of_epoch_keys_is_bounded() -> None:
    """A request is no way to flood the directory."""
    one = stated(publication("de", EPOCH_NOW), by=identity("de"))
    with pytest.raises(Rejected):
        parse_enrolment(request(epochs=[one] * 4))


@pytest.mark.parametrize("contact", ["", "two\nlines", "\x1b[2J", "x" * 201])
def test_contact_is_one_printable_line(contact: str) -> None:
    """What a registrar sees on the screen cannot play with the screen, whoever made the request."""
    with pytest.raises(MisuseError):
        request(contact=contact)
    forged = sign(
        encode([1, contact, appointment_item(made()), []]),
        suite=Suite.HYBRID,
        signer=identity("de"),
        context=ENROLMENT,
    )
    with pytest.raises(Rejected):
        parse_enrolment(forged)


def test_classical_request_is_refused() -> None:
    """Both keys sign the request."""
    weak = sign(
        encode([1, "x", appointment_item(made()), []]),
        suite=Suite.CLASSICAL,
        signer=identity("de"),
        context=ENROLMENT,
    )
    with pytest.raises(Rejected) as caught:
        parse_enrolment(weak)
    assert caught.value.reason is Code.E_SUITE_BELOW_MIN


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_change_to_a_request_is_rejected(data: st.DataObject) -> None:
    """Changed, cut or lengthened, a request is refused with an error of ours."""
    good = request()
    at = data.draw(st.integers(0, len(good) - 1))
    width = data.draw(st.integers(0, 30))
    changed = good[:at] + data.draw(st.binary(max_size=30)) + good[at + width :]
    if changed == good:
        return
    with pytest.raises(Rejected):
        parse_enrolment(changed)


def _rotation(*, successor: int = 2, predecessor: str = "de") -> bytes:
    return request_rotation(
        made("de", successor), successor=identity("de", successor), predecessor=identity(predecessor)
    )


def test_rotation_is_vouched_for_by_the_identity_of_today() -> None:
    """The next identity is appointed when the present one asks, and only then."""
    world = World()
    world.enrol("de", epochs=False)
    world.enrol("fr", epochs=False)
    directory = world.directory
    with pytest.raises(Rejected) as caught:
        rotation_statements(
            _rotation(predecessor="fr"), registrar=world.registrar, parties=directory, now=NOW
        )
    assert caught.value.reason is Code.E_KEY_UNKNOWN
    (statement,) = rotation_statements(_rotation(), registrar=world.registrar, parties=directory, now=NOW)
    directory.apply(statement)
    assert len(directory.identities(DE)) == 2


def test_revoked_or_expired_identity_names_no_successor() -> None:
    """A thief of a withdrawn key cannot come back through a rotation."""
    world = World()
    world.enrol("de", epochs=False)
    late = Millis(NOW + YEAR + 1)
    with pytest.raises(Rejected) as caught:
        rotation_statements(_rotation(), registrar=world.registrar, parties=world.directory, now=late)
    assert caught.value.reason is Code.E_KEY_EXPIRED
    world.apply(revocation("de", identity("de").public.kid), by=world.registrar)
    with pytest.raises(Rejected) as caught:
        rotation_statements(_rotation(), registrar=world.registrar, parties=world.directory, now=NOW)
    assert caught.value.reason is Code.E_KEY_REVOKED


def test_enrolment_does_not_pass_for_a_rotation() -> None:
    """The two requests are not exchangeable, and the voucher's signature covers the whole."""
    world = World()
    world.enrol("de", epochs=False)
    with pytest.raises(Rejected):
        rotation_statements(request(), registrar=world.registrar, parties=world.directory, now=NOW)
    with pytest.raises(Rejected):
        parse_enrolment(_rotation())
    inner = request_enrolment(made("de", 2), signer=identity("de", 2), contact="x", epochs=[])
    for suite, context in ((Suite.CLASSICAL, ROTATION), (Suite.HYBRID, ENROLMENT)):
        wrong = sign(inner, suite=suite, signer=identity("de"), context=context)
        with pytest.raises(Rejected):
            rotation_statements(wrong, registrar=world.registrar, parties=world.directory, now=NOW)
