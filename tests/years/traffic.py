"""What users send during a simulation, and a record of what they were promised.

A conversation is one message after another; a request that is not answered is made again under its idempotency key. So
the order of a conversation is the order of the answers. What a daemon refuses before it takes it is no message.
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clients.daemon.errors import RouterWouldRefuse, StoreUnavailable
from clients.daemon.sending.composing import Submitted
from clients.daemon.sending.requests import SendRequest, read_api_request
from protocol.errors import ContradaError
from runtime.errors import Unavailable
from tests.chaos.history import Message
from tests.years.parties import NoAnswer

if TYPE_CHECKING:
    from tests.years.exchange import Exchange

EXPIRES: Final = 30 * 86_400
"""Seconds: a unit that was away for weeks takes what was sent to it meanwhile."""

AGAIN_AFTER: Final = (1.0, 20.0)
"""Seconds until a user tries again: at first, and at the most."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation that is to be held."""

    begins: float
    """Seconds after the episode's beginning."""

    sender: str
    to: tuple[str, ...]
    pauses: tuple[float, ...]
    """Seconds before each message."""

    name: str


@dataclass
class Traffic:
    """Everything that is sent."""

    exchange: Exchange
    messages: list[Message] = field(default_factory=list)
    refused: int = 0
    """Requests that a daemon did not take, since every router would refuse them."""

    asked_again: int = 0

    async def hold(self, talk: Talk) -> None:
        """Hold a conversation to its end."""
        await asyncio.sleep(talk.begins)
        chance = random.Random(f"{self.exchange.seed} {talk.name}")
        thread = uuid.UUID(bytes=chance.randbytes(16))
        for place, pause in enumerate(talk.pauses):
            await asyncio.sleep(pause)
            label = f"{talk.name} #{place}"
            request = _request(talk.to, label, thread)
            answer = await self._submit(talk.sender, request)
            if answer is None:
                self.refused += 1
                continue
            self.messages.append(
                Message(
                    sender=talk.sender,
                    message_id=uuid.UUID(answer.id).bytes,
                    thread=uuid.UUID(answer.thread).bytes,
                    to=frozenset(talk.to),
                    place=place,
                    label=label,
                )
            )

    async def _submit(self, sender: str, request: SendRequest) -> Submitted | None:
        pause, most = AGAIN_AFTER
        while True:
            try:
                return await self.exchange.units[sender].submit(request)
            except RouterWouldRefuse:
                return None
            except (NoAnswer, StoreUnavailable, Unavailable):
                self.asked_again += 1
                await asyncio.sleep(pause)
                pause = min(2 * pause, most)
            except ContradaError as error:
                self.exchange.note(f"{sender} refuses {request.idempotency_key}: {error.code} {error}")
                return None


def talks(chance: random.Random, units: list[str], *, name: str, count: int, seconds: float) -> list[Talk]:
    """So many conversations, begun within so many seconds."""
    made = []
    for number in range(count):
        sender = chance.choice(units)
        others = [unit for unit in units if unit != sender]
        made.append(
            Talk(
                begins=chance.uniform(0, seconds),
                sender=sender,
                to=tuple(sorted(chance.sample(others, min(len(others), chance.choice((1, 1, 2, 3)))))),
                pauses=tuple(
                    chance.choice((0.0, 0.5, 3.0, 10.0)) for _ in range(chance.choice((1, 1, 2, 3)))
                ),
                name=f"{name}.{number}",
            )
        )
    return made


def _request(to: tuple[str, ...], label: str, thread: uuid.UUID) -> SendRequest:
    body: dict[str, Any] = {
        "kind": "information",
        "to": list(to),
        "thread": str(thread),
        "idempotency_key": label,
        "expires_in_s": EXPIRES,
        "draft": {
            "subject": label,
            "language": "en",
            "crime_areas": ["migrant-smuggling"],
            "items": [
                {
                    "type": "narrative",
                    "text": label,
                    "purposes": ["operational"],
                    "data_class": "non-personal",
                }
            ],
        },
    }
    return read_api_request(json.dumps(body).encode(), SendRequest)
