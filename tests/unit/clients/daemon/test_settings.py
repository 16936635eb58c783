"""The settings of a home: where they come from, and what a wrong one ends in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clients.daemon.settings import UnitSettings
from clients.witness.home import WitnessHome
from clients.witness.settings import WitnessSettings, witness_secret
from runtime.errors import HomeError
from runtime.process.settings import HomeSettings

PROGRAMS = {
    "unit": (UnitSettings, "unit = 'fr'\nkafka = 'one:1'\n"),
    "witness": (WitnessSettings, "name = 'fr.example/witness'\n"),
}


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of whoever runs the tests does not count."""
    for name in os.environ:
        if name.startswith("CONTRADA_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def settings(program: str) -> type[HomeSettings]:
    return PROGRAMS[program][0]


@pytest.fixture
def file(tmp_path: Path, program: str) -> Path:
    """Settings that suffice."""
    path = tmp_path / f"{program}.toml"
    path.write_text(PROGRAMS[program][1])
    (tmp_path / "conf.d").mkdir()
    return path


def test_drop_ins_override_the_file_and_the_environment_overrides_both(
    settings: type[HomeSettings], program: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file, its conf.d in alphabetical order, then the environment: the last one counts."""
    file.write_text(file.read_text() + "http_port = 1\nlog_level = 'debug'\nsecret = 'a'\npassphrase = 'a'\n")
    (file.parent / "conf.d" / "20.toml").write_text("http_port = 3\nsecret = 'c'\n")
    (file.parent / "conf.d" / "10.toml").write_text("http_port = 2\npassphrase = 'b'\n")
    monkeypatch.setenv(f"CONTRADA_{program.upper()}_HTTP_PORT", "4")

    loaded = settings.load(file)

    assert type(loaded).__mro__[1] is settings
    assert loaded.model_dump(include={"http_port", "log_level", "secret", "passphrase"}) == {
        "http_port": 4,
        "log_level": "debug",
        "secret": Path("c"),
        "passphrase": Path("b"),
    }


def test_every_fault_is_told_at_once_and_no_value(
    settings: type[HomeSettings], program: str, file: Path
) -> None:
    """The file, each setting that is wrong, and where else to look; what was written there stays out of it."""
    file.write_text(file.read_text() + "http_port = 70000\nlog_level = 'hunter2'\nnobody_knows = 'hunter2'\n")

    with pytest.raises(HomeError) as caught:
        settings.load(file)

    assert str(caught.value) == (
        f"{file}: http_port: must be 65535 or less; log_level: must be one of debug, info, warning, error; "
        f"nobody_knows: is no setting; they are: {', '.join(settings.model_fields)}"
    )
    assert caught.value.hint == f"correct it, or its conf.d or CONTRADA_{program.upper()}_*"
    assert caught.value.__context__ is None


def test_a_witness_whose_unit_is_set_wrongly_says_so(tmp_path: Path) -> None:
    """It is opened by what opens the unit's keys, and a fault there is named as the unit's."""
    (tmp_path / "unit.toml").write_text("unit = 'fr'\n")
    home = WitnessHome(tmp_path / "witness", unit=tmp_path)

    with pytest.raises(HomeError, match=r"unit\.toml: kafka: is missing"):
        witness_secret(WitnessSettings(name="fr.example/witness"), home)


@pytest.mark.parametrize("broken", [b"unit = ", b"\xff\xfe", b"a = 1\na = 2\n"])
@pytest.mark.parametrize("where", ["file", "drop-in"])
def test_what_is_not_toml_is_named_and_is_our_error(
    settings: type[HomeSettings], file: Path, where: str, broken: bytes
) -> None:
    """A broken file ends in `HomeError` with its name: a witness's keeps no daemon from its messages."""
    spoilt = file if where == "file" else file.parent / "conf.d" / "10.toml"
    spoilt.write_bytes(broken)
    with pytest.raises(HomeError, match="is not TOML") as raised:
        settings.load(file)
    assert str(spoilt) in str(raised.value)


def test_a_file_that_cannot_be_read_is_named_and_is_our_error(
    settings: type[HomeSettings], file: Path
) -> None:
    """A directory in its place, or a file of another user."""
    file.unlink()
    file.mkdir()
    with pytest.raises(HomeError, match="cannot be read") as raised:
        settings.load(file)
    assert str(file) in str(raised.value)
