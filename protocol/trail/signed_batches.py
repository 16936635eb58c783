"""The root that a router signs over the decisions of one transaction: its layout, its key, its time.

    batch     = signed [ 1, router, t, count, root ]          protocol/trail/batches.py says what is under it

Owns who may have signed it. Rules:

- The time of a batch says whether the key was valid. So every decision under it has that time, or a router
  would date one as it likes: into a half-year that has not come, or before its key was stolen.
- A batch bears a name beside the key. Several processes may share a key and have names of their own; the name
  of another router that was appointed is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from protocol.canonical import Item, decode
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest, KeyId, Millis
from protocol.item_forms import uint
from protocol.merkle import leaf_hash, root_of
from protocol.parties import Parties
from protocol.public_keys import IdentityPublic
from protocol.signatures import BATCH, Signed, parse_signed, verify
from protocol.trail.records import DECISIONS, VERSION, entry_head

HASH: Final = 32


@dataclass(frozen=True, slots=True)
class Batch:
    """The signed root of one router transaction."""

    router: str
    t: Millis
    count: int
    root: Digest
    kid: KeyId


def check_batch(signed: bytes, entries: Sequence[bytes], *, parties: Parties) -> Batch:
    """The batch, if a router signed it and it is over exactly these entries."""
    batch = verify_batch(signed, parties=parties)
    if batch.count != len(entries) or root_of([leaf_hash(entry) for entry in entries]) != batch.root:
        raise Rejected(Code.E_RECEIPT, "the decisions are not those that were signed")
    for entry in entries:
        check_time(entry, batch)
    return batch


def verify_batch(data: bytes, *, parties: Parties) -> Batch:
    """A batch signed by a key that the directory gives to a router, within the key's validity."""
    signed, batch = _read_batch(data)
    key = parties.router_key(signed.kid)
    if key is None:
        raise Rejected(Code.E_RECEIPT, "signed by a key that no router has")
    compromised = key.revoked and (key.compromised_since is None or key.compromised_since <= batch.t)
    if compromised or not key.not_before <= batch.t <= key.not_after:
        raise Rejected(Code.E_RECEIPT, "the router's key was not valid then")
    if batch.router != key.unit and parties.is_router(batch.router):
        # A name of its own choice is no lie: several processes may share a key. Another one's name is.
        raise Rejected(Code.E_RECEIPT, "a router signed under the name of another")
    _prove_batch(signed, key.public)
    return batch


def check_time(entry: bytes, batch: Batch) -> None:
    """That the entry is one of a decision, of the time of its batch."""
    # By the time of the batch it is judged whether the key was valid; so no decision may have another. Its
    # type is looked at as well: with the type of an act it would be an act that nobody stated.
    if entry[:-HASH] not in _heads(batch.t):
        raise Rejected(Code.E_RECEIPT, "a decision of another time than its batch")


@lru_cache(maxsize=32)
def _heads(t: Millis) -> frozenset[bytes]:
    return frozenset(entry_head(kind, t) for kind in DECISIONS)


# All messages of one transaction of a router carry the same batch. What is remembered depends on the bytes
# and the key alone; whose key it is, and whether it is valid, is asked each time. No refusal is remembered.
@lru_cache(maxsize=32)
def _read_batch(data: bytes) -> tuple[Signed, Batch]:
    signed = parse_signed(data)
    match decode(signed.payload, limit=256):
        case [version, str(router), time, number, bytes(root)] if len(root) == 32 and number != 0:
            check_version(version)
            t, count = uint(time), uint(number)
            return signed, Batch(router, Millis(t), count, Digest(root), signed.kid)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a batch of version 1")


@lru_cache(maxsize=32)
def _prove_batch(signed: Signed, public: IdentityPublic) -> None:
    verify(signed, public, context=BATCH)


def check_version(value: Item) -> None:
    """That this is the version that is known."""
    # `True == 1`: the version is compared as the item that it is, or one receipt would have two encodings.
    if uint(value) != VERSION:
        raise Rejected(Code.E_VER, f"version {value}, known is {VERSION}")
