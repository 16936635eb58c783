"""What must agree at a start: each disagreement is refused, by name, with what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from broker.errors import RolledBack, StoreCorrupt
from broker.ledger import checks
from broker.ledger.admin.inspection import waiting
from broker.ledger.directory_sequencer import DirectorySequencer, check_logged_statements
from broker.ledger.log_storage import LogStorage
from broker.ledger.published import Published
from broker.ledger.trust import OwnKeys, own_policy, read_policy_file
from keys.directory import Directory
from keys.note_keys import NoteKey
from protocol.identifiers import Digest
from protocol.tlog.checkpoints import Checkpoint, parse_checkpoint, seconds, sign_checkpoint
from protocol.tlog.policy import parse_policy
from protocol.tlog.policy_text import ledger_policy
from runtime.errors import Misconfigured
from runtime.kafka.ports import InputRecord
from tests.sim.world import NOON
from tests.unit.broker.ledger.rig import AUDIT, DIRECTORY, KEYS, NAME, Rig, world_of


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig(tmp_path, world_of(12))
    rig.run(rig.writer())
    return rig


def said(size: int, root: bytes) -> Published:
    """A checkpoint that the log's keys signed."""
    checkpoint = Checkpoint(AUDIT, size, Digest(root))
    return Published(checkpoint, sign_checkpoint(checkpoint, KEYS.signers(AUDIT), now=seconds(NOON)))


def test_a_store_that_agrees_with_everything_is_taken(rig: Rig) -> None:
    """The lock row, and every beginning of the log that was said anywhere."""
    state, read = rig.state(), rig.writer().reader(AUDIT)
    checks.check_state(state, rig.policy)
    for upto in (1, 2, 3):
        path = rig.path / str(upto)
        path.mkdir()
        part = Rig(path, rig.world)
        old = part.run(part.writer(), upto=upto)
        checks.check_said(said(old.size, old.root), "anywhere", state, read)
    checks.check_said(said(state.size, state.root), "anywhere", state, read)


@pytest.mark.parametrize("field", ["size", "root", "checkpoint"])
def test_an_altered_lock_row_is_refused(rig: Rig, field: str) -> None:
    """Whichever part of it somebody changed in the database: the signature covers it."""
    state = rig.state()
    note = bytearray(state.checkpoint)
    note[-20] ^= 1
    other = {"size": state.size - 1, "root": bytes(32), "checkpoint": bytes(note)}[field]
    with pytest.raises(StoreCorrupt) as refused:
        checks.check_state(replace(state, **{field: other}), rig.policy)
    assert "restore the newest copy" in refused.value.hint


def test_more_said_than_there_is_is_a_rollback(rig: Rig) -> None:
    """One entry more than here, signed by the log: the store is an old copy."""
    state = rig.state()
    with pytest.raises(RolledBack) as refused:
        checks.check_said(
            said(state.size + 1, bytes(32)), "the topic ledger", state, rig.writer().reader(AUDIT)
        )
    assert "the topic ledger" in str(refused.value)
    assert "restore the newest copy" in refused.value.hint


@pytest.mark.parametrize("back", [0, 1, 5])
def test_another_root_that_was_said_is_a_rewritten_log(rig: Rig, back: int) -> None:
    """The same size or a smaller one with another root: here or there somebody rewrote the log."""
    state = rig.state()
    with pytest.raises(StoreCorrupt) as refused:
        checks.check_said(said(state.size - back, bytes(32)), "anywhere", state, rig.writer().reader(AUDIT))
    assert "evidence" in refused.value.hint


def test_an_altered_checkpoint_in_the_store_is_refused(rig: Rig) -> None:
    """The file beside the tiles must be signed by the log, or be absent."""
    state = rig.state()
    assert checks.stored_checkpoint(rig.store, state, name=NAME, policy=rig.policy) is None
    rig.store.replace("audit/2026h2/checkpoint", state.checkpoint)
    found = checks.stored_checkpoint(rig.store, state, name=NAME, policy=rig.policy)
    assert found is not None and found.size == state.size
    rig.store.replace("audit/2026h2/checkpoint", state.checkpoint.replace(b"\n", b"\n0", 1))
    with pytest.raises(StoreCorrupt):
        checks.stored_checkpoint(rig.store, state, name=NAME, policy=rig.policy)


@pytest.mark.parametrize(("first", "end"), [(13, 20), (0, 11)])
def test_an_audit_topic_without_what_comes_next_is_refused(rig: Rig, first: int, end: int) -> None:
    """Records that Kafka deleted before they were sequenced, and a Kafka that has less than was sequenced."""
    checks.check_span(rig.state(), first=0, end=12)
    checks.check_span(rig.state(), first=12, end=12)
    with pytest.raises(RolledBack):
        checks.check_span(rig.state(), first=first, end=end)


# The directory's log.


def test_the_directory_log_is_the_directory(rig: Rig) -> None:
    """Its entries are the statements, its root is the one that every replica computes."""
    log = DirectorySequencer(LogStorage(rig.records, rig.store, NAME), KEYS.signers)
    directory = rig.world.directory
    log.resume(directory)
    state = log.advance(directory, now=NOON)
    assert (state.size, state.root) == (directory.head.size, directory.head.root)
    assert rig.entries(DIRECTORY) == directory.snapshot()
    assert log.advance(directory, now=NOON) == state
    assert (
        DirectorySequencer(LogStorage(rig.records, rig.store, NAME), KEYS.signers).resume(directory) == state
    )


def test_a_directory_topic_that_lost_or_changed_statements_is_refused(rig: Rig) -> None:
    """What was logged of the directory stays: the topic must begin with exactly that."""
    log = DirectorySequencer(LogStorage(rig.records, rig.store, NAME), KEYS.signers)
    log.resume(rig.world.directory)
    state = log.advance(rig.world.directory, now=NOON)
    statements = rig.world.directory.snapshot()
    with pytest.raises(RolledBack):
        check_logged_statements(state, Directory.replay(rig.world.directory.root, statements[:-1]))
    with pytest.raises(StoreCorrupt):
        check_logged_statements(replace(state, root=bytes(32)), rig.world.directory)


# Whom the ledger believes.


def test_a_policy_with_other_keys_for_our_logs_is_refused() -> None:
    """The note key and the policy file must be of one ledger, or nobody would believe what it signs."""
    file = parse_policy(ledger_policy(NAME, now=NOON, log_keys=KEYS.vkeys))
    assert own_policy(KEYS, [AUDIT], file).log_keys(AUDIT) == tuple(KEYS.vkeys(AUDIT))
    with pytest.raises(Misconfigured):
        own_policy(OwnKeys(NoteKey(bytes([1]) * 32)), [AUDIT], file)


def test_own_logs_of_past_years_are_believed_without_the_file() -> None:
    """The file names some years; the ledger knows its own keys for every log that it ever had."""
    file = parse_policy(ledger_policy(NAME, now=NOON, log_keys=KEYS.vkeys))
    old = f"{NAME}/audit/2019h1"
    note = sign_checkpoint(Checkpoint(old, 0, Digest(bytes(32))), KEYS.signers(old), now=seconds(NOON))
    assert own_policy(KEYS, [old], file).signed_by_log(parse_checkpoint(note)).origin == old


@pytest.mark.parametrize("content", [None, b"", b"quorum nobody\n", b"log x\nquorum none\n"])
def test_a_policy_file_that_is_none_is_a_wrong_setting(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty or malformed: the file is named, and it is the operator's to mend."""
    path = tmp_path / "policy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured) as refused:
        read_policy_file(path)
    assert str(path) in str(refused.value)


def test_every_refusal_has_a_hint() -> None:
    """The errors of this package carry a stable code, and the exit codes know it."""
    from runtime.cli import exits

    for kind in (StoreCorrupt, RolledBack):
        assert exits.of_code(kind.code) == 7


@dataclass
class Transactional:
    """A topic in which each record is a transaction: behind it stands a marker. Implements `runtime.kafka.ports.LogReader`."""

    count: int
    at: int = 0

    async def span(self) -> tuple[int, int]:
        return 0, 2 * self.count

    async def position(self) -> int:
        return self.at

    def seek(self, position: int) -> None:
        self.at = position

    async def fetch(self, *, wait_ms: int, most: int) -> list[InputRecord]:
        offsets = [offset for offset in range(self.at, 2 * self.count) if offset % 2 == 0][:most]
        self.at = offsets[-1] + 1 if offsets else 2 * self.count
        return [InputRecord(offset, NOON, b"record") for offset in offsets]


@pytest.mark.parametrize(("sequenced", "behind"), [(0, 1200), (1, 1199), (1199, 1), (1200, 0)])
async def test_only_records_wait_to_be_sequenced(sequenced: int, behind: int) -> None:
    """The marker behind the last record is none: a ledger that has sequenced everything is not behind."""
    topic = Transactional(1200)
    _, end = await topic.span()
    after_the_last = max(0, 2 * sequenced - 1)
    assert await waiting(topic, after_the_last, end) == behind
    topic.count += 7
    assert await waiting(topic, after_the_last, end) == behind, "what comes meanwhile does not count"


def test_a_checkpoint_that_is_gone_is_told_apart_from_one_that_never_was(rig: Rig) -> None:
    """A new log has none. A log that was published or closed had one, and somebody removed it."""
    state = rig.state()
    known = said(state.size, state.root)
    closed = replace(state, next="contrada.example/audit/2027h1")

    assert not checks.is_checkpoint_gone(None, state, None)
    assert not checks.is_checkpoint_gone(known, closed, known)
    assert checks.is_checkpoint_gone(None, state, known)
    assert checks.is_checkpoint_gone(None, closed, None)
