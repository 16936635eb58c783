"""What a decision means for a message that we sent: the table, row by row."""

from __future__ import annotations

import pytest

from clients.daemon.store.decisions import (
    MOST_SEALINGS,
    RECOVERABLE,
    Foreign,
    Nothing,
    RefuseForGood,
    SealAgain,
    Sealing,
    Settle,
    VerdictOnly,
    consequence_of,
)
from protocol.errors import Code
from protocol.identifiers import Digest, Millis, UnitId
from protocol.trail.batches import OutboxPlace, Reason, Record, RecordType

FR = UnitId("fr")


def record(kind: RecordType, *codes: Code) -> Record:
    return Record(
        kind, Millis(1), OutboxPlace(FR, 0, 7), Digest(bytes(32)), tuple(Reason(code) for code in codes), 1
    )


def sealing(**changes) -> Sealing:
    fields = {"latest": True, "decided": False, "message_settled": False, "sealed_times": 1}
    return Sealing(1, 1, **{**fields, **changes})


def test_accepted_settles_even_an_older_sealing():
    """The addressees have it, whichever sealing it was."""
    assert consequence_of(record(RecordType.ACCEPTED), sealing()) == Settle()
    assert consequence_of(record(RecordType.ACCEPTED), sealing(latest=False)) == Settle()
    assert consequence_of(record(RecordType.ACCEPTED), sealing(decided=True)) == Nothing()


@pytest.mark.parametrize("code", sorted(RECOVERABLE - {Code.E_REPLAY}))
def test_what_another_sealing_cures_is_sealed_again(code):
    """Keys and times change; the message stays the same."""
    assert consequence_of(record(RecordType.REJECTED, code), sealing()) == SealAgain((Reason(code),))


def test_not_without_end():
    """After so many sealings the refusal is final, with its reason."""
    last = sealing(sealed_times=MOST_SEALINGS)
    assert consequence_of(record(RecordType.REJECTED, Code.E_RCPT_EPOCH), last) == RefuseForGood(
        (Reason(Code.E_RCPT_EPOCH),)
    )


def test_a_quota_refuses_nothing_for_good():
    """However often: what waits is sent again when the router said. Another reason beside it is what counts."""
    last = sealing(sealed_times=10 * MOST_SEALINGS)
    assert isinstance(consequence_of(record(RecordType.REJECTED, Code.E_QUOTA), last), SealAgain)
    both = record(RecordType.REJECTED, Code.E_QUOTA, Code.E_PURPOSE)
    assert isinstance(consequence_of(both, sealing()), RefuseForGood)


def test_a_clock_that_runs_ahead_refuses_nothing_for_good():
    """As long as our own clock is at fault the message waits, and what follows from the clock is no reason."""
    last = sealing(sealed_times=10 * MOST_SEALINGS)
    codes = (Code.E_TIME_FUTURE, Code.E_LIFETIME)
    assert isinstance(consequence_of(record(RecordType.REJECTED, *codes), last), SealAgain)
    assert isinstance(consequence_of(record(RecordType.REJECTED, Code.E_LIFETIME), sealing()), RefuseForGood)


@pytest.mark.parametrize("code", sorted(set(Code) - RECOVERABLE))
def test_every_other_refusal_is_final(code):
    """One reason that nothing cures is enough, whatever stands beside it."""
    assert consequence_of(record(RecordType.REJECTED, code), sealing()) == RefuseForGood((Reason(code),))
    both = record(RecordType.REJECTED, Code.E_RCPT_EPOCH, code)
    assert isinstance(consequence_of(both, sealing()), RefuseForGood)


@pytest.mark.parametrize("kind", [RecordType.REJECTED, RecordType.DUPLICATE])
@pytest.mark.parametrize(
    "change", [{"latest": False}, {"decided": True}, {"decided": True, "message_settled": True}]
)
def test_old_news_is_no_news(kind, change):
    """A decision on bytes that are decided or replaced changes nothing: that is what a resend brings."""
    assert consequence_of(record(kind, Code.E_RCPT_EPOCH), sealing(**change)) == Nothing()


@pytest.mark.parametrize("kind", [RecordType.REJECTED, RecordType.DUPLICATE])
def test_a_refusal_of_what_was_sent_again_is_of_that_sealing_alone(kind):
    """The message was accepted, and stays so; an acceptance counts as the first did."""
    again = sealing(message_settled=True)
    assert consequence_of(record(kind, Code.E_RCPT_EPOCH), again) == VerdictOnly()
    assert consequence_of(record(RecordType.ACCEPTED), again) == Settle()


def test_a_duplicate_without_a_decision_is_an_alarm_and_a_new_number():
    """Its decision was lost; addressees take the message once, so sealing again cannot double it."""
    assert consequence_of(record(RecordType.DUPLICATE), sealing()) == SealAgain(
        (Reason(Code.E_REPLAY),), alarm=True
    )


def test_a_submission_that_we_never_made_is_foreign():
    """Somebody else wrote into our outbox, or our database is an old backup."""
    for kind in RecordType:
        assert consequence_of(record(kind), None) == Foreign()


def test_a_refusal_without_reasons_is_final():
    """Nothing can be cured that is not named."""
    assert consequence_of(record(RecordType.REJECTED), sealing()) == RefuseForGood(())
