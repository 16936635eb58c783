"""`--check-config` of each program, where the service manager brings what opens its keys: from a shell, and as the service."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from broker.ledger.admin.ledger_founding import LedgerPlan, found_ledger
from broker.ledger.app import check_ledger
from broker.ledger.settings import LedgerSettings
from broker.router import router_founding
from broker.router.app import check_router
from broker.router.router_founding import RouterPlan, found_router
from broker.router.settings import RouterSettings
from clients.daemon import home as unit_home
from clients.daemon.app import check_daemon
from clients.daemon.home import make_unit_home
from clients.witness.app import check_witness
from keys.ceremony import found_exchange
from keys.store import write_private
from keys.unlock import Credential
from protocol.errors import ContradaError
from protocol.identifiers import Millis, UnitId
from runtime.cli.exits import of_code
from runtime.kafka.security.access import KafkaAccess
from runtime.process import logs
from tests.cli.terminal import contrada
from tests.mutants.engine import Mutant
from tests.mutants.operations import unchecked
from tests.mutants.promises import assert_missed
from tests.sim.one_log import policy_of
from tests.sim.world import World
from tests.unit.broker.files import write_router

PROGRAMS = ("router", "ledger", "unit", "witness")


@dataclass(frozen=True)
class Program:
    """A program whose settings name no secret."""

    check: Callable[[], str]
    secret: bytes
    key: Path


@pytest.fixture(params=PROGRAMS)
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One of the programs. The log of this process stays as it is, and nothing is set around."""
    monkeypatch.setattr(logs, "configure", lambda _: None)
    for variable in [each for each in os.environ if each.startswith(("CONTRADA_", "CREDENTIALS"))]:
        monkeypatch.delenv(variable)
    return request.param


@pytest.fixture
def program(name: str, tmp_path: Path) -> Program:
    """It could start, if only the service manager brought the credential."""
    return {"router": _router, "ledger": _ledger, "unit": _unit, "witness": _witness}[name](tmp_path)


def _taken(path: Path) -> bytes:
    secret = path.read_bytes()
    path.unlink()
    return secret


def _without(config: Path, setting: str) -> Path:
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if not line.startswith(setting)))
    return config


def _router(tmp: Path) -> Program:
    config = _without(write_router(tmp / "router"), "secret")
    secret = _taken(tmp / "router" / "router.secret")
    return Program(lambda: check_router(RouterSettings.load(config)), secret, tmp / "router" / "router.key")


def _ledger(tmp: Path) -> Program:
    home, secret = tmp / "centre", os.urandom(32)
    home.mkdir(mode=0o700)
    write_private(home / "centre.secret", secret, entropy=os.urandom)
    found_exchange(
        home / "keys", secret=Credential(secret), now=Millis(1_790_000_000_000), entropy=os.urandom
    )
    (home / "keys" / "root.pin").rename(home / "root.cbor")
    (home / "centre.toml").write_text('kafka = "localhost:9092"\nsecret = "centre.secret"\n')
    plan = LedgerPlan(home=home, origin="x.example", kafka=None, http_port=0, witnesses=(), quorum=0)
    found_ledger(plan, now=Millis(1_790_000_000_000))
    config = _without(home / "ledger.toml", "secret")
    return Program(
        lambda: check_ledger(LedgerSettings.load(config)), secret, home / "keys" / "ledger" / "identity.key"
    )


def _unit(tmp: Path) -> Program:
    home = make_unit_home(
        tmp / "fr", unit=UnitId("fr"), bootstrap="127.0.0.1:1", root=World().directory.root.encoded()
    )
    return Program(lambda: check_daemon(home.path), _taken(home.secret), home.keys / "identity.key")


def _witness(tmp: Path) -> Program:
    (tmp / "policy").write_text(policy_of())
    made = contrada(
        "--home", str(tmp / "w"), "witness", "init", "x.example/w", "--policy", str(tmp / "policy")
    )
    assert made.exit == 0, made
    return Program(
        lambda: check_witness(tmp / "w"), _taken(tmp / "w" / "witness.secret"), tmp / "w" / "witness.key"
    )


def failure(program: Program) -> int:
    """With which exit code the check ends."""
    with pytest.raises(ContradaError) as raised:
        program.check()
    return int(of_code(raised.value.code))


def test_from_a_shell_all_but_the_keys_is_checked(program: Program, name: str) -> None:
    """It says which credential has to come; what can be seen without it is not passed over."""
    assert f"credential {name}.secret" in program.check()

    program.key.chmod(0o644)
    assert failure(program) == 4
    program.key.unlink()
    assert failure(program) == 5


def test_as_the_service_the_keys_are_opened(
    program: Program, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right credential opens them, a wrong one does not, and one that did not come is missing."""
    brought = tmp_path / "credentials"
    brought.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(brought))
    assert failure(program) == 2

    write_private(brought / f"{name}.secret", bytes(32), entropy=os.urandom)
    assert failure(program) == 4

    (brought / f"{name}.secret").write_bytes(program.secret)
    assert "open" in program.check()
    assert "not opened" not in program.check()


def test_what_the_service_manager_brings_seals_a_new_unit_s_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made under the credential that the daemon will be brought, it is opened by that one, and has no secret beside its keys."""
    secret = _brought(tmp_path, monkeypatch, "unit.secret")
    home = make_unit_home(
        tmp_path / "fr", unit=UnitId("fr"), bootstrap="127.0.0.1:1", root=World().directory.root.encoded()
    )
    assert not home.secret.exists()
    check_daemon(home.path)
    secret.write_bytes(os.urandom(32))
    with pytest.raises(ContradaError):
        check_daemon(home.path)


def test_what_the_service_manager_brings_seals_a_further_router_s_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings then name no secret; a file that is named goes before it."""
    secret = _brought(tmp_path, monkeypatch, "router.secret")
    (root := tmp_path / "root.cbor").write_bytes(World().directory.root.encoded())
    plan = RouterPlan(
        home=tmp_path / "router-2",
        name=UnitId("router-2"),
        kafka=KafkaAccess("127.0.0.1:1"),
        root=root,
        secret=None,
        http_port=0,
        ledger_policy=None,
    )
    config = Path(found_router(plan)["config"])
    assert "secret" not in tomllib.loads(config.read_text())
    check_router(RouterSettings.load(config))
    write_private(tmp_path / "own.secret", os.urandom(32), entropy=os.urandom)
    named = found_router(replace(plan, home=tmp_path / "router-3", secret=tmp_path / "own.secret"))
    secret.unlink()
    check_router(RouterSettings.load(Path(named["config"])))


def _brought(tmp: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Path:
    (folder := tmp / "brought").mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    write_private(folder / name, os.urandom(32), entropy=os.urandom)
    return folder / name


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (
            Mutant(unit_home._own_secret, unchecked("brought")),
            test_what_the_service_manager_brings_seals_a_new_unit_s_keys,
        ),
        (
            Mutant(router_founding._secret, unchecked("brought")),
            test_what_the_service_manager_brings_seals_a_further_router_s_key,
        ),
    ],
    ids=["unit", "router"],
)
async def test_keys_under_another_secret_would_be_noticed(
    mutant: Mutant, promise: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made beside the keys, the secret is not the one that the service looks at first."""
    await assert_missed(mutant, promise, tmp_path=tmp_path, monkeypatch=monkeypatch)
