"""A maker's PKCS#11 library, loaded once in this process. The one module that imports `pkcs11`.

Owns loading it, finding a token in it, and what its errors mean to us. Sessions are session.py's. Rules:
- A library is asked by one thread at a time, since it is initialised without locks.
- A token that was taken out is found again only after the library is initialised anew. That ends every
  session of this process: each sees by `generation` that its handles are of before. They are small numbers
  and come again; without the count a session could use another one's key.
- It is code that runs in this process: loaded only where nobody else can write it.
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keys.errors import KeyStoreError, KeyUriError, TokenAway, TokenKeyError, TokenPinError
from keys.token.uri import TokenUri

PIN_HINT = (
    "docs/runbooks/tokens.md; a PIN is never tried twice by itself, since a few wrong ones lock the token"
)
AWAY_HINT = "put the token in, or start what serves it; nothing is lost, and it is tried again"
_KEY_HINT = "'contrada token show' lists what the token has; docs/hardware-keys.md"
_WRITE_TO_OTHERS = 0o022

_libraries: dict[Path, TokenLibrary] = {}
_loading = threading.Lock()


class TokenLibrary:
    """One library, and the lock under which it is asked."""

    __slots__ = ("_lib", "_path", "generation", "lock", "refused")

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lock = threading.RLock()
        self.generation = 0
        self.refused: set[bytes] = set()
        """Serials of tokens that have refused a PIN of this process."""

        self._lib = _load(path)

    def again(self) -> None:
        """Initialise it anew, so that it looks which tokens are there. Every session ends."""
        self.generation += 1
        with as_token_error():
            self._lib.reinitialize()

    def find(self, uri: TokenUri) -> Any:
        """The token that the URI names, in whichever slot it is now."""
        with as_token_error():
            found = [token for token in _tokens(self._lib) if _is_named(token, uri)]
        if not found:
            raise TokenAway(f"{uri.shown} is not there", hint=AWAY_HINT)
        if len(found) > 1:
            raise KeyUriError(
                f"{len(found)} tokens are {uri.shown}",
                hint="say serial= as well; 'contrada token show' has it",
            )
        return found[0]


def library_at(path: Path) -> TokenLibrary:
    """The library of this path, loaded at the first call."""
    with _loading:
        found = _libraries.get(path)
        if found is None:
            found = _libraries[path] = TokenLibrary(path)
        return found


@contextmanager
def as_token_error() -> Iterator[None]:
    """What the library raises, as an error of ours. Its words are not repeated: some hold labels."""
    import pkcs11  # noqa: PLC0415 - only in a process that has a token

    try:
        yield
    except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
        raise TokenPinError("the token refuses the PIN", hint=PIN_HINT) from None
    except pkcs11.PinLocked:
        raise TokenPinError("the token has locked its PIN", hint="docs/runbooks/tokens.md") from None
    except (pkcs11.PinExpired, pkcs11.UserPinNotInitialized):
        raise TokenPinError(
            "the token has no PIN that counts", hint="set one with the token's own tool"
        ) from None
    except (pkcs11.NoSuchKey, pkcs11.MultipleObjectsReturned) as error:
        many = isinstance(error, pkcs11.MultipleObjectsReturned)
        raise TokenKeyError(
            "the token has several keys of that name" if many else "the token has no such key", hint=_KEY_HINT
        ) from None
    except tuple(getattr(pkcs11, name) for name in _UNFIT) as error:
        raise TokenKeyError(
            f"the token does not let its key be used so ({type(error).__name__})", hint=_KEY_HINT
        ) from None
    except pkcs11.PKCS11Error as error:
        # Whatever else: a device, a session, a library in trouble. It may be well the next time.
        raise TokenAway(f"the token does not answer ({type(error).__name__})", hint=AWAY_HINT) from None


_UNFIT = (
    "AttributeTypeInvalid",
    "AttributeValueInvalid",
    "AttributeReadOnly",
    "AttributeSensitive",
    "FunctionNotSupported",
    "KeySizeRange",
    "KeyTypeInconsistent",
    "MechanismInvalid",
    "MechanismParamInvalid",
    "TemplateIncomplete",
    "TemplateInconsistent",
    "TokenWriteProtected",
    "SessionReadOnly",
    "DomainParamsInvalid",
)


def _load(path: Path) -> Any:
    try:
        import pkcs11  # noqa: PLC0415 - an extra, which only those install who have a token
    except ImportError:
        raise KeyUriError(
            "keys in a token need python-pkcs11", hint="install it: pip install 'contrada[hardware]'"
        ) from None
    try:
        found = path.stat()
    except OSError:
        raise KeyUriError(f"there is no {path}", hint="name the token's library with module-path") from None
    if not stat.S_ISREG(found.st_mode) or found.st_mode & _WRITE_TO_OTHERS:
        raise KeyStoreError(
            f"{path} can be written by others, or is no file", hint="chmod go-w, or another path"
        )
    try:
        with as_token_error():
            return pkcs11.lib(str(path))
    except TokenAway:
        raise KeyUriError(
            f"{path} is not a PKCS#11 library that starts", hint="docs/runbooks/tokens.md"
        ) from None


def _tokens(lib: Any) -> Iterator[Any]:
    import pkcs11  # noqa: PLC0415

    for slot in lib.get_slots(token_present=True):
        try:
            yield slot.get_token()
        except (pkcs11.TokenNotPresent, pkcs11.TokenNotRecognised):
            continue  # taken out in this moment


def _is_named(token: Any, uri: TokenUri) -> bool:
    told = (
        (uri.label, token.label),
        (uri.serial, token.serial.decode("utf-8", "replace")),
        (uri.manufacturer, token.manufacturer_id),
        (uri.model, token.model),
    )
    return all(wanted is None or wanted == found for wanted, found in told)
