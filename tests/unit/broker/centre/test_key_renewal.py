"""The next keys of the centre's parties, by command: made once, appointed, and used; and what an ended registrar cannot."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.centre import key_renewal, registry
from broker.centre.key_renewal import appoint_process, renew_process, renew_registrar
from broker.centre.registry import Registry, registrar_of
from broker.centre.root_renewal import NEXT_ROOT, renew_root
from broker.registrar_key import check_registrar
from broker.router import router_founding
from broker.router.router_founding import RouterPlan, ask_for_next, found_router
from broker.router.settings import RouterSettings, router_secret
from keys.appointments.own_identity import OwnIdentity
from keys.appointments.request import parse_appointment_request, request_appointment
from keys.ceremony import found_exchange
from keys.directory import Directory
from keys.errors import KeyFileExists
from keys.key_files import IDENTITY_FILE
from keys.lifecycle import OVERLAP, ROUTER_LIFETIME
from keys.root_of_trust import RootOfTrust
from keys.signer import signer_from_uri
from keys.statement_types import StatementType
from keys.store import prepare_directory, write_private
from keys.unlock import Credential
from protocol.canonical import encode
from protocol.errors import Code, Rejected
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY
from runtime.errors import Conflict, NotFound
from runtime.kafka.security.access import KafkaAccess
from runtime.process.homes import CentreHome
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import unchecked
from tests.unit.keys.world import NOW, appointment, entropy_of, facts, identity

SECRET = bytes(32)


@dataclass
class Centre:
    """A centre's home with its directory and its clock; stands for the registry, without Kafka."""

    home: CentreHome
    directory: Directory
    now: Millis = NOW
    waits: bool = False

    async def state(self, statements: Sequence[bytes]) -> tuple[()]:
        for statement in statements:
            self.directory.apply(statement)
        return ()

    revocation = Registry.revocation


@pytest.fixture
def centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Centre:
    """An exchange that was just founded."""
    home = CentreHome(tmp_path / "centre")
    prepare_directory(home.path)
    write_private(home.path / "centre.secret", SECRET, entropy=entropy_of("secret"))
    home.settings.write_text('kafka = "127.0.0.1:9"\nsecret = "centre.secret"\n')
    founding = found_exchange(home.keys, secret=Credential(SECRET), now=NOW, entropy=entropy_of("founding"))
    made = Centre(home, Directory(founding.root))
    for statement in founding.statements:
        made.directory.apply(statement)

    @asynccontextmanager
    async def opened(_: object) -> AsyncIterator[Centre]:
        yield made

    monkeypatch.setattr(Registry, "open", opened)
    for module in (key_renewal, registry, router_founding):
        monkeypatch.setattr(module, "now", lambda: made.now)
    return made


def own(centre: Centre, name: str) -> OwnIdentity:
    return OwnIdentity(centre.home.keys / name / IDENTITY_FILE, secret=Credential(SECRET), entropy=os.urandom)


async def renewed(name: str) -> dict[str, object]:
    return await renew_process(None, name)  # type: ignore[arg-type]


async def registrar_renewed(*roots: Path) -> dict[str, object]:
    return await renew_registrar(None, roots, root_secret=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["router", "ledger"])
async def test_the_next_key_of_a_process_of_this_home(centre: Centre, name: str) -> None:
    """It is appointed beside the present one, and its process takes it a day later."""
    process = own(centre, name)
    centre.now = Millis(NOW + 300 * DAY)
    done = await renewed(name)
    assert (done["kind"], done["name"], done["until"]) == (name, name, NOW + 665 * DAY)
    assert process.adopt(centre.now, directory=centre.directory) is None
    assert process.adopt(Millis(centre.now + OVERLAP), directory=centre.directory) is not None
    assert process.public.kid.hex() == done["kid"]


async def test_asked_twice_it_is_told(centre: Centre) -> None:
    """No second key is made."""
    await renewed("router")
    with pytest.raises(Conflict, match="next key of router is in the directory already"):
        await renewed("router")
    assert len(centre.directory.routers()) == 2


async def test_a_process_elsewhere_is_told_how(centre: Centre) -> None:
    """Its keys are not here: its own machine asks."""
    with pytest.raises(NotFound, match="no keys of router-2"):
        await renewed("router-2")
    with pytest.raises(Conflict):
        await renewed("registrar")


async def test_the_registrars_next_key_is_used_at_once(centre: Centre) -> None:
    """Appointed by the root, it states from then on."""
    before = registrar_of(centre.home, centre.directory)
    done = await registrar_renewed()
    after = registrar_of(centre.home, centre.directory)
    assert after.public != before.public
    assert after.public.kid.hex() == done["kid"]
    assert len(centre.directory.registrars()) == 2


async def test_what_was_interrupted_behind_the_publication_is_gone_on_with(centre: Centre) -> None:
    """The root key is not needed a second time."""
    state = centre.state

    async def interrupted(statements: Sequence[bytes]) -> tuple[()]:
        await state(statements)
        raise KeyboardInterrupt

    centre.state = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        await registrar_renewed()
    centre.state = state  # type: ignore[method-assign]
    (centre.home.keys / "root" / IDENTITY_FILE).unlink()
    done = await registrar_renewed()
    assert registrar_of(centre.home, centre.directory).public.kid.hex() == done["kid"]


async def an_ended_registrar_states_nothing(centre: Centre) -> None:
    """It would be refused by everybody, or be an unverified record; the hint names the command."""
    centre.now = Millis(NOW + 3 * 365 * DAY)
    with pytest.raises(Rejected) as refused:
        registrar_of(centre.home, centre.directory)
    assert refused.value.reason is Code.E_ISSUER
    assert "centre renew registrar" in refused.value.hint


async def test_an_ended_registrar_states_nothing(centre: Centre) -> None:
    """As it says; and with its next key it states again."""
    await an_ended_registrar_states_nothing(centre)
    await registrar_renewed()
    assert registrar_of(centre.home, centre.directory).name == "registrar"


async def test_without_the_check_it_would(centre: Centre) -> None:
    with mutated(Mutant(check_registrar, unchecked("fault"))), pytest.raises(pytest.fail.Exception):
        await an_ended_registrar_states_nothing(centre)


def plan(folder: Path, root: Path) -> RouterPlan:
    return RouterPlan(
        home=folder,
        name=UnitId("router-2"),
        kafka=KafkaAccess("127.0.0.1:9"),
        root=root,
        secret=None,
        http_port=0,
        ledger_policy=None,
    )


async def test_a_further_router_has_a_key_of_its_own(centre: Centre, tmp_path: Path) -> None:
    """Made where it runs, appointed from its request; its settings are those of a router that can start."""
    centre.home.root.write_bytes(centre.directory.root.encoded())
    done = found_router(plan(tmp_path / "router-2", centre.home.root))
    settings = RouterSettings.load(Path(str(done["config"])))
    signer = signer_from_uri(settings.key, router_secret(settings))
    made = parse_appointment_request(Path(str(done["request"])).read_bytes())
    shown = await appoint_process(None, made)  # type: ignore[arg-type]
    assert shown["fingerprint"] == done["fingerprint"]
    assert centre.directory.router_key(signer.public.kid) is not None
    assert [key.unit for key in centre.directory.routers()] == ["router", "router-2"]
    with pytest.raises(Conflict):
        found_router(plan(tmp_path / "router-2", centre.home.root))


async def test_a_router_elsewhere_asks_for_its_next_key(centre: Centre, tmp_path: Path) -> None:
    """Asked twice it is the same key; the centre appoints it, and it is taken over."""
    router = own(centre, "router")
    asked = [
        ask_for_next(router, StatementType.ROUTER, lifetime=ROUTER_LIFETIME, out=tmp_path / "next.cbor")
        for _ in range(2)
    ]
    assert asked[0]["kid"] == asked[1]["kid"]
    made = parse_appointment_request((tmp_path / "next.cbor").read_bytes())
    await appoint_process(None, made)  # type: ignore[arg-type]
    assert router.adopt(Millis(made.not_before + OVERLAP), directory=centre.directory) is not None


def test_a_request_is_of_a_process_and_proves_its_key() -> None:
    """A unit is enrolled, a registrar is the root's; and nobody asks with another's key."""
    made = appointment(StatementType.ROUTER, identity("router-2"))
    assert parse_appointment_request(request_appointment(made)) == made  # type: ignore[arg-type]
    unit = appointment(StatementType.IDENTITY, identity("fr"))
    others = appointment(StatementType.ROUTER, identity("router-3"))
    stolen = type(made)(
        StatementType.ROUTER,
        UnitId("router-2"),
        others.public,
        made.not_before,
        made.not_after,
        others.proof,  # type: ignore[union-attr]
    )
    for wrong in (
        request_appointment(unit),
        request_appointment(stolen),
        encode([1, 7, []]),
        encode([2]),
        b"x",
    ):  # type: ignore[arg-type]
        with pytest.raises(Rejected):
            parse_appointment_request(wrong)


async def test_the_next_root_is_a_file_to_pin(centre: Centre, tmp_path: Path) -> None:
    """The same directory follows from it; its key appoints where it is pinned. Nothing is published of it."""
    size = centre.directory.head.size
    done = await renew_root(None, tmp_path / "root-next.cbor", (), root_secret=None)  # type: ignore[arg-type]
    root = RootOfTrust.parse((tmp_path / "root-next.cbor").read_bytes())
    assert (done["fingerprint"], done["kept"]) == (root.fingerprint(), 1)
    assert centre.directory.head.size == size
    again = Directory.replay(root, centre.directory.snapshot())
    assert again.head == centre.directory.head
    centre.directory = again
    await registrar_renewed(centre.home.keys / NEXT_ROOT)
    assert len(again.registrars()) == 2
    with pytest.raises(Conflict, match="has the present root key"):
        await renew_root(None, tmp_path / "another.cbor", (), root_secret=None)  # type: ignore[arg-type]
    (centre.home.keys / NEXT_ROOT / IDENTITY_FILE).unlink()
    with pytest.raises(KeyFileExists):
        await renew_root(None, tmp_path / "root-next.cbor", (), root_secret=None)  # type: ignore[arg-type]


async def test_the_root_withdraws_a_stolen_registrar(centre: Centre) -> None:
    """And the registrar every other; what the thief appointed falls with it."""
    thief, root = registrar_of(centre.home, centre.directory), own(centre, "root")
    await registrar_renewed()
    await centre.state([key_renewal.issue(facts("de"), signer=thief, issued=Millis(NOW + 5))])
    stolen = appointment(StatementType.IDENTITY, identity("de"), not_before=NOW)
    await centre.state([key_renewal.issue(stolen, signer=thief, issued=Millis(NOW + 5))])
    centre.now = Millis(NOW + 10)
    named = {"reason": "stolen", "since": Millis(NOW + 1)}
    with pytest.raises(Conflict):
        centre.revocation(UnitId("registrar"), thief.public.kid, **named)
    await centre.state([centre.revocation(UnitId("registrar"), thief.public.kid, root=root, **named)])
    assert [key.revoked for key in centre.directory.registrars()] == [True, False]
    assert [key.revoked for key in centre.directory.identities(UnitId("de"))] == [True]
    ledger = centre.directory.ledgers()[0]
    await centre.state([centre.revocation(UnitId("ledger"), ledger.public.kid, reason="x", since=None)])
    assert centre.directory.ledgers()[0].revoked
