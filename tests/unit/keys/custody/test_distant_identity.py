"""A router's identity that another process holds: signed, refused, away, renewed; over a real socket."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from keys.custody import distant_identity
from keys.custody.distant_identity import DistantIdentity, DistantKey
from keys.custody.frames import HEAD, AskSuccession, Keys, Made, encode_answer
from keys.custody.held_keys import THIRD_AFTER, HeldKeys
from keys.errors import KeyUriError, SignerAway, SignerRefused
from keys.lifecycle import OVERLAP, ROUTER_LIFETIME
from keys.possession import appoint
from keys.signer import signer_from_uri
from keys.statement_types import StatementType
from keys.statements import issue
from protocol.canonical import encode
from protocol.identifiers import Millis, UnitId
from protocol.limits import DAY
from protocol.public_keys import ALG_ED25519
from protocol.signatures import BATCH, Suite, parse_signed, sign, verify
from runtime.process.clock import now
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.unit.keys.custody.signing import SECRET, Desk
from tests.unit.keys.world import NOW, World, identity

ROUTER = UnitId("router")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "signer")


def signed_batch(signer: object, t: int | None = None) -> bytes:
    payload = encode([1, "router", now() if t is None else t, 1, bytes(32)])
    return sign(payload, suite=Suite.CLASSICAL, signer=signer, context=BATCH)


def test_decisions_are_signed_by_another_process(desk: Desk) -> None:
    """What the signer makes verifies under the router's key, and the key is not here."""
    with desk.running():
        mine = signer_from_uri(f"signer:{desk.socket}", SECRET)
        assert (mine.name, mine.public) == (ROUTER, identity("router").public)
        verify(parse_signed(signed_batch(mine)), mine.public, context=BATCH)
        assert not hasattr(mine, "secret_bytes")


def test_what_no_router_signs_is_refused(desk: Desk) -> None:
    """A statement, or another time: `SignerRefused`, and the connection goes on."""
    with desk.running():
        mine = DistantIdentity(desk.socket)
        body = appoint(
            StatementType.ROUTER,
            UnitId("thief"),
            signer=identity("thief"),
            not_before=Millis(1),
            not_after=Millis(2),
        )
        with pytest.raises(SignerRefused):
            issue(body, signer=mine, issued=now())
        with pytest.raises(SignerRefused):
            signed_batch(mine, t=now() + DAY)
        signed_batch(mine)


def test_a_signer_that_is_gone_is_away_and_found_again(desk: Desk) -> None:
    """Stopped: `SignerAway`, at once. Started again: the same identity goes on over a connection of its own."""
    with desk.running():
        mine = DistantIdentity(desk.socket)
        signed_batch(mine)
    for _ in range(2):
        with pytest.raises(SignerAway):
            signed_batch(mine)
        with pytest.raises(SignerAway):
            mine.reach()
    with desk.running():
        mine.reach()
        signed_batch(mine)
    with desk.running():
        signed_batch(mine)


def impostor(path: Path, *answers: bytes) -> threading.Thread:
    """Whoever listens on the socket in the signer's place."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def answer() -> None:
        connection, _ = listener.accept()
        with connection, listener:
            for each in answers:
                connection.recv(65536)
                connection.sendall(each)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    return thread


def test_whoever_else_listens_signs_nothing(tmp_path: Path) -> None:
    """An answer that is no signature of this key is not used."""
    keys = encode_answer(Keys(((ROUTER, identity("router").public),)))
    thread = impostor(tmp_path / "socket", keys, encode_answer(Made(bytes(64))))
    mine = DistantIdentity(tmp_path / "socket")
    with pytest.raises(SignerRefused, match="not this router's signer"):
        signed_batch(mine)
    thread.join()


async def test_it_is_missed_that_it_is_verified(tmp_path: Path) -> None:
    mutant = Mutant(DistantKey.sign_ed25519, unchecked(distant_identity._not_the_signer))
    await assert_missed(mutant, test_whoever_else_listens_signs_nothing, tmp_path=tmp_path)


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x00\x00\x00\x01", b"\xff\xff\xff\xff", (3).to_bytes(HEAD, "big") + b"\xff\xff\xff", encode_answer(Made(b""))],
    ids=["silence", "half", "endless", "garbage", "other"],
)  # fmt: skip
def test_a_strange_answer_is_an_error_of_ours(tmp_path: Path, answer: bytes) -> None:
    impostor(tmp_path / "socket", answer)
    with pytest.raises((SignerAway, SignerRefused)):
        DistantIdentity(tmp_path / "socket", within=0.5)


def test_an_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """A signer that takes the connection and says nothing is away after its time."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen()
    with listener, pytest.raises(SignerAway, match="TimeoutError"):
        DistantIdentity(tmp_path / "socket", within=0.1)


def test_a_socket_has_a_whole_path() -> None:
    with pytest.raises(KeyUriError):
        DistantIdentity(Path("socket"))


def test_the_key_is_renewed_across_the_socket(desk: Desk) -> None:
    """The present key names one that the signer has made; a day later the router signs with it, without a restart."""
    world = World()
    made = appoint(
        StatementType.ROUTER,
        ROUTER,
        signer=identity("router"),
        not_before=NOW,
        not_after=NOW + ROUTER_LIFETIME,
    )
    world.apply(made, by=world.registrar)
    directory, desk.ahead = world.directory, NOW + ROUTER_LIFETIME - 60 * DAY - now()
    with desk.running():
        mine = DistantIdentity(desk.socket)
        statement = mine.succession(desk.clock(), directory=directory, lifetime=ROUTER_LIFETIME)
        assert statement is not None
        assert mine.succession(desk.clock(), directory=directory, lifetime=ROUTER_LIFETIME) == statement
        directory.apply(statement)
        mine.reach()
        assert mine.adopt(desk.clock(), directory=directory) is None
        before = mine.adopt(Millis(desk.clock() + OVERLAP + 1), directory=directory)
        assert before == identity("router").public
        assert mine.public != before
        verify(parse_signed(signed_batch(mine, t=desk.clock())), mine.public, context=BATCH)
    with desk.running():
        assert DistantIdentity(desk.socket).has(mine.public)


def test_a_router_that_was_taken_over_destroys_no_key(desk: Desk) -> None:
    """Asked for one successor after the other, the signer makes one; a third not before a month, and keeps the first."""
    with desk.running():
        mine = DistantIdentity(desk.socket)
        asked = [mine.appointment(StatementType.ROUTER, now=now(), lifetime=DAY).public for _ in range(3)]
        assert asked[0] == asked[1] == asked[2]

        def succession_of_the_second() -> None:
            mine._made(AskSuccession(asked[0].kid, desk.clock(), Millis(desk.clock() + DAY)))

        with pytest.raises(SignerRefused, match="last month"):
            succession_of_the_second()
        desk.ahead = THIRD_AFTER + 1
        succession_of_the_second()
    kept = {path.name for path in desk.directory.glob("*.key")}
    assert kept == {"identity.key", "identity-next.key", f"identity-before-{mine.public.kid.hex()}.key"}


async def test_it_is_missed_that_a_third_key_waits(desk: Desk) -> None:
    mutant = Mutant(HeldKeys._foremost, rewritten("age < THIRD_AFTER", "False"))
    await assert_missed(mutant, test_a_router_that_was_taken_over_destroys_no_key, desk=desk)


@pytest.mark.parametrize("life", [0, -1, ROUTER_LIFETIME + 1])
def test_a_key_that_follows_lives_no_longer_than_a_router_s(desk: Desk, life: int) -> None:
    with desk.running(), pytest.raises(SignerRefused, match="longer"):
        DistantIdentity(desk.socket).appointment(StatementType.ROUTER, now=now(), lifetime=life)


def test_a_header_of_another_algorithm_is_refused(desk: Desk) -> None:
    """The key's id goes with its algorithm."""
    with desk.running():
        mine = DistantIdentity(desk.socket)
        prot = encode({1: ALG_ED25519, 4: mine.public.pq_kid})
        message = encode(["Signature1", prot, bytes(BATCH), encode([1, "router", now(), 1, bytes(32)])])
        with pytest.raises(SignerRefused, match="another key"):
            mine.sign_ed25519(message)
