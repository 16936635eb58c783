"""A program in Python that is not ours, tlog-scales, agrees too: also where Go is absent.

It reads and writes logs as files, and verifies every kind of key that our checkpoints are signed with. (pymerkle is
no choice: GPL, and it knows no tiles.)
"""

from __future__ import annotations

import dataclasses

import pytest
from cryptography.exceptions import InvalidSignature
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import MLDSA44CosignatureSigner, PlainEd25519Signer, Vkey
from tlog_scales.tlog import Checkpoint
from tlog_scales.writer import TilesWriter

from protocol.identifiers import Digest
from protocol.merkle import leaf_hash, verify_consistency, verify_inclusion
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.notes import format_vkey, parse_vkey
from protocol.tlog.policy import parse_policy
from protocol.tlog.policy_text import policy_text
from protocol.tlog.proofs import consistency_proof, inclusion_proof, root_at
from protocol.tlog.tiles import Tile, TreeWriter
from protocol.tlog.witnessing import (
    Cosign,
    HalfYearsBeside,
    RefuseToCosign,
    decide_cosigning,
    format_add_checkpoint,
    parse_add_checkpoint,
)
from tests.interop.exhibit import SIZE
from tests.unit.protocol.tlog import small_log

PLACES = (0, 1, 255, 256, 1000, 65_535, 65_536, SIZE - 1)


@pytest.fixture(scope="module")
def reader(shown):
    """Theirs, of our files."""
    made = TilesReader(LocalBackend(shown.directory / "log"))
    made.get_checkpoint()
    return made


def test_it_finds_our_root_and_entries(shown, reader):
    """Computed by it from our tiles; the entries are read from our files."""
    assert reader.calculate_root_hash() == shown.checkpoint.root
    assert [reader.get_entry(index) for index in PLACES] == [shown.entries[index] for index in PLACES]


def test_its_proofs_are_ours(shown, reader):
    """Hash for hash, and each verifies by the other's rules."""
    for index in PLACES:
        leaf, theirs = leaf_hash(shown.entries[index]), reader.get_inclusion_proof(index, SIZE)
        assert tuple(theirs.node_hashes) == inclusion_proof(index, SIZE, shown.read)
        theirs.check(leaf, shown.checkpoint.root)
        root = shown.checkpoint.root
        assert verify_inclusion(leaf, index=index, size=SIZE, path=theirs.node_hashes, root=root)
    for old in (256, 65_536):
        theirs, root = reader.get_consistency_proof(old, SIZE), root_at(old, shown.read)
        assert tuple(theirs.node_hashes) == consistency_proof(old, SIZE, shown.read)
        theirs.check(root, shown.checkpoint.root)
        new = shown.checkpoint.root
        assert verify_consistency(old, root, new=SIZE, new_root=new, path=theirs.node_hashes)


def test_it_verifies_every_signature(shown):
    """Of the log and of the witnesses, Ed25519 and ML-DSA-44; and none of them under another head."""
    theirs = Checkpoint.from_text(shown.note.decode())
    signers = [
        *small_log.signers("log", small_log.ORIGIN),
        *(s for u in small_log.UNITS for s in small_log.witness(u)),
    ]
    assert len(theirs.signatures) == len(signers)
    for signer in signers:
        key = Vkey.from_string(format_vkey(signer.verifier))
        theirs.verify(key)
        with pytest.raises(InvalidSignature):
            dataclasses.replace(theirs, size=theirs.size - 1).verify(key)
    assert theirs.serialize().encode() == shown.note


def test_a_log_that_it_wrote_is_the_one_that_we_write(tmp_path):
    """The same entries in the same steps: the same files, and a checkpoint that our policy trusts."""
    name = "theirs.example/log"
    keys = [PlainEd25519Signer(name, bytes(range(32))), MLDSA44CosignatureSigner(name, bytes(range(1, 33)))]
    theirs, ours, files = TilesWriter.create(tmp_path / "log", name), TreeWriter(), {}
    for start, end in ((0, 3), (3, 300), (300, 700)):
        for number in range(start, end):
            theirs.add_leaf(b"%d" % number)
            ours.append(b"%d" % number)
        theirs.commit(keys, gc=False)
        files.update(ours.take())

    written = {
        str(p.relative_to(tmp_path / "log")): p.read_bytes()
        for p in (tmp_path / "log" / "tile").rglob("*")
        if p.is_file()
    }
    assert written == files
    signed = parse_checkpoint((tmp_path / "log" / "checkpoint").read_bytes())
    policy = parse_policy(policy_text([parse_vkey(key.vkey.serialize()) for key in keys]))
    assert policy.trusted(signed).checkpoint.root == ours.root()
    assert TreeWriter.resume(700, lambda tile: read(tmp_path, tile)).root() == ours.root()


def test_a_half_year_that_it_wrote_proves_its_beginning(tmp_path):
    """Its proof from the first leaf is the one that our witness asks for, and another beginning is refused."""
    before, name = small_log.head(9), "theirs.example/audit/2027h1"
    keys = [PlainEd25519Signer(name, bytes(range(32))), MLDSA44CosignatureSigner(name, bytes(range(1, 33)))]
    log = TilesWriter.create(tmp_path / "log", name)
    for entry in (before.body().encode(), *(b"%d" % number for number in range(300))):
        log.add_leaf(entry)
    log.commit(keys, gc=False)
    theirs = TilesReader(LocalBackend(tmp_path / "log"))
    theirs.get_checkpoint()
    proof = tuple(map(Digest, theirs.get_consistency_proof(1, 301).node_hashes))
    signed = parse_checkpoint((tmp_path / "log" / "checkpoint").read_bytes())
    policy = parse_policy(policy_text([parse_vkey(key.vkey.serialize()) for key in keys]))

    request = parse_add_checkpoint(format_add_checkpoint(1, proof, signed.data))
    for known, refused in ((before, False), (small_log.head(8), True)):
        decision = decide_cosigning(request, None, policy, beside=HalfYearsBeside(known))
        assert isinstance(decision, RefuseToCosign) is refused
    assert decide_cosigning(request, None, policy, beside=HalfYearsBeside(before)) == Cosign(
        signed.checkpoint
    )


def read(directory, tile: Tile) -> bytes:
    return (directory / "log" / tile.path).read_bytes()
