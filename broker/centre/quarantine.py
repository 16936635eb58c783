"""Reading the quarantine topic: where its records came from and why they are there. Never their content.

row = [ 1, [unit, partition, offset, timestamp], decided, code, SHA-256, size, bytes ]
"""

from __future__ import annotations

from typing import Any

from protocol import limits, topics
from protocol.canonical import decode
from protocol.errors import HINTS, Code, Rejected
from protocol.trail.code_meanings import MEANINGS
from runtime.cli.command import Invocation
from runtime.cli.home import bootstrap, chosen_home
from runtime.cli.kafka_calls import read_to_end
from runtime.cli.render import say
from runtime.errors import NotFound
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.ports import InputRecord


async def read_quarantine(invocation: Invocation) -> list[dict[str, Any]]:
    """All that is in quarantine."""
    return [row for row, _ in await quarantined_records(invocation)]


async def held_in_quarantine(invocation: Invocation, number: int) -> tuple[dict[str, Any], bytes]:
    """The row at this offset, and the bytes that it holds."""
    for row, held in await quarantined_records(invocation):
        if row["number"] == number:
            return row, held
    raise NotFound(
        f"nothing in quarantine has the number {number}", hint="see 'contrada centre quarantine ls'"
    )


async def quarantined_records(invocation: Invocation) -> list[tuple[dict[str, Any], bytes]]:
    """All rows, each with the bytes that it holds."""
    kafka = bootstrap(invocation, chosen_home(invocation))
    rows: list[tuple[dict[str, Any], bytes]] = []

    def take(record: InputRecord) -> None:
        try:
            rows.append((quarantine_row(record), decode(record.value, limit=2 * limits.MAX_RECORD)[6]))
        except Rejected as rejected:
            say(f"contrada: the record at offset {record.offset} is not a quarantine row ({rejected.code})")

    await read_to_end(KafkaFeeds(kafka), topics.QUARANTINE, take)
    return rows


async def one_of_quarantine(invocation: Invocation, number: int) -> dict[str, Any]:
    """The row at this offset."""
    row, _ = await held_in_quarantine(invocation, number)
    if row["reason"] not in Code.__members__:
        return row | {"means": None, "hint": None}
    code = Code(row["reason"])
    return row | {"means": MEANINGS[code], "hint": HINTS[code]}


def quarantine_row(record: InputRecord) -> dict[str, Any]:
    """The coordinates and the reason."""
    match decode(record.value, limit=2 * limits.MAX_RECORD):
        case [1, [str(unit), int(partition), int(offset), int(stamped)], int(t), str(code), bytes(name),
              int(size), bytes(held)]:  # fmt: skip
            return {
                "number": record.offset,
                "t": t,
                "unit": unit,
                "partition": partition,
                "offset": offset,
                "stamped": stamped,
                "reason": code,
                "submission": name.hex(),
                "size": size,
                "held": len(held),
            }
        case _:
            raise Rejected(Code.E_SCHEMA, "not a quarantine row")
