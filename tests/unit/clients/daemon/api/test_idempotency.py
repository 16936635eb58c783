"""The header Idempotency-Key over HTTP: the same request once, another one refused, and one at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial

import httpx
import pytest

from clients.daemon.api.routes import LocalApi, application
from clients.daemon.daemon import Daemon
from tests.unit.clients.daemon.unit_contexts import draft
from tests.waiting import GENEROUS, until_async

MESSAGE = {"kind": "information", "to": ["it"], "draft": draft()}
KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'


@pytest.fixture
async def http(daemon: Daemon) -> AsyncIterator[httpx.AsyncClient]:
    """The local API of a daemon that takes messages in."""
    daemon.directory_read.set()
    intake = asyncio.create_task(daemon.intake.run())
    transport = httpx.ASGITransport(app=application(LocalApi(daemon, None)))
    async with httpx.AsyncClient(transport=transport, base_url="http://es") as client:
        yield client
    intake.cancel()
    await asyncio.wait([intake])


def send(http: httpx.AsyncClient, key: str | None = KEY, **change: object):
    headers = {} if key is None else {"Idempotency-Key": key}
    return http.post("/v1/messages", json=MESSAGE | change, headers=headers)


async def sent(daemon: Daemon) -> int:
    return (await daemon.worker.do(lambda: daemon.context.store.row("SELECT count(*) AS n FROM outbox")))["n"]


async def test_the_same_request_has_the_same_answer(daemon: Daemon, http) -> None:
    """Byte for byte; written in another layout it is still the same request."""
    first, second = await send(http), await send(http)
    third = await send(http, **dict(reversed(MESSAGE.items())))

    assert (first.status_code, first.content) == (202, second.content)
    assert (second.status_code, third.content) == (202, first.content)
    assert await sent(daemon) == 1


async def test_another_request_under_the_key_is_a_problem(daemon: Daemon, http) -> None:
    """422, and nothing is taken in."""
    await send(http)
    refused = await send(http, to=["de"])

    assert refused.status_code == 422
    assert (refused.headers["content-type"], refused.json()["code"]) == (
        "application/problem+json",
        "E_KEY_REUSED",
    )
    assert await sent(daemon) == 1


async def test_a_request_in_hand_is_not_begun_a_second_time(daemon: Daemon, http) -> None:
    """409 while the first one is worked on; then its answer. Another key waits for nobody."""
    go_on = threading.Event()
    busy = asyncio.create_task(daemon.worker.do(partial(go_on.wait, GENEROUS)))
    first = asyncio.create_task(send(http))
    await until_async(lambda: daemon.worker._jobs.qsize(), what="the first request to be in hand")
    second, of_body = await send(http), await send(http, key=None, idempotency_key=KEY.strip('"'))
    go_on.set()
    await busy

    assert (second.status_code, second.json()["code"]) == (409, "E_IN_HAND")
    assert (of_body.status_code, of_body.json()["code"]) == (409, "E_IN_HAND")
    answer = await first
    assert (answer.status_code, (await send(http)).content) == (202, answer.content)
    assert await sent(daemon) == 1


async def test_after_a_refusal_the_key_is_free(daemon: Daemon, http) -> None:
    """What was not taken in may be corrected under the same key."""
    assert (await send(http, draft={"subject": "no items"})).status_code == 422
    assert (await send(http)).status_code == 202


@pytest.mark.parametrize(
    "key",
    ["", "abc", '""', '"a', 'a"', '"a"b"', '"é"', '"' + "a" * 201 + '"', '"a\\b"', '"a", "b"', '"a";p=1'],
)
async def test_a_key_of_another_form_is_told_the_form(daemon: Daemon, http, key: str) -> None:
    """400 with an example: a key that is passed over would promise what it does not keep."""
    request = http.build_request(
        "POST", "/v1/messages", json=MESSAGE, headers=[(b"Idempotency-Key", key.encode())]
    )
    refused = await http.send(request)

    assert (refused.status_code, refused.json()["code"]) == (400, "E_REQUEST")
    assert 'Idempotency-Key: "' in refused.json()["hint"]
    assert await sent(daemon) == 0


async def test_a_key_is_text_behind_its_backslashes(http) -> None:
    """The header and the message's own field name one and the same key."""
    first = await send(http, key='"a \\"b\\" \\\\"')
    assert (await send(http, key=None, idempotency_key='a "b" \\')).content == first.content
    assert (await send(http, key='"a \\"b\\" \\\\"', idempotency_key='a "b" \\')).content == first.content


async def test_two_different_keys_for_one_request_are_refused(http) -> None:
    """In the header and in the message, or in two headers."""
    assert (await send(http, idempotency_key="other")).status_code == 400
    twice = http.build_request(
        "POST", "/v1/messages", json=MESSAGE, headers=[("Idempotency-Key", '"a"'), ("Idempotency-Key", '"b"')]
    )
    assert (await http.send(twice)).status_code == 400


async def test_a_key_is_refused_where_it_could_promise_nothing(http) -> None:
    """A rotation that is asked for twice is one rotation, with or without a key."""
    assert (await http.post("/v1/keys/rotate", headers={"Idempotency-Key": KEY})).status_code == 400
