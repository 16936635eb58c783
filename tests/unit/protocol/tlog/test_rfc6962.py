"""Proofs of the RFC 6962 test tree as other implementations publish them, good ones and bad ones."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest

from protocol.merkle import leaf_hash, verify_consistency, verify_inclusion
from protocol.tlog.proofs import consistency_proof, inclusion_proof
from protocol.tlog.tiles import TreeWriter, smaller_from
from tests.unit.protocol.test_merkle import LEAVES, ROOTS
from tests.unit.protocol.tlog.naive import Store

HERE = Path(__file__).parent
INCLUSION = json.loads((HERE / "inclusion.json").read_text())["cases"]
CONSISTENCY = json.loads((HERE / "consistency.json").read_text())["cases"]

# Taken there, refused here: their roots are words and no hashes.
STRICTER = {"additional/sizes-are-equal-one-and-proof-is-empty"}


def name(case):
    return case["name"]


def bytes_of(proof):
    return [b64decode(step) for step in proof or ()]


@pytest.mark.parametrize("case", INCLUSION, ids=name)
def test_a_good_inclusion_proof_is_taken_and_a_bad_one_refused(case):
    """A good proof is taken, and each of the bad ones is refused."""
    assert case["wantErr"] is not verify_inclusion(
        b64decode(case["leafHash"] or ""),
        index=case["leafIdx"],
        size=case["treeSize"],
        path=bytes_of(case["proof"]),
        root=b64decode(case["root"] or ""),
    )


@pytest.mark.parametrize("case", CONSISTENCY, ids=name)
def test_a_good_consistency_proof_is_taken_and_a_bad_one_refused(case):
    """The same between two sizes of the tree."""
    taken = verify_consistency(
        case["size1"],
        b64decode(case["root1"] or ""),
        new=case["size2"],
        new_root=b64decode(case["root2"] or ""),
        path=bytes_of(case["proof"]),
    )
    assert taken is (not case["wantErr"] and case["name"] not in STRICTER)


@pytest.mark.parametrize("case", [c for c in INCLUSION if "happy" in c["name"]], ids=name)
def test_our_inclusion_proof_is_the_published_one(case):
    """What we make of our tiles is what they publish, hash for hash."""
    found = inclusion_proof(case["leafIdx"], case["treeSize"], tree(LEAVES))

    assert list(found) == bytes_of(case["proof"])


@pytest.mark.parametrize("case", [c for c in CONSISTENCY if "happy" in c["name"]], ids=name)
def test_our_consistency_proof_is_the_published_one(case):
    """The same for consistency."""
    found = consistency_proof(case["size1"], case["size2"], tree(LEAVES))

    assert list(found) == bytes_of(case["proof"])


@pytest.mark.parametrize("size", range(1, 9))
def test_the_writer_makes_the_published_roots(size):
    """The root after each leaf of the test tree."""
    writer = TreeWriter()
    for leaf in LEAVES[:size]:
        assert writer.append(leaf) == leaf_hash(leaf)

    assert writer.root().hex() == ROOTS[size - 1]


def tree(leaves):
    """A reader of the files of this tree and of every smaller one."""
    writer, store = TreeWriter(), Store()
    for leaf in leaves:
        writer.append(leaf)
    store.files.update(writer.take())
    return smaller_from(store.read, size=len(leaves))
