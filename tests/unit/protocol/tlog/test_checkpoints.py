"""Checkpoints: one form, and signatures that cover all of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.note_keys import NoteSigner, NoteUse
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Millis
from protocol.merkle import EMPTY_ROOT
from protocol.public_keys import verify_ed25519, verify_ml_dsa_44
from protocol.tlog.checkpoints import (
    Checkpoint,
    Seconds,
    parse_body,
    parse_checkpoint,
    seconds,
    sign_checkpoint,
    signature_by,
    signature_time,
    signed_bytes,
)
from protocol.tlog.notes import NoteAlgorithm
from tests.unit.protocol.strategies import QUICK
from tests.unit.protocol.tlog.small_log import NOW, ORIGIN, changed, head, policy, signed, signers, witness

# The example of C2SP tlog-checkpoint and tlog-cosignature.
EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
""".encode()
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
OTHERS = [
    Checkpoint("contrada.example/audit/2027h1", 5, head(5).root),
    Checkpoint(ORIGIN, 6, head(5).root),
    Checkpoint(ORIGIN, 5, head(6).root),
]
ALL_KEYS = (*signers("log", ORIGIN), *signers("witness", ORIGIN, NoteUse.WITNESS))


def test_the_example_of_the_specification_is_read():
    """Origin, size and root; the log's and the witness's line, with its time."""
    parsed = parse_checkpoint(EXAMPLE)

    assert (parsed.checkpoint.origin, parsed.checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert parsed.checkpoint.body() == parsed.note.text
    assert [line.name for line in parsed.note.signatures] == [
        "example.com/behind-the-sofa",
        "witness.example.com/w1",
    ]
    assert int.from_bytes(parsed.note.signatures[1].signature[:8], "big") == 1679315147


@QUICK
@given(
    st.from_regex(r"[a-z0-9./é-]{1,60}", fullmatch=True),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_a_checkpoint_comes_back(origin, size, root):
    """Every body is read again, alone and signed."""
    checkpoint = Checkpoint(origin, size, root)

    assert parse_body(checkpoint.body().encode()) == checkpoint
    assert (
        parse_checkpoint(sign_checkpoint(checkpoint, signers("log", origin)[:1], now=NOW)).checkpoint
        == checkpoint
    )


@pytest.mark.parametrize(
    "body",
    [
        "", "\n", "a\n1\n", f"a\n1\n{ROOT}", f"a\n1\n{ROOT}\nextension\n", f"a\n1\n{ROOT}\n\n", f"\n1\n{ROOT}\n",
        f"a\n01\n{ROOT}\n", f"a\n-1\n{ROOT}\n", f"a\n\n{ROOT}\n", f"a\n{2**63}\n{ROOT}\n", "a\n1\nAAAA\n", f"a\n1\n{ROOT[:-1]}\n",
        f"a b\n1\n{ROOT}\n", f"a+b\n1\n{ROOT}\n", f"{'x' * 256}\n1\n{ROOT}\n", f"a\r\n1\n{ROOT}\n", f"a\n1\n{ROOT[:-2]}J=\n",
    ],
)  # fmt: skip
def test_another_form_is_refused(body):
    """A checkpoint that we would not write is none; extension lines too, for ML-DSA does not sign them."""
    with pytest.raises(Rejected) as caught:
        parse_body(body.encode())

    assert caught.value.reason in (Code.E_CHECKPOINT, Code.E_NOTE)


def test_what_is_signed_is_what_the_specification_draws():
    """The bytes under each of the three algorithms, written out."""
    checkpoint = Checkpoint(
        "example.com/behind-the-sofa", 20852163, parse_checkpoint(EXAMPLE).checkpoint.root
    )
    keys = {
        s.verifier.algorithm: s.verifier
        for s in (*signers("x", "w/1"), *signers("x", "w/1", NoteUse.WITNESS))
    }
    body = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n".encode()
    time = Seconds(1679315147)

    assert signed_bytes(checkpoint, keys[NoteAlgorithm.ED25519]) == body
    assert signed_bytes(checkpoint, keys[NoteAlgorithm.COSIGNED_ED25519], time=time) == (
        b"cosignature/v1\ntime 1679315147\n" + body
    )
    assert signed_bytes(checkpoint, keys[NoteAlgorithm.COSIGNED_ML_DSA_44], time=time) == (
        b"subtree/v1\n\x00"
        b"\x03w/1" + bytes.fromhex("00000000641850cb") + b"\x1bexample.com/behind-the-sofa"
        + bytes(8) + bytes.fromhex("00000000013e2dc3") + checkpoint.root
    )  # fmt: skip


def test_signature_lines_have_the_form_of_the_specification():
    """A bare signature for 0x01; a time and a signature for the others."""
    for signer in ALL_KEYS:
        key, line = signer.verifier, signature_by(signer, head(5), now=NOW)
        bare = {1: 64, 4: 8 + 64, 6: 8 + 2420}[key.algorithm]

        assert (line.name, line.key_id, len(line.signature)) == (key.name, key.key_id, bare)
        if key.algorithm == 6:
            assert line.signature[:8] == NOW.to_bytes(8, "big")
            assert verify_ml_dsa_44(key.public, line.signature[8:], signed_bytes(head(5), key, time=NOW))
        elif key.algorithm == 1:
            assert verify_ed25519(key.public, line.signature, head(5).body().encode())


@pytest.mark.parametrize("signer", ALL_KEYS, ids=lambda signer: signer.verifier.algorithm.name)
def test_a_signature_is_for_one_checkpoint(signer):
    """It verifies for what was signed, with its time, and for no other origin, size or root."""
    key, signature = signer.verifier, signature_by(signer, head(5), now=NOW).signature

    assert signature_time(head(5), key, signature) == (0 if key.algorithm == 1 else NOW)
    assert [signature_time(other, key, signature) for other in OTHERS] == [None] * 3


@pytest.mark.parametrize("signer", ALL_KEYS, ids=lambda signer: signer.verifier.algorithm.name)
def test_no_byte_of_a_signature_can_be_changed(signer):
    """The time is signed too; a signature cut short or lengthened is none."""
    key, signature = signer.verifier, signature_by(signer, head(5), now=NOW).signature
    others = [changed(signature, at) for at in range(len(signature))]
    others += [signature[:size] for size in (0, 1, 7, 8, 9, 63, 64, 65, len(signature) - 1)]
    others += [signature + b"\x00", b"\x00" + signature]

    assert [
        other for other in others if other != signature and signature_time(head(5), key, other) is not None
    ] == []


def test_a_signature_does_not_pass_under_another_algorithm():
    """The same Ed25519 key for two purposes: neither signature verifies as the other."""
    plain = NoteSigner(ORIGIN, NoteAlgorithm.ED25519, bytes(32))
    timed = NoteSigner(ORIGIN, NoteAlgorithm.COSIGNED_ED25519, bytes(32))
    one, two = (signature_by(signer, head(5), now=NOW).signature for signer in (plain, timed))

    assert plain.verifier.public == timed.verifier.public
    assert signature_time(head(5), timed.verifier, NOW.to_bytes(8, "big") + one) is None
    assert signature_time(head(5), plain.verifier, two[8:]) is None


def test_an_ml_dsa_signature_is_for_one_name():
    """The signer's name is signed: the same key under another name signs something else."""
    one, two = (NoteSigner(name, NoteAlgorithm.COSIGNED_ML_DSA_44, bytes(32)) for name in (ORIGIN, "other"))

    assert one.verifier.public == two.verifier.public
    assert signature_time(head(5), two.verifier, signature_by(one, head(5), now=NOW).signature) is None


def test_a_time_beyond_its_range_is_none():
    """C2SP ends times at 2^63 - 1."""
    signer = ALL_KEYS[1]
    message = signed_bytes(head(5), signer.verifier, time=Seconds(2**63))

    assert signature_time(head(5), signer.verifier, (2**63).to_bytes(8, "big") + signer.sign(message)) is None
    with pytest.raises(MisuseError):
        signature_by(signer, head(5), now=Seconds(2**63))
    with pytest.raises(MisuseError):
        signature_by(signer, head(5), now=Seconds(0))


def test_no_byte_of_a_signed_checkpoint_can_be_changed():
    """Every byte, in text, names, ids and signatures: the log's signature is gone."""
    data = signed(head(5)).data

    assert policy().signed_by_log(parse_checkpoint(data)) == head(5)
    for at in range(len(data)):
        with pytest.raises(Rejected):
            policy().signed_by_log(parse_checkpoint(changed(data, at)))


def test_a_log_signs_under_its_own_name():
    """Signing for another log, or with no key, is a mistake of the program."""
    for keys in ((), signers("log", "contrada.example/directory"), (*signers("log", ORIGIN), *witness("fr"))):
        with pytest.raises(MisuseError):
            sign_checkpoint(head(5), keys, now=NOW)


def test_an_empty_log_has_a_checkpoint():
    """Size 0 and the root of nothing."""
    assert head(0).body() == f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert head(0).head.root == EMPTY_ROOT


def test_milliseconds_become_seconds():
    """Rounded down."""
    assert seconds(Millis(1_800_000_000_999)) == 1_800_000_000
