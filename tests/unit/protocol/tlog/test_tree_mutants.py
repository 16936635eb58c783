"""Each check of tree, tiles and proofs, taken away, lets its attack succeed: so each has a test that would miss it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest

from protocol import merkle
from protocol.errors import Code, Rejected
from protocol.merkle import (
    EMPTY_ROOT,
    Frontier,
    inclusion_paths,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from protocol.tlog import proofs, tiles
from protocol.tlog.proofs import consistency_proof, inclusion_proof
from protocol.tlog.tiles import (
    ENTRIES,
    Tile,
    TreeWriter,
    pack_entries,
    parse_path,
    read_hashes,
    smaller_from,
    unpack_entries,
)
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced, returning, rewritten, unchecked
from tests.unit.protocol.tlog import naive
from tests.unit.protocol.tlog.naive import Store

LEAVES = [leaf_hash(bytes([number])) for number in range(7)]
NOTHING = bytes(32)


def grown(count: int) -> tuple[TreeWriter, Store]:
    writer, store = TreeWriter(), Store()
    for number in range(count):
        writer.append(bytes([number % 256]))
    store.files.update(writer.take())
    return writer, store


def taken(call: Callable[..., object], *args: object) -> bool:
    """Whether it was not refused."""
    try:
        call(*args)
    except Rejected:
        return False
    return True


# Each gives True where the attack succeeds.


def a_node_passes_as_a_leaf() -> bool:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    return leaf_hash(left + right) == root_of([left, right])


def a_leaf_beyond_the_end_is_proved() -> bool:
    return verify_inclusion(LEAVES[0], index=1, size=1, path=[], root=LEAVES[0])


def a_subtree_passes_as_the_tree() -> bool:
    return verify_inclusion(LEAVES[0], index=0, size=7, path=[LEAVES[1]], root=root_of(LEAVES[:2]))


def a_path_goes_on_above_the_root() -> bool:
    root = node_hash(NOTHING, root_of(LEAVES[:2]))
    return verify_inclusion(
        LEAVES[0], index=0, size=2, path=[LEAVES[1], NOTHING], root=root
    ) or verify_inclusion(LEAVES[0], index=0, size=1, path=[NOTHING], root=node_hash(LEAVES[0], NOTHING))


def a_leaf_is_proved_at_another_place() -> bool:
    path = naive.path(2, LEAVES)
    return any(
        verify_inclusion(LEAVES[2], index=i, size=7, path=path, root=root_of(LEAVES)) for i in (0, 1, 3, 6)
    )


def half_a_hash_is_a_leaf() -> bool:
    both = LEAVES[0] + LEAVES[1]
    return verify_inclusion(both[:16], index=0, size=2, path=[both[16:]], root=root_of(LEAVES[:2]))


def a_step_of_another_length_is_taken() -> bool:
    both = LEAVES[0] + LEAVES[1]
    root = root_of(LEAVES[:3])
    moved = [both[:16], both[16:], LEAVES[2]]
    return verify_consistency(3, root, new=3, new_root=root, path=moved) or merkle._hashes([both])


def the_log_shrinks() -> bool:
    return verify_consistency(3, EMPTY_ROOT, new=0, new_root=EMPTY_ROOT, path=[])


def a_tree_of_the_same_size_is_another() -> bool:
    return verify_consistency(3, root_of(LEAVES[:3]), new=3, new_root=root_of(LEAVES[1:4]), path=[])


def the_empty_tree_has_any_root() -> bool:
    return verify_consistency(0, NOTHING, new=0, new_root=NOTHING, path=[]) or verify_consistency(
        0, NOTHING, new=2, new_root=root_of(LEAVES[:2]), path=[]
    )


def an_empty_proof_has_steps() -> bool:
    root = root_of(LEAVES[:2])
    return verify_consistency(0, EMPTY_ROOT, new=2, new_root=root, path=[NOTHING]) or verify_consistency(
        2, root, new=2, new_root=root, path=[NOTHING]
    )


def forked(old: int) -> tuple[list[bytes], bytes, bytes]:
    """A proof of a tree whose first leaf was rewritten, the old root, and the root of that tree."""
    other = [leaf_hash(b"rewritten"), *LEAVES[1:]]
    return naive.consistency(old, other), root_of(LEAVES[:old]), root_of(other)


def history_is_rewritten() -> bool:
    path, old_root, new_root = forked(3)
    return verify_consistency(3, old_root, new=7, new_root=new_root, path=path)


def history_of_a_power_of_two_is_rewritten() -> bool:
    path, old_root, new_root = forked(4)
    return verify_consistency(
        4, old_root, new=7, new_root=new_root, path=[root_of([leaf_hash(b"rewritten"), *LEAVES[1:4]]), *path]
    )


def a_growth_leads_anywhere() -> bool:
    path = naive.consistency(3, LEAVES)
    return verify_consistency(3, root_of(LEAVES[:3]), new=7, new_root=NOTHING, path=path)


def a_proof_of_growth_stops_early() -> bool:
    path = naive.consistency(3, LEAVES[:4])
    return verify_consistency(3, root_of(LEAVES[:3]), new=7, new_root=root_of(LEAVES[:4]), path=path)


def a_proof_of_growth_goes_on_too_long() -> bool:
    path = [*naive.consistency(3, LEAVES[:4]), NOTHING]
    root = root_of(LEAVES[:4])
    tops = (node_hash(NOTHING, root), node_hash(root, NOTHING))
    olds = (root_of(LEAVES[:3]), node_hash(NOTHING, root_of(LEAVES[:3])))
    return any(verify_consistency(3, old, new=4, new_root=top, path=path) for top in tops for old in olds)


def a_frontier_lacks_a_subtree() -> bool:
    return taken(Frontier.resume, 3, [root_of(LEAVES[:2])])


def a_frontier_has_half_hashes() -> bool:
    return taken(Frontier.resume, 3, [root_of(LEAVES[:2]), b"half"])


def a_run_of_leaves_gets_wrong_paths() -> bool:
    before = Frontier()
    before.extend(LEAVES[:3])
    _, paths = inclusion_paths(LEAVES[3:], before=before)
    return [list(path) for path in paths] != [naive.path(i, LEAVES) for i in range(3, 7)]


def a_short_tile_is_read() -> bool:
    _, store = grown(300)
    store.files["tile/0/000"] = store.files["tile/0/000"][:-32]
    return taken(read_hashes, store.read, Tile(0, 0, 256)) or taken(inclusion_proof, 255, 300, store.read)


def a_tile_has_two_names() -> bool:
    return taken(parse_path, "tile/0/x000/001")


def a_tile_is_too_wide() -> bool:
    return taken(parse_path, "tile/0/000.p/257")


def a_tile_stands_outside_every_tree() -> bool:
    return taken(parse_path, "tile/63/000")


def a_file_hides_bytes_behind_its_entries() -> bool:
    return taken(unpack_entries, pack_entries([b"a"]) + b"hidden", 1)


def a_file_ends_inside_an_entry() -> bool:
    return taken(unpack_entries, pack_entries([b"abc"])[:-1], 1) or taken(unpack_entries, b"\x00", 1)


def an_entry_is_too_long_for_its_length() -> bool:
    try:
        return taken(pack_entries, [bytes(0x10000)])
    except OverflowError:
        return True


def entries_are_exchanged_at_a_resume() -> bool:
    _, store = grown(3)
    store.files["tile/entries/000.p/3"] = pack_entries([b"x", b"y", b"z"])
    return taken(TreeWriter.resume, 3, store.read)


def a_file_is_kept_back() -> bool:
    writer, _ = grown(255)
    writer.append(b"1")
    first = writer.take()
    writer.append(b"2")
    return first.keys() | writer.take().keys() != {
        "tile/0/000", "tile/entries/000", "tile/1/000.p/1", "tile/0/001.p/1", "tile/entries/001.p/1",
    }  # fmt: skip


def a_tile_is_cut_from_a_smaller_tree() -> bool:
    _, store = grown(3)
    read = smaller_from(store.read, size=3)
    return taken(read, Tile(0, 0, 5)) or taken(read, Tile(ENTRIES, 0, 5))


def a_proof_names_a_leaf_that_is_not_there() -> bool:
    _, store = grown(3)
    try:
        return taken(inclusion_proof, 3, 3, store.read) or taken(inclusion_proof, -1, 3, store.read)
    except Exception:
        return True


def a_tree_grows_backwards() -> bool:
    _, store = grown(3)
    try:
        return taken(consistency_proof, 3, 2, store.read)
    except Exception:
        return True


def the_old_root_is_sent_again() -> bool:
    _, store = grown(7)
    return list(consistency_proof(4, 7, smaller_from(store.read, size=7))) != naive.consistency(4, LEAVES)


M, T, P = merkle, tiles, proofs

MUTANTS: list[tuple[Callable[[], bool], Mutant]] = [
    (a_node_passes_as_a_leaf, Mutant(M.leaf_hash, rewritten(r"b'\x00'", r"b'\x01'"))),
    (a_leaf_beyond_the_end_is_proved, Mutant(M.root_from_path, forced(False, "not 0 <= index < size"))),
    (a_subtree_passes_as_the_tree, Mutant(M.root_from_path, rewritten("result if last == 0 else None", "result"))),
    (a_path_goes_on_above_the_root, Mutant(M.root_from_path, rewritten("if last == 0: return None", "pass"))),
    (a_leaf_is_proved_at_another_place, Mutant(M.root_from_path, rewritten("(index, size - 1, leaf)", "(2, size - 1, leaf)"))),
    (half_a_hash_is_a_leaf, Mutant(M.verify_inclusion, forced(True, M._hashes))),
    (a_step_of_another_length_is_taken, Mutant(M._hashes, returning("True"))),
    (the_log_shrinks, Mutant(M.verify_consistency, rewritten("0 <= old <= new", "True"), rewritten("if old == new: return ...", "if new == 0: return True"))),
    (a_tree_of_the_same_size_is_another, Mutant(M.verify_consistency, forced(True, "old_root == new_root"))),
    (the_empty_tree_has_any_root, Mutant(M.verify_consistency, forced(True, "old > 0"))),
    (the_empty_tree_has_any_root, Mutant(M.verify_consistency, rewritten("not path and old_root == EMPTY_ROOT", "not path"))),
    (an_empty_proof_has_steps, Mutant(M.verify_consistency, rewritten("not path and old_root == EMPTY_ROOT", "old_root == EMPTY_ROOT"))),
    (an_empty_proof_has_steps, Mutant(M.verify_consistency, rewritten("not path and old_root == new_root and ...", "old_root == new_root and (old > 0 or old_root == EMPTY_ROOT)"))),
    (history_is_rewritten, Mutant(M.verify_consistency, rewritten("roots == ...", "roots[1] == new_root"))),
    (history_of_a_power_of_two_is_rewritten, Mutant(M.verify_consistency, rewritten("old & (old - 1) == 0", "False"), rewritten("roots == ...", "roots[1] == new_root"))),
    (a_growth_leads_anywhere, Mutant(M.verify_consistency, rewritten("roots == ...", "roots[0] == old_root"))),
    (a_proof_of_growth_stops_early, Mutant(M._both_roots, rewritten("(before, after) if new == 0 else None", "(before, after)"))),
    (a_proof_of_growth_goes_on_too_long, Mutant(M._both_roots, rewritten("if new == 0: return None", "pass"))),
    (a_frontier_lacks_a_subtree, Mutant(M.Frontier.resume, forced(False, "bit_count"))),
    (a_frontier_has_half_hashes, Mutant(M.Frontier.resume, forced(True, M._hashes))),
    (a_run_of_leaves_gets_wrong_paths, Mutant(M._paths_down, rewritten("index ^ 1", "index | 1"))),
    (a_run_of_leaves_gets_wrong_paths, Mutant(M.inclusion_paths, rewritten("full.pop()", "full.pop(0)"))),
    (a_short_tile_is_read, Mutant(T._checked, unchecked(Code.E_TILE))),
    (a_tile_has_two_names, Mutant(T.parse_path, forced(False, "tile.path"))),
    (a_tile_is_too_wide, Mutant(T.parse_path, forced(False, "tile.width > TILE_WIDTH"))),
    (a_tile_stands_outside_every_tree, Mutant(T.parse_path, forced(False, "MAX_SIZE"))),
    (a_file_hides_bytes_behind_its_entries, Mutant(T.unpack_entries, unchecked("at != len(data)"))),
    (a_file_ends_inside_an_entry, Mutant(T.unpack_entries, unchecked("start > len(data)"), unchecked("at != len(data)"))),
    (an_entry_is_too_long_for_its_length, Mutant(T._packed, unchecked(Code.E_SIZE))),
    (entries_are_exchanged_at_a_resume, Mutant(T.TreeWriter.resume, unchecked(Code.E_TILE))),
    (a_file_is_kept_back, Mutant(T.TreeWriter._close, dropped(T.TreeWriter._keep))),
    (a_file_is_kept_back, Mutant(T.TreeWriter.take, forced(False, "edge.taken"))),
    (a_tile_is_cut_from_a_smaller_tree, Mutant(T.smaller_from, unchecked(Code.E_TILE))),
    (a_proof_names_a_leaf_that_is_not_there, Mutant(P.inclusion_proof, unchecked(Code.E_PROOF))),
    (a_tree_grows_backwards, Mutant(P.consistency_proof, unchecked(Code.E_PROOF))),
    (the_old_root_is_sent_again, Mutant(P._Tree.consistency, rewritten("if begin: ...", "steps.append((begin, end))"))),
]  # fmt: skip


@pytest.mark.parametrize(
    "attack", {attack: None for attack, _ in MUTANTS}, ids=lambda attack: attack.__name__
)
def test_no_attack_succeeds(attack):
    """As the code stands, none of them does."""
    assert not attack()


@pytest.mark.parametrize(("attack", "mutant"), MUTANTS, ids=lambda each: getattr(each, "__name__", ""))
def test_each_check_is_what_stops_it(attack, mutant):
    """Without this one check the attack succeeds."""
    with mutated(mutant):
        assert attack()


def test_the_hash_is_sha256():
    """The vectors say so as well; here it stands in one line."""
    assert leaf_hash(b"a") == sha256(b"\x00a").digest()
    assert node_hash(b"a", b"b") == sha256(b"\x01ab").digest()
