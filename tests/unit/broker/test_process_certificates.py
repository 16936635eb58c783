"""A process of the exchange shows Kafka a certificate of its own role, and never the centre's."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from broker import process_certificates as whole
from broker.process_certificates import Provision, authority_here, process_files
from keys.store import write_private
from keys.unlock import Credential
from keys.wire.certificate_files import AUTHORITY_SECRET, Authority
from keys.wire.certificates import read_shown
from protocol.limits import DAY
from runtime.errors import Conflict, Misconfigured
from runtime.kafka.security.access import KafkaAccess, TlsFiles
from runtime.process.clock import now
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, instead
from tests.mutants.promises import assert_missed

SECRET = bytes(32)


def authority_in(directory: Path) -> Authority:
    """An authority with its secret beside it."""
    made = Authority.make(directory, secret=Credential(SECRET), now=now())
    write_private(directory / AUTHORITY_SECRET, SECRET, entropy=lambda size: b"t" * size)
    return made


def access(place: Path, name: str = "centre-tls", *, principal: str = "centre") -> KafkaAccess:
    """The way to Kafka as this party, with files of the authority beside it."""
    authority = Authority.load(place / "ca", secret=Credential(SECRET))
    authority.issue_to(place / name, principal, now=now(), lifetime=DAY)
    return KafkaAccess("127.0.0.1:9", TlsFiles.below(place / name))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with an authority in it."""
    authority_in(tmp_path / "ca")
    return tmp_path


def principal_of(files: TlsFiles) -> str | None:
    return read_shown(files.certificate.read_bytes()).principal


@pytest.mark.parametrize("role", ["router", "ledger"])
def test_a_process_gets_a_certificate_of_its_own_role(place: Path, role: str) -> None:
    """Made by the authority beside the centre's files; its key is for its owner alone."""
    made = process_files(role, access(place), home=place / "home")
    assert made.provision is Provision.MADE
    assert not (place / f"{role}-tls").exists(), "nothing before the rest was looked at"
    made.make()

    files = made.access.tls
    assert files == TlsFiles.below(place / f"{role}-tls")
    assert principal_of(files) == role
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert files.key.read_bytes() != (place / "centre-tls" / "key.pem").read_bytes()
    assert process_files(role, access(place), home=place / "home").provision is Provision.KEPT


def test_without_the_authority_its_place_is_named_and_said(tmp_path: Path) -> None:
    """Settings name where the files are to be put; the centre's own are not."""
    authority_in(tmp_path / "ca")
    way = access(tmp_path)
    (tmp_path / "ca" / AUTHORITY_SECRET).unlink()
    found = process_files("router", way, home=tmp_path / "home")
    found.make()

    assert found.provision is Provision.MISSING
    assert found.access.tls == TlsFiles.below(tmp_path / "router-tls")
    assert not (tmp_path / "router-tls").exists()
    assert str(tmp_path / "router-tls") in found.report()["to_do"]


def test_another_authority_beside_it_makes_nothing(place: Path) -> None:
    """Its certificates would be nobody's at this Kafka. Who names it is told."""
    way = access(place)
    authority_in(place / "other" / "ca")

    assert process_files("router", way, home=place).provision is Provision.MADE
    (place / "ca").rename(place / "gone")
    (place / "other" / "ca").rename(place / "ca")
    assert process_files("router", way, home=place).provision is Provision.MISSING
    assert authority_here(way.tls) is None
    with pytest.raises(Misconfigured, match="not the authority of"):
        process_files("router", way, home=place, authority=place / "ca")
    with pytest.raises(Misconfigured, match="no authority"):
        process_files("router", way, home=place, authority=place / "nowhere")


def test_the_role_s_own_files_are_taken_as_given(place: Path) -> None:
    """On a machine of its own a further router is founded with its own certificate."""
    way = access(place, "any", principal="router")

    found = process_files("router", way, home=place)
    assert (found.provision, found.access) == (Provision.GIVEN, way)


def test_files_of_somebody_else_are_neither_taken_nor_written_over(place: Path) -> None:
    """The centre's, under a name that looks like the router's, ends it before anything is made."""
    way = access(place)
    access(place, "router-tls", principal="centre")
    before = (place / "router-tls" / "key.pem").read_bytes()

    with pytest.raises(Conflict, match="the certificate of centre"):
        process_files("router", way, home=place)
    assert (place / "router-tls" / "key.pem").read_bytes() == before
    (place / "router-tls" / "certificate.pem").write_bytes(b"garbage")
    with pytest.raises(Misconfigured, match="no certificate"):
        process_files("router", way, home=place)


def test_a_directory_of_any_name_leaves_the_home(place: Path) -> None:
    """Where the centre's directory is not called after it, there is one in the home."""
    found = process_files("ledger", access(place, "any"), home=place / "home")

    assert found.access.tls == TlsFiles.below(place / "home" / "tls" / "ledger")


def test_in_plain_there_is_nothing_to_make(tmp_path: Path) -> None:
    """Nor to report."""
    found = process_files("router", KafkaAccess("127.0.0.1:9"), home=tmp_path)
    found.make()

    assert (found.access.tls, found.report()) == (None, {})


MUTANTS = {
    "the centre's files are the router's": (
        Mutant(whole.process_files, forced(True, "shown.principal == role")),
        test_a_process_gets_a_certificate_of_its_own_role,
    ),
    "whoever lies there is taken": (
        Mutant(whole._check_own, forced(False, "found != role")),
        test_files_of_somebody_else_are_neither_taken_nor_written_over,
    ),
    "any authority will do": (
        Mutant(whole.authority_here, instead("pass", "verify_directly_issued_by")),
        test_another_authority_beside_it_makes_nothing,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_each_mutant_is_missed(mutant: str, place: Path) -> None:
    """Without the safeguard its test fails."""
    change, promise = MUTANTS[mutant]
    await assert_missed(change, promise, place=place, tmp_path=place, role="router")
