"""What is fuzzed of the logs' notes: signed notes, checkpoints, policies, proof files, requests to witnesses."""

from __future__ import annotations

from protocol.tlog.checkpoints import parse_body, parse_checkpoint
from protocol.tlog.cosignatures import accept_cosignatures
from protocol.tlog.notes import format_note, format_vkey, parse_note, parse_vkey
from protocol.tlog.policy import parse_policy
from protocol.tlog.proof_file import format_proof, parse_proof, verify_proof
from protocol.tlog.shards import parse_shard
from protocol.tlog.witnessing import decide_cosigning, format_add_checkpoint, parse_add_checkpoint
from tests.fuzz.harness import Harness, expect
from tests.unit.protocol.tlog import small_log


def note(data: bytes) -> None:
    """A signed note."""
    expect(format_note(parse_note(data)), data)


def vkey(data: bytes) -> None:
    """A verifier key."""
    text = data.decode("latin-1")
    expect(format_vkey(parse_vkey(text)), text)


def checkpoint(data: bytes) -> None:
    """A checkpoint, and what a policy says to it."""
    parsed = parse_checkpoint(data)
    expect(parsed.checkpoint.body(), parsed.note.text)
    small_log.policy().trusted(parsed)


def body(data: bytes) -> None:
    """A checkpoint's text alone, as a shard's first entry has it."""
    expect(parse_body(data).body().encode(), data)


def policy(data: bytes) -> None:
    """A policy file, and what it says to a checkpoint."""
    parse_policy(data).trusted(small_log.signed(small_log.head(5), "fr", "it"))


def proof(data: bytes) -> None:
    """A proof file."""
    parsed = parse_proof(data)
    expect(format_proof(parsed), data)
    verify_proof(parsed, small_log.LEAVES[3], small_log.policy())


def request(data: bytes) -> None:
    """A request to cosign."""
    parsed = parse_add_checkpoint(data)
    expect(format_add_checkpoint(parsed.old, parsed.proof, parsed.signed.data), data)
    decide_cosigning(parsed, small_log.head(4).head, small_log.policy())


def cosignatures(data: bytes) -> None:
    """What a witness answers."""
    keys = [signer.verifier for signer in small_log.witness("fr")]
    accept_cosignatures(data, small_log.head(5), keys)


def shard(data: bytes) -> None:
    """The name of a shard."""
    text = data.decode("latin-1")
    expect(parse_shard(text).origin, text)


def _vkeys() -> list[bytes]:
    keys = (*small_log.signers("log", small_log.ORIGIN), *small_log.witness("fr"))
    return [format_vkey(signer.verifier).encode() for signer in keys]


def _checkpoints() -> list[bytes]:
    return [small_log.signed(small_log.head(size), "fr", "it").data for size in (0, 1, 5, 13)]


def _requests() -> list[bytes]:
    from protocol.merkle import root_of

    leaves = small_log.LEAVES
    # From 4 leaves to 5, 6 and 8 one hash is enough: the root of what was added, if it is a full subtree.
    return [format_add_checkpoint(0, (), _checkpoints()[2])] + [
        format_add_checkpoint(4, (root_of(leaves[4:size]),), small_log.signed(small_log.head(size)).data)
        for size in (5, 6, 8)
    ]


def _answers() -> list[bytes]:
    text = small_log.signed(small_log.head(5), "fr").data.decode()
    return ["".join(f"— {line}\n" for line in text.strip().split("\n— ")[3:]).encode()]


NOTES = (
    Harness("note", note, _checkpoints),
    Harness("vkey", vkey, _vkeys),
    Harness("checkpoint", checkpoint, _checkpoints),
    Harness("checkpoint-body", body, lambda: [small_log.head(size).body().encode() for size in (0, 1, 5)]),
    Harness("log-policy", policy, lambda: [small_log.text_of_policy(q).encode() for q in (0, 1, 2, 3)]),
    Harness("proof-file", proof, lambda: [small_log.proof(3, size, "fr", "it") for size in (4, 5, 13)]),
    Harness("witness-request", request, _requests),
    Harness("cosignatures", cosignatures, _answers),
    Harness("shard", shard, lambda: [small_log.ORIGIN.encode()]),
)
