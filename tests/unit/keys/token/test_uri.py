"""The name of a token: what is understood, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from keys.errors import KeyUriError
from keys.token.uri import TokenUri, parse_token_uri

MODULE = "module-path=/usr/lib/x.so"


def test_a_token_is_named_by_label_or_serial() -> None:
    """The parts of RFC 7512 that choose a token and a key are read, quoted or plain."""
    full = parse_token_uri(
        "pkcs11:token=Contrada%20fr;serial=0a1b;manufacturer=ACME;model=H1;object=unit?"
        f"{MODULE}&pin-source=file:///run/pin"
    )
    assert full == TokenUri(
        Path("/usr/lib/x.so"), "Contrada fr", "0a1b", "ACME", "H1", "unit", Path("/run/pin")
    )
    assert parse_token_uri(f"pkcs11:serial=0a1b?{MODULE}").object == "contrada"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        (f"pkcs11:token=hunter2?{MODULE}&pin-value=hunter2", "pin-value has no place"),
        (f"pkcs11:token=hunter2;pin-value=hunter2?{MODULE}", "pin-value has no place"),
        (f"pkcs11:slot-id=0;token=hunter2?{MODULE}", "slot-id has no place"),
        (f"pkcs11:token=hunter2;hunter2=1?{MODULE}", "not understood"),
        (f"pkcs11:token=hunter2;token=b?{MODULE}", "stands twice"),
        (f"pkcs11:object=hunter2?{MODULE}", "names no token"),
        ("pkcs11:token=hunter2", "names no library"),
        ("pkcs11:token=hunter2?module-path=x.so", "no whole path"),
        (f"pkcs11:token=hunter2?{MODULE}&pin-source=|/bin/hunter2", "names no file"),
        (f"pkcs11:token=%00hunter2?{MODULE}", "nothing to show"),
        (f"pkcs11:token=%ff?{MODULE}", "not UTF-8"),
        (f"pkcs11:token=?{MODULE}", "nothing to show"),
        ("file:/hunter2", "pkcs11: URI"),
        ("pkcs11:token=" + "h" * 2000, "longer"),
        ("pkcs11:token=é?x", "not ASCII"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_and_not_repeated(uri: str, why: str) -> None:
    """A PIN, a slot, an unknown or doubled word: refused, and the error repeats nothing of the URI."""
    with pytest.raises(KeyUriError, match=why) as caught:
        parse_token_uri(uri)
    assert "hunter2" not in str(caught.value) + caught.value.hint
