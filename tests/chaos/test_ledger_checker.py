"""The checker of the ledger: a ledger for every anomaly, each of which it must find, and one that is clean."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from protocol.identifiers import Digest
from protocol.merkle import leaf_hash, root_of
from tests.chaos.checker import check
from tests.chaos.history import (
    ACCEPTED,
    ANOMALIES,
    REJECTED,
    Arrival,
    Decision,
    Delivery,
    Head,
    History,
    KafkaLoss,
    Ledger,
    Message,
    Source,
    StatedAct,
    Unverified,
    Watch,
    WentBack,
)

AUDIT, DIRECTORY = "contrada.example/audit/2026h2", "contrada.example/directory"
SENT = Source("fr", 0, 0)
GARBAGE = Source("fr", 0, 1)
TO_IT, TO_DE = Delivery("it", "fr", b"m"), Delivery("de", "fr", b"m")
STARTED, ANNOUNCED = StatedAct(b"started"), StatedAct(b"announced", 0)
DECIDED = [Decision(ACCEPTED, SENT, b"m"), Decision(REJECTED, GARBAGE)]
LEAVES = [ANNOUNCED, STARTED, DECIDED[0], TO_IT, TO_DE, Unverified(7), DECIDED[1]]


def hashes(count: int, *, fork: str = "") -> list[Digest]:
    """So many leaf hashes."""
    return [leaf_hash(f"{fork}{index}".encode()) for index in range(count)]


def head(size: int, *, origin: str = AUDIT, fork: str = "") -> Head:
    """A checkpoint of a log."""
    return Head("published", origin, size, root_of(hashes(size, fork=fork)))


CLEAN = Ledger(
    leaves=LEAVES,
    acts=[ANNOUNCED, STARTED],
    unverified=[Unverified(7)],
    trees={AUDIT: hashes(len(LEAVES)), DIRECTORY: hashes(3)},
    heads=[head(0), head(4), head(4), head(len(LEAVES)), head(2, origin=DIRECTORY)],
    trusted={AUDIT: len(LEAVES), DIRECTORY: 3},
    watches={"it": Watch(sizes={AUDIT: len(LEAVES), DIRECTORY: 3})},
)


def judged(
    *,
    loss: KafkaLoss | None = None,
    more: tuple[str, ...] = (),
    again: tuple[Decision, ...] = (),
    **changes: object,
) -> dict[str, int]:
    """The anomalies of a clean run whose ledger has these changes; more was delivered, and decided again."""
    arrivals = [Arrival(unit, "fr", b"m", b"case") for unit in ("it", "de")]
    decided = [*DECIDED, *again]
    ledger = replace(CLEAN, **changes)
    verdict = check(
        History(
            messages=[Message("fr", b"m", b"case", frozenset({"it", "de"}), 0)],
            inputs=[SENT, GARBAGE, *(made.source for made in again)],
            delivered=[*arrivals, *(Arrival(unit, "fr", b"m", b"case") for unit in more)],
            received=arrivals,
            audit=decided,
            receipts={"fr": decided},
            ledger=ledger,
            loss=loss or KafkaLoss(),
        )
    )
    found = {name: count for name in ANOMALIES if (count := getattr(verdict, name))}
    assert verdict.clean == (not found)
    assert len(verdict.findings) == sum(found.values())
    assert verdict.leaves == len(ledger.leaves)
    return found


def with_leaves(leaves: list, **run: object) -> dict[str, int]:
    """The anomalies if these were all leaves, in a tree that fits them."""
    size = len(leaves)
    return judged(
        **run,
        leaves=leaves,
        trees={AUDIT: hashes(size), DIRECTORY: hashes(3)},
        heads=[head(size)],
        trusted={AUDIT: size, DIRECTORY: 3},
        watches={"it": Watch(sizes={AUDIT: size, DIRECTORY: 3})},
    )


def test_a_clean_ledger_is_clean() -> None:
    """One leaf of everything, one history, every promise kept."""
    assert judged() == {}


def test_an_announcement_that_is_repeated_has_one_leaf() -> None:
    """A ledger that dies between announcing and logging announces again: the first one counts."""
    assert judged(acts=[*CLEAN.acts, StatedAct(b"again", 0)]) == {}


@pytest.mark.parametrize("gone", LEAVES, ids=str)
def test_a_leaf_that_is_missing(gone: object) -> None:
    """Whatever stands in the audit topic or in an inbox has its leaf."""
    assert with_leaves([leaf for leaf in LEAVES if leaf != gone]) == {"unlogged": 1}


def test_what_was_sent_again_has_a_leaf_each_time() -> None:
    """Its addressee had it, and only the acknowledgement was lost: Kafka has both deliveries, and so has the ledger."""
    second = Decision(ACCEPTED, Source("fr", 0, 9), b"m")
    run = {"loss": KafkaLoss(sent_again=frozenset({("fr", b"m")})), "more": ("it",), "again": (second,)}
    assert with_leaves([*LEAVES, second, TO_IT], **run) == {}
    assert with_leaves([*LEAVES, second], **run) == {"unlogged": 1}
    assert with_leaves([*LEAVES, second, TO_IT, TO_IT], **run) == {"unlogged": 1}
    assert with_leaves([*LEAVES, second, TO_IT, TO_DE], **run) == {"unlogged": 1}


def test_what_was_deleted_before_it_was_read_has_no_leaf() -> None:
    """And what was not deleted has one."""
    loss = KafkaLoss(unlogged=frozenset({SENT}), unlogged_deliveries=Counter([TO_IT, TO_DE]))
    kept = [leaf for leaf in LEAVES if leaf not in (TO_IT, TO_DE) and getattr(leaf, "source", None) != SENT]
    assert with_leaves(kept, loss=loss) == {}
    assert with_leaves(LEAVES, loss=loss) == {"unlogged": 3}
    assert with_leaves(kept) == {"unlogged": 3}


def test_what_kafka_has_undone_stays_in_the_log_and_is_decided_again() -> None:
    """It was logged before Kafka was put back; the ledger went back as often as Kafka did, and no more."""
    lost = [
        Decision(ACCEPTED, Source("fr", 0, 8), b"x"),
        Unverified(9),
        StatedAct(b"gone"),
        DECIDED[0],
        TO_IT,
    ]
    loss = KafkaLoss(undone=Counter(lost), put_back=1)
    assert with_leaves([*lost, WentBack(9), *LEAVES], loss=loss) == {}
    assert with_leaves([*lost, *LEAVES], loss=KafkaLoss(put_back=1)) == {"unlogged": 5}
    assert with_leaves([*lost, WentBack(9), *LEAVES[:-1]], loss=loss) == {"unlogged": 1}
    assert with_leaves([WentBack(9), *LEAVES]) == {"forked": 1}


@pytest.mark.parametrize("twice", LEAVES, ids=str)
def test_a_leaf_that_is_there_twice(twice: object) -> None:
    """And it has only one: a ledger that forgot how far it was logs things again."""
    assert with_leaves([*LEAVES, twice]) == {"unlogged": 1}


@pytest.mark.parametrize(
    "made_up",
    [
        Decision(ACCEPTED, Source("it", 0, 0), b"x"),
        Delivery("centre", "fr", b"m"),
        StatedAct(b"nobody"),
        StatedAct(b"nobody", 1),
        Unverified(8),
    ],
    ids=str,
)
def test_a_leaf_of_something_that_never_was(made_up: object) -> None:
    """Nobody sent, delivered, stated or wrote it."""
    assert with_leaves([*LEAVES, made_up]) == {"unlogged": 1}


@pytest.mark.parametrize(
    ("true", "false"),
    [
        (DECIDED[0], Decision(REJECTED, SENT, b"m")),
        (DECIDED[1], Decision(ACCEPTED, GARBAGE, b"other")),
        (ANNOUNCED, StatedAct(b"another statement", 0)),
    ],
    ids=["accepted as rejected", "another message", "another statement"],
)
def test_a_leaf_that_says_something_else(true: object, false: object) -> None:
    """The leaf is there, and not as it stands in the audit topic."""
    assert with_leaves([false if leaf == true else leaf for leaf in LEAVES]) == {"unlogged": 1}


@pytest.mark.parametrize(
    "seen",
    [
        head(4, fork="other"),
        head(len(LEAVES) + 1),
        head(3, origin=DIRECTORY, fork="other"),
        head(1, origin="contrada.example/audit/2027h1"),
    ],
    ids=["another history", "a longer one", "of the directory", "a log that is gone"],
)
def test_a_checkpoint_that_does_not_fit(seen: Head) -> None:
    """Whatever anybody has seen must be a beginning of the final tree."""
    assert judged(heads=[*CLEAN.heads, seen]) == {"forked": 1}


def test_a_witness_with_evidence() -> None:
    """It keeps what the log must not have signed."""
    assert judged(evidence=["fork"]) == {"forked": 1}


def test_a_record_that_does_not_open_its_leaf() -> None:
    """Without it nobody knows what the leaf is about, so that its decision has none, either."""
    leaves = [None if leaf == DECIDED[1] else leaf for leaf in LEAVES]
    assert with_leaves(leaves) == {"unlogged": 1, "unproven": 1}


@pytest.mark.parametrize("trusted", [{AUDIT: 6, DIRECTORY: 3}, {DIRECTORY: 3}, {AUDIT: -1, DIRECTORY: 3}])
def test_a_tree_that_no_trusted_checkpoint_covers(trusted: dict[str, int]) -> None:
    """The policy's witnesses have not seen all of it."""
    assert judged(trusted=trusted, watches={}) == {"unproven": 1}


def test_what_fsck_finds() -> None:
    """The auditor's own check counts."""
    assert judged(findings=["record-altered"]) == {"unproven": 1}


@pytest.mark.parametrize(
    ("change", "anomaly"),
    [
        ({"promised": 2}, "unproven"),
        ({"promised": 1, "late": 1}, "unproven"),
        ({"wrong": ["ledger_untrusted"]}, "unproven"),
        ({"sizes": {AUDIT: 6, DIRECTORY: 3}}, "unproven"),
        ({"sizes": {AUDIT: len(LEAVES)}}, "unproven"),
        ({"accused": ["ledger_fork"]}, "forked"),
    ],
    ids=["waits", "late", "wrong", "behind", "without the directory", "accuses"],
)
def test_a_unit_that_is_not_content(change: dict, anomaly: str) -> None:
    """Every promise is kept, and nobody was shown anything that does not fit."""
    watch = replace(CLEAN.watches["it"], **change)
    assert judged(watches={"it": watch}) == {anomaly: 1}
