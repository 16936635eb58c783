"""Rights and quotas of a cluster: compared with what is declared, and made so. Twice changes nothing.

Owns what is compared. A cluster carries one exchange: every right that is not declared is taken away, whoever
gave it. What somebody has denied by hand is left as it is, and so are quotas of users that are no unit.
Rule: what is new is granted before what is old is taken away, so that nobody who may go on is held up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any, Final

from keys.joining.places import PRINCIPALS
from protocol.topics import UNIT_PREFIX, Operation, ResourceKind, Right
from runtime.errors import Unavailable
from runtime.kafka.addresses import not_reachable
from runtime.kafka.client import AIOKafkaClient, KafkaError, as_connection_errors, for_code, sparing_client
from runtime.kafka.closing import close
from runtime.kafka.security import requests as ask
from runtime.kafka.security.access import KafkaAddress

AT_ONCE: Final = 1_000
"""So many are one request: a controller refuses one that makes more than 10,000 records."""

AGREES_WITHIN: Final = 10.0
LEAST_LOOKS: Final = 5
PAUSE: Final = 0.02

Fields = tuple[Any, ...]
Quotas = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class RightsChange:
    """What has to be done so that a cluster agrees."""

    granted: tuple[Right, ...]
    withdrawn: tuple[Fields, ...]
    """As the cluster describes them: they may be of a form that nobody here declares."""

    quotas: Mapping[str, Mapping[str, float | None]]

    def __bool__(self) -> bool:
        return bool(self.granted or self.withdrawn or self.quotas)


class KafkaRights:
    """The rights of one cluster."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client

    @classmethod
    @asynccontextmanager
    async def at(cls, bootstrap: KafkaAddress) -> AsyncIterator[KafkaRights]:
        """Over a connection of its own."""
        client = sparing_client(bootstrap)
        try:
            await client.bootstrap()
            yield cls(client)
        except (KafkaError, OSError, TimeoutError) as error:
            raise not_reachable(bootstrap, error) from error
        finally:
            await close(client.close())

    async def compare(
        self, wanted: frozenset[Right], quotas: Quotas, *, of: str | None = None
    ) -> RightsChange:
        """What differs from the cluster: of all its principals, or `of` one."""
        answer = await self._ask(ask.describe_rights(of))
        _done(answer.error_code, "tell its rights")
        there = {_right_of(fields): fields for fields in ask.described_rights(answer)}
        answer = await self._ask(ask.describe_quotas())
        _done(answer.error_code, "tell its quotas")
        known = ask.described_quotas(answer)
        return RightsChange(
            tuple(sorted(wanted - there.keys())),
            tuple(fields for right, fields in there.items() if right not in wanted),
            dict(_differing(quotas, known, of=of)),
        )

    async def apply(self, wanted: frozenset[Right], quotas: Quotas, *, of: str | None = None) -> RightsChange:
        """Make the cluster agree, and return when it says that it does; what was different."""
        found = left = await self.compare(wanted, quotas, of=of)
        if left:
            await self._change(left)
        looks, until = 0, monotonic() + AGREES_WITHIN
        # Brokers hear of it from the controller a moment later. One look at thousands of units takes seconds.
        while left and (looks < LEAST_LOOKS or monotonic() < until):
            await asyncio.sleep(PAUSE)
            left = await self.compare(wanted, quotas, of=of)
            looks += 1
        if left:
            raise Unavailable(
                "Kafka has taken the rights and does not tell them yet",
                hint="look again: contrada centre topics plan",
            )
        return found

    async def _change(self, change: RightsChange) -> None:
        for rights in _parts(change.granted):
            answer = await self._ask(ask.create_rights(rights))
            for code, *_ in answer.results:
                _done(code, "grant a right")
        for fields in _parts(change.withdrawn):
            answer = await self._ask(ask.delete_rights(fields))
            for code, *_ in answer.results:
                _done(code, "take a right away")
        for part in _parts(tuple(change.quotas.items())):
            answer = await self._ask(ask.alter_quotas(dict(part)))
            for code, *_ in answer.entries:
                _done(code, "set a quota")

    async def _ask(self, question: Any) -> Any:
        with as_connection_errors():
            return await self._client.send(self._client.get_random_node(), question)


def _right_of(fields: Fields) -> Right | Fields:
    """The right that these say; themselves where nothing that is declared can be the same."""
    kind, name, pattern, principal, host, operation, _ = fields
    if host != ask.EVERYWHERE or pattern not in (ask.LITERAL, ask.PREFIXED):
        return fields
    if not str(principal).startswith(ask.USER):
        return fields
    try:
        return Right(
            str(principal).removeprefix(ask.USER),
            ResourceKind(kind),
            name,
            Operation(operation),
            pattern == ask.PREFIXED,
        )
    except ValueError:
        return fields


def _differing(wanted: Quotas, known: Quotas, *, of: str | None) -> Any:
    for user, values in wanted.items():
        left = {key: value for key, value in values.items() if known.get(user, {}).get(key) != value}
        if left:
            yield user, left
    for user, values in known.items():
        # Those of somebody who is no unit any more; what operators have set for others is theirs.
        if user.startswith((UNIT_PREFIX, PRINCIPALS)) and user not in wanted and of in (None, user):
            yield user, dict.fromkeys(values)


def _parts(things: Sequence[Any]) -> Any:
    rest = iter(things)
    while part := tuple(islice(rest, AT_ONCE)):
        yield part


def _done(code: int, what: str) -> None:
    if code:
        raise Unavailable(
            f"Kafka did not {what} ({for_code(code).__name__})",
            hint="show it the centre's certificate, and let its authorizer be the StandardAuthorizer",
        )
