"""A log of a few leaves, three witnesses and a policy, all real and all made from fixed seeds.

Owns what the tests beside this file build on. `LOG` signs and grows; `WITNESSES` cosign whatever they are given:
whether they should is what the tests ask.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from keys.note_keys import NoteKey, NoteSigner, NoteUse
from protocol.merkle import inclusion_paths, leaf_hash, root_of
from protocol.tlog.checkpoints import Checkpoint, Seconds, SignedCheckpoint, parse_checkpoint, sign_checkpoint
from protocol.tlog.cosignatures import cosign, with_cosignatures
from protocol.tlog.policy import Policy, parse_policy
from protocol.tlog.policy_text import WitnessEntry, policy_text
from protocol.tlog.proof_file import TlogProof, format_proof

ORIGIN = "contrada.example/audit/2026h2"
NOW = Seconds(1_800_000_000)
ENTRIES = tuple(bytes([number]) * 46 for number in range(20))
LEAVES = tuple(leaf_hash(entry) for entry in ENTRIES)
UNITS = ("fr", "it", "de")


@cache
def signers(text: str, name: str, use: NoteUse = NoteUse.LOG) -> tuple[NoteSigner, ...]:
    """Keys that follow from a text."""
    return NoteKey(sha256(text.encode()).digest()).signers(name, use)


def witness(unit: str) -> tuple[NoteSigner, ...]:
    """The keys of this unit's witness."""
    return signers(f"witness {unit}", f"contrada.example/witness/{unit}", NoteUse.WITNESS)


def head(size: int, *, origin: str = ORIGIN) -> Checkpoint:
    """The head of the log when it had so many leaves."""
    return Checkpoint(origin, size, root_of(LEAVES[:size]))


@cache
def signed(checkpoint: Checkpoint, *units: str) -> SignedCheckpoint:
    """The checkpoint, signed by its log and cosigned by the witnesses of these units."""
    note = sign_checkpoint(checkpoint, signers("log", checkpoint.origin), now=NOW)
    lines = [cosign(checkpoint, signer, now=Seconds(NOW + 1)) for unit in units for signer in witness(unit)]
    return parse_checkpoint(with_cosignatures(note, lines))


@cache
def policy(quorum: int = 2) -> Policy:
    """The log, and so many of the three witnesses."""
    return parse_policy(text_of_policy(quorum))


def text_of_policy(quorum: int) -> str:
    """The same as a file."""
    entries = [
        WitnessEntry(unit, tuple(signer.verifier for signer in witness(unit)), f"https://{unit}.example/")
        for unit in UNITS
    ]
    keys = [signer.verifier for signer in signers("log", ORIGIN)]
    return policy_text(keys, witnesses=entries, quorum=quorum)


def proof(index: int, size: int, *units: str) -> bytes:
    """A proof file for one leaf."""
    paths = inclusion_paths(LEAVES[:size])[1]
    return format_proof(TlogProof(index, paths[index], signed(head(size), *units).data))


def changed(data: bytes, at: int) -> bytes:
    """The same with one bit of one byte changed, another one for each place."""
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
