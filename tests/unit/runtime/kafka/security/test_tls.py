"""The client's side of TLS, against a server of Python's own: what is accepted, and when files are taken anew."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from keys.unlock import Credential
from keys.wire.certificate_files import Authority
from protocol.identifiers import Millis
from protocol.limits import DAY
from runtime.errors import Misconfigured
from runtime.kafka.client import connection_settings
from runtime.kafka.security import tls as module
from runtime.kafka.security.access import KafkaAccess, TlsFiles
from runtime.kafka.security.tls import FileContext, check_access, tell_access
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, instead

NOW = Millis(time.time_ns() // 1_000_000)


@pytest.fixture
def authority(tmp_path):
    made = Authority.make(tmp_path / "ca", secret=Credential(bytes(32)), now=NOW)
    made.issue_to(tmp_path / "broker", "broker", now=NOW, lifetime=DAY, hosts=["127.0.0.1"])
    made.issue_to(tmp_path / "fr", "unit-fr", now=NOW, lifetime=DAY)
    return made


@asynccontextmanager
async def _server(directory, *, newest=ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=directory / "ca.pem")
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, newest
    context.load_cert_chain(directory / "broker.pem")

    async def say_who(_, writer):
        subject = writer.get_extra_info("peercert")["subject"]
        writer.write(dict(field for [field] in subject)["commonName"].encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(say_who, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _who(port, context):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        return (await reader.read()).decode()
    finally:
        writer.close()


async def test_a_new_connection_is_made_with_the_files_as_they_are(authority, tmp_path) -> None:
    """The same context; what half-written files are, is not taken."""
    context = FileContext.of(TlsFiles.below(tmp_path / "fr"))
    async with _server(tmp_path / "broker") as port:
        assert await _who(port, context) == "unit-fr"
        (tmp_path / "fr" / "key.pem").write_bytes(b"half")
        assert await _who(port, context) == "unit-fr"
        authority.issue_to(tmp_path / "fr", "unit-it", now=NOW, lifetime=DAY)
        assert await _who(port, context) == "unit-it"


async def test_an_older_tls_is_refused(authority, tmp_path) -> None:
    """Whatever the broker offers."""
    context = FileContext.of(TlsFiles.below(tmp_path / "fr"))
    async with _server(tmp_path / "broker", newest=ssl.TLSVersion.TLSv1_2) as port:
        with pytest.raises(OSError):  # noqa: PT011 - an alert, or the connection's end: as the server is quick
            await _who(port, context)


async def test_a_party_that_is_no_broker_there_is_refused(authority, tmp_path) -> None:
    """A certificate of the same authority without the address is not the broker's."""
    made = authority.issue_to(tmp_path / "it", "unit-it", now=NOW, lifetime=DAY)
    (tmp_path / "it" / "broker.pem").write_bytes(made.key_pem + made.certificate_pem)
    context = FileContext.of(TlsFiles.below(tmp_path / "fr"))
    async with _server(tmp_path / "it") as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await _who(port, context)


def test_files_that_are_no_way_to_kafka_are_named(authority, tmp_path) -> None:
    """Before anything starts."""
    files = TlsFiles.below(tmp_path / "fr")
    check_access(KafkaAccess("127.0.0.1:9", files))
    files.certificate.write_bytes((tmp_path / "broker" / "certificate.pem").read_bytes())

    with pytest.raises(Misconfigured, match="KEY_VALUES_MISMATCH"):
        check_access(KafkaAccess("127.0.0.1:9", files))
    with pytest.raises(Misconfigured, match="No such file"):
        check_access(KafkaAccess("127.0.0.1:9", TlsFiles.below(tmp_path / "nowhere")))


def test_a_plain_connection_says_so(authority, tmp_path) -> None:
    """In the log of each start, as a warning; the other one as what it is."""
    with capture_logs() as lines:
        tell_access("127.0.0.1:9")
        check_access("127.0.0.1:9")
        tell_access(KafkaAccess("127.0.0.1:9", TlsFiles.below(tmp_path / "fr")))

    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("kafka_is_plain", "warning"),
        ("kafka_is_plain", "warning"),
        ("kafka_over_tls", "info"),
    ]


def test_every_client_gets_its_security_here(authority, tmp_path) -> None:
    """Files mean TLS, and nothing else does."""
    guarded = connection_settings(KafkaAccess("127.0.0.1:9", TlsFiles.below(tmp_path / "fr")))

    assert guarded["security_protocol"] == "SSL"
    assert isinstance(guarded["ssl_context"], FileContext)
    assert connection_settings("127.0.0.1:9")["security_protocol"] == "PLAINTEXT"


MUTANTS = {
    "files are read once": (
        Mutant(FileContext.wrap_bio, dropped("_follow")),
        test_a_new_connection_is_made_with_the_files_as_they_are,
    ),
    "an older TLS will do": (
        Mutant(module._load, dropped("minimum_version")),
        test_an_older_tls_is_refused,
    ),
    "whoever has a certificate is the broker": (
        Mutant(module._load, instead("...; context.check_hostname = False", "minimum_version")),
        test_a_party_that_is_no_broker_there_is_refused,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_each_mutant_breaks_a_promise(mutant, authority, tmp_path) -> None:
    """Without the safeguard its test fails."""
    change, promise = MUTANTS[mutant]
    with mutated(change), pytest.raises((AssertionError, pytest.fail.Exception)):
        await promise(authority, tmp_path)
