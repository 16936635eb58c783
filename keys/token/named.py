"""The token that a secret file names, and such a file made.

Owns the text of that file. What the token does is token_secret.py's.
"""

from __future__ import annotations

from pathlib import Path

from keys.errors import KeyUriError
from keys.token.pins import PinPlace
from keys.token.session import session_of
from keys.token.token_secret import TokenSecret
from keys.token.uri import TokenUri, parse_token_uri


def token_of(data: bytes, path: Path) -> TokenSecret:
    """The token that this content of a secret file names."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise KeyUriError(f"{path} begins like the name of a token, and is not text") from None
    return open_token(parse_token_uri(text.removesuffix("\n").removesuffix("\r")), beside=path)


def open_token(uri: TokenUri, *, beside: Path | None = None) -> TokenSecret:
    """The token; nothing of it is asked yet."""
    return TokenSecret(uri, session_of(uri, PinPlace(uri, beside=beside)))
