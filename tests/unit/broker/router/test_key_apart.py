"""A router's key that is elsewhere: used in a thread, waited for, and given up for others after a while."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from broker.router import key_apart
from broker.router.key_apart import KeyApart
from keys.custody.distant_identity import DistantIdentity
from keys.errors import SignerAway, SignerRefused
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.unit.keys.custody.signing import Desk
from tests.unit.keys.custody.test_distant_identity import signed_batch
from tests.waiting import until_async


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "signer")


async def test_a_key_that_is_away_is_waited_for(desk: Desk) -> None:
    """Away it is not ok and says why; whoever waits goes on once it answers; after a while it is lost to others."""
    moment = 0.0
    with desk.running():
        mine = DistantIdentity(desk.socket)
        apart = KeyApart(mine, lambda: moment, stay=10.0)
        watch = asyncio.create_task(apart.watch())
        await apart.back()
        assert apart.check() == {"ok": True}
        await apart.use(lambda: signed_batch(mine))
    with pytest.raises(SignerAway):
        await apart.use(lambda: signed_batch(mine))
    assert apart.check()["code"] == SignerAway.code
    waiting = asyncio.create_task(apart.back())
    await asyncio.sleep(0)
    assert not apart.is_lost
    moment = 11.0
    assert apart.is_lost
    assert not waiting.done()
    with desk.running():
        await waiting
        assert not apart.is_lost
        assert apart.check() == {"ok": True}
    watch.cancel()


async def test_a_key_that_refuses_is_lost_although_it_answers(desk: Desk) -> None:
    """Of what it refused nothing is cured by its answer to a question: others decide, and it is tried a minute later."""
    moment = 0.0
    with desk.running():
        mine = DistantIdentity(desk.socket)
        apart = KeyApart(mine, lambda: moment)
        watch = asyncio.create_task(apart.watch())
        await apart.back()
        with pytest.raises(SignerRefused):
            await apart.use(lambda: mine.sign_ed25519(b"anything"))
        moment = 11.0
        await apart.use(mine.reach)
        await asyncio.sleep(3 * key_apart.LOOK_SOON)
        assert apart.is_lost
        assert apart.check()["code"] == SignerRefused.code
        moment = key_apart.REFUSED_FOR + 1
        await until_async(lambda: apart.check()["ok"], what="it is tried again")
        watch.cancel()


async def test_a_signer_that_hangs_keeps_no_heartbeat(desk: Desk) -> None:
    """While a signature is waited for, the loop turns."""
    with desk.running():
        apart = KeyApart(DistantIdentity(desk.socket))
        hangs, turned = threading.Event(), asyncio.Event()
        task = asyncio.create_task(apart.use(lambda: hangs.wait(3)))
        asyncio.get_running_loop().call_later(0.01, turned.set)
        await until_async(turned.is_set, what="the loop turns")
        assert not task.done()
        hangs.set()
        assert await task


async def test_it_is_missed_that_a_thread_does_it(desk: Desk) -> None:
    """Done in the loop, nothing turns until it is over."""
    mutant = Mutant(KeyApart.use, rewritten("await self._worker.do(work)", "work()"))
    await assert_missed(mutant, test_a_signer_that_hangs_keeps_no_heartbeat, desk=desk)


def test_it_stays_as_long_as_a_restart_takes() -> None:
    """Ten seconds: a service that is started again needs one or two, and a rebalance costs everybody more."""
    assert key_apart.STAY == 10.0
