"""The way to Kafka in the settings of a program: what must come together."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.router.settings import RouterSettings
from runtime.errors import Misconfigured
from runtime.kafka import addresses
from runtime.kafka.security import access as access_module
from runtime.kafka.security.access import (
    KafkaAccess,
    KafkaTyped,
    TlsFiles,
    Unguarded,
    access_lines,
    unguarded_hint,
)
from runtime.kafka.security.kafka_settings import KafkaSettings
from runtime.process.settings_text import toml_text
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, rewritten, unchecked

PLAIN = 'kafka = "127.0.0.1:9"\nroot = "r"\nkey = "file:k"\n'
FILES = 'kafka_ca = "ca.pem"\nkafka_certificate = "/c.pem"\nkafka_key = "k.pem"\n'
TLS = 'kafka_security = "tls"\n'
BEYOND = 'kafka = "127.0.0.1:9,kafka-2.example:9"\nroot = "r"\nkey = "file:k"\n'


def _loaded(path, text):
    (path / "router.toml").write_text(text)
    return RouterSettings.load(path / "router.toml")


def test_files_and_their_line_mean_tls(tmp_path) -> None:
    """Relative paths begin where the program says."""
    access = _loaded(tmp_path, PLAIN + FILES + TLS).access(Path("/home"))

    assert access.servers == "127.0.0.1:9"
    assert access.tls == TlsFiles(Path("/home/ca.pem"), Path("/c.pem"), Path("/home/k.pem"))


def test_files_without_tls_are_refused(tmp_path) -> None:
    """Nobody speaks in plain who believes otherwise."""
    with pytest.raises(Misconfigured, match="kafka_security': must be tls where"):
        _loaded(tmp_path, PLAIN + FILES)


def test_tls_without_its_files_is_refused(tmp_path) -> None:
    """Each of the three is needed."""
    for missing in FILES.splitlines(keepends=True):
        with pytest.raises(Misconfigured, match="kafka_security': must be plain where"):
            _loaded(tmp_path, PLAIN + FILES.replace(missing, "") + TLS)


def _said(word):
    return f'kafka_security = "{word}"\n'


def test_plain_is_for_this_machine(tmp_path) -> None:
    """One address beyond it is enough to be refused, with both ways named."""
    assert _loaded(tmp_path, PLAIN + _said("plain")).access().unguarded is Unguarded.PLAIN

    with pytest.raises(Misconfigured, match="kafka_security': must be tls beyond this machine, or tunnel"):
        _loaded(tmp_path, BEYOND + _said("plain"))


def test_beyond_this_machine_another_word_says_what_guards_the_way(tmp_path) -> None:
    """Whoever has a mesh says so; files beside it are refused as beside plain."""
    assert _loaded(tmp_path, BEYOND + _said("tunnel")).access().unguarded is Unguarded.TUNNEL

    with pytest.raises(Misconfigured, match="kafka_security': must be tls where"):
        _loaded(tmp_path, BEYOND + FILES + _said("tunnel"))


def test_silence_is_what_the_release_before_did(tmp_path) -> None:
    """Its homes have no word, and their mail goes on; wherever one looks, it is told what to write."""
    for text in (PLAIN, BEYOND):
        access = _loaded(tmp_path, text).access()
        assert (access.tls, access.unguarded) == (None, Unguarded.UNSAID)
        assert 'kafka_security = "plain"' in unguarded_hint(access)
        assert 'kafka_security = "tls"' in unguarded_hint(access)


def test_a_new_home_says_how_kafka_is_spoken_to(tmp_path) -> None:
    """What is written into settings is read back as the same; of silence nothing is written."""
    for access in (
        KafkaAccess("127.0.0.1:9"),
        KafkaAccess("kafka:9", None, Unguarded.TUNNEL),
        KafkaAccess("kafka:9", TlsFiles.below(tmp_path)),
    ):
        text = toml_text(access_lines(access) | {"root": "r", "key": "file:k"})
        assert "kafka_security" in text
        assert _loaded(tmp_path, text).access() == access
    with pytest.raises(Misconfigured, match="a new home says it"):
        access_lines(KafkaAccess("127.0.0.1:9", None, Unguarded.UNSAID))


def test_what_is_typed_goes_before_the_file(tmp_path) -> None:
    """Part by part; and it is held to the same rule."""
    settings = _loaded(tmp_path, PLAIN + FILES + TLS)
    there = settings.as_typed(KafkaTyped("127.0.0.1:8", None, Unguarded.PLAIN)).access()

    assert there == KafkaAccess("127.0.0.1:8")
    assert settings.as_typed(KafkaTyped("kafka:8")).access().tls == settings.access().tls
    assert settings.as_typed(KafkaTyped(None, TlsFiles.below(tmp_path))).access().tls == TlsFiles.below(
        tmp_path
    )
    with pytest.raises(Misconfigured, match="tls beyond this machine"):
        settings.as_typed(KafkaTyped("kafka:8", None, Unguarded.PLAIN))


MUTANTS = {
    "plain goes anywhere": (
        Mutant(KafkaSettings._stays_here_in_plain, unchecked("fault is not None")),
        test_plain_is_for_this_machine,
    ),
    "one address of this machine is enough": (
        Mutant(
            addresses.on_loopback,
            rewritten(
                "all(map(_is_loopback, servers.split(',')))", "any(map(_is_loopback, servers.split(',')))"
            ),
        ),
        test_plain_is_for_this_machine,
    ),
    "silence is plain": (
        Mutant(KafkaSettings.access, rewritten("Unguarded.UNSAID", "Unguarded.PLAIN")),
        test_silence_is_what_the_release_before_did,
    ),
    "a new home says nothing": (
        Mutant(access_module.access_lines, unchecked("word is Unguarded.UNSAID")),
        test_a_new_home_says_how_kafka_is_spoken_to,
    ),
    "what is typed is not held to the rule": (
        Mutant(access_module.allowed_way, forced(True, "fault is None")),
        test_what_is_typed_goes_before_the_file,
    ),
    "files are passed over": (
        Mutant(KafkaSettings._has_its_files, unchecked("value != TLS")),
        test_files_without_tls_are_refused,
    ),
    "files are not asked for": (
        Mutant(KafkaSettings._has_its_files, unchecked("value == TLS")),
        test_tls_without_its_files_is_refused,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_mutant_breaks_a_promise(mutant, tmp_path) -> None:
    """Without the safeguard its test fails."""
    change, promise = MUTANTS[mutant]
    with mutated(change), pytest.raises((AssertionError, pytest.fail.Exception)):
        promise(tmp_path)
