"""What each unit of the directory may do in Kafka: declared from what was stated of it, and made so at once.

Rules: a suspended unit keeps the right to read the directory, where it finds why, and when it is over; one
without a key that counts keeps none. Kafka asks at every request, so an open connection is cut off, too.
Rights and quotas are for a Kafka that knows its clients: over a plain connection nothing is compared or done.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from keys.directory import Directory
from protocol import topics
from protocol.identifiers import UnitId
from protocol.parties import Unit
from protocol.topics import Operation, ResourceKind, Right
from runtime.kafka.security import requests
from runtime.kafka.security.access import KafkaAddress, tls_files
from runtime.kafka.security.rights import Fields, KafkaRights, Quotas, RightsChange

Row = dict[str, Any]

NOBODY_INVITED: Final[tuple[frozenset[Right], Quotas]] = (frozenset(), {})


def rights_of(unit: Unit, directory: Directory) -> frozenset[Right]:
    """What this unit may do."""
    if all(key.revoked for key in directory.identities(unit.unit)):
        return frozenset()
    return topics.suspended_rights(unit.unit) if unit.suspended else topics.unit_rights(unit.unit)


def declared_rights(directory: Directory) -> frozenset[Right]:
    """What everybody may do."""
    return topics.role_rights().union(*(rights_of(unit, directory) for unit in directory.units()))


def declared_quotas(directory: Directory) -> Quotas:
    """How fast each unit may be."""
    return {topics.unit_principal(unit.unit): topics.UNIT_QUOTAS for unit in directory.units()}


async def settle_units(kafka: KafkaAddress, directory: Directory, units: Iterable[UnitId]) -> None:
    """Make Kafka agree with what the directory says of these units now."""
    there = [unit for name in units if (unit := directory.unit(name)) is not None]
    if not there or tls_files(kafka) is None:
        return
    async with KafkaRights.at(kafka) as rights:
        for unit in there:
            me = topics.unit_principal(unit.unit)
            await rights.apply(rights_of(unit, directory), {me: topics.UNIT_QUOTAS}, of=me)


async def differing_rights(
    kafka: KafkaAddress,
    directory: Directory,
    *,
    apply: bool,
    beside: tuple[frozenset[Right], Quotas] = NOBODY_INVITED,
) -> list[Row]:
    """A row for each right and quota that differs; afterwards none does, if they are to be applied.

    `beside` are those of units that are invited, and so in no directory yet.
    """
    invited, bounds = beside
    rights, quotas = declared_rights(directory) | invited, {**declared_quotas(directory), **bounds}
    async with KafkaRights.at(kafka) as there:
        change = await (there.apply(rights, quotas) if apply else there.compare(rights, quotas))
    return list(_rows(change))


def _rows(change: RightsChange) -> Iterable[Row]:
    for right in change.granted:
        yield {"kind": "right", "name": right_in_words(right), "action": "granted", "settings": []}
    for fields in change.withdrawn:
        yield {"kind": "right", "name": _fields_in_words(fields), "action": "withdrawn", "settings": []}
    for user, values in change.quotas.items():
        kept = [f"{key}={value:.0f}" for key, value in values.items() if value is not None]
        action = "set" if kept else "removed"
        yield {"kind": "quota", "name": user, "action": action, "settings": kept or list(values)}


def right_in_words(right: Right) -> str:
    """Who may do what where: `unit-fr READ TOPIC inbox.fr`."""
    name = f"{right.name}*" if right.prefixed else right.name
    return f"{right.principal} {right.operation.name} {right.kind.name} {name}"


def _fields_in_words(fields: Fields) -> str:
    kind, name, pattern, principal, host, operation, _ = fields
    where = f"{name}*" if pattern == requests.PREFIXED else name
    who = str(principal).removeprefix(requests.USER)
    said = f"{who} {_name(Operation, operation)} {_name(ResourceKind, kind)} {where}"
    return said if host == requests.EVERYWHERE else f"{said} from {host}"


def _name(kind: type[Operation | ResourceKind], number: int) -> str:
    try:
        return kind(number).name
    except ValueError:
        return str(number)
