"""A unit whose keys are in a token, and the token taken out: messages wait, none is refused, none is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.daemon.api.problems import problem_of
from clients.daemon.api.status import _key_check
from clients.daemon.jobs import Jobs
from clients.daemon.sending import sealer
from keys.errors import KeyStoreError, TokenAway
from protocol.identifiers import UnitId
from runtime.process.worker import Worker
from tests.mutants.engine import Mutant
from tests.mutants.operations import instead
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.softhsm import SoftToken, soft_token
from tests.unit.clients.daemon import unit_contexts
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump
from tests.waiting import until_async


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftToken]:
    with soft_token(tmp_path / "hsm", monkeypatch) as made:
        monkeypatch.setattr(unit_contexts, "SECRET", made.secret())
        yield made


@pytest.fixture
def es(world: World, token: SoftToken, tmp_path: Path) -> UnitFixture:
    """Spain's unit, with its keys in the token."""
    return UnitFixture(world, UnitId("es"), tmp_path / "es")


def take_out(es: UnitFixture) -> None:
    """What a token does by itself that has a plug: SoftHSM goes on from memory."""
    es.keys._secret.session._library.again()


def test_no_message_is_refused_because_the_token_is_away(
    world: World, es: UnitFixture, token: SoftToken
) -> None:
    """Handed in while it is away: an error that may be tried again, and nothing is kept. Then it goes its way."""
    with token.taken_out():
        take_out(es)
        with pytest.raises(TokenAway):
            es.submit("it")
        assert es.rows("SELECT id FROM outbox") == []
        assert _key_check(es.context)["code"] == TokenAway.code
    sent = es.submit("it")
    pump(world, es)
    assert es.state(sent.id) == "accepted"
    assert _key_check(es.context)["ok"] is True


async def test_it_is_missed_that_the_token_is_told_from_the_message(
    world: World, es: UnitFixture, token: SoftToken
) -> None:
    """As an error of sealing it would be a refusal, for good."""
    mutant = Mutant(sealer._seal, instead("return Code.E_SCHEMA", "raise"))
    await assert_missed(
        mutant, test_no_message_is_refused_because_the_token_is_away, world=world, es=es, token=token
    )


async def test_a_job_of_the_daemon_is_tried_until_the_token_is_back(
    es: UnitFixture, token: SoftToken
) -> None:
    """What was read and could not be answered is read again; and no such job runs in the loop."""
    worker, tried = Worker(), []
    jobs = Jobs(es.context, worker)

    def sign() -> bytes:
        tried.append(threading.current_thread() is threading.main_thread())
        return es.keys.signer.sign_ed25519(b"message")

    with token.taken_out():
        take_out(es)
        task = asyncio.create_task(jobs.until_stored("test", sign, brief=True))
        await until_async(lambda: len(tried) > 1, what="it is tried again")
        assert not task.done()
    assert es.keys.signer.public.verify_ed25519(await task, b"message")
    assert not any(tried)
    worker.close()


async def test_whoever_hands_in_is_told_to_come_again() -> None:
    """503, with the code and the hint of the token's error; 500 for what a person has to mend."""
    away = await problem_of(None, TokenAway("the token is not there", hint="put it in"))
    assert (away.status_code, b"E_TOKEN_AWAY" in away.body) == (503, True)
    other = await problem_of(None, KeyStoreError("something", hint="look"))
    assert other.status_code == 500
