"""The name of a token and of the key in it that seals: a `pkcs11:` URI (RFC 7512). Pure.

    pkcs11:token=contrada;object=unit?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/fr.pin

    token, serial, manufacturer, model    which token; `token` (its label) or `serial` at the least
    object                                the label of the sealing key, `contrada` where nothing is said
    module-path                           the maker's library, with its whole path
    pin-source                            the file with the PIN, where it does not lie in a usual place

Rules: the PIN never stands in it, because settings and command lines are read by others; no slot does either,
because slots are counted anew at each start. What is not known is refused and not passed over: a word that
was written to narrow the choice must not widen it. No error repeats the URI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from keys.errors import KeyUriError

SCHEME = "pkcs11:"
DEFAULT_OBJECT = "contrada"
MAX_URI = 1024
_PATH_WORDS = ("token", "serial", "manufacturer", "model", "object")
_QUERY_WORDS = ("module-path", "pin-source")
_VALUE = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&/?|]|%[0-9A-Fa-f]{2})*")
_HINT = "write pkcs11:token=LABEL;object=NAME?module-path=/path/to/the/library.so"


@dataclass(frozen=True, slots=True)
class TokenUri:
    """A token, and the key of it that seals files."""

    module: Path
    label: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    object: str = DEFAULT_OBJECT
    pin_source: Path | None = None

    @property
    def shown(self) -> str:
        """The token in words, for messages."""
        return f"the token {self.label!r}" if self.label is not None else f"the token of serial {self.serial}"


def parse_token_uri(text: str) -> TokenUri:
    """The token that the URI names, or `KeyUriError`."""
    if len(text) > MAX_URI or not text.isascii():
        raise KeyUriError("a pkcs11: URI is longer than it may be, or not ASCII", hint=_HINT)
    if not text.startswith(SCHEME):
        raise KeyUriError("a token is named by a pkcs11: URI", hint=_HINT)
    path, _, query = text.removeprefix(SCHEME).partition("?")
    named, asked = _words(path, ";", _PATH_WORDS), _words(query, "&", _QUERY_WORDS)
    if "token" not in named and "serial" not in named:
        raise KeyUriError("the URI names no token", hint="say its label with token=, or its serial=")
    if "module-path" not in asked:
        raise KeyUriError("the URI names no library", hint=_HINT)
    return TokenUri(
        module=_absolute(asked["module-path"], "module-path"),
        label=named.get("token"),
        serial=named.get("serial"),
        manufacturer=named.get("manufacturer"),
        model=named.get("model"),
        object=named.get("object", DEFAULT_OBJECT),
        pin_source=None if "pin-source" not in asked else _file(asked["pin-source"]),
    )


def _words(text: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if name in ("pin-value", "slot-id", "slot-description", "slot-manufacturer"):
            raise KeyUriError(f"{name} has no place in such a URI", hint=_REFUSED[name.partition("-")[0]])
        if not equals or name not in known or name in found or not _VALUE.fullmatch(value):
            # What is not known may hold anything: its name is not repeated.
            raise KeyUriError("a part of the pkcs11: URI is not understood, or stands twice", hint=_HINT)
        try:
            found[name] = unquote_to_bytes(value).decode()
        except UnicodeDecodeError:
            raise KeyUriError(f"{name} is not UTF-8", hint=_HINT) from None
        if not found[name].isprintable() or not found[name]:
            raise KeyUriError(f"{name} has nothing to show", hint=_HINT)
    return found


_REFUSED = {
    "pin": "write the PIN into a file of mode 0600, and name that with pin-source=file:/path",
    "slot": "name the token by its label or serial: slots are counted anew at each start",
}


def _absolute(text: str, name: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise KeyUriError(f"{name} is no whole path", hint="begin it with /")
    return path


def _file(text: str) -> Path:
    if not text.startswith("file:"):
        raise KeyUriError("pin-source names no file", hint="write pin-source=file:/path/to/the/pin")
    return _absolute(text.removeprefix("file:").removeprefix("//"), "pin-source")
