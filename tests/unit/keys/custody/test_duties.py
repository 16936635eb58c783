"""What a signer signs for a router. Whoever has taken the router over gets nothing else signed."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.custody import duties
from keys.custody.duties import check_duty
from keys.errors import SignerRefused
from keys.possession import POSSESSION
from keys.soft_keys import SoftIdentity
from protocol.canonical import encode
from protocol.identifiers import KeyId, Millis, UnitId
from protocol.limits import CLOCK_OFF
from protocol.public_keys import ALG_ED25519, ALG_ML_DSA_65
from protocol.signatures import ACTS, AGREEMENT, BATCH, HEADER, STATEMENT, Context, Suite, sign
from protocol.trail.acts import software_start
from protocol.trail.stated_acts import sign_acts
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.unit.keys.world import NOW, identity

ROUTER = UnitId("router")
KID = KeyId(bytes(range(16)))
ROOT = bytes(32)


class Recorder:
    """A signer that keeps what it is to sign."""

    def __init__(self, identity_: SoftIdentity) -> None:
        self.public = identity_.public
        self.asked: list[tuple[str, bytes]] = []

    def sign_ed25519(self, message: bytes) -> bytes:
        self.asked.append(("ed25519", message))
        return bytes(64)

    def sign_ml_dsa_65(self, message: bytes) -> bytes:
        self.asked.append(("ml-dsa-65", message))
        return bytes(3309)


def batch(
    *, router: str = "router", t: int = NOW, count: int = 3, root: bytes = ROOT, version: object = 1
) -> bytes:
    return encode([version, router, t, count, root])


def simple(payload: bytes, context: bytes = BATCH, alg: int = ALG_ED25519) -> bytes:
    return encode(["Signature1", encode({1: alg, 4: KID}), bytes(context), payload])


def double(payload: bytes, context: bytes = ACTS, alg: int = ALG_ED25519) -> bytes:
    return encode(["Signature", b"", encode({1: alg, 4: KID}), bytes(context), payload])


def check(message: bytes, algorithm: str = "ed25519") -> KeyId:
    return check_duty(message, algorithm=algorithm, router="router", actor=ROUTER, now=NOW)


def refuses(message: bytes, algorithm: str = "ed25519") -> None:
    with pytest.raises(SignerRefused):
        check(message, algorithm)


def test_what_a_router_signs_is_signed() -> None:
    """The bytes that the router's own code makes of a batch and of its start, and nothing near them is needed."""
    recorder = Recorder(identity("router"))
    sign(batch(), suite=Suite.CLASSICAL, signer=recorder, context=BATCH)
    act = software_start(NOW, ROUTER, program="router", version="0")
    sign_acts([act], actor=ROUTER, now=NOW, signer=recorder, entropy=os.urandom)
    kids = [check(message, algorithm) for algorithm, message in recorder.asked]
    public = recorder.public
    assert kids == [public.kid, public.kid, public.pq_kid]


OTHER_CONTEXTS = [HEADER, STATEMENT, AGREEMENT, POSSESSION, Context(b"contrada/enrolment/1"), Context(b"")]


@pytest.mark.parametrize("context", OTHER_CONTEXTS)
def test_no_other_use_of_the_key_is_signed(context: Context) -> None:
    """A statement, a header, a proof of possession: not with this key, in neither structure."""
    for payload in (batch(), batch(count=1), b"anything"):
        refuses(simple(payload, context))
        refuses(double(payload, context))
        refuses(double(payload, context, ALG_ML_DSA_65), "ml-dsa-65")


@pytest.mark.parametrize("mutant", [
    Mutant(duties.check_duty, forced(True, "context == BATCH")),
    Mutant(duties.check_duty, forced(True, "context == ACTS")),
], ids=["batch", "acts"])  # fmt: skip
async def test_it_is_missed_that_the_context_is_compared(mutant: Mutant) -> None:
    await assert_missed(mutant, test_no_other_use_of_the_key_is_signed, [HEADER])


def test_a_context_goes_with_its_structure() -> None:
    """No acts with one signature, and no decisions with two."""
    refuses(simple(batch(count=1), ACTS))
    refuses(double(batch(), BATCH))
    refuses(simple(batch()), "ml-dsa-65")
    refuses(double(batch(count=1)), "ml-dsa-65")
    refuses(double(batch(count=1), alg=ALG_ML_DSA_65))


@pytest.mark.parametrize("off", [CLOCK_OFF + 1, -CLOCK_OFF - 1, 10**12, -(10**12)])
def test_no_time_but_the_present_is_signed(off: int) -> None:
    """Nobody collects signatures for a time when the router is not his any more, nor for one before he had it."""
    refuses(simple(batch(t=NOW + off)))
    refuses(double(batch(t=NOW + off, count=1)))
    assert check(simple(batch(t=NOW + CLOCK_OFF))) == KID


async def test_it_is_missed_that_the_time_is_compared() -> None:
    mutant = Mutant(duties.check_now, unchecked(SignerRefused))
    await assert_missed(mutant, test_no_time_but_the_present_is_signed, [CLOCK_OFF + 1])


@pytest.mark.parametrize("name", ["router-2", "registrar", "Router", ""])
def test_no_other_name_is_signed(name: str) -> None:
    refuses(simple(batch(router=name)))
    refuses(double(batch(router=name, count=1)))


async def test_it_is_missed_that_the_name_is_compared() -> None:
    await assert_missed(
        Mutant(duties._check_root, rewritten("named != name", "False")),
        test_no_other_name_is_signed,
        ["router-2"],
    )


@pytest.mark.parametrize(
    "payload",
    [
        batch(count=0), batch(count=10_001), batch(root=bytes(31)), batch(version=2), batch(version=True),
        b"", b"\x00", encode([1, "router", NOW, 3]), encode([1, "router", NOW, 3, ROOT, 0]),
        encode([1, "router", -1, 3, ROOT]), encode({}), b"\xff" * 64,
    ],
)  # fmt: skip
def test_what_has_another_form_is_not_signed(payload: bytes) -> None:
    refuses(simple(payload))


def test_of_acts_one_is_signed() -> None:
    """A router states its start, and that is one act."""
    assert check(double(batch(count=1))) == KID
    refuses(double(batch(count=2)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good + b"\x00",
        lambda good: b"\x9f" + good[1:] + b"\xff",
        lambda good: good[:-1],
        lambda good: good * 2,
        lambda _: b"",
        lambda _: b"m" * 2000,
    ],
)
def test_bytes_that_are_not_the_one_encoding_are_not_signed(spoil: Callable[[bytes], bytes]) -> None:
    """What is signed is read in its one encoding, so that it cannot be read as something else elsewhere."""
    refuses(spoil(simple(batch())))


@pytest.mark.parametrize(
    "header", [{}, {1: ALG_ED25519}, {1: ALG_ED25519, 4: b"short"}, {1: ALG_ED25519, 4: KID, 5: 1}]
)
def test_a_strange_header_is_not_signed(header: dict[int, object]) -> None:
    refuses(encode(["Signature1", encode(header), bytes(BATCH), batch()]))


def test_a_clock_of_milliseconds() -> None:
    """The bound is the one by which a router steps aside."""
    assert Millis(CLOCK_OFF) == 120_000


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_and_nothing_else(data: bytes) -> None:
    """Whatever is asked for ends in a key's id or in `SignerRefused`: the signer falls over nothing."""
    for algorithm in ("ed25519", "ml-dsa-65"):
        refuses(data, algorithm)
        for context in (BATCH, ACTS):
            refuses(simple(data, context), algorithm)
            refuses(double(data, context), algorithm)
