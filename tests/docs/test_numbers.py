"""Numbers that the pages state are those of the program."""

from __future__ import annotations

import pytest

from broker import kafka as broker_kafka
from broker import replica, router
from clients.daemon import decisions, lane
from keys import lifecycle, unlock
from protocol import limits, topics
from protocol.identifiers import UnitId
from tests.docs.pages import page


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
    ],
    "docs/adr/0004-exactly-once-on-aiokafka.md": [
        f"set to {broker_kafka.aiokafka_sender.BACKOFF_OVERRIDE * 1000:.0f} ms",
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
    "docs/spec/README.md": [
        f"more than {limits.CLOCK_TOLERANCE // limits.MINUTE} minutes after now",
        f"more than {limits.MAX_AGE // limits.DAY} days ago",
        f"more than {limits.MAX_LIFETIME // limits.DAY} days after it",
        f"less than {limits.EPOCH_GRACE // limits.HOUR} hours ago",
        f"{limits.EPOCH:,}",
    ],
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
    assert lane.FIRST_PATIENCE == 30  # "half a minute": runbooks/outbox-stuck.md
    assert replica.OLDEST == 600  # "ten minutes": architecture.md, ADR 0007, two runbooks
    assert router.CATCH_UP == 1  # "a second": attacks.md, ADR 0007
    assert (
        limits.EPOCH_DESTROY_AFTER == 14 * limits.DAY
    )  # "two weeks": architecture.md, attacks.md, restore-a-unit.md
    assert limits.EPOCH_GRACE == limits.DAY  # "until a day after its end": architecture.md
    assert _days("audit") == 3 * 365  # "three years": architecture.md, ADR 0003
