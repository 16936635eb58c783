"""The validity of a signing key at the time of its use.

Owns the rule; the key and its validity come from the directory, the times from the caller. Two parties judge,
and they differ in one point, revocation:

- The router judges now (`check_signing_key`): a revoked key signs nothing any more, whatever the reason.
- A recipient, or an auditor years later, judges at the time of the router's decision
  (`check_signing_key_at_decision`): what the router accepted before a revocation stays valid, unless the
  key is known to have been compromised by then. So messages in flight survive an orderly rotation.

Rule: the time that a message claims can only make the judgement stricter, never save a key.
"""

from __future__ import annotations

from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from protocol.limits import CLOCK_TOLERANCE
from protocol.parties import IdentityKey


def check_signing_key(identity: IdentityKey | None, *, signed_at: Millis, judged_at: Millis) -> IdentityKey:
    """The router's judgement, at `judged_at`: the key, or `Rejected` with an `E_KEY_*` code."""
    known = _known(identity)
    if known.revoked:
        raise Rejected(Code.E_KEY_REVOKED, "the signing key is revoked")
    _check_validity(known, signed_at=signed_at, judged_at=judged_at)
    return known


def check_signing_key_at_decision(
    identity: IdentityKey | None, *, signed_at: Millis, decided_at: Millis
) -> IdentityKey:
    """A recipient's judgement of what a router accepted at `decided_at`: the key, or `Rejected`."""
    known = _known(identity)
    since = known.compromised_since
    # `<=`: the millisecond of the compromise itself is not trusted.
    if known.revoked and since is not None and since <= max(signed_at, decided_at):
        raise Rejected(Code.E_KEY_REVOKED, "the signing key was compromised when this was accepted")
    _check_validity(known, signed_at=signed_at, judged_at=decided_at)
    return known


def _known(identity: IdentityKey | None) -> IdentityKey:
    if identity is None:
        raise Rejected(Code.E_KEY_UNKNOWN, "the directory does not know this signing key")
    return identity


def _check_validity(identity: IdentityKey, *, signed_at: Millis, judged_at: Millis) -> None:
    # The sender's clock may be behind the one that issued the key, but only as far as clocks may differ.
    if judged_at < identity.not_before or signed_at < identity.not_before - CLOCK_TOLERANCE:
        raise Rejected(Code.E_KEY_NOT_YET, "the signing key is not valid yet")
    if max(signed_at, judged_at) > identity.not_after:
        raise Rejected(Code.E_KEY_EXPIRED, "the signing key is not valid any more")
