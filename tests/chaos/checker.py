"""What must hold after a run, whatever went wrong in it. Pure: a history in, a verdict out.

    lost          a daemon said 202, and an addressee's daemon does not have it
    duplicated    a message stands twice in an inbox, in Kafka or at a daemon
    reordered     of one sender and conversation, a later message came before an earlier one
    misdelivered  an inbox has what was not sent, not sent to it, or what policy denies
    unaudited     a record of an outbox without exactly one decision; a decision without its record, without
                  its receipt, without a reason where one is owed, or with another outcome than it must have

What must hold of the ledger stands in ledger_checker.py.

What Kafka lost with an older copy of its disks (KafkaLoss) was done, and is not there any more: a message that was
accepted there may be accepted once more, and need not; what people send again comes once more, out of its place. A
message of users must arrive all the same. An acknowledgement that was lost unread is replaced by another one.

Kafka is looked at beside the daemons, since a daemon drops doubles: a router that delivers twice would not be
seen there. Messages that the daemons send by themselves (acknowledgements) are messages like any other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping

from tests.chaos.history import (
    ACCEPTED,
    AUTOMATIC,
    REJECTED,
    Arrival,
    Decision,
    History,
    KafkaLoss,
    Message,
    Name,
    Source,
    Verdict,
)
from tests.chaos.ledger_checker import check_ledger


def check(history: History) -> Verdict:
    """Judge a run."""
    verdict = Verdict(submitted=len(history.messages))
    known = {(m.sender, m.message_id): m for m in history.messages}
    _check_complete(history, verdict)
    for where, arrivals in (("Kafka", history.delivered), ("a daemon", history.received)):
        again = history.loss.sent_again
        _check_arrivals(arrivals, known, where, verdict, twice=again if where == "Kafka" else frozenset())
        in_place = [arrival for arrival in arrivals if (arrival.sender, arrival.message_id) not in again]
        _check_order(in_place, known, where, verdict)
    _check_decisions(history, known, verdict)
    _check_receipts(history, verdict)
    if history.ledger is not None:
        check_ledger(history, history.ledger, verdict)
    return verdict


def _check_complete(history: History, verdict: Verdict) -> None:
    there = {(a.unit, a.sender, a.message_id) for a in history.received}
    for message in history.messages:
        for unit in () if message.denied else sorted(message.to):
            gone = (unit, message.sender, message.message_id) in history.loss.gone
            if gone and message.lane == AUTOMATIC:
                continue
            verdict.owed += 1
            if (unit, message.sender, message.message_id) in there:
                verdict.delivered += 1
            else:
                verdict.add("lost", f"{_show(message)} did not reach {unit}")


def _check_arrivals(
    arrivals: Iterable[Arrival],
    known: Mapping[Name, Message],
    where: str,
    verdict: Verdict,
    *,
    twice: Container[Name],
) -> None:
    seen: set[tuple[str, str, bytes]] = set()
    for arrival in arrivals:
        message = known.get((arrival.sender, arrival.message_id))
        if message is None:
            verdict.add("misdelivered", f"{arrival.unit} has what {arrival.sender} never sent, in {where}")
            continue
        if wrong := _wrong(arrival, message):
            verdict.add("misdelivered", f"{_show(message)} at {arrival.unit} in {where}: {wrong}")
        is_second = (arrival.unit, arrival.sender, arrival.message_id) in seen
        if is_second and (arrival.sender, arrival.message_id) not in twice:
            verdict.add("duplicated", f"{_show(message)} at {arrival.unit} in {where}")
        seen.add((arrival.unit, arrival.sender, arrival.message_id))


def _wrong(arrival: Arrival, message: Message) -> str:
    if message.denied:
        return "policy denies it"
    if arrival.unit not in message.to:
        return "it was not sent there"
    if arrival.thread != message.thread:
        return "it stands in another conversation"
    if arrival.label is not None and arrival.label != message.label:
        return f"it says {arrival.label!r}"
    return ""


def _check_order(
    arrivals: Iterable[Arrival], known: Mapping[Name, Message], where: str, verdict: Verdict
) -> None:
    last: dict[tuple[str, str, bytes, str], int] = {}
    for arrival in arrivals:
        message = known.get((arrival.sender, arrival.message_id))
        if message is None:
            continue
        lane = (arrival.unit, message.sender, message.thread, message.lane)
        before = last.get(lane, -1)
        if message.place < before:
            verdict.add("reordered", f"{_show(message)} came to {arrival.unit} after {before} in {where}")
        last[lane] = max(before, message.place)


def _check_decisions(history: History, known: Mapping[Name, Message], verdict: Verdict) -> None:
    decided = Counter(decision.source for decision in history.audit)
    inputs = Counter(history.inputs)
    for source in inputs.keys() | decided.keys():
        if inputs[source] != decided[source]:
            verdict.add("unaudited", f"{_at(source)} was there {inputs[source]}x, decided {decided[source]}x")
    final: dict[Name, list[str]] = defaultdict(list)
    for decision in history.audit:
        if not decision.explained:
            verdict.add("unaudited", f"{_at(decision.source)} is {decision.kind} without a reason")
        if decision.message_id is not None and decision.kind == ACCEPTED:
            final[(decision.source.unit, decision.message_id)].append(ACCEPTED)
        elif decision.message_id is not None and decision.kind == REJECTED:
            final[(decision.source.unit, decision.message_id)].append(REJECTED)
    for name, message in known.items():
        _check_outcome(message, Counter(final[name]), history, verdict)
    for name in final.keys() - known.keys():
        if ACCEPTED in final[name]:
            verdict.add("unaudited", f"a message of {name[0]} that nobody sent was accepted")


def _check_outcome(message: Message, decisions: Counter[str], history: History, verdict: Verdict) -> None:
    name = (message.sender, message.message_id)
    # A damaged copy of a message may be rejected under its id; the message itself is accepted exactly once.
    if message.denied:
        is_refused = decisions[REJECTED] or name in history.loss.refused
        if decisions[ACCEPTED] or not is_refused:
            verdict.add("unaudited", f"{_show(message)} must be refused, and was decided {dict(decisions)}")
    elif not _is_accepted_as_often(decisions[ACCEPTED], name, history.loss):
        verdict.add("unaudited", f"{_show(message)} was accepted {decisions[ACCEPTED]} times")
    told, must = history.outcomes.get(name), "refused" if message.denied else "accepted"
    if told is not None and told != must:
        verdict.add("unaudited", f"{_show(message)} is {told} for its sender, and must be {must}")


def _is_accepted_as_often(times: int, name: Name, loss: KafkaLoss) -> bool:
    least = 0 if name in loss.accepted else 1
    return least <= times and (times <= 1 or name in loss.sent_again)


def _check_receipts(history: History, verdict: Verdict) -> None:
    audited: dict[str, Counter[Decision]] = defaultdict(Counter)
    for decision in history.audit:
        audited[decision.source.unit][decision] += 1
    for unit in audited.keys() | history.receipts.keys():
        told = Counter(history.receipts.get(unit, ()))
        for decision in (told - audited[unit]) + (audited[unit] - told):
            where = "audit" if audited[unit][decision] > told[decision] else "receipts"
            verdict.add("unaudited", f"{_at(decision.source)} {decision.kind}: only in {where} of {unit}")


def _show(message: Message) -> str:
    return f"{message.sender}/{message.thread.hex()[:6]}/{message.lane}#{message.place}"


def _at(source: Source) -> str:
    return f"{source.unit}-{source.partition}@{source.offset}"
