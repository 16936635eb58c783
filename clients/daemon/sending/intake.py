"""The intake: requests that arrive together become one transaction.

Owns the batches, the answers, and the job that takes requests in: each for itself, everything about it that
can fail before anything is written, and what can be sealed is sealed at once. No request is answered before
its message would survive a power cut.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from clients.daemon.errors import DaemonError, KeyReused, OutOfOrder, RouterWouldRefuse
from clients.daemon.jobs import ATTACHMENT_WEIGHT, BRIEF_ADDRESSEES, Jobs
from clients.daemon.sending.composing import Composed, Earlier, Submitted, compose
from clients.daemon.sending.conversations import check_conversation, note_reply
from clients.daemon.sending.requests import SendRequest
from clients.daemon.sending.sealer import take_in
from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store import inbox
from clients.daemon.store.at_rest import Vault
from clients.daemon.store.database import Row, Store
from clients.daemon.store.disk import Disk
from clients.daemon.store.message_ids import Place, find_id, find_thread
from clients.daemon.store.order import check_addressees, reasons_against
from clients.daemon.store.replies import place_of_received, place_of_sent
from clients.daemon.store.request_keys import RequestKey, first_answer
from protocol.codes import Purpose
from protocol.content.code_forms import show_code
from protocol.errors import Code, ContradaError, DraftError, Rejected
from protocol.identifiers import (
    Digest,
    IdPrefix,
    MessageId,
    Millis,
    UnitId,
    show_id,
)
from runtime.errors import Conflict, NotFound
from runtime.process.wakeup import Throttle, Wakeup

log = structlog.get_logger()


AT_MOST: Final = 32


SPACING: Final = 0.008
"""Seconds between the starts of two transactions, at the least: each costs the worker, the disk, Kafka and
the router the same, whatever it holds. While idle a request waits for nothing."""


DIRECTORY_PATIENCE: Final = 5.0
"""Seconds that a request waits for a directory that has not been read to its end."""

_Answer = asyncio.Future[Submitted | ContradaError]


class Intake:
    """Requests that wait for the outbox."""

    def __init__(
        self,
        context: UnitContext,
        jobs: Jobs,
        disk: Disk,
        *,
        taken: Callable[[], None],
        directory_read: asyncio.Event,
    ) -> None:
        self._context = context
        self._jobs = jobs
        self._disk = disk
        self._taken = taken
        self._directory_read = directory_read
        self._waiting: list[tuple[SendRequest, _Answer]] = []
        self._wakeup = Wakeup()

    async def submit(self, request: SendRequest) -> Submitted:
        """Put a message into the outbox: it is on disk when this returns.

        No addressee is refused as unknown before the directory was read to its end: a daemon that has just
        started waits for that, and judges again.
        """
        try:
            return await self._answer(request)
        except Rejected as refused:
            if refused.reason is not Code.E_RCPT_UNKNOWN or self._directory_read.is_set():
                raise
            with suppress(TimeoutError):
                async with asyncio.timeout(DIRECTORY_PATIENCE):
                    await self._directory_read.wait()
            return await self._answer(request)

    async def _answer(self, request: SendRequest) -> Submitted:
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        self._wakeup.wake()
        result = await answer
        if isinstance(result, ContradaError):
            raise result
        return result

    async def run(self) -> None:
        """Take requests in until cancelled."""
        throttle = Throttle(SPACING)
        async with asyncio.TaskGroup() as answers:
            while True:
                await self._wakeup.wait()
                while self._waiting:
                    await throttle.wait()
                    batch = self._waiting[:AT_MOST]
                    del self._waiting[:AT_MOST]
                    results = await self._submit([request for request, _ in batch])
                    self._taken()
                    # The next requests are worked on while the disk takes these.
                    answers.create_task(self._tell([answer for _, answer in batch], results))

    async def _submit(self, requests: list[SendRequest]) -> list[Submitted | ContradaError]:
        try:
            work = partial(submit_requests, self._context, requests)
            return await self._jobs.run("submit", work, brief=_weight(requests) <= BRIEF_ADDRESSEES)
        except ContradaError as error:
            # The disk failed: no request was taken, and each is answered with that.
            return [error] * len(requests)

    async def _tell(self, answers: list[_Answer], results: list[Submitted | ContradaError]) -> None:
        await self._disk.flushed()
        for answer, result in zip(answers, results, strict=True):
            if not answer.done():
                answer.set_result(result)


def _weight(requests: Sequence[SendRequest]) -> int:
    """How long sealing takes, counted in addressees."""
    return sum(len(one.to) + len(one.copy_to) + ATTACHMENT_WEIGHT * len(one.attachments) for one in requests)


def submit_requests(context: UnitContext, requests: Sequence[SendRequest]) -> list[Submitted | ContradaError]:
    """Take requests in, each for itself, in one transaction; and seal at once what can be sealed."""
    now = context.clock()
    prepared = [_prepare(context, request, now) for request in requests]
    with context.transaction():
        return [_taken(context, made, now) if isinstance(made, _Prepared) else made for made in prepared]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A request that may be taken in."""

    made: Composed
    once: RequestKey | None


def _taken(context: UnitContext, prepared: _Prepared, now: Millis) -> Submitted | ContradaError:
    """Take one in, unless an earlier one of the same batch has its key or its place."""
    made = prepared.made
    try:
        if (first := first_answer(context.store, prepared.once)) is not None:
            return Submitted.again(first)
        if made.earlier is not None:
            check_conversation(context, made, made.earlier)
    except (KeyReused, OutOfOrder, DraftError) as error:
        return error
    order = made.order
    state = take_in(context, order, now=now, once=prepared.once)
    if made.reply is not None:
        note_reply(context, made)
    context.metrics.submitted.labels(show_code(order.kind)).inc()
    return Submitted(show_id(order.message_id), show_id(order.thread), state)


def _prepare(
    context: UnitContext, request: SendRequest, now: Millis
) -> _Prepared | Submitted | ContradaError:
    """Everything about a request that can fail, before anything is written.

    One that was taken in before fails no more: what has changed since, in the directory perhaps, is not its
    affair.
    """
    try:
        once = _once(context.vault, request)
        if (first := first_answer(context.store, once)) is not None:
            return Submitted.again(first)
        request = _with_whole_ids(context.store, request)
        earlier = _earlier(context, request.reply_to, request.reply_to_sender)
        made = compose(request, earlier=earlier, now=now, entropy=context.entropy)
        check_addressees(made.order, me=context.unit, parties=context.directory, echo=request.echo)
        against = reasons_against(made.order, sender=context.unit, parties=context.directory, now=now)
        return RouterWouldRefuse(against) if against else _Prepared(made, once)
    except ContradaError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a fault of ours over one request must not take others along
        log.error("request_failed", error=type(error).__name__)  # noqa: TRY400 - no traceback in our logs
        return DaemonError("the daemon failed over this request", hint="see its log, and report it")


def _with_whole_ids(store: Store, request: SendRequest) -> SendRequest:
    """The request with whole ids in place of their first digits."""
    if not (isinstance(request.reply_to, IdPrefix) or isinstance(request.thread, IdPrefix)):
        return request
    whole = {
        "reply_to": None if request.reply_to is None else find_id(store, request.reply_to, Place.BOTH),
        "thread": None if request.thread is None else find_thread(store, request.thread),
    }
    return request.model_copy(update=whole)


def _once(vault: Vault, request: SendRequest) -> RequestKey | None:
    if request.idempotency_key is None:
        return None
    fields = request.model_dump(mode="json", by_alias=True)
    if fields["reply_to_sender"] is None:
        del fields[
            "reply_to_sender"
        ]  # or a request that came before there was this field would be another one
    text = json.dumps(fields, sort_keys=True)
    return RequestKey(request.idempotency_key, vault.mac(text.encode()))


def _earlier(
    context: UnitContext, wanted: MessageId | IdPrefix | None, sender: UnitId | None
) -> Earlier | None:
    """The message that is answered: a received one, or a sent one. Its sender and its id name it."""
    if wanted is None:
        return None
    message_id = find_id(context.store, wanted, Place.BOTH)
    received = [
        row for row in inbox.received_by_id(context.store, message_id) if sender in (None, row["sender"])
    ]
    sent = _sent(context, message_id) if sender in (None, context.unit) else None
    if len(received) + (sent is not None) > 1:
        raise Conflict(
            "two senders used this message id", hint="name whose it is: reply_to_sender, or --sender"
        )
    if received:
        row = received[0]
        core = context.headers.of(row)
        return Earlier(message_id, Digest(row["subject"]), place_of_received(core), core.purposes)
    if sent is None:
        raise NotFound(
            f"there is no message {show_id(message_id)} here", hint="see 'inbox ls' and 'outbox ls'"
        )
    place = place_of_sent(sent, sender=context.unit)
    return Earlier(message_id, Digest(sent["subject"]), place, frozenset[Purpose]())


def _sent(context: UnitContext, message_id: MessageId) -> Row | None:
    return context.store.row(
        """SELECT s.subject, o.kind, o.thread, o.recipients FROM sealings s JOIN outbox o ON o.id = s.message
           WHERE o.mid = ? ORDER BY s.verdict = 1 DESC, s.id DESC LIMIT 1""",
        message_id,
    )
