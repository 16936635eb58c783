"""A log as Contrada writes it, with everything that Contrada says of it: for other programs to judge.

    <dir>/log/checkpoint, <dir>/log/tile/...     the log, signed by its two keys, cosigned by three witnesses
    <dir>/policy, <dir>/proof                    a policy file, and a proof file for one entry
    <dir>/claims.json                            roots, inclusion and consistency proofs, keys

Rule: made with the code that the ledger runs, and from fixed seeds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random

from protocol.errors import Code, Rejected
from protocol.merkle import inclusion_paths, leaf_hash
from protocol.tlog.checkpoints import Checkpoint, Seconds, sign_checkpoint
from protocol.tlog.cosignatures import cosign, with_cosignatures
from protocol.tlog.notes import NoteAlgorithm, format_vkey
from protocol.tlog.policy_text import WitnessEntry, policy_text
from protocol.tlog.proof_file import TlogProof, format_proof
from protocol.tlog.proofs import consistency_proof, inclusion_proof, root_at
from protocol.tlog.tiles import Tile, TileReader, TreeWriter, smaller_from
from tests.unit.protocol.tlog import small_log

# Two levels and the first hash of a third; about every border of a tile.
SIZE = 66_000
SIZES = (1, 2, 3, 4, 5, 8, 255, 256, 257, 511, 512, 513, 1000, 65_535, 65_536, 65_537, 65_800, SIZE)
BATCH = 750


@dataclass(frozen=True)
class Exhibit:
    """Where it lies, and what is needed to judge it."""

    directory: Path
    entries: tuple[bytes, ...]
    read: TileReader
    checkpoint: Checkpoint
    note: bytes


def exhibit(directory: Path) -> Exhibit:
    """Write all of it."""
    log = directory / "log"
    entries = tuple(Random(number).randbytes(number % 100) for number in range(SIZE))
    writer, proofs = _written(log, entries)

    def read(tile: Tile) -> bytes:
        try:
            return (log / tile.path).read_bytes()
        except FileNotFoundError:
            raise Rejected(Code.E_TILE, f"{tile.path} is not here") from None

    checkpoint = Checkpoint(small_log.ORIGIN, writer.size, writer.root())
    note = _signed(checkpoint)
    (log / "checkpoint").write_bytes(note)
    every = smaller_from(read, size=SIZE)
    (directory / "policy").write_text(_policy(), encoding="utf-8")
    index = SIZE - 77
    proof = TlogProof(index, inclusion_proof(index, SIZE, read), note, extra=b"said by nobody")
    (directory / "proof").write_bytes(format_proof(proof))
    (directory / "claims.json").write_text(json.dumps(_claims(every, index, proofs)), encoding="utf-8")
    return Exhibit(directory, entries, read, checkpoint, note)


def _written(log: Path, entries: tuple[bytes, ...]) -> tuple[TreeWriter, dict[tuple[int, int], list[bytes]]]:
    """The files, batch by batch as the ledger does; and some proofs as they are made while writing."""
    writer, proofs = TreeWriter(), {}
    for start in range(0, len(entries), BATCH):
        before, batch = writer.frontier(), entries[start : start + BATCH]
        for entry in batch:
            writer.append(entry)
        for path, data in writer.take().items():
            (log / path).parent.mkdir(parents=True, exist_ok=True)
            (log / path).write_bytes(data)
        if start % (BATCH * 8) == 0:
            _, paths = inclusion_paths([leaf_hash(entry) for entry in batch], before=before)
            proofs[start + 5, writer.size] = list(paths[5])
    _remove_old_partial_tiles(log, writer.size)
    return writer, proofs


def _remove_old_partial_tiles(log: Path, size: int) -> None:
    """Those of sizes before the last: a log may, and what others enumerate is then exactly the tree."""
    for path in log.glob("tile/**/*.p/*"):
        level, width = path.relative_to(log / "tile").parts[0], int(path.name)
        count = size >> 8 * (0 if level == "entries" else int(level))
        index = int(
            "".join(part.strip("x") for part in path.relative_to(log / "tile").parts[1:-1]).removesuffix(".p")
        )
        if (index, width) != divmod(count, 256):
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def _signed(checkpoint: Checkpoint) -> bytes:
    note = sign_checkpoint(checkpoint, small_log.signers("log", checkpoint.origin), now=small_log.NOW)
    signers = [signer for unit in small_log.UNITS for signer in small_log.witness(unit)]
    return with_cosignatures(note, [cosign(checkpoint, s, now=Seconds(small_log.NOW + 1)) for s in signers])


def _policy() -> str:
    """All three witnesses are needed: one signature less is not enough."""
    entries = [
        WitnessEntry(unit, tuple(s.verifier for s in small_log.witness(unit)), f"https://{unit}.example/")
        for unit in small_log.UNITS
    ]
    keys = [signer.verifier for signer in small_log.signers("log", small_log.ORIGIN)]
    return policy_text(keys, witnesses=entries, quorum=len(entries))


def _claims(read: TileReader, proof_index: int, made: dict[tuple[int, int], list[bytes]]) -> dict:
    log = [signer.verifier for signer in small_log.signers("log", small_log.ORIGIN)]
    witnesses = [signer.verifier for unit in small_log.UNITS for signer in small_log.witness(unit)]
    places = {(index, size) for size in SIZES for index in (0, 1, size // 2, size - 1) if index < size}
    growths = {(old, new) for new in SIZES for old in SIZES if old <= new}
    paths = {(index, size): inclusion_proof(index, size, read) for index, size in places} | made
    return {
        "origin": small_log.ORIGIN,
        "size": SIZE,
        "roots": {size: root_at(size, read).hex() for size in (0, *SIZES)},
        "inclusion": [{"index": i, "size": n, "path": _hex(path)} for (i, n), path in paths.items()],
        "consistency": [
            {"old": old, "new": new, "path": _hex(consistency_proof(old, new, read))} for old, new in growths
        ],
        "logKeys": [format_vkey(key) for key in log],
        "witnessKeys": [format_vkey(key) for key in witnesses],
        "times": {
            key.key_id.hex(): small_log.NOW + (key in witnesses)
            for key in (*log, *witnesses)
            if key.algorithm is not NoteAlgorithm.ED25519
        },
        "proofIndex": proof_index,
    }


def _hex(path: object) -> list[str]:
    return [step.hex() for step in path]
