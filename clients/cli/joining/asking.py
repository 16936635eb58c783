"""Asking to be enrolled over Kafka, and waiting for the answer, for as long as the invitation lasts.

Owns the waiting. Rules: the request goes out once, and again where a person runs the command again; what
comes back counts only if it verifies, whoever wrote it; Kafka may be away for days, and is told of once.
"""

from __future__ import annotations

from typing import Final

from clients.cli.joining.joining_home import JoiningHome, check_is_open, joining_home
from keys.joining.places import answered_topic, asked_topic
from protocol.errors import Rejected
from protocol.limits import MAX_ASKED_RECORD
from runtime.cli.kafka_calls import run_quietly
from runtime.cli.render import say
from runtime.errors import Unavailable
from runtime.kafka.feeds import Backoff
from runtime.kafka.partition_log import KafkaLog, KafkaTopics
from runtime.process.homes import UnitHome
from runtime.process.notify import notify

_WAIT_MS: Final = 5_000
_AT_ONCE: Final = 16
_ALIVE: Final = "STATUS=waiting to be enrolled\nEXTEND_TIMEOUT_USEC=120000000"


async def ask_once(joining: JoiningHome) -> None:
    """Send the request."""
    await KafkaLog(joining.access, asked_topic(joining.terms.unit)).append([joining.asked])
    joining.note_sent()


async def ask_and_wait(joining: JoiningHome, *, again: bool) -> None:
    """Send the request, if Kafka has it not or `again`, and put the answer in its place."""
    backoff, told, asked = Backoff(), False, joining.is_sent and not again
    while True:
        check_is_open(joining.terms)
        notify(_ALIVE)
        try:
            if not asked:
                await ask_once(joining)
                asked = True
                say("the request is with the centre; this waits for its answer, and goes on by itself")
            await _until_answered(joining)
        except Unavailable as error:
            if not told:
                say(f"contrada: {error}: trying again")
            told = True
            await backoff.wait()
            continue
        return


async def _until_answered(joining: JoiningHome) -> None:
    topic = answered_topic(joining.terms.unit)
    async with KafkaTopics(joining.access).reading(topic, None) as reader:
        while True:
            check_is_open(joining.terms)
            notify(_ALIVE)
            for record in await reader.fetch(wait_ms=_WAIT_MS, most=_AT_ONCE):
                if len(record.value) > MAX_ASKED_RECORD or not _is_taken(joining, record.value):
                    continue
                return


def _is_taken(joining: JoiningHome, answer: bytes) -> bool:
    try:
        joining.take(answer)
    except Rejected:
        return False  # an answer to an earlier request, or of whoever else can write there
    return True


def says_that_it_waits(home: UnitHome) -> str:
    """For who asks whether a daemon could start."""
    joining = joining_home(home)
    if joining is None:
        return "the answer of the centre is there"
    return f"{joining.terms.unit} waits to be enrolled; its code is {joining.code}"


def finish_joining(home: UnitHome) -> None:
    """Wait for the answer that this home waits for, if it does."""
    joining = joining_home(home)
    if joining is None:
        return
    say(says_that_it_waits(home))
    run_quietly(ask_and_wait(joining, again=False))
