"""What must hold of the ledger after a run. Pure, like checker.py, which calls it.

unlogged    a submission without exactly one decision leaf, a delivery without exactly one, an act or a
            record that nobody signed likewise; a leaf about something that never stood in the audit topic
forked      a checkpoint that somebody has, and that is no beginning of the final tree; a witness that
            keeps evidence; a unit that accuses the log; a log that went back though Kafka did not
unproven    a leaf that no record opens, a tree that no trusted checkpoint covers, a promise that was not
            kept, anything that `contrada audit fsck` finds
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

from protocol.identifiers import Digest
from protocol.merkle import Frontier
from tests.chaos.history import (
    Decision,
    Delivery,
    Head,
    History,
    Ledger,
    Says,
    StatedAct,
    Unverified,
    Verdict,
    Watch,
    WentBack,
)


def check_ledger(history: History, ledger: Ledger, verdict: Verdict) -> None:
    """Judge the ledger."""
    verdict.leaves = len(ledger.leaves)
    _check_ways_back(history, ledger, verdict)
    ledger = _without(ledger, history.loss.undone)
    _check_decisions(history, ledger, verdict)
    _check_deliveries(history, ledger, verdict)
    _check_acts(ledger, verdict)
    garbage = (leaf for leaf in ledger.leaves if isinstance(leaf, Unverified))
    _check_once(set(ledger.unverified), garbage, verdict)
    _check_trees(ledger, verdict)
    _check_proofs(ledger, verdict)
    for unit, watch in ledger.watches.items():
        _check_watch(unit, watch, ledger, verdict)


def _check_ways_back(history: History, ledger: Ledger, verdict: Verdict) -> None:
    times = sum(isinstance(leaf, WentBack) for leaf in ledger.leaves)
    if times > history.loss.put_back:
        verdict.add("forked", f"the ledger went back {times}x, and Kafka {history.loss.put_back}x")


def _without(ledger: Ledger, undone: Counter[Says]) -> Ledger:
    """The ledger without what Kafka has undone, each once: what is decided again has its leaves too."""
    left, leaves = undone.copy(), []
    for leaf in ledger.leaves:
        if leaf is not None and left[leaf] > 0:
            left[leaf] -= 1
        else:
            leaves.append(leaf)
    return replace(ledger, leaves=leaves)


def _check_decisions(history: History, ledger: Ledger, verdict: Verdict) -> None:
    leaves = [leaf for leaf in ledger.leaves if isinstance(leaf, Decision)]
    logged = set(history.inputs) - history.loss.unlogged
    _check_once(logged, (leaf.source for leaf in leaves), verdict)
    known, audited = set(history.inputs), set(history.audit)
    for leaf in set(leaves) - audited:
        if leaf.source in known:
            verdict.add("unlogged", f"a leaf says {leaf}, which nobody decided")


def _check_deliveries(history: History, ledger: Ledger, verdict: Verdict) -> None:
    delivered = Counter(Delivery(each.unit, each.sender, each.message_id) for each in history.delivered)
    delivered -= history.loss.unlogged_deliveries
    leaves = Counter(leaf for leaf in ledger.leaves if isinstance(leaf, Delivery))
    # What people sent again was decided, and delivered, once more: each time is a leaf.
    again = {each for each in delivered if (each.sender, each.message_id) in history.loss.sent_again}
    for one in again:
        if (found := leaves.pop(one, 0)) != delivered[one]:
            verdict.add("unlogged", f"{one} was delivered {delivered[one]}x, and has {found} leaves")
    _check_once(delivered.keys() - again, leaves.elements(), verdict)


def _check_acts(ledger: Ledger, verdict: Verdict) -> None:
    leaves = [leaf for leaf in ledger.leaves if isinstance(leaf, StatedAct)]
    stated = [act for act in ledger.acts if act.position is None]
    _check_once(set(stated), (leaf for leaf in leaves if leaf.position is None), verdict)
    announced = {act.position for act in ledger.acts if act.position is not None}
    positions = (leaf.position for leaf in leaves if leaf.position is not None)
    _check_once(announced, positions, verdict, what="the announcement of statement ")
    for leaf in set(leaves) - set(ledger.acts):
        if leaf.position is not None and leaf.position in announced:
            verdict.add("unlogged", f"statement {leaf.position} is announced by a leaf as nobody stated it")


def _check_once(
    wanted: set[Hashable], leaves: Iterable[Hashable], verdict: Verdict, *, what: str = ""
) -> None:
    """Exactly one leaf for each of these, and none for anything else."""
    found = Counter(leaves)
    for one in wanted | found.keys():
        if one not in wanted:
            verdict.add("unlogged", f"{what}{one} has {found[one]} leaves, and was never there")
        elif found[one] != 1:
            verdict.add("unlogged", f"{what}{one} has {found[one]} leaves")


def _check_trees(ledger: Ledger, verdict: Verdict) -> None:
    heads: dict[str, list[Head]] = defaultdict(list)
    for head in ledger.heads:
        heads[head.origin].append(head)
    for origin, seen in heads.items():
        hashes = ledger.trees.get(origin, ())
        roots = _roots(hashes, {head.size for head in seen})
        for head in seen:
            if roots.get(head.size) != head.root:
                what = "the log is shorter now" if head.size > len(hashes) else "the log says otherwise now"
                verdict.add("forked", f"{origin} of {head.size} leaves, seen {head.where}: {what}")
    for each in ledger.evidence:
        verdict.add("forked", f"a witness keeps {each}")


def _roots(hashes: Sequence[Digest], sizes: set[int]) -> dict[int, bytes]:
    """The roots of the beginnings of a tree that have these sizes."""
    tree, roots = Frontier(), {}
    for size in sorted(size for size in sizes if size <= len(hashes)):
        tree.extend(hashes[tree.size : size])
        roots[size] = tree.root()
    return roots


def _check_proofs(ledger: Ledger, verdict: Verdict) -> None:
    for index, leaf in enumerate(ledger.leaves):
        if leaf is None:
            verdict.add("unproven", f"no record opens leaf {index}")
    for origin, hashes in ledger.trees.items():
        covered = ledger.trusted.get(origin)
        if covered != len(hashes):
            verdict.add("unproven", f"{origin} has {len(hashes)} leaves, trusted are {covered}")
    for finding in ledger.findings:
        verdict.add("unproven", f"fsck: {finding}")


def _check_watch(unit: str, watch: Watch, ledger: Ledger, verdict: Verdict) -> None:
    if watch.promised or watch.late:
        verdict.add(
            "unproven", f"{unit} waits for the leaves of {watch.promised} messages, {watch.late} late"
        )
    for wrong in watch.wrong:
        verdict.add("unproven", f"{unit} says {wrong}")
    for origin, size in ledger.trusted.items():
        if watch.sizes.get(origin) != size:
            verdict.add("unproven", f"{unit} follows {origin} to {watch.sizes.get(origin)} of {size}")
    for accused in watch.accused:
        verdict.add("forked", f"{unit} says {accused}")
