"""The one loader of settings, for programs of the centre; homes have theirs in tests/unit/clients/daemon/test_settings.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from broker.ledger.settings import LedgerSettings
from broker.router.settings import RouterSettings
from clients.daemon.settings import UnitSettings
from clients.witness.settings import WitnessSettings
from runtime.errors import HomeError, Misconfigured
from runtime.process.settings import FileSettings
from tests.cli.terminal import contrada

SECRET = "hunter2"

BOTH = pytest.mark.parametrize("settings", [RouterSettings, LedgerSettings])


@BOTH
def test_no_value_of_a_setting_is_in_an_error_or_behind_it(
    settings: type[FileSettings], tmp_path: Path
) -> None:
    """An address may hold a password: neither the error nor what it came from brings it to a log."""
    file = tmp_path / "x.toml"
    file.write_text(f"http_port = '{SECRET}'\nlog_level = '{SECRET}'\nnobody_knows = '{SECRET}'\n")

    with pytest.raises(Misconfigured) as raised:
        settings.load(file)

    assert SECRET not in str(raised.value) + raised.value.hint
    assert (raised.value.__context__, raised.value.__cause__) == (None, None)


@BOTH
def test_nothing_of_a_broken_file_is_behind_its_error(settings: type[FileSettings], tmp_path: Path) -> None:
    """What the parser raised may hold the text that it failed on."""
    file = tmp_path / "x.toml"
    file.write_text(f"kafka = '{SECRET}")

    with pytest.raises(Misconfigured, match="is not TOML") as raised:
        settings.load(file)

    assert SECRET not in str(raised.value)
    assert (raised.value.__context__, raised.value.__cause__) == (None, None)


@BOTH
def test_a_file_that_was_named_has_to_be_there(settings: type[FileSettings], tmp_path: Path) -> None:
    """A mistyped path is told as such, not as missing settings."""
    with pytest.raises(Misconfigured, match=r"nowhere\.toml cannot be read"):
        settings.load(tmp_path / "nowhere.toml")


ALL = [RouterSettings, LedgerSettings, UnitSettings, WitnessSettings]


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing of ours in the environment."""
    for name in [name for name in os.environ if name.startswith("CONTRADA_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def refusal(settings: type[FileSettings]) -> tuple[str, str]:
    """Why these settings are not taken, and what to do."""
    with pytest.raises((Misconfigured, HomeError)) as raised:
        settings.load(None) if settings.needs_file else settings.load(Path("nowhere.toml"))
    return str(raised.value), raised.value.hint


@pytest.mark.parametrize("settings", ALL)
def test_a_variable_of_no_setting_is_an_error(
    settings: type[FileSettings], clean: pytest.MonkeyPatch
) -> None:
    """Said of the program's own prefix, with the setting that was meant, and without the value."""
    prefix = f"CONTRADA_{settings.program.upper()}_"
    for name, meant in (("LOG_LEVLE", "LOG_LEVEL"), ("HTTPPORT", "HTTP_PORT"), ("SECRET_FILE", "SECRET")):
        clean.setenv(prefix + name, SECRET)
        said, hint = refusal(settings)
        assert said == f"{prefix}{name} in the environment: the {settings.program} has no such setting"
        assert hint == f"did you mean {prefix}{meant}?"
        clean.delenv(prefix + name)
    clean.setenv(f"{prefix}TYPO", SECRET)
    said, hint = refusal(settings)
    assert f"{prefix}TYPO" in said and f"{prefix}LOG_LEVEL" in hint and SECRET not in said + hint


@pytest.mark.parametrize("settings", ALL)
def test_a_slip_in_the_prefix_is_an_error_too(
    settings: type[FileSettings], clean: pytest.MonkeyPatch
) -> None:
    """What is one letter away from one of our names was meant to be it."""
    prefix = f"CONTRADA_{settings.program.upper()}_"
    clean.setenv(prefix[:-2] + "_LOG_LEVEL", "debug")
    assert refusal(settings)[1] == f"did you mean {prefix}LOG_LEVEL?"


@pytest.mark.parametrize("settings", ALL)
def test_settings_of_others_are_none_of_its_business(
    settings: type[FileSettings], clean: pytest.MonkeyPatch
) -> None:
    """A shell with another program's settings, slips included, and with a person's own variables."""
    for other in {each.program for each in ALL} - {settings.program}:
        clean.setenv(f"CONTRADA_{other.upper()}_TYPO", "x")
    for name in ("CONTRADA_HOME", "CONTRADA_KAFKA", "CONTRADA_BACKUP_DIR", "CONTRADA", "MY_CONTRADA_UNIT_X"):
        clean.setenv(name, "x")
    assert "in the environment" not in refusal(settings)[0]


def test_the_command_line_knows_a_slip_in_its_own_variables(clean: pytest.MonkeyPatch) -> None:
    """The home of another unit would otherwise be taken without a word."""
    seen = contrada("errors", "ls", env={"CONTRADA_HOEM": "/srv/fr"})
    assert (seen.exit, seen.out) == (2, "")
    assert "CONTRADA_HOEM" in seen.err and "did you mean CONTRADA_HOME?" in seen.err
    assert contrada("errors", "ls", env={"CONTRADA_UNIT_TYPO": "x", "CONTRADA_NAME": "x"}).exit == 0
