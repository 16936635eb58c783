"""An intruder with full access to the centre's disk, its keys included: for the demo's last acts.

Owns the attacks, on a copy of the ledger: altering a record, removing another, and writing the whole log anew
under its own keys, so that the forgery is consistent in itself. Shows it to witnesses and units as the ledger
would. The running ledger is not touched, so that the reader can go on with it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from keys.note_keys import NOTE_KEY_FILE, read_note_key
from keys.store import read_credential
from protocol import topics
from protocol.canonical import decode, encode
from protocol.errors import Code, Rejected
from protocol.tlog.checkpoints import Checkpoint, Seconds, parse_checkpoint, sign_checkpoint
from protocol.tlog.proofs import consistency_proof
from protocol.tlog.publication import publications
from protocol.tlog.tiles import Tile, TreeWriter, entries_between, read_entries, smaller_from
from protocol.tlog.witnessing import format_add_checkpoint
from protocol.trail.records_file import index_in
from runtime.cli.kafka_calls import run_quietly
from runtime.kafka.partition_log import KafkaLog
from runtime.kafka.security.access import KafkaAddress

_ACCEPTED: Final = """SELECT id, record FROM records WHERE type = 1 AND record IS NOT NULL
                      ORDER BY id LIMIT 1 OFFSET ?"""
_HOUR_MS: Final = 3_600_000
_MORE: Final = 300
"""Leaves by which it is longer than the true log, so that it looks newer."""


@dataclass(frozen=True, slots=True)
class Forgery:
    """A log that is consistent in itself, and not with what was published."""

    head: Checkpoint
    note: bytes
    files: dict[str, bytes]

    def offer(self, witness: str) -> int:
        """Ask a witness to cosign it, from the size that it says it has; the HTTP status of the answer."""
        status, answer = self._ask(witness, old=0)
        return self._ask(witness, old=int(answer))[0] if status == 409 else status

    def publish(self, kafka: KafkaAddress) -> None:
        """Publish it to every unit."""
        parts = publications(self.head.origin, old=0, new=self.head.size, note=self.note, read=self.read)
        run_quietly(KafkaLog(kafka, topics.LEDGER).append(list(parts)))

    def read(self, tile: Tile) -> bytes:
        """A tile of it."""
        return smaller_from(self._file, size=self.head.size)(tile)

    def _ask(self, witness: str, *, old: int) -> tuple[int, bytes]:
        body = format_add_checkpoint(old, consistency_proof(old, self.head.size, self.read), self.note)
        request = Request(f"{witness}/add-checkpoint", data=body, method="POST")  # noqa: S310 - loopback
        try:
            with urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read()
        except HTTPError as refused:
            return refused.code, refused.read()

    def _file(self, tile: Tile) -> bytes:
        if tile.path not in self.files:
            raise Rejected(Code.E_TILE, f"there is no {tile.path}")
        return self.files[tile.path]


@dataclass(frozen=True, slots=True)
class Intruder:
    """A copy of the ledger, and the centre's home with the keys."""

    copy: Path
    centre: Path

    def alter(self) -> int:
        """Move a decision back by an hour in the store of records; the leaf that it belongs to."""
        with closing(sqlite3.connect(self.copy / "records.sqlite")) as store, store:
            row, record = store.execute(_ACCEPTED, (0,)).fetchone()
            fields = decode(record)
            fields[2] -= _HOUR_MS
            store.execute("UPDATE records SET record = ? WHERE id = ?", (encode(fields), row))
        return index_in(int(row))

    def remove(self) -> int:
        """Remove a record and leave nothing in its place; its leaf."""
        with closing(sqlite3.connect(self.copy / "records.sqlite")) as store, store:
            row, _ = store.execute(_ACCEPTED, (1,)).fetchone()
            store.execute("DELETE FROM records WHERE id = ?", (row,))
            store.execute("DELETE FROM concerns WHERE id = ?", (row,))
        return index_in(int(row))

    def rewrite(self, origin: str, *, without: int, now: int) -> Forgery:
        """The audit log once more without one of its leaves, and newer, signed with the log's own keys."""
        entries = self._entries(origin)
        tree = TreeWriter()
        for entry in (*entries[:without], *entries[without + 1 :], *entries[-1:] * _MORE):
            tree.append(entry)
        head = Checkpoint(origin, tree.size, tree.root())
        secret = read_credential(self.centre / "centre.secret")
        key = read_note_key(self.centre / "keys" / "ledger" / NOTE_KEY_FILE, secret=secret)
        note = sign_checkpoint(head, key.signers(origin), now=Seconds(now))
        return Forgery(head, note, tree.take())

    def _entries(self, origin: str) -> list[bytes]:
        home = self.copy / origin.partition("/")[2]
        size = parse_checkpoint((home / "checkpoint").read_bytes()).checkpoint.size

        def read(tile: Tile) -> bytes:
            return (home / tile.path).read_bytes()

        return [entry for tile in entries_between(0, size) for entry in read_entries(read, tile)]
