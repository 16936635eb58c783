"""Certificates for Kafka: whom the centre gives one, and how a unit gets one for a key that never leaves it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from broker.centre.wire import giving
from clients.cli import unit_certificate
from keys.wire.certificate_requests import MAX_REQUEST, new_wire_key, request_certificate
from tests.cli.homes import fixture_homes
from tests.cli.terminal import contrada
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, rewritten
from tests.mutants.promises import assert_missed


def _give(tmp_path, party, *options, exit_=0):
    where = ("--authority", str(tmp_path / "ca"), "--out", str(tmp_path / party))
    seen = contrada("centre", "certificate", party, *where, *options, "--json")
    assert seen.exit == exit_, seen
    return seen


def _written(tmp_path, party):
    return x509.load_pem_x509_certificate((tmp_path / party / "certificate.pem").read_bytes())


def test_the_first_call_makes_the_authority_and_the_next_ones_use_it(tmp_path) -> None:
    """All certificates are of one authority; a party's next one is another, with another key."""
    made = json.loads(_give(tmp_path, "unit-fr").out)
    first = _written(tmp_path, "unit-fr")
    _give(tmp_path, "unit-fr")
    _give(tmp_path, "broker", "--host", "127.0.0.1")
    second = _written(tmp_path, "unit-fr")

    assert made["party"] == "unit-fr"
    assert first.public_key() != second.public_key()
    ca = x509.load_pem_x509_certificate((tmp_path / "ca" / "ca.pem").read_bytes())
    for one in (first, second, _written(tmp_path, "broker")):
        one.verify_directly_issued_by(ca)
    assert (tmp_path / "broker" / "broker.pem").exists()


@pytest.mark.parametrize(
    ("party", "options"),
    [("admin", []), ("unit-", []), ("unit-FR", []), ("fr", []), ("broker", []), ("router", ["--host", "x"])],
)
def test_nobody_gets_one_that_kafka_has_no_rights_for(tmp_path, party, options) -> None:
    """Nor a broker one without its hosts; nothing is written."""
    _give(tmp_path, party, *options, exit_=2)

    assert not (tmp_path / "ca").exists()


@pytest.fixture
def fr(tmp_path) -> Path:
    """The home of a unit that speaks to Kafka with files that are not there yet."""
    fixture_homes(tmp_path)
    home = tmp_path / "fr"
    lines = {name: f"tls/{name.removeprefix('kafka_')}.pem" for name in ("kafka_ca", "kafka_key")}
    lines |= {"kafka_certificate": "tls/certificate.pem", "kafka_security": "tls"}
    more = "".join(f'{name} = "{value}"\n' for name, value in lines.items())
    before = (home / "unit.toml").read_text().splitlines(keepends=True)
    (home / "unit.toml").write_text("".join(line for line in before if "kafka_security" not in line) + more)
    return home


def _at(home, *words, exit_=0):
    seen = contrada("--home", str(home), *words, "--json")
    assert seen.exit == exit_, seen
    return seen


def _ask(home, *options, exit_=0):
    seen = _at(home, "unit", "certificate", "request", "--out", str(home / "request"), *options, exit_=exit_)
    return json.loads(seen.out) if exit_ == 0 else seen


def _sign(tmp_path, party, request, *options, exit_=0):
    return _give(tmp_path, party, "--request", str(request), *options, exit_=exit_)


def _take(home, answer, *options, exit_=0):
    return _at(home, "unit", "certificate", "take", str(answer), *options, exit_=exit_)


def test_a_unit_s_key_never_leaves_it(tmp_path, fr) -> None:
    """It asks, the centre signs what it has typed, the unit takes it: only public things went between the two."""
    asked = _ask(fr)
    assert _ask(fr) == asked, "asked twice, it is the same key"
    signed = json.loads(_sign(tmp_path, "unit-fr", fr / "request", "--yes").out)
    assert signed["fingerprint"] == asked["fingerprint"]
    assert sorted(path.name for path in (tmp_path / "unit-fr").iterdir()) == ["ca.pem", "certificate.pem"]
    _take(fr, tmp_path / "unit-fr", "--yes")

    key = fr / "tls" / "key.pem"
    own = serialization.load_pem_private_key(key.read_bytes(), None)
    shown = x509.load_pem_x509_certificate((fr / "tls" / "certificate.pem").read_bytes())
    assert shown.public_key() == own.public_key()
    assert shown.subject.rfc4514_string() == "CN=unit-fr,O=contrada"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert not (fr / "tls" / "next-key.pem").exists()


def test_the_present_pair_counts_until_the_answer_is_taken(tmp_path, fr) -> None:
    """A request changes nothing that is in use; the next answer exchanges both."""
    _ask(fr)
    _sign(tmp_path, "unit-fr", fr / "request", "--yes")
    _take(fr, tmp_path / "unit-fr", "--yes")
    before = (fr / "tls" / "key.pem").read_bytes()

    _ask(fr)
    assert (fr / "tls" / "key.pem").read_bytes() == before
    _sign(tmp_path, "unit-fr", fr / "request", "--yes")
    _take(fr, tmp_path / "unit-fr")
    assert (fr / "tls" / "key.pem").read_bytes() != before


def test_a_fingerprint_is_compared_once_for_each_key(tmp_path, fr) -> None:
    """Without a word from the person nothing is signed; of the same key again it is."""
    _ask(fr)
    _sign(tmp_path, "unit-fr", fr / "request", exit_=2)
    assert not (tmp_path / "unit-fr").exists()
    _sign(tmp_path, "unit-fr", fr / "request", "--yes")
    _take(fr, tmp_path / "unit-fr", exit_=2)
    assert not (fr / "tls" / "certificate.pem").exists()
    _take(fr, tmp_path / "unit-fr", "--yes")

    _ask(fr, "--same-key")
    _sign(tmp_path, "unit-fr", fr / "request")
    _take(fr, tmp_path / "unit-fr")
    _ask(fr)
    _sign(tmp_path, "unit-fr", fr / "request", exit_=2)


def test_only_an_answer_to_this_unit_s_own_key_is_taken(tmp_path, fr) -> None:
    """Not another unit's, not one for a key that is not here, not one of another authority, and nothing damaged."""
    for party in ("unit-it", "unit-fr"):
        _give(tmp_path, party)
    assert "not unit-fr's" in _take(fr, tmp_path / "unit-it", "--yes", exit_=7).err
    assert "does not lie here" in _take(fr, tmp_path / "unit-fr", "--yes", exit_=7).err
    _take(fr, tmp_path / "nowhere", "--yes", exit_=5)

    _ask(fr)
    _sign(tmp_path, "unit-fr", fr / "request", "--yes")
    _take(fr, tmp_path / "unit-fr", "--yes")
    _ask(fr)
    other = tmp_path / "other"
    other.mkdir()
    _sign(other, "unit-fr", fr / "request", "--yes")
    assert "another one than" in _take(fr, other / "unit-fr", "--yes", exit_=7).err
    (other / "unit-fr" / "ca.pem").write_bytes((tmp_path / "ca" / "ca.pem").read_bytes())
    assert "not of the authority beside it" in _take(fr, other / "unit-fr", "--yes", exit_=7).err
    (other / "unit-fr" / "certificate.pem").write_bytes(b"garbage")
    _take(fr, other / "unit-fr", "--yes", exit_=2)


HOSTILE = {
    "nothing": b"",
    "garbage": b"\x00\xff" * 100,
    "too much": b"x" * (MAX_REQUEST + 1),
    "another's name": request_certificate(new_wire_key(), "unit-it"),
    "the centre's name": request_certificate(new_wire_key(), "centre"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_request_is_signed_for_nobody(tmp_path, name) -> None:
    """It ends in an error of ours, and nothing is written."""
    (tmp_path / "request").write_bytes(HOSTILE[name])
    seen = contrada(
        *("centre", "certificate", "unit-fr", "--authority", str(tmp_path / "ca")),
        *("--out", str(tmp_path / "out"), "--request", str(tmp_path / "request"), "--yes", "--json"),
    )

    assert seen.exit in (2, 7), seen
    assert json.loads(seen.err)["error"]["code"] in ("E_SCHEMA", "E_SIZE")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "ca").exists()


@pytest.mark.parametrize("party", ["centre", "broker"])
def test_no_request_makes_a_super_user(tmp_path, party) -> None:
    """Whoever could bring one of these in would have Kafka."""
    (tmp_path / "request").write_bytes(request_certificate(new_wire_key(), party))
    hosts = ("--host", "kafka-1") if party == "broker" else ()

    _sign(tmp_path, party, tmp_path / "request", "--yes", *hosts, exit_=2)
    assert not (tmp_path / "ca").exists()


def test_a_unit_in_plain_has_nothing_to_ask_for(tmp_path) -> None:
    """It is told what to set."""
    fixture_homes(tmp_path)
    assert "kafka_security" in _ask(tmp_path / "fr", exit_=2).err
    assert (
        "leave --same-key away"
        in contrada(
            *("--home", str(tmp_path / "fr"), "--kafka-tls", str(tmp_path / "tls")),
            *("unit", "certificate", "request", "--same-key", "--out", str(tmp_path / "r")),
        ).err
    )


MUTANTS = {
    "any key's certificate is taken": (
        Mutant(unit_certificate.look_at_answer, forced(False, "_key_of(shown, files) is None")),
        test_only_an_answer_to_this_unit_s_own_key_is_taken,
    ),
    "another's certificate is taken": (
        Mutant(unit_certificate.look_at_answer, forced(False, "shown.principal != me")),
        test_only_an_answer_to_this_unit_s_own_key_is_taken,
    ),
    "a new authority is believed": (
        Mutant(unit_certificate.look_at_answer, forced(False, "known")),
        test_only_an_answer_to_this_unit_s_own_key_is_taken,
    ),
    "every key is known already": (
        Mutant(giving.read_asked, rewritten("{given.key for given in own}", "{key_fingerprint(key)}")),
        test_a_fingerprint_is_compared_once_for_each_key,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_each_mutant_is_missed(mutant, tmp_path, fr) -> None:
    """Without the safeguard its test fails."""
    change, promise = MUTANTS[mutant]
    await assert_missed(change, promise, tmp_path=tmp_path, fr=fr)


async def test_a_request_can_make_a_super_user_without_the_check(tmp_path) -> None:
    """The mutant of the check above."""
    change = Mutant(giving.read_asked, forced(False, "party in topics.SUPER_USERS"))
    await assert_missed(change, test_no_request_makes_a_super_user, tmp_path=tmp_path, party="centre")
