"""The way to Kafka in the settings of a program: what must come together."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.router.settings import RouterSettings
from runtime.errors import Misconfigured
from runtime.kafka.security.access import TlsFiles
from runtime.kafka.security.kafka_settings import KafkaSettings
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import unchecked

PLAIN = 'kafka = "127.0.0.1:9"\nroot = "r"\nkey = "file:k"\n'
FILES = 'kafka_ca = "ca.pem"\nkafka_certificate = "/c.pem"\nkafka_key = "k.pem"\n'
TLS = 'kafka_security = "tls"\n'


def _loaded(path, text):
    (path / "router.toml").write_text(text)
    return RouterSettings.load(path / "router.toml")


def test_files_and_their_line_mean_tls(tmp_path) -> None:
    """Relative paths begin where the program says."""
    access = _loaded(tmp_path, PLAIN + FILES + TLS).access(Path("/home"))

    assert access.servers == "127.0.0.1:9"
    assert access.tls == TlsFiles(Path("/home/ca.pem"), Path("/c.pem"), Path("/home/k.pem"))
    assert _loaded(tmp_path, PLAIN).access().tls is None


def test_files_without_tls_are_refused(tmp_path) -> None:
    """Nobody speaks in plain who believes otherwise."""
    with pytest.raises(Misconfigured, match="kafka_security': must be tls where"):
        _loaded(tmp_path, PLAIN + FILES)


def test_tls_without_its_files_is_refused(tmp_path) -> None:
    """Each of the three is needed."""
    for missing in FILES.splitlines(keepends=True):
        with pytest.raises(Misconfigured, match="kafka_security': must be plain where"):
            _loaded(tmp_path, PLAIN + FILES.replace(missing, "") + TLS)


MUTANTS = {
    "files are passed over": (
        Mutant(KafkaSettings._has_its_files, unchecked('value == "plain"')),
        test_files_without_tls_are_refused,
    ),
    "files are not asked for": (
        Mutant(KafkaSettings._has_its_files, unchecked('value == "tls"')),
        test_tls_without_its_files_is_refused,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_mutant_breaks_a_promise(mutant, tmp_path) -> None:
    """Without the safeguard its test fails."""
    change, promise = MUTANTS[mutant]
    with mutated(change), pytest.raises((AssertionError, pytest.fail.Exception)):
        promise(tmp_path)
