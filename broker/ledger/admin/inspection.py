"""`contrada ledger check|record|erase`: the checks of a start without a start, a record, an order to delete.

Reads the ledger's directory and Kafka, and writes one thing: the registrar's order to delete, to the audit
topic. Only the ledger carries it out, when the order is sequenced.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from broker.centre.clock import check_clock
from broker.centre.waiting.half_acts import keep_half, shown_name
from broker.ledger import checks
from broker.ledger.admin.ledger_founding import centre_settings
from broker.ledger.log_head import resume_head
from broker.ledger.log_storage import prefix_of, stored_tiles
from broker.ledger.place.same_log import place_in
from broker.ledger.published import last_published
from broker.ledger.sequencer import open_shard
from broker.ledger.settings import LedgerSettings, own_secret
from broker.ledger.store.record_store import RecordStore
from broker.ledger.store.tile_store import TileStore
from broker.ledger.trust import OwnKeys, own_policy, read_policy_file
from broker.registrar_key import check_registrar_at_home
from keys.key_files import IDENTITY_FILE, read_identity
from keys.note_keys import read_note_key
from keys.soft_keys import PrivateIdentity
from keys.store import read_credential
from protocol import topics
from protocol.trail.acts import Act, deletion
from protocol.trail.ledger_leaves import Row, leaves_of_row
from protocol.trail.records import NEVER_DELETED, RecordType
from protocol.trail.stated_acts import sign_acts
from runtime.errors import Conflict, NotFound
from runtime.kafka.partition_log import KafkaTopics
from runtime.kafka.ports import LogReader, OutputRecord
from runtime.process.clock import now
from runtime.process.homes import CentreHome

_KEPT: Final = {
    RecordType.DELETION: "an order to delete",
    RecordType.AUDIT_GAP: "a gap",
    RecordType.AUDIT_REWOUND: "a way back of the ledger",
    RecordType.KAFKA_PUT_BACK: "the statement that Kafka was put back",
}
"""What is never deleted, in words."""


def check_start(settings: LedgerSettings) -> dict[str, Any]:
    """What a start checks, or the error that it would end with."""
    return asyncio.run(_check(settings))


async def _check(settings: LedgerSettings) -> dict[str, Any]:
    keys = OwnKeys(read_note_key(settings.note_key, secret=own_secret(settings.secret)))
    records = _records(settings)
    states = records.states()
    audit = open_shard(states, settings.origin)
    trusted = own_policy(keys, [state.origin for state in states], read_policy_file(settings.policy))
    store, bus = TileStore.open(settings.store_url), KafkaTopics(settings.access())
    found = await last_published(bus, trusted, [state.origin for state in states if state.next is None])
    gone: list[str] = []
    for state in states:
        checks.check_state(state, trusted)
        read = stored_tiles(store, prefix_of(state.origin, settings.origin))
        resume_head(state, read)
        stored = checks.stored_checkpoint(store, state, name=settings.origin, policy=trusted)
        if checks.is_checkpoint_gone(stored, state, found.get(state.origin)):
            gone.append(state.origin)
        if stored is not None:
            checks.check_said(stored, "the tile store", state, read)
        if state.origin in found:
            checks.check_said(found[state.origin], "the topic ledger", state, read)
    async with bus.reading(topics.AUDIT, None) as reader:
        first, end = await reader.span()
        place = await place_in(reader, audit.position, records.audit_read())
        checks.check_span(replace(audit, position=place.position), first=first, end=end)
        behind = await waiting(reader, place.position, end)
    told: dict[str, Any] = {state.origin: state.size for state in states} | {"behind": behind}
    if place.rewound:
        told["goes_back"] = {"from": audit.position, "to": place.position}
    return told | ({"checkpoint_gone": gone} if gone else {})


async def waiting(reader: LogReader, position: int, end: int) -> int:
    """How many records wait to be sequenced: counted, because markers of transactions take offsets, too."""
    found = 0
    reader.seek(position)
    while await reader.position() < end:
        records = await reader.fetch(wait_ms=1_000, most=500)
        found += sum(record.offset < end for record in records)
    return found


def opened_record(settings: LedgerSettings, origin: str | None, index: int) -> dict[str, Any]:
    """The row behind a leaf, with the leaf's own record and salt."""
    records = _records(settings)
    log = _known_log(records, settings, origin)
    row = _found_row(records, log, index)
    told = {"log": log, "leaf": index, "type": RecordType(row.type).name.lower(), "t": row.t}
    return told | _opened(row, index)


def _known_log(records: RecordStore, settings: LedgerSettings, origin: str | None) -> str:
    states = records.states()
    log = origin or open_shard(states, settings.origin).origin
    if log not in {state.origin for state in states}:
        raise NotFound(
            f"there is no log {log} here", hint=f"the logs are: {', '.join(state.origin for state in states)}"
        )
    return log


def _found_row(records: RecordStore, log: str, index: int) -> Row:
    row = records.row(log, index)
    if row is None:
        raise NotFound(f"{log} has no record behind leaf {index}", hint="the first leaf of a shard has none")
    return row


def _opened(row: Row, index: int) -> dict[str, Any]:
    if row.record is None:
        return {"erased_by": row.erased_by}
    leaf = list(leaves_of_row(row))[index - row.index]
    return {
        "units": row.units.split(),
        "reasons": row.reasons.split(),
        "record": leaf.record.hex(),
        "salt": leaf.salt.hex(),
        "entry": leaf.entry.hex(),
        "leaf_hash": leaf.hash.hex(),
    }


def order_deletion(
    settings: LedgerSettings, home: Path, origin: str | None, indexes: Sequence[int], ground: str
) -> dict[str, Any]:
    """State the deletion under the registrar's name.

    Only of records that there are: an order stands in the log for ever, and one for a leaf to come would make
    a check expect that its record is gone.
    """
    records = _records(settings)
    log = _known_log(records, settings, origin)
    for index in indexes:
        row = _found_row(records, log, index)
        if row.type in NEVER_DELETED:
            raise Conflict(
                f"leaf {index} of {log} is {_KEPT[RecordType(row.type)]}",
                hint="it is never deleted: it shows why records are not there, or count no more",
            )
    at, registrar = now(), registrar_in(home)
    act = deletion(at, registrar.name, origin=log, indexes=indexes, ground=ground)
    asyncio.run(state_act(settings, home, act, registrar))
    return {"log": log, "indexes": sorted(set(indexes)), "ordered_by": registrar.name}


def registrar_in(home: Path) -> PrivateIdentity:
    """The registrar's identity in a centre's home, opened, and valid now as far as the home knows."""
    centre = CentreHome(home)
    path = centre.keys / "registrar" / IDENTITY_FILE
    named = centre_settings(centre).get("secret", centre.secret.name)
    secret = read_credential(home / str(named))
    registrar = read_identity(path, secret=secret)
    check_registrar_at_home(registrar, centre, secret=secret, moment=now())
    return registrar


async def state_act(settings: LedgerSettings, home: Path, act: Act, registrar: PrivateIdentity) -> str | None:
    """Sign an act with the registrar's key, and put it into the audit topic; not by a wrong clock.

    Where it takes two registrars it is kept instead: the name under which it waits for another one.
    """
    await check_clock(settings.access())
    data = sign_acts([act], actor=registrar.name, now=act.t, signer=registrar, entropy=os.urandom)
    if (waits := keep_half(CentreHome(home), act, data)) is not None:
        return shown_name(waits)
    async with KafkaTopics(settings.access()).writing() as writer:
        await writer.write([OutputRecord(topics.AUDIT, b"", data)])
    return None


def _records(settings: LedgerSettings) -> RecordStore:
    return RecordStore(settings.records_url, read_only=True)
