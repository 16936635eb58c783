"""Where a process finds what opens its keys: the first of four places."""

from __future__ import annotations

from pathlib import Path

import pytest

from keys.errors import KeyFileExposed, KeyFileMissing
from keys.unlock import Credential, Passphrase, Secret
from runtime.process.secrets import below, credential_to_come, find_secret


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A secret in each place, all different."""
    paths = {name: tmp_path / name for name in ("set", "words", "x.secret", "beside")}
    for number, path in enumerate(paths.values()):
        path.write_bytes(bytes([64 + number]) * 32)
        path.chmod(0o600)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    return paths


def test_the_first_place_counts(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase that is set, a secret that is set, the service manager's, the one beside the keys, none."""
    everything = {"secret": places["set"], "passphrase": places["words"], "beside": places["beside"]}

    assert isinstance(find_secret("x.secret", **everything), Passphrase)
    assert _opens_as(find_secret("x.secret", **everything | {"passphrase": None}), b"@" * 32)
    assert _opens_as(find_secret("x.secret", beside=places["beside"]), b"B" * 32)
    # The service manager has a directory for other programs' credentials, too.
    assert _opens_as(find_secret("y.secret", beside=places["beside"]), b"C" * 32)
    assert find_secret("y.secret") is None
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert find_secret("x.secret") is None


def _opens_as(found: Secret | None, raw: bytes) -> bool:
    return isinstance(found, Credential) and found.kek(bytes(16)) == Credential(raw).kek(bytes(16))


def test_what_is_set_has_to_be_there(places: dict[str, Path], tmp_path: Path) -> None:
    """A path in the settings that leads nowhere is no reason to open the keys by something else."""
    with pytest.raises(KeyFileMissing):
        find_secret("x.secret", secret=tmp_path / "nowhere", beside=places["beside"])


def test_a_secret_that_others_can_read_is_refused(places: dict[str, Path]) -> None:
    """Wherever it was found."""
    places["beside"].chmod(0o644)
    with pytest.raises(KeyFileExposed):
        find_secret("y.secret", beside=places["beside"])


def test_a_home_s_paths_begin_at_the_home(tmp_path: Path) -> None:
    """Unless they are absolute."""
    assert below(tmp_path, Path("a")) == tmp_path / "a"
    assert below(tmp_path, Path("/a")) == Path("/a")
    assert below(tmp_path, None) is None


def test_a_credential_is_awaited_where_nothing_else_can_open(
    places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where something is set, wrong or not; not where it lies beside; and not within the service itself."""
    assert credential_to_come("y.secret") is None
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert "credential y.secret" in (credential_to_come("y.secret", beside=tmp_path / "nowhere") or "")
    for given in ("secret", "passphrase"):
        assert credential_to_come("y.secret", **{given: tmp_path / "nowhere"}) is None
    assert credential_to_come("y.secret", beside=places["beside"]) is None
