"""Numbers that the pages state are those of the program."""

from __future__ import annotations

import re

import pytest

from broker import replica
from broker.ledger.settings import LedgerSettings
from broker.router import gossip, ledger_feed
from broker.router import loop as router
from clients.daemon.sending import lanes
from clients.daemon.state import open_promises as book
from clients.daemon.store import decisions, request_keys
from keys import lifecycle, unlock
from protocol import limits, topics
from protocol.identifiers import UnitId
from protocol.tlog import policy_text, witnessing
from runtime.kafka import transactions
from tests.docs.pages import page

LEDGER = LedgerSettings.model_fields


def _days(topic: str) -> int:
    wanted = next(t for t in topics.all_topics([UnitId("fr")]) if t.name == topic)
    return int(wanted.config["retention.ms"]) // limits.DAY


STATED = {
    "docs/architecture.md": [
        f"{limits.MAX_RECIPIENTS} addressees",
        f"{limits.MAX_CIPHERTEXT // 2**20} MiB of content",
        f"{limits.MAX_ATTACHMENT // 1024} KiB per attachment",
        f"{limits.MAX_ITEMS} items",
        f"live {limits.MAX_LIFETIME // limits.DAY} days at most",
        f"wait {limits.MAX_AGE // limits.DAY} days at most",
        f"differ by {limits.CLOCK_TOLERANCE // limits.MINUTE} minutes",
        f"outboxes {_days('outbox.fr')} days",
        f"inboxes and receipts {_days('inbox.fr')} days",
        f"quarantine {_days('quarantine')} days",
        f"publications of the ledger {_days('ledger')} days",
        f"{LEDGER['batch_ms'].default} ms or {LEDGER['batch_entries'].default} entries",
        f"may take {book.PATIENCE:.0f} s",
    ],
    "docs/drafts.md": [
        f"kept for {request_keys.KEPT_FOR // limits.DAY} days",
        f"newest {request_keys.MOST:,} of them",
    ],
    "docs/adr/0018-the-second-transaction-protocol.md": [
        f"`{transactions.FEATURE[0]}` {transactions.FEATURE[1]} switched on",
    ],
    "docs/adr/0020-routers-compare-heads-with-what-was-published.md": [
        f"the last {gossip.ROOTS_KEPT:,} of",
        f"the last {ledger_feed.TAIL:,} records",
    ],
    "docs/adr/0006-replay-by-last-sequence-number.md": [
        f"{limits.MAX_STREAMS} streams",
        f"{limits.MAX_STATE_TEXT} bytes",
        f"({limits.CLOCK_TOLERANCE // limits.MINUTE} minutes)",
    ],
    "docs/adr/0009-content-in-parts.md": [
        f"{limits.MAX_ATTACHMENT // 1024} KiB each",
        f"{limits.MAX_CIPHERTEXT // 2**20} MiB of content",
    ],
    "docs/runbooks/quarantine.md": [f"of more than {limits.MAX_QUARANTINED:,}"],
    "docs/spec/README.md": [
        f"the structure may have: {limits.MAX_CBOR_ITEMS:,}",
        f"of rows of records, {limits.MAX_ROW_ITEMS:,}",
        f"more than {limits.CLOCK_TOLERANCE // limits.MINUTE} minutes after now",
        f"more than {limits.MAX_AGE // limits.DAY} days ago",
        f"more than {limits.MAX_LIFETIME // limits.DAY} days after it",
        f"less than {limits.EPOCH_GRACE // limits.HOUR} hours ago",
        f"{limits.EPOCH:,}",
        f"{limits.MAX_NOTE:,} bytes and {limits.MAX_NOTE_SIGNATURES} signatures",
        f"at most {witnessing.MAX_REQUEST:,} bytes",
        f"missing after {book.PATIENCE:.0f} s",
    ],
    "docs/attacks.md": [f"waits {book.PATIENCE:.0f} s"],
    "docs/runbooks/ledger-alarms.md": [f"keeps ({_days('ledger')} days)"],
    "docs/runbooks/half-year.md": ["and the next " + {3: "three"}[policy_text.SHARDS_AHEAD]],
    "docs/runbooks/delete-a-record.md": [f"`inbox.*` for {_days('inbox.fr')} days"],
    "docs/runbooks/codes-time.md": [
        f"{limits.CLOCK_TOLERANCE // limits.MINUTE} minutes after",
        f"{limits.MAX_AGE // limits.DAY} days ago",
        f"{limits.MAX_LIFETIME // limits.DAY} days after",
    ],
    "docs/runbooks/codes-local.md": [
        f"{unlock.CREDENTIAL_SIZE} bytes, or a passphrase of {unlock.MIN_PASSPHRASE} characters",
    ],
    "docs/runbooks/rotate-a-unit.md": [
        {2: "two"}[lifecycle.IDENTITY_LIFETIME // (365 * limits.DAY)] + " years",
    ],
}


@pytest.mark.parametrize("name", STATED)
def test_a_number_is_the_programs(name: str) -> None:
    """Each stated number stands on its page as the program has it."""
    text = " ".join(page(name).text.split())

    assert [phrase for phrase in STATED[name] if phrase not in text] == []


def test_numbers_in_words_are_the_programs() -> None:
    """Numbers that the pages write out as words have not changed either."""
    assert decisions.MOST_SEALINGS == 8  # "after eight sealings": runbooks/outbox-stuck.md, codes-sender.md
    assert lanes.FIRST_PATIENCE == 30  # "half a minute": runbooks/outbox-stuck.md
    assert replica.OLDEST == 600  # "ten minutes": architecture.md, ADR 0007, two runbooks
    assert router.CATCH_UP == 1  # "a second": attacks.md, ADR 0007
    assert (
        limits.EPOCH_DESTROY_AFTER == 14 * limits.DAY
    )  # "two weeks": architecture.md, attacks.md, restore-a-unit.md
    assert limits.EPOCH_GRACE == limits.DAY  # "until a day after its end": architecture.md
    assert _days("audit") == 90  # "90 days": architecture.md, ADR 0017


def test_every_size_of_a_machine_rests_on_a_figure() -> None:
    """The table of machines names figures that `make bench` gives, for each of its rows."""
    measured = {
        row[0].strip("`")
        for row in page("docs/figures.md").rows("Figure", "Ratio", "Target", "Value", "Floor")
    }
    rows = page("docs/scaling.md").rows("Machine", "Take", "Because", "Figures")
    assert len(rows) >= 7
    for machine, _, _, figures in rows:
        named = set(re.findall(r"`(\w+)`", figures))
        assert named, machine
        assert named <= measured, machine
