"""The signer's desk: who may ask, how often, what is counted."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from broker.signer import desk as desks
from broker.signer.app import _bound
from broker.signer.desk import SignerDesk
from broker.signer.settings import SignerSettings, user_number
from broker.signer.signature_count import AHEAD, SignatureCount
from keys.custody.distant_identity import DistantIdentity
from keys.errors import SignerAway, SignerRefused
from protocol.identifiers import Millis
from runtime.errors import AlreadyRunning, Misconfigured
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, rewritten
from tests.mutants.promises import assert_missed
from tests.unit.keys.custody.signing import Desk
from tests.unit.keys.custody.test_distant_identity import signed_batch


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "signer")


def test_nobody_but_the_router_s_user_is_answered(desk: Desk) -> None:
    """Who asks is the kernel's word: another user's process is sent away before it has said anything."""
    with desk.running(user=os.getuid() + 1), pytest.raises(SignerAway):
        DistantIdentity(desk.socket)


async def test_it_is_missed_that_the_user_is_compared(desk: Desk) -> None:
    mutant = Mutant(SignerDesk.serve, rewritten("peer != self.user", "False"))
    await assert_missed(mutant, test_nobody_but_the_router_s_user_is_answered, desk=desk)


def test_more_than_its_rate_is_not_signed(desk: Desk) -> None:
    """A router that was taken over collects so many in a second, and no more; it is told to come later."""
    with desk.running(per_second=3):
        mine = DistantIdentity(desk.socket)
        made = []
        with pytest.raises(SignerAway, match="more signatures than"):
            while len(made) < 100:
                made.append(signed_batch(mine))
        assert len(made) < 50


async def test_it_is_missed_that_there_is_a_rate(desk: Desk) -> None:
    mutant = Mutant(SignerDesk._answer, rewritten("not self.rate.take()", "False"))
    await assert_missed(mutant, test_more_than_its_rate_is_not_signed, desk=desk)


def lines(desk: Desk) -> list[list[str]]:
    return [line.split(" ")[1:] for line in (desk.directory / "count").read_text().splitlines()]


def test_every_signature_is_counted_before_it_is_made(desk: Desk) -> None:
    """The file is never behind: in good order it is exact, and a refusal counts as well."""
    with desk.running(per_second=1000) as running:
        mine = DistantIdentity(desk.socket)
        for number in range(AHEAD + 5):
            signed_batch(mine)
            assert int(lines(desk)[-1][0]) >= number + 1
        with pytest.raises(SignerRefused):
            mine.sign_ed25519(b"anything")
        assert running.count.total == AHEAD + 6
    assert lines(desk)[-1] == [str(AHEAD + 6), "end"]


async def test_it_is_missed_that_it_is_counted(desk: Desk) -> None:
    mutant = Mutant(SignerDesk._answer, dropped("self.count.next()"))
    await assert_missed(mutant, test_every_signature_is_counted_before_it_is_made, desk=desk)


def test_a_count_goes_on_after_a_kill(tmp_path: Path) -> None:
    """Killed, it is up to a hundred too high and never too low; a line that a power cut left is passed over."""
    path = tmp_path / "count"
    count = SignatureCount(path, lambda: Millis(0))
    for _ in range(3):
        count.next()
    os.close(count._file)
    again = SignatureCount(path, lambda: Millis(0))
    assert again.total == AHEAD
    again.close()
    with path.open("a") as file:
        file.write("1970-01-01T00:00:00Z 1")
    cut = SignatureCount(path, lambda: Millis(0))
    assert cut.total == 2 * AHEAD
    cut.close()
    path.write_text("something else\n")
    with pytest.raises(Misconfigured, match="not a count"):
        SignatureCount(path, lambda: Millis(0))


@pytest.mark.parametrize("data", [b"\xff" * 8, (5).to_bytes(4, "big") + b"\xffabcd", bytes(4)])
def test_garbage_ends_its_connection_and_no_other(desk: Desk, data: bytes) -> None:
    with desk.running():
        mine = DistantIdentity(desk.socket)
        with socket.socket(socket.AF_UNIX) as strange:
            strange.settimeout(30)
            strange.connect(str(desk.socket))
            strange.sendall(data)
            assert strange.recv(10) == b""
        signed_batch(mine)


def test_connections_are_few(desk: Desk) -> None:
    """Whoever opens many and says nothing keeps the one that signs from nothing."""
    with desk.running():
        mine = DistantIdentity(desk.socket)
        idle = [socket.socket(socket.AF_UNIX) for _ in range(2 * desks.MOST_CONNECTIONS)]
        for each in idle:
            each.settimeout(30)
            each.connect(str(desk.socket))
        assert idle[-1].recv(1) == b""
        signed_batch(mine)
        for each in idle:
            each.close()


def test_a_second_signer_does_not_take_the_socket(desk: Desk) -> None:
    with desk.running(), pytest.raises(AlreadyRunning):
        _bound(desk.socket)


def settings(tmp_path: Path, **values: object) -> SignerSettings:
    named = {
        "key": tmp_path / "k",
        "socket": tmp_path / "s",
        "count": tmp_path / "c",
        "user": "root",
    } | values
    return SignerSettings(**named)


def test_the_user_who_may_ask_is_one_of_this_machine(tmp_path: Path) -> None:
    assert user_number(settings(tmp_path)) == 0
    assert user_number(settings(tmp_path, user="4711")) == 4711
    with pytest.raises(Misconfigured, match="no such user"):
        user_number(settings(tmp_path, user="nobody-of-that-name"))
