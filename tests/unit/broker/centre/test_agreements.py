"""Two registrars by command: what one states waits, is shown to the other in words, and takes effect with a second key."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from broker.centre import agreements, key_renewal, registry
from broker.centre.agreements import agree, find_ballots, list_ballots
from broker.centre.key_renewal import appoint_process, renew_registrar
from broker.centre.membership import change_status, revoke_key
from broker.centre.registry import Registry
from keys.ceremony import OWN_SECRET, found_exchange
from keys.directory import Directory
from keys.key_files import IDENTITY_FILE, read_identity, write_identity
from keys.soft_keys import SoftIdentity
from keys.statement_types import Body, QuotaChange, StatementType
from keys.store import prepare_directory, write_private
from keys.unlock import Credential
from protocol.codes import Classification
from protocol.envelope.quotas import DEFAULT_QUOTA
from protocol.errors import Rejected
from protocol.identifiers import IdPrefix, Millis
from protocol.limits import DAY
from runtime.errors import Conflict, NotFound
from runtime.process.homes import CentreHome
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, unchecked
from tests.mutants.promises import assert_missed
from tests.unit.keys.world import (
    FR,
    NOW,
    World,
    appointment,
    entropy_of,
    facts,
    identity,
    revocation,
    stated,
    status,
)

SECRET = bytes(32)


@dataclass
class Centre:
    """A centre's home of two registrars with its directory; stands for the registry, without Kafka."""

    home: CentreHome
    directory: Directory
    waits: bool = False

    async def state(self, statements: Sequence[bytes]) -> tuple[()]:
        self.waits = [self.directory.apply(statement).waits for statement in statements][-1]
        return ()

    known, status_change, revocation = Registry.known, Registry.status_change, Registry.revocation

    @property
    def second(self) -> Path:
        """Where the second registrar's key lies."""
        return self.home.keys / "registrar-2"

    def keys(self) -> list[SoftIdentity]:
        own = Credential((self.second / OWN_SECRET).read_bytes())
        first = read_identity(self.home.keys / "registrar" / IDENTITY_FILE, secret=Credential(SECRET))
        return [first, read_identity(self.second / IDENTITY_FILE, secret=own)]

    def agreed(self, body: Body) -> None:
        for key in self.keys():
            self.directory.apply(stated(body, by=key))


@pytest.fixture
def centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Centre:
    """An exchange of two registrars, with a unit that is suspended."""
    home = CentreHome(tmp_path / "centre")
    prepare_directory(home.path)
    write_private(home.path / "centre.secret", SECRET, entropy=entropy_of("secret"))
    home.settings.write_text('kafka = "127.0.0.1:9"\nsecret = "centre.secret"\n')
    founding = found_exchange(
        home.keys, secret=Credential(SECRET), now=NOW, entropy=entropy_of("founding"), registrars=2
    )
    made = Centre(home, Directory(founding.root))
    for statement in founding.statements:
        made.directory.apply(statement)
    made.agreed(facts("fr", clearance=Classification.BPL))
    made.agreed(status("fr", suspended=True))

    @asynccontextmanager
    async def opened(_: object) -> AsyncIterator[Centre]:
        yield made

    async def read(_: object) -> Centre:
        return made

    monkeypatch.setattr(Registry, "open", opened)
    monkeypatch.setattr(Registry, "read", read)
    for module in (agreements, key_renewal, registry):
        monkeypatch.setattr(module, "now", lambda: Millis(NOW + 1))
    return made


async def resumed() -> dict[str, object]:
    return await change_status(None, "fr", suspended=False, reason="cleared")  # type: ignore[arg-type]


async def listed() -> list[dict[str, object]]:
    return await list_ballots(None)  # type: ignore[arg-type]


async def agreed(centre: Centre, *names: object, key: Path | None = None) -> list[dict[str, object]]:
    wanted = [bytes.fromhex(str(name)) for name in names]
    return await agree(None, wanted, key or centre.second, secret=None)  # type: ignore[arg-type]


def test_a_founding_of_two_works_at_once(centre: Centre) -> None:
    """Router and ledger are appointed by both; each registrar's key has what opens it for itself."""
    assert (len(centre.directory.routers()), len(centre.directory.ledgers())) == (1, 1)
    assert [key.unit for key in centre.directory.registrars()] == ["registrar", "registrar-2"]
    assert centre.directory.root.registrars == 2
    with pytest.raises(Exception, match="does not open"):
        read_identity(centre.second / IDENTITY_FILE, secret=Credential(SECRET))


def root_key(centre: Centre) -> SoftIdentity:
    return read_identity(centre.home.keys / "root" / IDENTITY_FILE, secret=Credential(SECRET))


async def test_what_one_states_waits_and_the_other_agrees(centre: Centre) -> None:
    """Who stated it, since when and until when; and then it counts."""
    assert (await resumed())["waits"]
    (row,) = await listed()
    assert (row["what"], row["by"], row["needed"]) == ("resume fr: cleared", ["registrar"], 2)
    assert (row["since"], row["until"]) == (NOW + 1, NOW + 1 + 30 * DAY)
    unit = centre.directory.unit(FR)
    assert unit is not None and unit.suspended
    found = await find_ballots(None, [IdPrefix(str(row["ballot"])[:8])])  # type: ignore[arg-type]
    assert found == [row]
    (done,) = await agreed(centre, row["ballot"])
    assert not done["waits"]
    unit = centre.directory.unit(FR)
    assert unit is not None and not unit.suspended
    assert await listed() == []


async def test_nobody_agrees_with_oneself(centre: Centre) -> None:
    """It is told, and nothing is stated."""
    await resumed()
    size = centre.directory.head.size
    (row,) = await listed()
    with pytest.raises(Conflict, match="registrar has stated this already"):
        await agreed(centre, row["ballot"], key=centre.home.keys / "registrar")
    assert centre.directory.head.size == size


async def test_a_key_that_is_no_registrars_is_refused_before_it_states(centre: Centre) -> None:
    """As any other command does."""
    await resumed()
    (row,) = await listed()
    with pytest.raises((Conflict, Rejected), match="no registrar's key"):
        await agreed(centre, row["ballot"], key=centre.home.keys / "router")
    gone = centre.keys()[1].public.kid
    centre.directory.apply(stated(revocation("registrar-2", gone), by=root_key(centre)))
    with pytest.raises(Rejected, match="nobody would take what this registrar's key states"):
        await agreed(centre, row["ballot"])


async def test_what_does_not_wait_is_not_agreed_to(centre: Centre) -> None:
    """Nor what has been agreed on meanwhile."""
    with pytest.raises(NotFound):
        await agreed(centre, "00" * 16)


async def test_another_registrar_renews_its_key(centre: Centre) -> None:
    """With the root key, in the directory that was carried back; it is one registrar still."""
    done = await renew_registrar(None, (), root_secret=None, name="registrar-2")  # type: ignore[arg-type]
    assert (done["name"], len(centre.directory.registrars())) == ("registrar-2", 3)
    await resumed()
    (row,) = await listed()
    assert not (await agreed(centre, row["ballot"]))[0]["waits"]


async def test_a_registrar_whose_key_is_lost_gets_another_and_there_may_be_more(centre: Centre) -> None:
    """The root appoints them; each of them agrees."""
    for name in ("registrar-2", "registrar-3"):
        shutil.rmtree(centre.home.keys / name, ignore_errors=True)
        await renew_registrar(None, (), root_secret=None, name=name)  # type: ignore[arg-type]
        await resumed()
        (row,) = await listed()
        assert not (await agreed(centre, row["ballot"], key=centre.home.keys / name))[0]["waits"]
        centre.directory.apply(stated(status("fr", suspended=True), by=centre.keys()[0], at=NOW + 1))


async def test_a_router_from_its_request_waits(centre: Centre) -> None:
    """And its fingerprint is shown to the second registrar too."""
    made = appointment(StatementType.ROUTER, identity("router-2"))
    done = await appoint_process(None, made)  # type: ignore[arg-type]
    assert done["waits"]
    (row,) = await listed()
    assert str(row["what"]).startswith("appoint the router router-2 until 2028-")
    assert row["fingerprint"] == done["fingerprint"]


async def test_a_registrar_is_withdrawn_by_as_many_root_keys(centre: Centre, tmp_path: Path) -> None:
    """Stated by the holder of one of them it waits, and is shown; nobody's registrar agrees to it."""
    world = World(roots=2, threshold=2)
    centre.directory = world.directory
    paths = [tmp_path / f"root-{number}.key" for number in (1, 2)]
    for path, key in zip(paths, world.root_keys, strict=True):
        write_identity(path, key, secret=Credential(SECRET), entropy=entropy_of(path.name))
    kid = world.registrar.public.kid

    async def revoked(path: Path) -> object:
        done = await revoke_key(None, "registrar", kid, reason="left", since=None, roots=[path])  # type: ignore[arg-type]
        return done["waits"]

    assert await revoked(paths[0])
    (row,) = await listed()
    assert (row["what"], row["of"]) == (f"withdraw the key {kid.hex()} of registrar: left", "root")
    with pytest.raises(Conflict, match="another root key"):
        await agreed(centre, row["ballot"], key=_written(world.registrar, tmp_path))
    assert not await revoked(paths[1])
    assert centre.directory.registrars()[0].revoked


def _written(key: SoftIdentity, folder: Path) -> Path:
    write_identity(folder / "its.key", key, secret=Credential(SECRET), entropy=entropy_of("its"))
    return folder / "its.key"


async def test_withdrawing_a_unit_key_takes_one(centre: Centre) -> None:
    """The safe direction."""
    centre.agreed(appointment(StatementType.IDENTITY, identity("fr")))
    kid = identity("fr").public.kid
    done = await revoke_key(None, "fr", kid, reason="lost", since=None)  # type: ignore[arg-type]
    assert not done["waits"]


IN_WORDS = [
    (facts("fr", version=2), "fr: clearance bpl -> eu-restricted"),
    (facts("fr", version=2, clearance=Classification.BPL, name="Roma"), "fr: name FR -> Roma"),
    (
        QuotaChange(FR, replace(DEFAULT_QUOTA, messages=9_000)),
        "quota of fr: messages 6000 -> 9000",
    ),
    (
        facts("it", clearance=Classification.BPL),
        (
            "take in it: kind national-unit, name IT, clearance bpl, basis union-law, "
            "purposes cross-check+operational, min_suite 1, outbox_partitions 1, inbox_partitions 1"
        ),
    ),
]


@pytest.mark.parametrize(("body", "words"), IN_WORDS)
async def test_all_that_is_agreed_on_is_said(centre: Centre, body: Body, words: str) -> None:
    """Where something changes, what it was."""
    centre.directory.apply(stated(body, by=centre.keys()[0]))
    (row,) = await listed()
    assert row["what"] == words


MUTANTS = [
    (Mutant(agreements._check_may_agree, unchecked("signer.name")), test_nobody_agrees_with_oneself),
    (Mutant(agreements._check_may_agree, unchecked("directory.registrars")), test_a_key_that_is_no_registrars_is_refused_before_it_states),
    (Mutant(agreements.agree, dropped("check_registrar")), test_a_key_that_is_no_registrars_is_refused_before_it_states),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), MUTANTS)
async def test_each_rule_taken_away_is_noticed(mutant: Mutant, promise, centre: Centre) -> None:
    await assert_missed(mutant, promise, centre=centre)
