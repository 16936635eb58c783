"""Secrets stay inside: they are in no repr, no error, no log, no pickle and no file in clear."""

from __future__ import annotations

import base64
import copy
import logging
import os
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keys.ceremony import found_exchange
from keys.errors import KeyStoreError
from keys.secrecy import Guarded
from keys.soft_keys import SoftEpochKey, SoftIdentity, SoftOpener
from keys.unit_keys import UnitKeys
from keys.unlock import Credential, Passphrase
from protocol.errors import ContradaError, MisuseError
from tests.unit.keys.world import FR, NOW, entropy_of

pytestmark = pytest.mark.slow

PASSPHRASE = "correct horse battery staple"


class Recorder:
    """Randomness that remembers what it gave out: every secret of the test comes from here."""

    def __init__(self) -> None:
        self.given: list[bytes] = [PASSPHRASE.encode(), bytes(range(32))]
        self._source = entropy_of("recorded")

    def __call__(self, size: int) -> bytes:
        data = self._source(size)
        if size >= 32:
            self.given.append(data)
        return data


def _forms(secret: bytes) -> Iterator[str]:
    yield secret.hex()
    yield secret.hex().upper()
    yield base64.b64encode(secret).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret).decode().rstrip("=")
    yield repr(secret)[2:-1]
    yield str(list(secret))[1:-1]
    yield secret.decode("latin-1")
    yield str(int.from_bytes(secret, "big"))
    yield str(int.from_bytes(secret, "little"))


def assert_silent(text: str, secrets: list[bytes]) -> None:
    """No form of any secret is in the text."""
    for secret in secrets:
        for form in _forms(secret):
            assert form not in text


@pytest.fixture
def recorder() -> Recorder:
    """The source of all secrets."""
    return Recorder()


@pytest.fixture
def holders(tmp_path: Path, recorder: Recorder) -> dict[str, object]:
    """One of everything that holds a secret."""
    keys = UnitKeys.create(tmp_path / "fr", unit=FR, secret=Credential(bytes(range(32))), entropy=recorder)
    keys.ensure_epochs(NOW)
    founding = found_exchange(tmp_path / "centre", secret=Passphrase(PASSPHRASE), now=NOW, entropy=recorder)
    return {
        "unit keys": keys,
        "signer": keys.signer,
        "opener": keys.opener,
        "epoch key": keys.opener.held()[0],
        "credential": Credential(bytes(range(32))),
        "passphrase": Passphrase(PASSPHRASE),
        "registrar": founding.registrar,
        "founding": founding,
    }


def test_recorder_has_the_secrets(holders: dict[str, object], recorder: Recorder) -> None:
    """The test looks for the right bytes: what the sealed files hold is what the recorder gave out."""
    signer, epoch = holders["signer"], holders["epoch key"]
    assert isinstance(signer, SoftIdentity) and isinstance(epoch, SoftEpochKey)
    assert sum(secret in signer.secret_bytes() for secret in recorder.given) == 2
    assert sum(secret in epoch.secret_bytes() for secret in recorder.given) == 1
    keys = holders["unit keys"]
    assert isinstance(keys, UnitKeys)
    assert keys.storage_key in recorder.given


@pytest.mark.parametrize(
    "show", [repr, str, format, lambda value: f"{value!r} {value!s} {[value]} {value!a}"]
)
def test_no_repr_shows_a_secret(
    holders: dict[str, object], recorder: Recorder, show: Callable[[object], str]
) -> None:
    """Whatever way a holder is printed, it shows its type."""
    for holder in holders.values():
        assert_silent(show(holder), recorder.given)


def test_no_log_shows_a_secret(
    holders: dict[str, object], recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """A holder that gets into a log line by mistake shows its type there too."""
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").warning("keys: %s %r", holders["signer"], holders, extra={"all": holders})
    assert "contents withheld" in caplog.text
    assert_silent(caplog.text, recorder.given)


def test_nothing_is_pickled_or_copied(holders: dict[str, object]) -> None:
    """No secret travels to another process or into a cache by pickling."""
    founding = holders.pop("founding")
    for holder in holders.values():
        assert isinstance(holder, Guarded)
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy, lambda value: value.__getstate__()):
            with pytest.raises(MisuseError):
                attempt(holder)
        for version in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(MisuseError):
                pickle.dumps(holder, version)
    with pytest.raises(MisuseError):
        pickle.dumps(founding)


def test_no_error_shows_a_secret(tmp_path: Path, holders: dict[str, object], recorder: Recorder) -> None:
    """Every error on the way, with its hint and its traceback, is silent."""
    directory = tmp_path / "fr"
    opener = holders["opener"]
    assert isinstance(opener, SoftOpener)
    epoch = opener.held()[0]
    secret = Credential(bytes(range(32)))
    identity_file = directory / "identity.key"
    good = identity_file.read_bytes()

    def damaged() -> None:
        identity_file.write_bytes(good[:-1])
        UnitKeys.load(directory, secret=secret, entropy=os.urandom)

    def exposed() -> None:
        identity_file.write_bytes(good)
        identity_file.chmod(0o644)
        UnitKeys.load(directory, secret=secret, entropy=os.urandom)

    attempts: list[Callable[[], object]] = [
        damaged,
        exposed,
        lambda: UnitKeys.create(directory, unit=FR, secret=secret, entropy=recorder),
        lambda: UnitKeys.load(directory, secret=Passphrase(PASSPHRASE), entropy=os.urandom),
        lambda: UnitKeys.load(
            tmp_path / "centre" / "registrar", secret=Passphrase(PASSPHRASE + "!"), entropy=os.urandom
        ),
        lambda: opener.open(kid=epoch.kid, enc=bytes(1120), ciphertext=bytes(48), info=b""),
        lambda: Passphrase(PASSPHRASE[:8]),
        lambda: Credential(bytes(range(31))),
        lambda: SoftEpochKey(FR, epoch=1, seed=recorder.given[-1][:31]),
        lambda: pickle.dumps(holders["signer"]),
    ]
    silent = [*recorder.given, PASSPHRASE[:8].encode(), bytes(range(31)), recorder.given[-1][:31]]
    for attempt in attempts:
        with pytest.raises(ContradaError) as caught:
            attempt()
        error = caught.value
        # Chained errors and their notes are part of what a log shows.
        shown = "".join(traceback.format_exception(error)) + repr(error) + error.hint + repr(error.args)
        source = "".join(line for line in shown.splitlines() if not line.startswith("    "))
        assert_silent(source, silent)


def test_no_file_shows_a_secret(tmp_path: Path, holders: dict[str, object], recorder: Recorder) -> None:
    """On the disk there is no secret in clear."""
    assert holders
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 10
    for path in files:
        content = path.read_bytes()
        for secret in recorder.given:
            assert secret not in content


def test_key_store_errors_are_one_family() -> None:
    """Who catches the package's error catches all of them."""
    from keys import errors

    found = [
        value for value in vars(errors).values() if isinstance(value, type) and value is not ContradaError
    ]
    assert all(issubclass(value, KeyStoreError) for value in found)
    codes = [value.code for value in found]
    assert len(set(codes)) == len(codes)
