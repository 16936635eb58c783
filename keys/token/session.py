"""A session with a token: opened once with the PIN, found again after the token was taken out.

Owns when the PIN is tried, and what is done with the token's keys. Rules:
- A PIN is tried by itself only where nothing speaks against it: not after it was refused in this process, and
  not while the token says that one was refused since the last right one. Few wrong ones lock a token for
  good, and a service that is started again and again would try them all. A person tries it with `token
  check`.
- After a loss the token is looked for once more in the same call, and logged into with the PIN that was right
  before. What is asked of it, a signature or a derivation, may be asked twice.
- What a token signs is verified before it leaves: a wrong object, or a fault, becomes an error and no
  signature.
- A key that could be taken out of the token is not used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from keys.errors import TokenAway, TokenKeyError, TokenPinError
from keys.secrecy import Guarded
from keys.token.library import PIN_HINT, TokenLibrary, as_token_error, library_at
from keys.token.uri import DEFAULT_OBJECT, TokenUri

T = TypeVar("T")

_sessions: dict[TokenUri, TokenSession] = {}


class TokenSession(Guarded):
    """One token, as this process uses it."""

    __slots__ = ("_generation", "_library", "_objects", "_pin", "_session", "by_hand", "uri")

    def __init__(self, uri: TokenUri, pin: Callable[[], str]) -> None:
        self.uri = uri
        self.by_hand = False
        """Whether a person stands behind the next attempt with a PIN."""

        self._pin = pin
        self._library: TokenLibrary | None = None
        self._session: Any = None
        self._generation = -1
        self._objects: dict[object, Any] = {}

    def ask(self, question: Callable[[Any], T]) -> T:
        """What the session answers; after a loss it is asked once more in a new one."""
        library = self._library = self._library or library_at(self.uri.module)
        with library.lock:
            try:
                return self._ask(library, question)
            except TokenAway:
                library.again()
                return self._ask(library, question)

    def _ask(self, library: TokenLibrary, question: Callable[[Any], T]) -> T:
        if self._session is None or self._generation != library.generation:
            self._open(library)
        try:
            with as_token_error():
                return question(self._session)
        except TokenAway:
            self._session = None
            raise

    def _open(self, library: TokenLibrary) -> None:
        token = library.find(self.uri)
        self._check_pin_may_be_tried(token, library)
        pin = self._pin()
        if not pin:
            raise TokenPinError(f"the PIN of {self.uri.shown} is empty, and was not tried", hint=PIN_HINT)
        self._objects.clear()
        try:
            self._session = _logged_in(token, pin)
        except TokenPinError:
            library.refused.add(token.serial)
            raise
        self._generation = library.generation

    def _check_pin_may_be_tried(self, token: Any, library: TokenLibrary) -> None:
        from pkcs11 import TokenFlag  # noqa: PLC0415 - only in a process that has a token

        flags = token.flags
        if flags & TokenFlag.USER_PIN_LOCKED:
            raise TokenPinError(f"{self.uri.shown} has locked its PIN", hint="docs/runbooks/tokens.md")
        if token.serial in library.refused:
            raise TokenPinError(f"{self.uri.shown} refused the PIN before", hint=PIN_HINT)
        if flags & TokenFlag.USER_PIN_FINAL_TRY:
            raise TokenPinError(
                f"{self.uri.shown} takes one more wrong PIN before it locks",
                hint="log in with its maker's own tool",
            )
        if flags & TokenFlag.USER_PIN_COUNT_LOW and not self.by_hand:
            raise TokenPinError(
                f"a PIN of {self.uri.shown} was refused, and no right one was given since",
                hint="look whether the PIN is the right one, then: contrada token check URI",
            )

    def key(self, session: Any, *, name: object, **by: Any) -> Any:
        """An object of the token, looked up once in a session; what could be taken out is refused."""
        found = self._objects.get(name)
        if found is None:
            # First whether the session lives: a search in a dead one ends in noise on stderr.
            probe(session)
            found = session.get_key(**by)
            _check_stays(found)
            self._objects[name] = found
        return found

    def forget_objects(self) -> None:
        """Look them up anew: some were made or destroyed."""
        self._objects.clear()


def probe(session: Any) -> None:
    """Ask the session for something that changes nothing, and the slot whether its token is there."""
    session.generate_random(64)
    session.token.slot.get_token()


def session_of(uri: TokenUri, pin: Callable[[], str]) -> TokenSession:
    """The session of this process with that token: a token counts logins by process, so there is one."""
    place = replace(uri, object=DEFAULT_OBJECT, pin_source=None)
    found = _sessions.get(place)
    if found is None:
        found = _sessions[place] = TokenSession(place, pin)
    return found


def _logged_in(token: Any, pin: str) -> Any:
    from pkcs11 import UserAlreadyLoggedIn  # noqa: PLC0415

    with as_token_error():
        try:
            return token.open(rw=True, user_pin=pin)
        except UserAlreadyLoggedIn:
            # By another name of the same token: a login counts for all sessions of the process.
            return token.open(rw=True)


def _check_stays(found: Any) -> None:
    from pkcs11 import Attribute  # noqa: PLC0415

    if found[Attribute.EXTRACTABLE] or not found[Attribute.SENSITIVE]:
        raise TokenKeyError(
            "a key of that name can be taken out of the token",
            hint="destroy it there, and make it with 'token init'",
        )
