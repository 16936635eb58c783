"""A home that waits: its keys and its code stay the same however often it begins, and only a true answer ends the waiting."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from clients.cli.joining import joining_home as homes
from clients.cli.joining.joining_home import (
    JoiningHome,
    JoiningPlan,
    begin_joining,
    joining_home,
    read_invitation,
)
from keys.joining.invitation import answer_to, parse_asked
from keys.wire.certificates import read_shown, sign_leaf
from protocol.errors import Rejected
from protocol.identifiers import Millis, digest
from runtime.cli.errors import BadInput
from runtime.errors import Conflict, NotVerified
from runtime.process.homes import UnitHome
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped
from tests.mutants.promises import assert_missed
from tests.unit.keys.joining.joined import authority, certificate, invitation, terms
from tests.unit.keys.world import NOW

PLAN = JoiningPlan(contact="duty desk")


@pytest.fixture(autouse=True)
def _then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of the invitation."""
    monkeypatch.setattr(homes, "now", lambda: NOW)


@pytest.fixture
def begun(tmp_path: Path) -> JoiningHome:
    return begin_joining(tmp_path / "pl", invitation(), PLAN)


def signed(begun: JoiningHome, *, of: bytes | None = None, principal: str = "unit-pl") -> bytes:
    """The centre's answer."""
    key = parse_asked(begun.asked, begun.terms).wire_key
    made = sign_leaf(authority(), key, principal, now=NOW, entropy=os.urandom)
    pem = made.public_bytes(serialization.Encoding.PEM)
    return answer_to(digest(of or begun.asked), pem)


def test_a_home_is_made_with_all_that_is_needed(begun: JoiningHome) -> None:
    home = begun.home
    assert home.is_unit
    assert home.root.read_bytes() == terms().root
    assert 'kafka_security = "tls"' in home.settings.read_text()
    assert not (home.path / "tls" / "certificate.pem").exists()
    assert {path.name for path in home.joining.iterdir()} == {
        "terms.cbor", "asked.cbor", "ca.pem", "certificate.pem", "key.pem",
    }  # fmt: skip
    for path in (home.joining / "key.pem", home.path / "tls" / "key.pem", home.joining / "asked.cbor"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_begun_again_it_is_the_same_request(begun: JoiningHome) -> None:
    """Killed at any point and run again: other keys would be another code than the one that was read."""
    again = begin_joining(begun.home.path, invitation(), PLAN)
    assert (again.asked, again.terms) == (begun.asked, begun.terms)
    found = joining_home(begun.home)
    assert found is not None
    assert found.asked == begun.asked


def test_another_invitation_needs_another_home(begun: JoiningHome, tmp_path: Path) -> None:
    with pytest.raises(Conflict):
        begin_joining(begun.home.path, invitation(kafka="other.example:9092"), PLAN)
    (tmp_path / "unit.toml").write_text("")
    with pytest.raises(Conflict):
        begin_joining(tmp_path, invitation(), PLAN)


def test_the_answer_ends_the_waiting(tmp_path: Path) -> None:
    begun = begin_joining(tmp_path / "pl", invitation(), PLAN)
    begun.take(signed(begun))
    shown = read_shown((begun.home.path / "tls" / "certificate.pem").read_bytes())
    assert shown.principal == "unit-pl"
    assert not begun.home.joining.exists()
    assert joining_home(begun.home) is None


def test_a_false_answer_changes_nothing(begun: JoiningHome) -> None:
    forged = (
        b"",
        b"\x80",
        signed(begun, of=b"another"),
        signed(begun, principal="centre"),
        answer_to(digest(begun.asked), certificate()),
    )
    for answer in forged:
        with pytest.raises(Rejected):
            begun.take(answer)
    assert not (begun.home.path / "tls" / "certificate.pem").exists()
    assert begun.home.joining.exists()


def test_killed_between_the_last_two_steps_it_waits_no_more(
    begun: JoiningHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(JoiningHome, "close", lambda _: None)
        begun.take(signed(begun))
    assert begun.home.joining.exists()
    assert joining_home(begun.home) is None
    assert not begun.home.joining.exists()


def test_an_altered_request_is_not_sent(begun: JoiningHome) -> None:
    path = begun.home.joining / "asked.cbor"
    altered = bytearray(path.read_bytes())
    altered[2_000] ^= 1
    path.write_bytes(altered)
    with pytest.raises(Rejected):
        joining_home(begun.home)


def test_a_home_that_waits_for_nothing_is_left_alone(tmp_path: Path) -> None:
    assert joining_home(UnitHome(tmp_path)) is None


def test_an_invitation_that_is_over_begins_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pl.invitation"
    file.write_bytes(invitation().encoded())
    assert read_invitation(file).terms == terms()
    monkeypatch.setattr(homes, "now", lambda: Millis(terms().until))
    with pytest.raises(NotVerified):
        read_invitation(file)


@pytest.mark.parametrize(
    "content", [b"", b"%PDF-1.7", b"-----BEGIN CERTIFICATE-----\n", b"hello", terms().root]
)
def test_another_file_is_told_for_what_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(BadInput):
        read_invitation(file)


async def test_the_certificate_is_in_its_place_before_the_waiting_ends(tmp_path: Path) -> None:
    mutant = Mutant(JoiningHome.take, dropped("replace_file"))
    await assert_missed(mutant, test_the_answer_ends_the_waiting, tmp_path=tmp_path)
