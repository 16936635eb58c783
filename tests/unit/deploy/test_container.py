"""The container file, compose and the host's playbook. No engine builds them here: what can be held without one is held."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from broker.centre.commands.setup import centre_init
from broker.ledger.ledger_commands import ledger_init
from clients.cli.main import contrada
from deploy.kafka import settings

ROOT = Path(settings.__file__).resolve().parents[2]
HERE = ROOT / "deploy" / "container"
COMPOSE = yaml.safe_load((HERE / "compose.yaml").read_text())
PLAYBOOK = yaml.safe_load((ROOT / "deploy/host/unit.yaml").read_text())


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Containerfile, whole lines."""
    text = re.sub(r"^#.*\n", "", (HERE / "Containerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word]


def of(word: str) -> list[str]:
    """What all instructions of this kind say."""
    return [rest for name, rest in instructions() if name == word]


def test_every_path_that_is_copied_is_there() -> None:
    """And the context, which holds nothing else, has it."""
    allowed = {
        line[1:]
        for line in (HERE / "Containerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {path for line in of("COPY") if "--from" not in line for path in shlex.split(line)[:-1]}
    assert {path for path in copied if not (ROOT / path).exists()} == set()
    assert copied == allowed
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]["packages"]
    assert set(packages) <= copied


def test_it_runs_as_nobody_special() -> None:
    """By number, not root, with an entry that needs no shell; signals reach the program itself."""
    assert of("USER")[-1] == "10001:10001"
    last = [name for name, _ in instructions()][-6:]
    assert "USER" in last
    assert "RUN" not in last[last.index("USER") :]
    assert of("ENTRYPOINT")[-1].startswith("[")
    assert of("STOPSIGNAL") == ["SIGTERM"]


def test_everything_that_is_installed_is_proved() -> None:
    """No package without a hash, none by name, no tag `latest`, nothing fetched by a tool, no secret in a layer."""
    installs = [part for line in of("RUN") for part in line.split("&&") if "pip install" in part]
    assert installs
    assert all("--require-hashes" in part or "--no-index" in part for part in installs)
    assert all(re.search(r":[\w.-]*\d", image) and "latest" not in image for image in of("FROM"))
    text = " ".join(rest for _, rest in instructions())
    assert not re.search(r"curl|wget|apt-get|ADD |chmod 777|sudo", text)
    assert not [
        line for line in (*of("ENV"), *of("ARG")) if re.search("secret|passphrase", line, re.IGNORECASE)
    ]


def test_the_image_has_the_program_s_version() -> None:
    """Compose, and the line to copy."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {each["image"] for each in COMPOSE["services"].values()} == {f"contrada:{version}"}
    assert f"-t contrada:{version}" in (HERE / "Containerfile").read_text()
    assert f"contrada_{version}_" in PLAYBOOK[0]["vars"]["contrada_package"]


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_can_do_no_more_than_it_needs(name: str) -> None:
    """Root file system read-only, no capabilities, no way to more, no root, no port to the outside."""
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "10001:10001"
    assert not service.keys() & {"ports", "privileged", "network_mode", "cap_add", "devices", "pid"}
    assert service["ulimits"]["core"] == 0
    assert not [each for each in service["volumes"] if each.endswith("docker.sock")]


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_s_commands_exist(name: str) -> None:
    """What is run, and what asks whether it is well, are commands of the program; the secret has the name that it looks for."""
    service = COMPOSE["services"][name]
    assert takes(service["command"])
    test = service["healthcheck"]["test"]
    assert test[0] == "CMD"
    assert takes(test[2:]) if test[1].endswith("contrada") else "/readyz" in compiled(test)
    assert service["secrets"] == [f"{name}.secret"]
    assert f"{name}.secret" in COMPOSE["secrets"]
    assert service["environment"]["CREDENTIALS_DIRECTORY"] == "/run/secrets"


def takes(arguments: list[str]) -> bool:
    """Whether the program takes these words."""
    command: click.Command = contrada
    while isinstance(command, click.Group):
        context = command.make_context("contrada", list(arguments))
        _, found, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command = found
    command.make_context("contrada", list(arguments))
    return True


def compiled(test: list[str]) -> str:
    """The Python of a health check, which is Python."""
    assert test[1].endswith("/python")
    compile(test[3], "healthcheck", "exec")
    return test[3]


@pytest.mark.parametrize(("name", "command"), [("router", centre_init), ("ledger", ledger_init)])
def test_health_is_asked_where_the_settings_have_it(name: str, command: click.Command) -> None:
    """The port that `init` writes."""
    ports = {option.name: option.default for option in command.params}
    port = ports["router_port" if name == "router" else "http_port"]
    assert f":{port}/" in COMPOSE["services"][name]["healthcheck"]["test"][3]


def tasks() -> list[dict[str, Any]]:
    """Of the playbook."""
    return [*PLAYBOOK[0]["tasks"], *PLAYBOOK[0]["handlers"]]


def test_the_playbook_runs_commands_of_the_program() -> None:
    """Each with a mark by which a second run knows that it is done, and each as the service runs."""
    found = [task["ansible.builtin.command"] for task in tasks() if "ansible.builtin.command" in task]
    assert len(found) == 3
    for task, command in zip(
        (each for each in tasks() if "ansible.builtin.command" in each), found, strict=True
    ):
        words = [re.sub(r"\{\{ \w+ \}\}", "fr", word) for word in command["argv"]]
        assert words[:2] == ["contrada-as", "unit"]
        assert takes(words[2:])
        assert "creates" in command or task["changed_when"] is False


def test_the_playbook_s_modules_are_whole_names_and_no_secret_is_in_it() -> None:
    """A short name could be somebody else's module."""
    known = {"name", "when", "loop", "register", "notify", "changed_when"}
    assert all(key.startswith("ansible.builtin.") for task in tasks() for key in task.keys() - known)
    assert not re.search("secret|passphrase|password", str(PLAYBOOK[0]["vars"]))
    names = {task["name"] for task in PLAYBOOK[0]["handlers"]}
    assert {task["notify"] for task in tasks() if "notify" in task} <= names


def test_ansible_takes_the_playbook() -> None:
    """Where it is installed."""
    if (program := shutil.which("ansible-playbook")) is None:
        pytest.skip("ansible-playbook is not here: the package ansible-core has it")
    line = [program, "--syntax-check", "-i", "localhost,", str(ROOT / "deploy/host/unit.yaml")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
