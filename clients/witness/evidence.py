"""Evidence against a log: contradicting checkpoints that it signed, kept as files that anybody can check.

    evidence/fork-<log>-<size>-<root>/offered.note    what the log offered to be signed
                                      cosigned.note   what it had this witness sign before
                                      request         the whole request, with its proof
                                      about.json      when, which log, which two roots
                                      beginning       of `ended`: the request with which the later one began
                                      begins_with     or the head with which it begins, where it is offered

Owns the folder. The kinds of evidence, from proof to suspicion:

    fork           two roots of one size under the log's signature, the second in a checkpoint of that size
                   or proved by a larger one: proof by itself
    ended          more of a half-year, or another, behind the head that a later one begins with: proof
    inconsistent   a larger checkpoint, signed by the log, whose proof from the head does not hold
    beginning      a half-year, signed by the log, that was not proved to begin with the last head that this
                   witness signed of the one before (`cosigned.note`)
    older          a checkpoint below the head, signed by the log after it, not by this witness: a log that
                   went back shows itself like this, and so does a late request

Rules: a piece of evidence is there as a whole or not at all. The same checkpoint is kept once; of each
log and kind at most `MOST`, so that requests cannot fill the disk; and what is a proof has places of its own,
which nobody fills who has not the log's keys. A folder that is moved elsewhere is no
longer counted. Anybody can ask with a genuine checkpoint and a proof that does not hold: what the witness
comes to know as the log's own history is no evidence any more, and makes room for others.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from keys.store import sync_directory, write_new
from protocol.json_text import read_json
from protocol.limits import MAX_NOTE
from protocol.tlog.witnessing import MAX_REQUEST
from runtime.bounded import read_bounded
from runtime.errors import TooLarge

MOST: Final = 64


class EvidenceKind(StrEnum):
    """The kind of contradiction."""

    FORK = "fork"
    ENDED = "ended"
    INCONSISTENT = "inconsistent"
    BEGINNING = "beginning"
    OLDER = "older"


@dataclass(frozen=True, slots=True)
class EvidenceSide:
    """One side of it: a checkpoint that the log signed."""

    size: int
    root: bytes
    note: bytes


@dataclass(frozen=True, slots=True)
class EvidencePiece:
    """Two checkpoints of one log that contradict each other, or seem to."""

    kind: EvidenceKind
    origin: str
    offered: EvidenceSide
    cosigned: EvidenceSide
    request: bytes
    t: int
    more: Mapping[str, bytes] = field(default_factory=dict)
    """Further files, which a proof needs."""

    @property
    def name(self) -> str:
        """The folder's name: the same evidence has the same."""
        return f"{_prefix(self.kind, self.origin)}{self.offered.size}-{self.offered.root[:8].hex()}"


@dataclass(frozen=True, slots=True)
class EvidenceSummary:
    """A piece of evidence as `about.json` tells it."""

    kind: EvidenceKind
    origin: str
    t: int
    offered_size: int
    offered_root: str
    cosigned_size: int
    cosigned_root: str
    folder: str


class EvidenceFolder:
    """The evidence of one witness."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, evidence: EvidencePiece) -> bool:
        """Write it down; whether it is new. `OSError` where the disk does not take it."""
        target = self._path / evidence.name
        if target.exists() or self.is_full(evidence):
            return False
        # A folder whose name begins with a dot was never finished; the next attempt begins anew.
        unfinished = self._path / f".{evidence.name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
        for name, data in _files(evidence, folder=str(target)).items():
            write_new(unfinished / name, data)
        sync_directory(unfinished)
        unfinished.rename(target)
        sync_directory(self._path)
        return True

    def drop_refuted(
        self, kind: EvidenceKind, origin: str, is_genuine: Callable[[EvidenceSummary], bool]
    ) -> int:
        """Remove what was offered and is the log's own history after all; how many pieces."""
        refuted = [
            Path(kept.folder) for kept in self._readable(f"{_prefix(kind, origin)}*") if is_genuine(kept)
        ]
        for folder in refuted:
            shutil.rmtree(folder, ignore_errors=True)
        return len(refuted)

    @staticmethod
    def request_of(kept: EvidenceSummary) -> bytes:
        """The request that was kept. `OSError` or `TooLarge` where it cannot be read."""
        return read_bounded(Path(kept.folder) / "request", MAX_REQUEST, what="a request")

    def all(self) -> list[EvidenceSummary]:
        """Everything that is kept, oldest first; a damaged folder is left out."""
        return sorted(self._readable(), key=lambda kept: (kept.t, kept.folder))

    def count(self, kind: EvidenceKind) -> int:
        """How many pieces of one kind are kept."""
        return sum(1 for _ in self._path.glob(f"{kind}-*"))

    def _readable(self, folders: str = "[!.]*") -> Iterator[EvidenceSummary]:
        for about in self._path.glob(f"{folders}/about.json"):
            try:
                found = _summary(read_bounded(about, MAX_NOTE, what="a summary"))
                yield EvidenceSummary(
                    **(found | {"kind": EvidenceKind(found["kind"]), "folder": str(about.parent)})
                )
            except (OSError, ValueError, TypeError, KeyError, TooLarge):
                continue

    def is_full(self, evidence: EvidencePiece) -> bool:
        """Whether no more of its kind is kept against this log."""
        return sum(1 for _ in self._path.glob(f"{_prefix(evidence.kind, evidence.origin)}*")) >= MOST


def _summary(data: bytes) -> dict[str, Any]:
    read = read_json(data, at_most=MAX_NOTE)
    if read.faults or not isinstance(read.value, dict):
        raise ValueError("not a summary")
    return read.value


def _prefix(kind: EvidenceKind, origin: str) -> str:
    return f"{kind}-{sha256(origin.encode()).hexdigest()[:16]}-"


def _files(evidence: EvidencePiece, *, folder: str) -> dict[str, bytes]:
    offered, cosigned = evidence.offered, evidence.cosigned
    about: dict[str, Any] = asdict(
        EvidenceSummary(
            kind=evidence.kind,
            origin=evidence.origin,
            t=evidence.t,
            offered_size=offered.size,
            offered_root=offered.root.hex(),
            cosigned_size=cosigned.size,
            cosigned_root=cosigned.root.hex(),
            folder=folder,
        )
    )
    return {
        "offered.note": offered.note,
        "cosigned.note": cosigned.note,
        "request": evidence.request,
        **evidence.more,
        "about.json": (json.dumps(about, indent=2) + "\n").encode(),
    }
