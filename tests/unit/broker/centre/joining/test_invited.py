"""What the centre keeps of those whom it has invited: for one request, until a date, and never the key to ask with."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.centre.joining.invited import (
    InvitedUnit,
    all_invited,
    find_invited,
    invited_access,
    is_unit_id,
    keep_invited,
    open_invited,
    sweep_invited,
)
from keys.joining.invitation import parse_asked
from keys.joining.places import answered_topic, asked_topic, joining_principal, joining_rights, joining_topics
from protocol.errors import Rejected
from protocol.identifiers import Millis, UnitId
from protocol.limits import MAX_ASKED_RECORD
from protocol.topics import Operation
from runtime.process.homes import CentreHome
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.unit.keys.joining.joined import PL, asked, invitation, terms
from tests.unit.keys.world import NOW


@pytest.fixture
def home(tmp_path: Path) -> CentreHome:
    return CentreHome(tmp_path)


def kept(home: CentreHome, *, begins: int = 0) -> InvitedUnit:
    return keep_invited(home, terms(), begins=begins, authority=home.path / "ca")


def test_what_is_kept_is_found_again(home: CentreHome) -> None:
    kept(home, begins=7)
    found = find_invited(home, "pl")
    assert found is not None
    assert (found.terms, found.begins, found.is_asked, found.is_answered) == (terms(), 7, False, False)
    assert found.authority == home.path / "ca"
    assert find_invited(home, "cz") is None


def test_the_key_to_ask_with_is_not_there(home: CentreHome) -> None:
    """Whoever reads the centre's home asks in nobody's place."""
    kept(home)
    made = invitation().credentials
    assert not any(made.key_pem in path.read_bytes() for path in home.joining.rglob("*") if path.is_file())


def test_once_a_request_is_chosen_nobody_asks_any_more(home: CentreHome) -> None:
    one = kept(home)
    assert {right.operation for right in one.rights()} == {Operation.WRITE, Operation.READ}
    one.choose(parse_asked(asked(), terms()))
    assert {right.operation for right in one.rights()} == {Operation.READ}
    assert one.asked() == parse_asked(asked(), terms())


async def test_the_right_to_ask_ends_by_that(home: CentreHome) -> None:
    mutant = Mutant(joining_rights, rewritten("{read, ask} if may_ask else {read}", "{read, ask}"))
    await assert_missed(mutant, test_once_a_request_is_chosen_nobody_asks_any_more, home=home)


def test_a_chosen_request_that_was_altered_on_the_disk_is_refused(home: CentreHome) -> None:
    one = kept(home)
    one.choose(parse_asked(asked(), terms()))
    path = one.place / "asked.cbor"
    altered = bytearray(asked())
    altered[2_000] ^= 1
    path.write_bytes(altered)
    with pytest.raises(Rejected):
        one.asked()


def test_an_invitation_that_is_over_lets_nobody_do_anything(home: CentreHome) -> None:
    kept(home)
    assert [each.unit for each in open_invited(home, NOW)] == [PL]
    rights, quotas = invited_access(home, NOW)
    assert {right.principal for right in rights} == set(quotas) == {joining_principal(terms().id)}
    over = terms().until
    assert open_invited(home, over) == []
    assert invited_access(home, over) == (frozenset(), {})


async def test_what_is_over_is_taken_away_by_whoever_looks(home: CentreHome) -> None:
    """Before its time nothing is touched."""
    one = kept(home)
    await sweep_invited(home, "127.0.0.1:1", Millis(terms().until - 1))
    assert one.place.exists()
    await sweep_invited(home, "127.0.0.1:1", terms().until)
    assert not one.place.exists()


def test_a_folder_that_holds_something_else_is_told_and_left_out(
    home: CentreHome, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(home)
    (home.joining / "cz").mkdir()
    (home.joining / "cz" / "terms.cbor").write_bytes(b"junk")
    (home.joining / "de").mkdir()
    (home.joining / "de" / "terms.cbor").write_bytes(terms().encoded())
    assert [each.unit for each in all_invited(home)] == [PL]
    assert "cz" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["../pl", "/etc", "pl/..", "", ".", "PL", "pl\n", "p" * 65])
def test_no_name_leads_out_of_the_folder(text: str) -> None:
    assert not is_unit_id(text)


def test_an_invited_unit_may_do_two_things_with_two_topics() -> None:
    """Under a name that is nobody's to the brokers' rule, and another one for the next invitation."""
    rights = joining_rights(PL, b"1" * 16, may_ask=True)
    assert {(right.name, right.operation, right.prefixed) for right in rights} == {
        (asked_topic(PL), Operation.WRITE, False), (answered_topic(PL), Operation.READ, False),
    }  # fmt: skip
    assert joining_principal(b"1" * 16) != joining_principal(b"2" * 16)
    longest = UnitId("a" * 64)
    assert all(len(topic.name) < 249 for topic in joining_topics(longest, bytes(16)))
    for topic in joining_topics(PL, bytes(16)):
        assert int(topic.config["max.message.bytes"]) == MAX_ASKED_RECORD
        assert int(topic.config["retention.bytes"]) > 0
        assert int(topic.config["retention.ms"]) > 0
