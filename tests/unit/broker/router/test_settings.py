"""The router's settings: where they come from, and what a wrong one ends in."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from broker.router.__main__ import main
from broker.router.settings import RouterSettings
from tests.unit.broker.files import write, write_router
from tests.waiting import GENEROUS

pytestmark = pytest.mark.slow

COMPLETE = {"kafka": "127.0.0.1:9", "name": "router-a", "root": "root.pin", "key": "file:router.key"}


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of whoever runs the tests does not count."""
    for name in os.environ:
        if name.startswith("CONTRADA_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)


def complaint(capsys: pytest.CaptureFixture[str], config: Path | None, code: int) -> str:
    """What the router says before it ends with this code."""
    assert main(config) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


def test_drop_ins_override_the_file_and_the_environment_overrides_both(tmp_path, monkeypatch) -> None:
    """A file, its conf.d in alphabetical order, then CONTRADA_ROUTER_*: the last one counts."""
    config = write(tmp_path / "router.toml", **COMPLETE, spacing_ms=1, fetch_wait_ms=1, log_level="debug")
    write(tmp_path / "conf.d" / "20.toml", spacing_ms=3, fetch_wait_ms=3)
    write(tmp_path / "conf.d" / "10.toml", spacing_ms=2)
    monkeypatch.setenv("CONTRADA_ROUTER_FETCH_WAIT_MS", "4")
    settings = RouterSettings.load(config)
    assert (settings.spacing_ms, settings.fetch_wait_ms, settings.log_level) == (3, 4, "debug")


def test_the_environment_suffices(monkeypatch) -> None:
    """A router without a file takes every setting from the environment."""
    for name, value in COMPLETE.items():
        monkeypatch.setenv(f"CONTRADA_ROUTER_{name.upper()}", value)
    assert RouterSettings.load(None).name == "router-a"


def test_settings_do_not_change_later(tmp_path) -> None:
    """Settings are checked once and then stand still."""
    settings = RouterSettings.load(write(tmp_path / "router.toml", **COMPLETE))
    with pytest.raises(ValueError, match="frozen"):
        settings.kafka = "elsewhere:9092"


@pytest.mark.parametrize("name", ["kafka", "root", "key"])
def test_a_missing_setting_is_named(tmp_path, capsys, name: str) -> None:
    """Exit code 2, and the name of what is missing."""
    values = {key: value for key, value in COMPLETE.items() if key != name}
    said = complaint(capsys, write(tmp_path / "router.toml", **values), 2)
    assert f"'{name}': is missing" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("http_port", 70_000),
        ("http_port", -1),
        ("http_port", "many"),
        ("spacing_ms", -1),
        ("spacing_ms", 60_000),
        ("fetch_wait_ms", 0),
        ("log_level", "loud"),
        ("name", "x" * 65),
        ("kafka_bootstrap", "a setting that nobody knows"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, capsys, name: str, value: object) -> None:
    """Exit code 2, and which setting is wrong; one that does not exist is wrong too."""
    said = complaint(capsys, write(tmp_path / "router.toml", **{**COMPLETE, name: value}), 2)
    assert f"router setting '{name}': " in said


def test_every_problem_is_told_at_once(tmp_path, capsys) -> None:
    """Nobody has to correct settings one start at a time."""
    said = complaint(capsys, write(tmp_path / "router.toml", spacing_ms=-1, log_level="loud"), 2)
    assert set(re.findall(r"router setting '(\w+)'", said)) == {
        "kafka",
        "root",
        "key",
        "spacing_ms",
        "log_level",
    }


def test_a_file_that_is_not_there_is_named(tmp_path, capsys) -> None:
    """A mistyped path is told as such, not as missing settings."""
    assert "nowhere.toml" in complaint(capsys, tmp_path / "nowhere.toml", 2)


@pytest.mark.parametrize("text", ["kafka = ", "[kafka", "kafka = 'a'\nkafka = 'b'\n", "\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(tmp_path, capsys, text: str) -> None:
    """Exit code 2 and the file's name for what cannot be parsed."""
    config = tmp_path / "router.toml"
    config.write_text(text, encoding="latin-1")
    assert "router.toml" in complaint(capsys, config, 2)


def test_a_broken_drop_in_is_named(tmp_path, capsys) -> None:
    """The file to correct is the drop-in."""
    config = write(tmp_path / "router.toml", **COMPLETE)
    write(tmp_path / "conf.d" / "10.toml").write_text("spacing_ms = ")
    assert "10.toml" in complaint(capsys, config, 2)


@pytest.fixture
def complete(tmp_path) -> Path:
    """Settings and keys of a router that could start."""
    return write_router(tmp_path / "router")


def run(config: Path, *, check_only: bool = True) -> subprocess.CompletedProcess[str]:
    """The router as a process of its own: it configures logging, which belongs to a whole process."""
    program = (
        "import sys; from pathlib import Path; from broker.router.__main__ import main;"
        f"sys.exit(main(Path(sys.argv[1]), check_only={check_only}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=GENEROUS,
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done


def without_secret(config: Path) -> Path:
    """The same settings, but nothing in them opens the key file."""
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if not line.startswith("secret")))
    return config


def test_settings_can_be_checked_without_starting(complete: Path) -> None:
    """--check-config opens the keys, says so and leaves with 0; Kafka is not asked."""
    done = run(complete)
    assert done.returncode == 0
    assert "keys open" in done.stderr


@pytest.mark.parametrize("missing", ["root.pin", "router.key", "router.secret"])
def test_a_key_file_that_is_not_there_is_named(complete: Path, missing: str) -> None:
    """The router does not start, says which file it wants, and ends in 5: starting again does not help."""
    (complete.parent / missing).unlink()
    done = run(complete)
    assert done.returncode == 5
    assert f"there is no {complete.parent / missing} (E_KEYFILE_MISSING)" in done.stderr


def test_a_key_file_that_others_may_read_is_refused(complete: Path) -> None:
    """Exit code 4, and what to do about it."""
    (complete.parent / "router.key").chmod(0o644)
    done = run(complete)
    assert done.returncode == 4
    assert "(E_KEYFILE_EXPOSED)\nhint: " in done.stderr


def test_without_anything_that_opens_the_key_it_says_what_to_set(complete: Path) -> None:
    """No secret in the settings and none from systemd: it does not start, exit code 2 with a hint."""
    done = run(without_secret(complete), check_only=False)
    assert done.returncode == 2
    assert "hint: set 'secret'" in done.stderr


def test_systemd_may_bring_the_secret(complete: Path, monkeypatch) -> None:
    """Under LoadCredential the secret is found by its name."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(complete.parent))
    assert run(without_secret(complete)).returncode == 0


def test_a_kafka_that_is_not_there_is_named(complete: Path) -> None:
    """Where no broker listens the router ends with 8 and says where it looked."""
    done = run(complete, check_only=False)
    assert done.returncode == 8
    assert "Kafka is not reachable at 127.0.0.1:9" in done.stderr


def test_a_port_that_is_taken_is_named(complete: Path) -> None:
    """A port for health pages that somebody else has ends the router with 8 and the port's number."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        complete.write_text(complete.read_text() + f"http_port = {port}\n")
        done = run(complete, check_only=False)
    assert done.returncode == 8
    assert f"port {port} on 127.0.0.1" in done.stderr
