"""The next policy file: old half-years stay vouched for, coming ones are named, witnesses come and go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from broker.ledger.admin.ledger_founding import begin_logs
from broker.ledger.admin.policy_renewal import PolicyChanges, renew_policy
from broker.ledger.settings import LedgerSettings
from broker.ledger.store.record_store import RecordStore
from broker.ledger.trust import OwnKeys, read_policy_file
from keys.note_keys import NoteKey, NoteUse, write_note_key
from keys.unlock import Credential
from protocol.identifiers import Millis
from protocol.limits import DAY
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.policy_text import WitnessEntry, ledger_policy, policy_text
from protocol.tlog.shards import shard_of
from runtime.errors import Conflict, Misconfigured

NAME = "contrada.example"
NOW = Millis(1_793_000_000_000)
YEARS_LATER = Millis(NOW + 3 * 365 * DAY)


def entry(name: str) -> WitnessEntry:
    return WitnessEntry(name, NoteKey.generate(os.urandom).vkeys(name, NoteUse.WITNESS), f"http://{name}")


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerSettings:
    """A ledger of one half-year with two witnesses, of which it takes two."""
    (tmp_path / "secret").write_bytes(bytes(32))
    (tmp_path / "secret").chmod(0o600)
    key = NoteKey.generate(os.urandom)
    write_note_key(tmp_path / "note.key", key, secret=Credential(bytes(32)), entropy=os.urandom)
    own = OwnKeys(key)
    witnesses = [entry("fr"), entry("it")]
    text = ledger_policy(NAME, now=NOW, log_keys=own.vkeys, witnesses=witnesses, quorum=2)
    (tmp_path / "policy").write_text(text)
    made = LedgerSettings(
        kafka="127.0.0.1:1", origin=NAME, directory=tmp_path, root=tmp_path / "root.cbor", key="file:/k",
        note_key=tmp_path / "note.key", secret=tmp_path / "secret",
    )  # fmt: skip
    begin_logs(RecordStore(made.records_url), own, NAME, now=NOW)
    return made


def test_what_was_signed_years_ago_is_still_vouched_for(ledger: LedgerSettings, tmp_path: Path) -> None:
    """The next policy names the half-year that there is, those of today, and the directory's log."""
    renew_policy(ledger, PolicyChanges(), tmp_path / "next", now=YEARS_LATER)
    policy = read_policy_file(tmp_path / "next")
    for state in RecordStore(ledger.records_url).states():
        assert policy.signed_by_log(parse_checkpoint(state.checkpoint)).size == 0
    assert {shard_of(NAME, NOW), shard_of(NAME, YEARS_LATER), f"{NAME}/directory"} <= set(policy.origins)
    assert shard_of(NAME, Millis(YEARS_LATER + 500 * DAY)) in policy.origins


def test_witnesses_join_and_leave(ledger: LedgerSettings, tmp_path: Path) -> None:
    """One joins with its file, one leaves by name; keys and addresses of the others stay; so does the quorum."""
    (tmp_path / "nl.policy").write_text(policy_text([], witnesses=[entry("nl")], quorum=1))
    told = renew_policy(
        ledger, PolicyChanges(joining=[tmp_path / "nl.policy"], leaving=["it"]), tmp_path / "next", now=NOW
    )
    old, new = read_policy_file(ledger.policy), read_policy_file(tmp_path / "next")
    assert told["witnesses"] == ["fr", "nl"] and told["quorum"] == 2
    assert [w for w in new.witnesses if w.key.name == "fr"] == [
        w for w in old.witnesses if w.key.name == "fr"
    ]
    assert {w.key.name for w in new.witnesses} == {"fr", "nl"}


@pytest.mark.parametrize(
    "wanted", [PolicyChanges(leaving=["de"]), PolicyChanges(leaving=["fr"]), PolicyChanges(quorum=3)]
)
def test_what_cannot_be_had_is_said(ledger: LedgerSettings, tmp_path: Path, wanted: PolicyChanges) -> None:
    """A witness that is not there cannot leave; two cannot be had from one, nor three from two."""
    with pytest.raises(Misconfigured):
        renew_policy(ledger, wanted, tmp_path / "next", now=NOW)
    assert not (tmp_path / "next").exists()


def test_a_file_that_is_there_stays(ledger: LedgerSettings) -> None:
    """The policy in use is never written over."""
    before = ledger.policy.read_bytes()
    with pytest.raises(Conflict):
        renew_policy(ledger, PolicyChanges(quorum=1), ledger.policy, now=NOW)
    assert ledger.policy.read_bytes() == before
