"""The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), and which keys are in hand.

    Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324"      a string of RFC 9651, 3.3.3

Owns the header's form and the answer to a request whose key another one bears that is not answered yet. What
was answered under a key stands in `store.request_keys`. The field `idempotency_key` of a message is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.requests import Request

from clients.daemon.errors import BadRequest, RequestInHand
from clients.daemon.store.request_keys import LONGEST_KEY

HEADER: Final = "Idempotency-Key"

# Printable ASCII; a quote and a backslash stand behind a backslash.
_STRING: Final = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_ESCAPED: Final = re.compile(r'\\(["\\])')


def key_of(request: Request) -> str | None:
    """The key in a request's header, or `BadRequest`."""
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    found = _STRING.fullmatch(given[0].strip(" ")) if len(given) == 1 else None
    key = None if found is None else _ESCAPED.sub(r"\1", found[1])
    if key is None or not 1 <= len(key) <= LONGEST_KEY:
        raise BadRequest(
            f"{HEADER} is not one string of 1 to {LONGEST_KEY} printable ASCII characters",
            hint=f'write it once and in double quotes: {HEADER}: "8e03978e-40d5-43dd-bc93-6894a57f9324"',
        )
    return key


def one_key_of(request: Request, written: str | None) -> str | None:
    """The key of the header or of the message's own field; where both are given they are the same."""
    key = key_of(request)
    if None not in (key, written) and key != written:
        raise BadRequest(
            f"{HEADER} is not the idempotency_key of the message", hint="write the key in one place only"
        )
    return written if key is None else key


def no_key_of(request: Request) -> None:
    """Refuse the header where it could promise nothing."""
    if HEADER in request.headers:
        raise BadRequest(
            f"{HEADER} is not for this request", hint="leave it out: asking twice does no harm here"
        )


class KeysInHand:
    """The keys of requests that are not answered yet. Used in the event loop only."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: set[str] = set()

    @contextmanager
    def hold(self, key: str | None) -> Iterator[None]:
        """Hold a key until its request is answered; `RequestInHand` where another request has it."""
        if key is None:
            yield
            return
        if key in self._keys:
            raise RequestInHand
        self._keys.add(key)
        try:
            yield
        finally:
            self._keys.discard(key)
