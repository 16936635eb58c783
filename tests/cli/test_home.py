"""Where things are in a home, and what the settings say."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.cli.command import Invocation
from runtime.cli.errors import BadInput, NoHome
from runtime.cli.home import bootstrap, read_settings
from runtime.errors import HomeError, Misconfigured
from runtime.kafka.security.access import KafkaAccess, TlsFiles, Unguarded
from runtime.process.homes import Home
from runtime.process.settings_text import toml_text


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    """Kafka is what was said; else what the home says; else it is asked for."""
    home = Home(tmp_path)
    with pytest.raises(NoHome):
        bootstrap(Invocation(), home)
    (tmp_path / "unit.toml").write_text('kafka = "127.0.0.1:1"\nkafka_security = "plain"\n')

    assert bootstrap(Invocation(), home) == KafkaAccess("127.0.0.1:1")
    assert bootstrap(Invocation(kafka="127.0.0.1:2"), home) == KafkaAccess("127.0.0.1:2")
    tls = bootstrap(Invocation(kafka="b:2", kafka_tls=tmp_path), home)
    assert tls == KafkaAccess("b:2", TlsFiles.below(tmp_path))


def test_plain_is_said_and_stays_on_this_machine(tmp_path: Path, capsys) -> None:
    """Without a home nothing stands for silence; a home of the release before is told each time."""
    with pytest.raises(BadInput, match="how Kafka is to be spoken to"):
        bootstrap(Invocation(kafka="127.0.0.1:1"), Home(tmp_path))
    with pytest.raises(Misconfigured, match="tls beyond this machine"):
        bootstrap(Invocation(kafka="a:1", kafka_security="plain"), Home(tmp_path))
    with pytest.raises(BadInput, match="two ways"):
        bootstrap(Invocation(kafka="a:1", kafka_security="plain", kafka_tls=tmp_path), Home(tmp_path))

    (tmp_path / "unit.toml").write_text('kafka = "a:1"\n')
    assert bootstrap(Invocation(), Home(tmp_path)).unguarded is Unguarded.UNSAID
    assert 'write kafka_security = "tls"' in capsys.readouterr().err


@pytest.mark.parametrize("text", ["/plain/path", 'with "quotes" and \\ and = #', "é", "-"])
def test_settings_are_read_as_they_were_written(tmp_path: Path, text: str) -> None:
    """Whatever a path is made of, the file gives it back."""
    path = tmp_path / "x.toml"
    path.write_text(toml_text({"a": text, "b": 7}), encoding="utf-8")

    assert read_settings(path) == {"a": text, "b": 7}


def test_a_line_break_is_no_setting() -> None:
    """A path cannot bring a setting of its own."""
    with pytest.raises(HomeError):
        toml_text({"a": 'x"\nsecret = "y'})


def test_damaged_settings_are_said(tmp_path: Path) -> None:
    """A file that is no TOML is named."""
    path = tmp_path / "unit.toml"
    path.write_text("unit = ")

    with pytest.raises(BadInput, match=r"unit\.toml"):
        read_settings(path)
