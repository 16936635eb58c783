"""Writing the policy of an exchange: its logs, its witnesses, and their quorum.

Owns the text of a new policy file; protocol/tlog/policy.py reads it. Rules: all keys of a log and all
keys of a witness count together (Ed25519 and ML-DSA-44), so that breaking one algorithm is not enough.
The audit logs of the coming half-years are named ahead, because a policy file changes seldom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from protocol.errors import MisuseError
from protocol.identifiers import Millis
from protocol.tlog.notes import NoteAlgorithm, VerifierKey, format_vkey
from protocol.tlog.policy import NO_QUORUM, parse_policy
from protocol.tlog.shards import directory_origin, shards_from

SHARDS_AHEAD = 3
QUORUM = "quorum-of-witnesses"
_SUFFIX = {NoteAlgorithm.COSIGNED_ED25519: "ed25519", NoteAlgorithm.COSIGNED_ML_DSA_44: "ml-dsa-44"}


@dataclass(frozen=True, slots=True)
class WitnessEntry:
    """A witness, as its operator published it."""

    name: str
    keys: tuple[VerifierKey, ...]
    url: str | None = None


def ledger_origins(name: str, now: Millis) -> tuple[str, ...]:
    """The logs of an exchange: the current audit shard, those of the coming half-years, the directory."""
    shards = shards_from(name, now, count=1 + SHARDS_AHEAD)
    return (*(shard.origin for shard in shards), directory_origin(name))


def ledger_policy(
    name: str,
    *,
    now: Millis,
    log_keys: Callable[[str], Sequence[VerifierKey]],
    witnesses: Sequence[WitnessEntry] = (),
    quorum: int = 0,
) -> str:
    """The policy file of an exchange; `log_keys` gives the keys of an origin (keys/note_keys.py)."""
    keys = [key for origin in ledger_origins(name, now) for key in log_keys(origin)]
    return policy_text(keys, witnesses=witnesses, quorum=quorum)


def policy_text(
    log_keys: Iterable[VerifierKey], *, witnesses: Sequence[WitnessEntry] = (), quorum: int = 0
) -> str:
    """A policy file: these logs, and `quorum` of these witnesses with all their keys; 0 asks for none."""
    if not 0 <= quorum <= len(witnesses):
        raise MisuseError(f"a quorum of {quorum} cannot be had from {len(witnesses)} witnesses")
    lines = ["# Which logs and witnesses to believe (c2sp.org/tlog-policy).", ""]
    lines += [f"log {format_vkey(key)}" for key in log_keys]
    for witness in witnesses:
        lines += ["", *_witness_lines(witness)]
    if witnesses:
        # The group needs a threshold even with a quorum of 0: a group of fewer than one is invalid.
        lines += ["", f"group {QUORUM} {quorum or 1} {' '.join(witness.name for witness in witnesses)}"]
    lines += ["", f"quorum {QUORUM if quorum else NO_QUORUM}", ""]
    text = "\n".join(lines)
    parse_policy(text)  # parsed again: duplicate names or keys are refused here
    return text


def _witness_lines(witness: WitnessEntry) -> list[str]:
    url = f" {witness.url}" if witness.url else ""
    names = [f"{witness.name}.{_SUFFIX.get(key.algorithm, 'other')}" for key in witness.keys]
    lines = [f"witness {name} {format_vkey(key)}{url}" for name, key in zip(names, witness.keys, strict=True)]
    return [*lines, f"group {witness.name} all {' '.join(names)}"]
