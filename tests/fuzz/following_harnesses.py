"""What is fuzzed of following a log: publications, to one who begins with them and to one who goes on.

Whatever the bytes, what is believed afterwards is a head that the log has signed and the witnesses have.
"""

from __future__ import annotations

from functools import cache

from protocol.parties import TreeHead
from protocol.tlog.following import Follower
from protocol.tlog.publication import encode_publication, parse_publication
from tests.fuzz.harness import Harness, expect
from tests.sim.one_log import SimLog, leaves, policy

SIZES = (3, 300, 700)
POLICY = policy()


@cache
def _published() -> tuple[tuple[bytes, ...], frozenset[TreeHead]]:
    """What a log published while it grew, from its beginning and again from the middle; and its heads."""
    log, records, heads = SimLog(), [], set()
    for size in SIZES:
        log.add(leaves(size - log.tree.size, first=log.tree.size))
        records += [*log.publish(), *log.publish(old=0)]
        heads.add(log.checkpoint().head)
    return tuple(records), frozenset(heads)


def publication(data: bytes) -> None:
    """A publication."""
    parsed = parse_publication(data)
    expect(encode_publication(parsed), data)
    records, heads = _published()
    going_on, _ = Follower.join(parse_publication(records[0]), POLICY)
    try:
        if parsed.origin == going_on.origin:
            going_on.take(parsed, POLICY)
    finally:
        expect(going_on.head in heads, wanted=True)
    joined, advance = Follower.join(parsed, POLICY)
    expect(joined.head in heads, wanted=True)
    expect(list(advance.leaves), leaves(joined.head.size)[advance.before.size :])


def _seeds() -> list[bytes]:
    return list(_published()[0])


FOLLOWING = (Harness("publication", publication, _seeds),)
