"""Each safeguard of the notes, taken away, lets its attack succeed: so each has a test that would miss it.

How a mutant is addressed and put in place is in tests/mutants.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keys.note_keys import NoteSigner, NoteUse
from protocol import base64_text
from protocol.errors import Code, Rejected
from protocol.merkle import inclusion_paths
from protocol.parties import TreeHead
from protocol.tlog import checkpoints, cosignatures, notes, policy, policy_text, proof_file, witnessing
from protocol.tlog.checkpoints import Checkpoint, parse_checkpoint, sign_checkpoint
from protocol.tlog.cosignatures import accept_cosignatures, cosign, with_cosignatures
from protocol.tlog.notes import Note, NoteAlgorithm, NoteSignature, format_note, format_vkey, parse_note
from protocol.tlog.policy import parse_policy
from protocol.tlog.proof_file import TlogProof, verify_proof
from protocol.tlog.witnessing import AddCheckpoint, Cosign, decide_cosigning
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called, dropped, forced, matching, returning, rewritten, unchecked
from tests.unit.protocol.tlog import small_log
from tests.unit.protocol.tlog.small_log import LEAVES, NOW, ORIGIN, head, signed, signers, witness
from tests.unit.protocol.tlog.test_witnessing import forked

Attack = Callable[[], object]


def trust(note: bytes, quorum: int = 0) -> object:
    """A daemon that believes the note."""
    return small_log.policy(quorum).trusted(parse_checkpoint(note))


def moved(note: bytes, to: Checkpoint) -> bytes:
    """The signatures of one checkpoint under another."""
    return format_note(Note(to.body(), parse_note(note).signatures))


def fresh(checkpoint: Checkpoint, keys: tuple[NoteSigner, ...] | None = None) -> bytes:
    """Signed now, by the code as it is now."""
    return sign_checkpoint(checkpoint, keys or signers("log", checkpoint.origin), now=NOW)


def cosigned_by(unit: str, checkpoint: Checkpoint) -> list[str]:
    """A witness that signs whatever it is given."""
    return [cosign(checkpoint, signer, now=NOW) for signer in witness(unit)]


def with_a_later_time() -> bytes:
    """A cosignature whose time somebody changed."""
    note = parse_note(with_cosignatures(fresh(head(5)), cosigned_by("fr", head(5))))
    later = [
        NoteSignature(s.name, s.key_id, (NOW + 1).to_bytes(8, "big") + s.signature[8:])
        if s.name != ORIGIN
        else s
        for s in note.signatures
    ]
    return format_note(Note(note.text, tuple(later)))


def under_another_name() -> object:
    """A cosignature of one witness, shown as that of another who has the same ML-DSA key."""
    one, two = (NoteSigner(name, NoteAlgorithm.COSIGNED_ML_DSA_44, bytes(32)) for name in ("one", "two"))
    line = cosign(head(5), one, now=NOW).replace("one", "two")
    raw = notes.parse_signatures(line)[0]
    return cosignatures.cosignature_time(head(5), two.verifier, raw)


def in_the_other_form() -> object:
    """A signature line with stray bits in its base64: another text for the same signature."""
    note = signed(head(5)).data.decode().rstrip("\n")
    assert note.endswith("=")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = note.rstrip("=")
    return trust((at[:-1] + last[last.index(at[-1]) + 1] + note[len(at) :] + "\n").encode())


def with_another_id() -> object:
    """A verifier key that passes for another one's signatures."""
    name, key_id, key = format_vkey(witness("fr")[0].verifier).split("+", 2)
    return notes.parse_vkey(f"{name}+{bytes(byte ^ 1 for byte in bytes.fromhex(key_id)).hex()}+{key}")


def ask(old: int, new: Checkpoint, proof: tuple[bytes, ...], known: TreeHead) -> object:
    """A log that asks a witness; whether it signs."""
    decision = decide_cosigning(AddCheckpoint(old, proof, signed(new)), known, small_log.policy())
    if not isinstance(decision, Cosign):
        raise Rejected(notes.Code.E_CONSISTENCY, "not cosigned")
    return decision


def two_keys(name: str) -> tuple[str, str]:
    """One Ed25519 key as two verifier keys of witnesses."""
    return tuple(
        format_vkey(NoteSigner(f"{name}{n}", NoteAlgorithm.COSIGNED_ED25519, bytes(32)).verifier)
        for n in (1, 2)
    )


W1, W2 = (format_vkey(signers(name, name, NoteUse.WITNESS)[0].verifier) for name in ("w1", "w2"))
COUNTED_TWICE = f"witness a {W1}\nwitness b {W2}\ngroup g any a\ngroup h any a b\ngroup q all g h\nquorum q\n"

MUTANTS: list[tuple[str, Attack, Mutant]] = [
    # What is taken away, the attack that then succeeds, and how.
    ("every key of the log", lambda: trust(fresh(head(5), signers("log", ORIGIN)[:1])), Mutant(policy.Policy.signed_by_log, forced(False, "not lines"))),
    ("the log's signatures", lambda: trust(moved(fresh(head(5)), head(6))), Mutant(policy.Policy.signed_by_log, forced(False, "times"))),
    ("the log's name", lambda: trust(fresh(head(5, origin="x"))), Mutant(policy.Policy.signed_by_log, unchecked(Code.E_LOG_UNKNOWN))),
    ("the quorum", lambda: trust(fresh(head(5)), 2), Mutant(policy.Policy.trusted, unchecked(Code.E_QUORUM))),
    ("the threshold", lambda: trust(with_cosignatures(fresh(head(5)), cosigned_by("fr", head(5))), 2), Mutant(policy.Policy.complete, rewritten("group.threshold", "1"))),
    ("both keys of a witness", lambda: trust(with_cosignatures(fresh(head(5)), cosigned_by("fr", head(5))[:1]), 1), Mutant(policy.Policy.complete, rewritten("group.threshold", "1"))),
    ("a witness's signature", lambda: trust(with_cosignatures(fresh(head(5)), cosigned_by("fr", head(6))), 1), Mutant(cosignatures.cosignature_time, returning("Seconds(1)"))),
    ("the time in a cosignature", lambda: trust(with_a_later_time(), 1), Mutant(checkpoints.signed_bytes, rewritten(r'f"cosignature/v1\ntime {time}\n{checkpoint.body()}"', r'f"cosignature/v1\n{checkpoint.body()}"'), rewritten("time.to_bytes(...)", "bytes(8)"))),
    ("the witness's name", under_another_name, Mutant(checkpoints.signed_bytes, rewritten("_prefixed(key.name)", "b''"))),
    ("the key's id", lambda: with_another_id(), Mutant(notes.parse_vkey, unchecked("key.key_id"))),
    ("one form of base64", in_the_other_form, Mutant(base64_text.from_base64, unchecked(base64_text.to_base64))),
    ("extension lines", lambda: checkpoints.parse_body(head(5).body().encode() + b"unsigned\n"), Mutant(checkpoints.parse_body, matching("[origin, size, root, '']", "[origin, size, root, *_]"))),
    ("one key, one witness", lambda: parse_policy("witness a {}\nwitness b {}\nquorum a\n".format(*two_keys("w"))), Mutant(policy._Reader._key, forced(False, "key.public", "self.publics"))),
    ("one witness, one group", lambda: parse_policy(COUNTED_TWICE), Mutant(policy._Reader._group, forced(False, "self.members"))),
    ("a use for each algorithm", lambda: parse_policy(f"log {W1}\nquorum none\n"), Mutant(policy._Reader._key, forced(False, "key.algorithm"))),
    ("the path", lambda: verify_proof(TlogProof(3, inclusion_paths(LEAVES[:13])[1][3], signed(head(13)).data), LEAVES[4], small_log.policy(0)), Mutant(proof_file.verify_proof, unchecked(Code.E_INCLUSION))),
    ("the policy over a proof", lambda: verify_proof(TlogProof(3, inclusion_paths(LEAVES[:13])[1][3], signed(head(13)).data), LEAVES[3], small_log.policy(2)), Mutant(proof_file.verify_proof, called(policy.Policy.trusted, "_0"))),
    ("the answer of a witness", lambda: accept_cosignatures("".join(cosigned_by("fr", head(6))).encode(), head(5), [s.verifier for s in witness("fr")]), Mutant(cosignatures.accept_cosignatures, called(cosignatures.cosignature_time, "Seconds(1)"))),
    ("reading what was written", lambda: policy_text.policy_text([], witnesses=[policy_text.WitnessEntry("fr", tuple(s.verifier for s in witness("fr")), "x\nquorum none")], quorum=1), Mutant(policy_text.policy_text, dropped(parse_policy))),
    ("the log's signature at the witness", lambda: decide_unsigned(), Mutant(witnessing.decide_cosigning, called(policy.Policy.signed_by_log, "_0.checkpoint"))),
]  # fmt: skip


def decide_unsigned() -> object:
    """Anybody asks a witness to sign for the log."""
    note = format_note(Note(head(5).body(), parse_note(signed(head(5)).data).signatures[:1]))
    decision = decide_cosigning(AddCheckpoint(0, (), parse_checkpoint(note)), None, small_log.policy())
    if not isinstance(decision, Cosign):
        raise Rejected(decision.code, "not cosigned")
    return decision


@pytest.mark.parametrize(("what", "attack", "mutant"), MUTANTS, ids=[what for what, _, _ in MUTANTS])
def test_each_safeguard_is_needed(what, attack, mutant):
    """With it the attack is refused, without it the attack succeeds."""
    with pytest.raises(Rejected):
        attack()
    with mutated(mutant):
        attack()


SIGNED_PARTS = [
    ("origin", Checkpoint("contrada.example/audit/2027h1", 5, head(5).root), "_prefixed(checkpoint.origin)"),
    ("size", Checkpoint(ORIGIN, 6, head(5).root), "checkpoint.size.to_bytes(...)"),
    ("root", Checkpoint(ORIGIN, 5, head(6).root), "checkpoint.root"),
]


@pytest.mark.parametrize(("part", "other", "text"), SIGNED_PARTS, ids=[part for part, _, _ in SIGNED_PARTS])
def test_each_part_of_a_head_is_signed_by_ml_dsa(part, other, text):
    """Left out of what is signed, the signature would be good for another head."""
    key = witness("fr")[1]

    def attack():
        line = checkpoints.signature_by(key, head(5), now=NOW)
        return checkpoints.signature_time(other, key.verifier, line.signature)

    assert attack() is None
    with mutated(Mutant(checkpoints.signed_bytes, rewritten(text, "b''"))):
        assert attack() == NOW


def fork(claimed: int, size: int = 9) -> object:
    """A log that asks for a signature under another history than the one of which size 5 was signed."""
    return ask(claimed, forked(size), (), TreeHead(5, head(5).root))


@pytest.mark.parametrize("rule", range(4))
def test_one_rule_keeps_a_witness_from_signing_a_fork(rule, monkeypatch):
    """Without the proof it signs; without any other rule it still does not: those only choose the answer."""
    monkeypatch.setattr(witnessing, "RULES", witnessing.RULES[:rule] + witnessing.RULES[rule + 1 :])
    for claimed in (0, 5, 9, 10):
        if rule == 3 and claimed == 5:
            assert fork(claimed)
        else:
            with pytest.raises(Rejected):
                fork(claimed)


def test_the_proof_begins_at_the_head_that_the_witness_knows(monkeypatch):
    """From what the log says about us, from size 0, every tree is proved by nothing."""
    monkeypatch.setattr(witnessing, "RULES", (witnessing.RULES[3],))
    with pytest.raises(Rejected):
        fork(0)
    with mutated(Mutant(witnessing._continues, rewritten("case.known", "NO_HEAD"))):
        assert fork(0)
