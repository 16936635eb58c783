"""The open promises: every leaf that is there is found, by everybody who waits for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clients.daemon.state.open_promises import PATIENCE, SENT, OpenPromise, OpenPromises
from protocol.identifiers import Digest
from protocol.trail.records import RecordType

LOG = "contrada.example/audit/2026h2"
LEAVES = [Digest(bytes([number]) * 32) for number in range(6)]

promised = st.lists(st.sets(st.sampled_from(LEAVES), min_size=1, max_size=2), max_size=6)
logged = st.lists(st.sampled_from(LEAVES), max_size=12)


def made(number: int, leaves: set[Digest]) -> OpenPromise:
    return OpenPromise(
        id=number,
        side=SENT,
        subject=number,
        since=0.0,
        late=False,
        leaves=dict.fromkeys(leaves, RecordType.ACCEPTED),
    )


def prove_found(book: OpenPromises, log: list[Digest]) -> None:
    for position, (waiting, leaf) in book.take_found(LOG).items():
        assert log[position] == leaf
        for promise in waiting:
            book.prove(promise, leaf)


@given(promised, promised, logged, st.integers(0, 12))
def test_a_promise_is_open_exactly_as_long_as_a_leaf_of_it_is_missing(before, after, log, cut):
    """However many promises share a leaf, and whether the leaf comes before its promise or behind it."""
    book = OpenPromises()
    for number, leaves in enumerate(before, 1):
        book.add(made(number, leaves))
    book.look_for(LOG, log[:cut], first=0)
    prove_found(book, log)
    for number, leaves in enumerate(after, len(before) + 1):
        book.add(made(number, leaves))
    book.look_for(LOG, log[cut:], first=cut)
    prove_found(book, log)
    book.look_for(LOG, log, first=0)  # the search through what was read earlier
    prove_found(book, log)

    wanted = {number for number, leaves in enumerate(before + after, 1) if not leaves <= set(log)}
    assert set(book.promises) == wanted
    assert {promise.id for promise in book.overdue(PATIENCE, steady_since=0.0)} == wanted
