"""Proof files: a leaf is in the log, or the file is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from protocol.errors import Code, Rejected
from protocol.identifiers import Digest
from protocol.merkle import inclusion_paths, leaf_hash
from protocol.tlog.proof_file import TlogProof, format_proof, parse_proof, verify_proof
from tests.unit.protocol.strategies import QUICK
from tests.unit.protocol.tlog.small_log import ENTRIES, LEAVES, NOW, changed, head, policy, proof, signed

NOTE = signed(head(5), "fr", "it").data
hashes = st.binary(min_size=32, max_size=32).map(Digest)
# The head of the example of C2SP tlog-proof, before its checkpoint (whose signatures are left out there).
EXAMPLE = b"""c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

"""


def reason(data: bytes, leaf: Digest, quorum: int = 2) -> Code:
    """Why the proof is refused."""
    with pytest.raises(Rejected) as caught:
        verify_proof(parse_proof(data), leaf, policy(quorum))
    return caught.value.reason


def test_the_example_of_the_specification_is_read():
    """Extra data, index and five hashes."""
    parsed = parse_proof(EXAMPLE + NOTE)

    assert parsed.extra is not None and parsed.extra.startswith(b"age-v1.2.1-darwin-arm64.tar.gz")
    assert (parsed.index, len(parsed.path), parsed.checkpoint_note) == (73894, 5, NOTE)
    assert format_proof(parsed) == EXAMPLE + NOTE


@pytest.mark.parametrize("size", range(1, 14))
def test_every_leaf_is_proved(size):
    """At every size every leaf, and against the other leaves none."""
    for index in range(size):
        parsed = parse_proof(proof(index, size, "fr", "it"))
        trusted = verify_proof(parsed, leaf_hash(ENTRIES[index]), policy())

        assert (trusted.checkpoint, set(trusted.witnesses.values())) == (head(size), {NOW + 1})
        assert reason(proof(index, size, "fr", "it"), LEAVES[(index + 1) % 20]) is Code.E_INCLUSION


@QUICK
@given(st.integers(0, 2**63 - 1), st.lists(hashes, max_size=63), st.none() | st.binary(max_size=60))
def test_a_proof_comes_back(index, path, extra):
    """Whatever proof can be written is read again; extra data of no bytes is not the same as none."""
    made = TlogProof(index, tuple(path), NOTE, extra)

    assert parse_proof(format_proof(made)) == made


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n\n", NOTE, b"c2sp.org/tlog-proof@v1\n\n" + NOTE, b"c2sp.org/tlog-proof@v2\nindex 0\n\n" + NOTE,
        b"c2sp.org/tlog-proof@v1\nindex 0\n" + NOTE, b"c2sp.org/tlog-proof@v1\nindex 0\n\n", b"c2sp.org/tlog-proof@v1\nindex 0\n\n\n" + NOTE,
        b"c2sp.org/tlog-proof@v1\nindex 00\n\n" + NOTE, b"c2sp.org/tlog-proof@v1\nindex -1\n\n" + NOTE, b"c2sp.org/tlog-proof@v1\nindex\n\n" + NOTE,
        b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\n" + NOTE, b"c2sp.org/tlog-proof@v1\nindex 0\nextra AA==\n\n" + NOTE,
        b"c2sp.org/tlog-proof@v1\nextra AA==\nextra AA==\nindex 0\n\n" + NOTE, b"c2sp.org/tlog-proof@v1\nextra AB==\nindex 0\n\n" + NOTE,
        b"c2sp.org/tlog-proof@v1\r\nindex 0\r\n\n" + NOTE, b"c2sp.org/tlog-proof@v1 \nindex 0\n\n" + NOTE, b"\xff" + EXAMPLE + NOTE,
        EXAMPLE.replace(b"index", b"INDEX") + NOTE, EXAMPLE + NOTE[:-1], EXAMPLE + b"x\n\n" + NOTE,
        format_proof(TlogProof(0, (LEAVES[0],) * 64, NOTE)), b"x" * 2**21,
    ],
)  # fmt: skip
def test_another_form_is_refused(data):
    """Nothing is repaired."""
    with pytest.raises(Rejected) as caught:
        parse_proof(data)

    assert caught.value.reason in (Code.E_NOTE, Code.E_CHECKPOINT)


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes_end_in_one_family(data):
    """Bytes in the place of any part are a proof in its one form, or refused as ours."""
    for mixed in (data, b"c2sp.org/tlog-proof@v1\n" + data + b"\n\n" + NOTE, EXAMPLE + data):
        try:
            parsed = parse_proof(mixed)
        except Rejected:
            continue
        assert format_proof(parsed) == mixed


@pytest.mark.slow
def test_no_byte_of_a_proof_can_be_changed():
    """Every byte, from the first line to the last signature of a witness that is needed."""
    data = proof(3, 13, "fr")
    verify_proof(parse_proof(data), LEAVES[3], policy(1))
    for at in range(len(data)):
        with pytest.raises(Rejected):
            verify_proof(parse_proof(changed(data, at)), LEAVES[3], policy(1))


def test_a_path_of_another_length_proves_nothing():
    """One hash less or more, or in another order."""
    paths = inclusion_paths(LEAVES[:13])[1]
    note = signed(head(13), "fr", "it").data
    for path in (paths[3][:-1], paths[3][1:], (*paths[3], LEAVES[0]), paths[3][::-1], ()):
        assert reason(format_proof(TlogProof(3, path, note)), LEAVES[3]) is Code.E_INCLUSION


def test_a_place_outside_the_tree_proves_nothing():
    """An index at or behind the size."""
    for index in (13, 14, 16, 2**63 - 1):
        made = TlogProof(index, inclusion_paths(LEAVES[:13])[1][12], signed(head(13), "fr", "it").data)
        assert reason(format_proof(made), LEAVES[12]) is Code.E_INCLUSION


def test_a_checkpoint_that_is_not_trusted_proves_nothing():
    """The path may be right: without the quorum it does not count."""
    assert reason(proof(3, 13, "fr"), LEAVES[3]) is Code.E_QUORUM
    verify_proof(parse_proof(proof(3, 13)), LEAVES[3], policy(0))


def test_extra_data_changes_nothing():
    """Nobody signed it, and nothing depends on it."""
    made = parse_proof(proof(3, 13, "fr", "it"))
    with_extra = TlogProof(made.index, made.path, made.checkpoint_note, b"x" * limits.MAX_PROOF_EXTRA)

    assert verify_proof(parse_proof(format_proof(with_extra)), LEAVES[3], policy()) == verify_proof(
        made, LEAVES[3], policy()
    )
