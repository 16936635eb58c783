"""The decisions in the exchange's audit topic, each batch verified: for `contrada policy test` and `apply`.

Joined by an entry point. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator

from broker.centre.registry import read_directory_topic
from keys.directory import Directory
from protocol import topics
from protocol.errors import Rejected
from protocol.trail.batches import verify_decisions
from protocol.trail.records import Record
from protocol.trail.stated_acts import is_acts
from runtime.cli.command import Invocation
from runtime.cli.home import bootstrap, chosen_home
from runtime.cli.kafka_calls import read_to_end, run_quietly
from runtime.cli.render import say
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.ports import InputRecord
from runtime.kafka.security.access import KafkaAddress
from runtime.policy.recorded_decisions import RecordedDecisions, RecordedSpan

Judged = Iterator[tuple[Record, Directory]]


def recorded_in_audit(invocation: Invocation, span: RecordedSpan) -> tuple[RecordedDecisions, Judged]:
    """The newest decisions of the audit topic, and each with the directory by which it was made."""
    return run_quietly(_recorded(invocation, span))


async def _recorded(invocation: Invocation, span: RecordedSpan) -> tuple[RecordedDecisions, Judged]:
    home = chosen_home(invocation)
    kafka = bootstrap(invocation, home)
    directory, _ = await read_directory_topic(home, kafka)
    return await recorded_decisions(kafka, directory, span)


async def recorded_decisions(
    kafka: KafkaAddress, directory: Directory, span: RecordedSpan
) -> tuple[RecordedDecisions, Judged]:
    """The same for a command that has read the directory."""
    held, wrong = RecordedDecisions(span.most), 0

    def take(record: InputRecord) -> None:
        nonlocal wrong
        if is_acts(record.value):
            return
        try:
            decided = verify_decisions(record.value, parties=directory).records
        except Rejected:
            wrong += 1
            return
        for one in filter(span.has, decided):
            held.take(one)

    await read_to_end(KafkaFeeds(kafka), topics.AUDIT, take)
    if wrong:
        say(f"hint: {wrong} batches of the audit trail do not verify, and are left out: see centre audit")
    statements = directory.snapshot()
    return held, held.with_directories(directory.root, statements, verified=directory.digests)
