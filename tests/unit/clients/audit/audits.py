"""A ledger to attack, made once and copied for each attack, and what an audit of it finds."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from clients.audit.checks import fsck
from clients.audit.copy.copied_heads import choose_policy
from clients.audit.copy.ledger_copy import open_copy
from clients.audit.findings import FindingKind
from keys.root_of_trust import RootOfTrust
from protocol.identifiers import UnitId
from protocol.trail.acts import Act
from protocol.trail.records import RecordType
from tests.sim.ledger import Ledger


def small(path: Path, *, count: int = 100) -> Ledger:
    """Thirty-odd statements announced, `count` decisions in one half-year, a deletion; and published."""
    ledger = Ledger(path)
    ledger.start()
    ledger.decide(count, refused=[3, 5])
    ledger.delete(60)
    ledger.publish()
    return ledger


def break_glass(ledger: Ledger) -> Act:
    """Something that the registrar alone states."""
    return Act(RecordType.BREAK_GLASS, ledger.world.now, UnitId("registrar"), None, ("A. Costa", "a drill"))


def copied(path: Path, target: Path) -> Path:
    """A copy to do wrong to."""
    shutil.copytree(path, target)
    return target


def audit(path: Path, **changes: object) -> fsck.Audit:
    """The whole audit of a copy."""
    copy = open_copy(path)
    wanted = {
        "policy": choose_policy(copy, None, lambda _: None),
        "root": RootOfTrust.parse((path / "root.cbor").read_bytes()),
    }
    return fsck.audit_copy(copy, fsck.AuditBasis(**{**wanted, **changes}))


def found(path: Path, **changes: object) -> list[tuple[FindingKind, str, int | None]]:
    """What is wrong: its kind, its file, its leaf."""
    return [(each.kind, each.place, each.index) for each in audit(path, **changes).wrong]


def kinds(path: Path, **changes: object) -> set[FindingKind]:
    """Only the kinds."""
    return {kind for kind, _, _ in found(path, **changes)}


def sql(path: Path, statement: str, *values: object) -> None:
    """Somebody with access to the disk changes the store of records."""
    with closing(sqlite3.connect(path / "records.sqlite")) as database, database:
        assert database.execute(statement, values).rowcount > 0


def flip(path: Path, at: int) -> None:
    """Somebody with access to the disk changes one byte of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
