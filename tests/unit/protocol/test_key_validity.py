"""When a signing key is good: for the router now, and for those who judge at its decision."""

from __future__ import annotations

import pytest

from protocol.errors import Code, Rejected
from protocol.identifiers import Millis, UnitId
from protocol.key_validity import check_signing_key, check_signing_key_at_decision
from protocol.limits import CLOCK_TOLERANCE
from protocol.parties import IdentityKey
from protocol.public_keys import IdentityPublic

BEGIN, END = 1_000_000_000, 2_000_000_000
MIDDLE = 1_500_000_000


def key(*, revoked: bool = False, since: int | None = None) -> IdentityKey:
    """A key that is valid from BEGIN to END."""
    return IdentityKey(
        UnitId("fr"),
        IdentityPublic(bytes(32), bytes(1952)),
        Millis(BEGIN),
        Millis(END),
        revoked=revoked,
        compromised_since=None if since is None else Millis(since),
    )


def router(identity: IdentityKey | None, at: int, *, signed: int | None = None) -> Code | None:
    """The router's verdict at this time."""
    try:
        found = check_signing_key(
            identity, signed_at=Millis(at if signed is None else signed), judged_at=Millis(at)
        )
    except Rejected as rejected:
        return rejected.reason
    assert found is identity
    return None


def addressee(identity: IdentityKey | None, at: int, *, signed: int | None = None) -> Code | None:
    """The verdict of one who judges what was decided at this time."""
    try:
        found = check_signing_key_at_decision(
            identity, signed_at=Millis(at if signed is None else signed), decided_at=Millis(at)
        )
    except Rejected as rejected:
        return rejected.reason
    assert found is identity
    return None


@pytest.mark.parametrize("judge", [router, addressee])
def test_a_key_is_valid_from_its_first_to_its_last_millisecond(judge) -> None:  # type: ignore[no-untyped-def]
    """A key is good from its first to its last millisecond, and unknown keys never are."""
    assert judge(None, MIDDLE) is Code.E_KEY_UNKNOWN
    assert judge(key(), BEGIN - 1) is Code.E_KEY_NOT_YET
    assert judge(key(), BEGIN) is judge(key(), END) is None
    assert judge(key(), END + 1) is Code.E_KEY_EXPIRED


@pytest.mark.parametrize("judge", [router, addressee])
def test_claimed_time_saves_no_key(judge) -> None:  # type: ignore[no-untyped-def]
    """A key that is over is over, whenever the message says that it was signed; and a claim can condemn it."""
    assert judge(key(), END + 1, signed=MIDDLE) is Code.E_KEY_EXPIRED
    assert judge(key(), BEGIN - 1, signed=MIDDLE) is Code.E_KEY_NOT_YET
    assert judge(key(), END, signed=END + 1) is Code.E_KEY_EXPIRED
    assert judge(key(), MIDDLE, signed=BEGIN - CLOCK_TOLERANCE) is None
    assert judge(key(), MIDDLE, signed=BEGIN - CLOCK_TOLERANCE - 1) is Code.E_KEY_NOT_YET


@pytest.mark.parametrize("since", [None, BEGIN, MIDDLE, END])
def test_router_takes_nothing_under_a_revoked_key(since: int | None) -> None:
    """To the router a revoked key is revoked, for whatever reason and since whenever."""
    for at in (BEGIN, MIDDLE, END):
        assert router(key(revoked=True, since=since), at) is Code.E_KEY_REVOKED


def test_what_was_accepted_before_a_revocation_stays_valid() -> None:
    """Messages in flight survive an orderly revocation, and one for a later compromise."""
    assert addressee(key(revoked=True), MIDDLE) is None
    assert addressee(key(revoked=True, since=MIDDLE + 1), MIDDLE) is None


def test_what_was_accepted_after_a_compromise_does_not() -> None:
    """From the millisecond of the compromise on nothing under that key is believed."""
    assert addressee(key(revoked=True, since=MIDDLE), MIDDLE) is Code.E_KEY_REVOKED
    assert addressee(key(revoked=True, since=MIDDLE - 1), MIDDLE) is Code.E_KEY_REVOKED
    assert addressee(key(revoked=True, since=MIDDLE + 1), MIDDLE, signed=MIDDLE + 1) is Code.E_KEY_REVOKED


def test_revocation_weighs_more_than_expiry() -> None:
    """Of two reasons the graver one is told."""
    assert router(key(revoked=True), END + 1) is Code.E_KEY_REVOKED
    assert addressee(key(revoked=True, since=BEGIN), END + 1) is Code.E_KEY_REVOKED
