"""Operators: whose key signed something of the centre's, and whether it was good then. Pure.

Rule: a key is good within its validity, as long as it is not withdrawn; one that is withdrawn as compromised
was good before that time, and one that is withdrawn for another reason never.
"""

from __future__ import annotations

from protocol.canonical import Item
from protocol.errors import Code, Rejected
from protocol.identifiers import KeyId, Millis
from protocol.parties import IdentityKey, OperatorKey, Parties


def operator_at(parties: Parties, kid: KeyId, actor: Item, t: Millis) -> OperatorKey:
    """The operator of this name who signed with this key at this time, or `Rejected`."""
    by = parties.operator_key(kid)
    if by is None:
        raise Rejected(Code.E_ISSUER, "signed by a key that no operator has")
    if by.identity.unit != actor:
        raise Rejected(Code.E_ISSUER, "signed with the key of another operator")
    if not _was_good(by.identity, t):
        raise Rejected(Code.E_ISSUER, "the operator's key was not valid then")
    return by


def _was_good(key: IdentityKey, t: Millis) -> bool:
    compromised = key.revoked and (key.compromised_since is None or key.compromised_since <= t)
    return not compromised and key.not_before <= t <= key.not_after
