"""The decision of a witness: it signs what continues its own last head, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Code, Rejected
from protocol.identifiers import Digest
from protocol.merkle import leaf_hash, proved_root, root_of, verify_consistency
from protocol.parties import TreeHead
from protocol.tlog.checkpoints import Checkpoint, parse_checkpoint, sign_checkpoint
from protocol.tlog.proof_file import parse_hashes
from protocol.tlog.witnessing import (
    MAX_REQUEST,
    NO_HALF_YEARS,
    AddCheckpoint,
    Cosign,
    Decision,
    HalfYearsBeside,
    LogEvidence,
    RefuseToCosign,
    SizeConflict,
    begun_with,
    decide_cosigning,
    format_add_checkpoint,
    parse_add_checkpoint,
)
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.unit.protocol.strategies import QUICK
from tests.unit.protocol.tlog.small_log import LEAVES, NOW, ORIGIN, changed, head, policy, signed, signers
from tests.unit.protocol.tlog.test_notes import LINE

# The example of C2SP tlog-witness.
EXAMPLE = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
""".encode()
# Another history of the same log: it parts from ours at leaf 3.
FORKED = (*LEAVES[:3], *(leaf_hash(b"forged" + bytes([number])) for number in range(17)))


def consistency(leaves: tuple[Digest, ...], old: int, *, inner: bool = True) -> tuple[Digest, ...]:
    """RFC 6962, 2.1.2, word for word; slow, and nobody's implementation but the tests'."""
    size = len(leaves)
    if old == size:
        return () if inner else (root_of(leaves),)
    split = 1 << (size - 1).bit_length() - 1
    if old <= split:
        return (*consistency(leaves[:split], old, inner=inner), root_of(leaves[split:]))
    return (*consistency(leaves[split:], old - split, inner=False), root_of(leaves[:split]))


def forked(size: int) -> Checkpoint:
    """A head of the other history."""
    return Checkpoint(ORIGIN, size, root_of(FORKED[:size]))


def ask(old: int, new: Checkpoint, proof: tuple[Digest, ...], known: TreeHead | None) -> Decision:
    """The decision about a request that the log signed, through its bytes."""
    return decide_cosigning(
        parse_add_checkpoint(format_add_checkpoint(old, proof, signed(new).data)), known, policy()
    )


def honest(old: int, new: int) -> tuple[Digest, ...]:
    """The proof that the log gives."""
    return consistency(LEAVES[:new], old) if old else ()


def test_the_example_of_the_specification_is_read():
    """Old size, four hashes, and a checkpoint with two lines."""
    request = parse_add_checkpoint(EXAMPLE)

    assert (request.old, len(request.proof), request.signed.checkpoint.size) == (20852014, 4, 20852163)
    assert len(request.signed.note.signatures) == 2
    assert format_add_checkpoint(request.old, request.proof, request.signed.data) == EXAMPLE


@pytest.mark.parametrize("new", range(14))
def test_what_continues_is_cosigned(new):
    """From every size to every size, with the proof of RFC 6962; the first time from nothing."""
    for old in range(new + 1):
        known = head(old).head if old else None
        assert ask(old, head(new), honest(old, new), known) == Cosign(head(new))
    assert ask(0, head(new), (), head(0).head) == Cosign(head(new))


@pytest.mark.parametrize("old", range(4, 9))
def test_a_fork_is_never_cosigned(old):
    """The other history, with its own proof, with ours, and with none. Its own proof shows another root of our size."""
    for new in range(old, 14):
        own = consistency(FORKED[:new], old)
        for proof in (own, honest(old, new), ()):
            decision = ask(old, forked(new), proof, head(old).head)
            # Of a power of two the proof has no root: it is the one that we hold, or the proof is none.
            shown = new == old or (proof == own and old & (old - 1))
            kind = LogEvidence.FORK if shown else LogEvidence.INCONSISTENT
            assert decision == RefuseToCosign(422, Code.E_CONSISTENCY, kind)


@pytest.mark.parametrize("claimed", range(8))
def test_a_fork_is_evidence_whatever_the_log_claims(claimed):
    """Two signed roots of one size are kept, even when the request is wrong in another way too."""
    decision = ask(claimed, forked(7), (), head(7).head)

    assert decision == (
        SizeConflict(7, LogEvidence.FORK)
        if claimed != 7
        else RefuseToCosign(422, Code.E_CONSISTENCY, LogEvidence.FORK)
    )
    assert ask(8, forked(7), (), head(7).head) == RefuseToCosign(400, Code.E_CHECKPOINT, LogEvidence.FORK)


@pytest.mark.parametrize(("claimed", "known"), [(0, 5), (4, 5), (6, 5), (3, 0), (7, 6)])
def test_another_size_is_a_conflict(claimed, known):
    """The answer is the size that the witness knows; nothing is held against the log for it."""
    assert ask(claimed, head(8), honest(claimed, 8), head(known).head if known else None) == SizeConflict(
        known
    )


def test_going_back_is_never_cosigned():
    """A head that is smaller than the last one, however the log asks."""
    for claimed in range(6):
        assert ask(claimed, head(5), honest(claimed, 5), head(7).head) == SizeConflict(7)
    for claimed in (6, 7):
        assert ask(claimed, head(5), (), head(7).head) == RefuseToCosign(400, Code.E_CHECKPOINT)


def test_the_same_head_is_cosigned_again():
    """A log whose answer was lost may ask again, with an empty proof only."""
    assert ask(5, head(5), (), head(5).head) == Cosign(head(5))
    assert ask(5, head(5), (LEAVES[0],), head(5).head) == RefuseToCosign(
        422, Code.E_CONSISTENCY, LogEvidence.INCONSISTENT
    )


def test_nothing_needs_no_proof():
    """From size 0 a proof must be empty; and the empty tree has one root."""
    empty = Checkpoint(ORIGIN, 0, head(1).root)

    assert ask(0, head(5), (LEAVES[0],), None) == RefuseToCosign(
        422, Code.E_CONSISTENCY, LogEvidence.INCONSISTENT
    )
    assert ask(0, empty, (), None) == RefuseToCosign(422, Code.E_CONSISTENCY, LogEvidence.FORK)
    assert ask(0, head(0), (), None) == Cosign(head(0))


@pytest.mark.parametrize("old", range(1, 9))
def test_no_hash_of_a_proof_can_be_changed(old):
    """One bit of any hash, one hash less, one more."""
    proof = honest(old, 13)
    others = [
        tuple(Digest(changed(step, place)) if at == i else step for i, step in enumerate(proof))
        for at in range(len(proof))
        for place in (0, 31)
    ]
    for other in (*others, proof[:-1], proof[1:], (*proof, LEAVES[0]), (LEAVES[0], *proof), proof * 2):
        assert ask(old, head(13), other, head(old).head) == RefuseToCosign(
            422, Code.E_CONSISTENCY, LogEvidence.INCONSISTENT
        )


@pytest.mark.parametrize("old", range(1, 14))
def test_nobody_proves_a_fork_of_what_the_log_really_signed(old):
    """Whatever proof he makes up or takes from another history: it is a suspicion, and no proof."""
    for new in range(old + 1, 14):
        for proof in (consistency(FORKED[:new], old), (), honest(old, new)[1:], honest(old - 1, new)):
            kind = getattr(ask(old, head(new), proof, head(old).head), "evidence", None)
            assert kind is not LogEvidence.FORK


async def test_without_the_new_root_anybody_proves_one():
    """A proof counts that makes the root which the log signed."""
    mutant = Mutant(proved_root, rewritten("roots[1] == new_root", "True"))
    await assert_missed(mutant, test_nobody_proves_a_fork_of_what_the_log_really_signed, [7])


# -- Half-years ----------------------------------------------------------------------------------------

BEFORE = Checkpoint("x.example/audit/2026h2", 9, head(9).root)
BEGUN = (begun_with(BEFORE).root, *LEAVES[1:])


def begin(old: int, size: int, proof: tuple[Digest, ...], beside: HalfYearsBeside) -> Decision:
    """The decision about a half-year that begins with the last head of `BEFORE`."""
    new = Checkpoint(ORIGIN, size, root_of(BEGUN[:size]))
    return decide_cosigning(AddCheckpoint(old, proof, signed(new)), None, policy(), beside=beside)


@pytest.mark.parametrize("size", range(1, 14))
def test_a_half_year_begins_with_the_head_before_it(size):
    """Asked from nothing it is told 1, as any log that assumes a wrong size; from there it proves its first leaf."""
    beside, proof = HalfYearsBeside(BEFORE), consistency(BEGUN[:size], 1)
    other = HalfYearsBeside(replace(BEFORE, size=8))

    assert begin(0, size, (), beside) == SizeConflict(1)
    assert begin(1, size, proof, beside) == Cosign(Checkpoint(ORIGIN, size, root_of(BEGUN[:size])))
    assert begin(1, size, proof, other) == RefuseToCosign(422, Code.E_CONSISTENCY, LogEvidence.BEGINNING)
    assert begin(0, size, (), NO_HALF_YEARS) == Cosign(Checkpoint(ORIGIN, size, root_of(BEGUN[:size])))


def test_a_half_year_that_is_empty_is_not_cosigned_behind_another():
    """It would begin with anything later."""
    empty = AddCheckpoint(0, (), signed(head(0)))
    assert decide_cosigning(empty, None, policy(), beside=HalfYearsBeside(BEFORE)) == SizeConflict(1)


@pytest.mark.parametrize("claimed", range(9))
def test_what_has_ended_does_not_grow(claimed):
    """Whatever the log claims; the end itself is cosigned again."""
    ended = HalfYearsBeside(ended=True)
    request = AddCheckpoint(claimed, honest(claimed, 9), signed(head(9)))
    decision = decide_cosigning(request, head(7).head, policy(), beside=ended)
    assert decision == (
        SizeConflict(7, LogEvidence.ENDED)
        if claimed != 7
        else RefuseToCosign(422, Code.E_CONSISTENCY, LogEvidence.ENDED)
    )
    again = AddCheckpoint(7, (), signed(head(7)))
    assert decide_cosigning(again, head(7).head, policy(), beside=ended) == Cosign(head(7))


def test_an_unknown_log_is_not_found():
    """404, whatever else is wrong."""
    request = parse_add_checkpoint(format_add_checkpoint(3, (), signed(head(5, origin="x")).data))

    assert decide_cosigning(request, None, policy()) == RefuseToCosign(404, Code.E_LOG_UNKNOWN)


def test_what_the_log_did_not_sign_is_forbidden():
    """403: one of its keys is missing, or a line is false; and it is evidence of nothing."""
    half = sign_checkpoint(head(5), signers("log", ORIGIN)[:1], now=NOW)
    false = signed(head(5)).data.replace(b"\n5\n", b"\n6\n", 1)
    for note in (half, false):
        for known in (None, head(7).head, forked(5).head):
            request = parse_add_checkpoint(format_add_checkpoint(0, (), note))
            assert decide_cosigning(request, known, policy()) == RefuseToCosign(403, Code.E_LOG_SIGNATURE)


def test_witnesses_under_the_checkpoint_do_not_matter():
    """A witness judges the log's signature; cosignatures of others are not its business."""
    for units in ((), ("fr",), ("fr", "it", "de")):
        request = AddCheckpoint(0, (), signed(head(5), *units))
        assert decide_cosigning(request, None, policy(3)) == Cosign(head(5))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n\n", EXAMPLE[4:], EXAMPLE.replace(b"old ", b"old  "), EXAMPLE.replace(b"old 2", b"old 02"),
        EXAMPLE.replace(b"old 2", b"old -2"), EXAMPLE.replace(b"old 20852014", b"old"),
        EXAMPLE.replace(b"old 20852014", b"new 20852014"), EXAMPLE.replace(b"kaw=\n", b"kaw=\n\n"), EXAMPLE.replace(b"kaw=\n", b"kaw\n"),
        EXAMPLE.replace(b"kaw=\n", b"kaw=\r\n"), EXAMPLE.replace(b"kaw=\n", b"AAAA\n"), EXAMPLE[:-1], EXAMPLE[: EXAMPLE.index(b"\n\n") + 2],
        format_add_checkpoint(1, (LEAVES[0],) * 64, signed(head(5)).data), b"old 0\n\n" + b"x" * MAX_REQUEST,
        b"old 0\n\nx\n1\n" + LINE.encode() + b"\n", b"old \xff\n\n" + signed(head(5)).data,
    ],
)  # fmt: skip
def test_another_form_is_refused(data):
    """A request in another form ends in our own family of errors (400)."""
    with pytest.raises(Rejected) as caught:
        parse_add_checkpoint(data)

    assert caught.value.reason in (Code.E_NOTE, Code.E_CHECKPOINT)


def test_63_hashes_are_taken():
    """As many as the specification allows."""
    request = parse_add_checkpoint(format_add_checkpoint(1, (LEAVES[0],) * 63, signed(head(5)).data))

    assert len(request.proof) == len(parse_hashes(["A" * 43 + "="] * 63)) == 63


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes_end_in_one_family(data):
    """Bytes in the place of any part are a request in its one form, or refused as ours."""
    note = signed(head(5)).data
    for mixed in (
        data,
        b"old " + data + b"\n\n" + note,
        b"old 4\n" + data + b"\n\n" + note,
        b"old 4\n\n" + data,
    ):
        try:
            request = parse_add_checkpoint(mixed)
        except Rejected:
            continue
        assert format_add_checkpoint(request.old, request.proof, request.signed.data) == mixed


@QUICK
@given(st.integers(0, 13), st.integers(0, 13), st.integers(0, 13), st.booleans(), st.booleans())
def test_a_witness_never_signs_two_histories(claimed, known, new, lies, others_proof):
    """Whatever the log asks, what is cosigned begins with what was cosigned before."""
    leaves = FORKED if lies else LEAVES
    offered = Checkpoint(ORIGIN, new, root_of(leaves[:new]))
    source = LEAVES if others_proof else leaves
    proof = consistency(source[:new], claimed) if 0 < claimed <= new else ()
    decision = ask(claimed, offered, proof, head(known).head if known else None)

    if isinstance(decision, Cosign):
        assert new >= known and leaves[:known] == LEAVES[:known]
        assert verify_consistency(known, head(known).root, new=new, new_root=offered.root, path=proof)
    assert parse_checkpoint(signed(offered).data).checkpoint == offered
