"""The PIN of a token: where it is looked for, and that a wrong one is tried once."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from keys.errors import KeyFileExposed, KeyFileMissing, TokenAway, TokenKeyError, TokenPinError
from keys.token.library import as_token_error, library_at
from keys.token.named import open_token
from keys.token.pins import PIN_CREDENTIAL, PinPlace
from keys.token.session import TokenSession
from keys.token.token_secret import TokenSecret
from keys.token.uri import parse_token_uri
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.softhsm import PIN, SoftToken


def found(token: SoftToken) -> TokenSecret:
    return open_token(parse_token_uri(token.uri()))


def count_logins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every PIN that is handed to the token."""
    from keys.token import session

    tried: list[str] = []
    original = session._logged_in

    def counting(token: object, pin: str) -> object:
        tried.append(pin)
        return original(token, pin)

    monkeypatch.setattr(session, "_logged_in", counting)
    return tried


def test_a_wrong_pin_is_tried_once(token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the process asks, and even after the file was corrected: a few wrong ones lock a token for good."""
    tried = count_logins(monkeypatch)
    token.give_pin("wrong-one")
    secret = found(token)
    for _ in range(3):
        with pytest.raises(TokenPinError):
            secret.reach()
    token.give_pin(PIN)
    with pytest.raises(TokenPinError):
        secret.reach()
    by_serial = parse_token_uri(token.uri(token="manufacturer=SoftHSM%20project;token=contrada"))
    with pytest.raises(TokenPinError):
        open_token(by_serial).reach()
    assert tried == ["wrong-one"], "nor by another name of the same token"


async def test_it_is_missed_that_it_is_tried_once(token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = Mutant(
        TokenSession._check_pin_may_be_tried,
        rewritten("token.serial in library.refused", "False"),
        rewritten("flags & TokenFlag.USER_PIN_COUNT_LOW and not self.by_hand", "False"),
    )
    await assert_missed(mutant, test_a_wrong_pin_is_tried_once, token=token, monkeypatch=monkeypatch)


def test_a_process_that_is_started_again_tries_no_pin_after_a_wrong_one(
    token: SoftToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token knows that one was refused. A service that starts again and again tries none; a person does, once."""
    token.give_pin("wrong-one")
    with pytest.raises(TokenPinError):
        found(token).reach()
    tried = count_logins(monkeypatch)
    for _ in range(3):
        token.new_process()
        with pytest.raises(TokenPinError, match="no right one was given since"):
            found(token).reach()
    assert tried == []
    token.give_pin(PIN)
    token.new_process()
    found(token).try_pin()
    assert tried == [PIN]
    token.new_process()
    found(token).reach()


async def test_it_is_missed_that_the_token_is_asked_first(
    token: SoftToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = Mutant(
        TokenSession._check_pin_may_be_tried,
        rewritten("flags & TokenFlag.USER_PIN_COUNT_LOW and not self.by_hand", "False"),
    )
    promise = test_a_process_that_is_started_again_tries_no_pin_after_a_wrong_one
    await assert_missed(mutant, promise, token=token, monkeypatch=monkeypatch)


@pytest.mark.parametrize(
    ("flag", "said", "by_hand"),
    [
        ("USER_PIN_LOCKED", "has locked its PIN", True),
        ("USER_PIN_FINAL_TRY", "one more wrong PIN", True),
        ("USER_PIN_COUNT_LOW", "no right one was given since", False),
    ],
)
def test_what_the_token_says_of_its_pin_is_heard(
    token: SoftToken, flag: str, said: str, by_hand: bool
) -> None:
    """A locked PIN and the last try are nobody's here, not even a person's: SoftHSM has neither, so its word is given."""
    from pkcs11 import TokenFlag

    secret = found(token)
    secret.session.by_hand = by_hand
    with pytest.raises(TokenPinError, match=said):
        secret.session._check_pin_may_be_tried(
            SimpleNamespace(flags=TokenFlag[flag], serial=b"1"), library_at(token.module)
        )


def test_an_empty_pin_is_not_tried(token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was made and not filled costs no try."""
    tried = count_logins(monkeypatch)
    token.give_pin("\n")
    with pytest.raises(TokenPinError, match="was not tried"):
        found(token).reach()
    token.give_pin(PIN)
    found(token).reach()
    assert tried == [PIN]


def test_places_of_a_pin_are_looked_at_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the URI names, then the service manager's credential, then beside the file; each only as its owner's."""
    named, brought, beside = tmp_path / "named", tmp_path / "brought", tmp_path / "unit.secret"
    brought.mkdir()
    for path, pin in ((named, "1"), (brought / PIN_CREDENTIAL, "2\n"), (tmp_path / "unit.pin", "3\n")):
        path.write_text(pin)
        path.chmod(0o600)
    plain = parse_token_uri("pkcs11:token=x?module-path=/x.so")
    naming = parse_token_uri(f"pkcs11:token=x?module-path=/x.so&pin-source=file:{named}")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(brought))
    assert PinPlace(naming, beside=beside)() == "1"
    assert PinPlace(plain, beside=beside)() == "2"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert PinPlace(plain, beside=beside)() == "3"
    with pytest.raises(TokenPinError, match="nothing gives the PIN"):
        PinPlace(plain, beside=None)()
    named.chmod(0o644)
    with pytest.raises(KeyFileExposed):
        PinPlace(naming, beside=None)()
    named.unlink()
    with pytest.raises(KeyFileMissing):
        PinPlace(naming, beside=beside)()


def test_the_pin_is_in_no_error_and_no_picture(token: SoftToken) -> None:
    """Neither what the token refuses nor what shows the token has it."""
    token.give_pin("wrong-hunter2")
    secret = found(token)
    with pytest.raises(TokenPinError) as caught:
        secret.reach()
    shown = [str(caught.value), caught.value.hint, repr(secret), repr(secret.session), repr(secret.uri)]
    assert "hunter2" not in "".join(shown)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("PinIncorrect", TokenPinError), ("PinLenRange", TokenPinError), ("PinLocked", TokenPinError),
        ("PinExpired", TokenPinError), ("UserPinNotInitialized", TokenPinError),
        ("NoSuchKey", TokenKeyError), ("MultipleObjectsReturned", TokenKeyError),
        ("MechanismInvalid", TokenKeyError), ("AttributeSensitive", TokenKeyError),
        ("DeviceRemoved", TokenAway), ("TokenNotPresent", TokenAway), ("SessionHandleInvalid", TokenAway),
        ("UserNotLoggedIn", TokenAway), ("DeviceError", TokenAway), ("GeneralError", TokenAway),
        ("KeyHandleInvalid", TokenAway), ("PKCS11Error", TokenAway),
    ],
)  # fmt: skip
def test_what_a_library_raises_is_an_error_of_ours(name: str, ours: type[Exception]) -> None:
    """SoftHSM locks no PIN and has no plug to pull: what other tokens answer is mapped all the same, with a hint."""
    pkcs11 = pytest.importorskip("pkcs11")
    with pytest.raises(ours) as caught, as_token_error():
        raise getattr(pkcs11, name)("words of the library")
    assert type(caught.value) is ours
    assert caught.value.hint
    assert "words of" not in str(caught.value)


def test_a_library_that_others_can_write_is_not_loaded(tmp_path: Path) -> None:
    """It is code that would run here."""
    from keys.errors import KeyStoreError, KeyUriError

    pytest.importorskip("pkcs11")
    file = tmp_path / "x.so"
    file.write_bytes(b"\x7fELF")
    file.chmod(0o666)
    uri = f"pkcs11:token=x?module-path={file}&pin-source=file:{tmp_path}/pin"
    with pytest.raises(KeyStoreError, match="can be written by others"):
        open_token(parse_token_uri(uri)).reach()
    os.chmod(file, 0o644)
    with pytest.raises(KeyUriError, match="not a PKCS#11 library"):
        open_token(parse_token_uri(uri)).reach()
    file.unlink()
    with pytest.raises(KeyUriError, match="there is no"):
        open_token(parse_token_uri(uri)).reach()
