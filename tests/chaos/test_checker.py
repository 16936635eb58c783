"""The checker itself: a history for every anomaly, each of which it must find, and one that is clean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.checker import check
from tests.chaos.history import (
    ACCEPTED,
    ANOMALIES,
    AUTOMATIC,
    DUPLICATE,
    REJECTED,
    Arrival,
    Decision,
    History,
    KafkaLoss,
    Message,
    Source,
    Verdict,
)

CASE = b"case"


def message(place: int, **changes: object) -> Message:
    """The message of FR to IT and the centre with this rank."""
    made = Message(
        "fr", f"m{place}".encode(), CASE, frozenset({"it", "centre"}), place, label=f"text {place}"
    )
    return replace(made, **changes)


def arrival(unit: str, place: int, **changes: object) -> Arrival:
    """That message in an inbox."""
    return replace(Arrival(unit, "fr", f"m{place}".encode(), CASE, f"text {place}"), **changes)


def decision(offset: int, kind: str = ACCEPTED, message_id: bytes | None = b"") -> Decision:
    """The decision about FR's record at this offset, which by default is the message of that rank."""
    return Decision(kind, Source("fr", 0, offset), f"m{offset}".encode() if message_id == b"" else message_id)


CLEAN = History(
    messages=[message(0), message(1), message(2), message(3, to=frozenset({"nz"}), denied=True)],
    inputs=[Source("fr", 0, offset) for offset in range(6)],
    delivered=[arrival(unit, place) for place in range(3) for unit in ("it", "centre")],
    received=[arrival(unit, place) for unit in ("it", "centre") for place in range(3)],
    audit=[
        *(decision(offset) for offset in range(3)),
        decision(3, REJECTED),
        decision(4, DUPLICATE, b"m0"),
        decision(5, REJECTED, None),
    ],
    receipts={},
    outcomes={("fr", b"m0"): "accepted", ("fr", b"m3"): "refused"},
)
CLEAN = replace(CLEAN, receipts={"fr": list(CLEAN.audit)})


def found(verdict: Verdict) -> dict[str, int]:
    """What is not zero."""
    return {name: count for name in ANOMALIES if (count := getattr(verdict, name))}


def judged(**changes: object) -> dict[str, int]:
    """The anomalies of the clean history with these changes; the run counts as failed exactly if there are any."""
    verdict = check(replace(CLEAN, **changes))
    assert verdict.clean == (not found(verdict))
    assert len(verdict.findings) == sum(found(verdict).values())
    return found(verdict)


def without(arrivals: list[Arrival], *gone: Arrival) -> list[Arrival]:
    """All but these."""
    return [each for each in arrivals if each not in gone]


def test_a_clean_run_is_clean() -> None:
    """Replays, garbage and refusals by policy are part of a run in which everything holds."""
    verdict = check(CLEAN)
    assert found(verdict) == {}
    assert verdict.findings == []
    assert (verdict.submitted, verdict.delivered, verdict.owed, verdict.clean) == (4, 6, 6, True)


def test_a_refusal_without_a_reason_explains_nothing() -> None:
    """Whoever is refused is told why; a decision that does not say so counts as none."""
    audit = [*CLEAN.audit[:-1], replace(CLEAN.audit[-1], explained=False)]
    assert judged(audit=audit, receipts={"fr": audit}) == {"unaudited": 1}


def test_a_run_without_messages_proves_nothing() -> None:
    """An empty history is no success."""
    assert not check(History([], [], [], [], [], {})).clean


def test_lost() -> None:
    """What one addressee's daemon does not have is lost, though it stands in Kafka."""
    assert judged(received=without(CLEAN.received, arrival("it", 1))) == {"lost": 1}


def test_lost_before_kafka() -> None:
    """A message that no log knows is lost for each addressee, and nothing was decided about it."""
    more = [*CLEAN.messages, message(9)]
    assert judged(messages=more) == {"lost": 2, "unaudited": 1}


def test_duplicated_by_the_router() -> None:
    """A second record in Kafka counts, though the daemon drops it."""
    assert judged(delivered=[*CLEAN.delivered, arrival("it", 2)]) == {"duplicated": 1}


def test_duplicated_by_the_daemon() -> None:
    """A second row at a daemon counts."""
    assert judged(received=[*CLEAN.received, arrival("centre", 2)]) == {"duplicated": 1}


def test_a_late_double_is_duplicated_and_out_of_order() -> None:
    """A double behind later messages breaks the order too."""
    assert judged(delivered=[*CLEAN.delivered, arrival("it", 0)]) == {"duplicated": 1, "reordered": 1}


@pytest.mark.parametrize("where", ["delivered", "received"])
def test_reordered(where: str) -> None:
    """Two messages of one sender and conversation that changed places."""
    arrivals = [*without(getattr(CLEAN, where), arrival("it", 1)), arrival("it", 1)]
    assert judged(**{where: arrivals}) == {"reordered": 1}


def test_conversations_and_senders_have_no_order_among_them() -> None:
    """What came first is promised within a conversation only, and so is what daemons send by themselves."""
    other = [
        message(0, message_id=b"x", thread=b"other"),
        message(0, message_id=b"y", lane="own"),
        message(0, message_id=b"z", sender="de", to=frozenset({"it"})),
    ]
    extra = [Arrival(unit, m.sender, m.message_id, m.thread, m.label) for m in other for unit in sorted(m.to)]
    sources = [Source("fr", 0, 6), Source("fr", 0, 7), Source("de", 0, 0)]
    audit = [Decision(ACCEPTED, s, m.message_id) for s, m in zip(sources, other, strict=True)]
    assert judged(
        messages=[*CLEAN.messages, *other],
        inputs=[*CLEAN.inputs, *sources],
        delivered=[*CLEAN.delivered, *extra],
        received=[*CLEAN.received, *extra],
        audit=[*CLEAN.audit, *audit],
        receipts={"fr": [*CLEAN.receipts["fr"], *audit[:2]], "de": audit[2:]},
    ) == {}  # fmt: skip


@pytest.mark.parametrize("where", ["delivered", "received"])
@pytest.mark.parametrize(
    "wrong",
    [
        arrival("de", 1),
        arrival("nz", 3),
        arrival("it", 7),
        replace(arrival("centre", 2), sender="it"),
    ],
    ids=["not an addressee", "denied by policy", "never sent", "another sender"],
)
def test_misdelivered(where: str, wrong: Arrival) -> None:
    """An inbox has what it must not have."""
    assert judged(**{where: [*getattr(CLEAN, where), wrong]}) == {"misdelivered": 1}


@pytest.mark.parametrize("change", [{"label": "text 1"}, {"thread": b"other"}])
def test_a_message_that_changed_on_its_way_is_misdelivered(change: dict) -> None:
    """The right id with another content or in another conversation."""
    received = [replace(a, **change) if a == arrival("it", 2) else a for a in CLEAN.received]
    assert judged(received=received) == {"misdelivered": 1}


@pytest.mark.parametrize(
    ("audit", "count"),
    [
        (CLEAN.audit[:5], 1),
        ([*CLEAN.audit, CLEAN.audit[5]], 1),
        ([*CLEAN.audit, decision(6, REJECTED, None)], 1),
        ([decision(0, DUPLICATE), *CLEAN.audit[1:]], 1),
        ([*CLEAN.audit[:3], decision(3, ACCEPTED), *CLEAN.audit[4:]], 1),
        ([*CLEAN.audit[:4], decision(4, ACCEPTED, b"m0"), CLEAN.audit[5]], 1),
        ([*CLEAN.audit[:5], decision(5, ACCEPTED, b"nobody sent it")], 1),
    ],
    ids=[
        "a record without a decision", "a decision twice", "a decision without a record",
        "a message that was never accepted", "a message that had to be refused", "accepted twice", "made up",
    ],
)  # fmt: skip
def test_unaudited(audit: list[Decision], count: int) -> None:
    """The audit trail does not say what it must; receipts that agree with it change nothing."""
    assert judged(audit=audit, receipts={"fr": list(audit)}) == {"unaudited": count}


@pytest.mark.parametrize(
    "receipts",
    [
        {"fr": CLEAN.audit[:5]},
        {"fr": [*CLEAN.audit, CLEAN.audit[0]]},
        {"fr": CLEAN.audit, "it": [Decision(ACCEPTED, Source("it", 0, 0), b"m")]},
    ],
    ids=["missing", "twice", "without audit"],
)
def test_receipts_that_do_not_match_the_audit(receipts: dict) -> None:
    """A sender was told something else than what was recorded."""
    assert judged(receipts=receipts) == {"unaudited": 1}


@pytest.mark.parametrize(
    "outcome", [{("fr", b"m0"): "sent"}, {("fr", b"m0"): "refused"}, {("fr", b"m3"): "accepted"}]
)
def test_a_sender_that_believes_something_else(outcome: dict) -> None:
    """What the sender's daemon shows must be what was decided."""
    assert judged(outcomes=outcome) == {"unaudited": 1}


LOST = KafkaLoss(accepted=frozenset({("fr", b"m1")}))
AGAIN = KafkaLoss(accepted=frozenset({("fr", b"m1")}), sent_again=frozenset({("fr", b"m1")}))


def lost_by_kafka(offset: int) -> dict[str, object]:
    """The clean history after Kafka has lost FR's record at this offset, its decision and its receipt."""
    audit = [made for made in CLEAN.audit if made.source.offset != offset]
    return {
        "inputs": [source for source in CLEAN.inputs if source.offset != offset],
        "audit": audit,
        "receipts": {"fr": audit},
        "delivered": [each for each in CLEAN.delivered if each.message_id != f"m{offset}".encode()],
    }


def test_what_kafka_lost_was_accepted_and_need_not_be_again():
    assert judged(**lost_by_kafka(1)) == {"unaudited": 1}
    assert judged(**lost_by_kafka(1), loss=LOST) == {}
    assert judged(loss=LOST) == {}


def test_what_was_refused_and_lost_is_not_sent_again():
    refused = KafkaLoss(refused=frozenset({("fr", b"m3")}))
    assert judged(**lost_by_kafka(3)) == {"unaudited": 1}
    assert judged(**lost_by_kafka(3), loss=refused) == {}
    accepted = [*CLEAN.audit, decision(6, ACCEPTED, b"m3")]
    assert "unaudited" in judged(audit=accepted, loss=refused)


def test_what_kafka_lost_must_still_arrive():
    received = [each for each in CLEAN.received if (each.unit, each.message_id) != ("it", b"m1")]
    gone = replace(LOST, gone=frozenset({("it", "fr", b"m1")}))
    assert judged(**lost_by_kafka(1), received=received, loss=gone) == {"lost": 1}
    automatic = [replace(each, lane=AUTOMATIC) if each.place == 1 else each for each in CLEAN.messages]
    assert judged(**lost_by_kafka(1), received=received, messages=automatic, loss=gone) == {}
    assert judged(**lost_by_kafka(1), received=received, messages=automatic, loss=LOST) == {"lost": 1}


def test_what_people_send_again_is_decided_twice_delivered_twice_and_out_of_place():
    audit = [*CLEAN.audit, decision(6, message_id=b"m1")]
    more = {
        "inputs": [*CLEAN.inputs, Source("fr", 0, 6)],
        "audit": audit,
        "receipts": {"fr": audit},
        "delivered": [*CLEAN.delivered, arrival("it", 1)],
    }
    assert judged(**more, loss=AGAIN) == {}
    assert judged(**more, loss=LOST) == {"unaudited": 1, "duplicated": 1, "reordered": 1}
    assert judged(received=[*CLEAN.received, arrival("it", 1)], loss=AGAIN) == {"duplicated": 1}
    later = [each for each in CLEAN.received if each != arrival("it", 1)]
    assert judged(received=[*later, arrival("it", 1)], loss=AGAIN) == {}
    assert judged(received=[*later, arrival("it", 1)], loss=LOST) == {"reordered": 1}
