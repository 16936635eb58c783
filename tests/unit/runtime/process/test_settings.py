"""The one loader of settings, for programs of the centre; homes have theirs in tests/unit/clients/daemon/test_settings.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.ledger.settings import LedgerSettings
from broker.router.settings import RouterSettings
from runtime.errors import Misconfigured
from runtime.process.settings import FileSettings

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
