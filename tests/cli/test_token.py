"""`contrada token`, and --token where homes are made: on a real token, in software."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.ceremony import found_exchange
from keys.errors import KeyFileUnreadable
from keys.key_files import read_identity
from keys.soft_keys import PlacedIdentity
from keys.store import read_credential
from keys.unlock import Credential
from runtime.process.clock import now
from tests.cli.terminal import contrada
from tests.softhsm import PIN, SoftToken, soft_token

OLD = bytes(range(32))


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftToken]:
    with soft_token(tmp_path / "hsm", monkeypatch) as made:
        yield made


@pytest.fixture
def centre(tmp_path: Path) -> Path:
    """The keys of an exchange, in files, and what opens them."""
    found_exchange(tmp_path / "keys", secret=Credential(OLD), now=now(), entropy=os.urandom)
    (tmp_path / "centre.secret").write_bytes(OLD)
    (tmp_path / "centre.secret").chmod(0o600)
    return tmp_path / "keys"


def test_a_token_is_made_ready_shown_and_checked(token: SoftToken, tmp_path: Path) -> None:
    """init makes the sealing key once, and a file that names it; show and check speak JSON."""
    for _ in range(2):
        done = contrada("token", "init", token.uri(), "--out", str(tmp_path / "unit.secret"), "--json")
        assert done.exit == 0, done.err
        assert json.loads(done.out)["ed25519"] is True
    shown = json.loads(contrada("token", "show", token.uri(), "--json").out)
    assert [(key["label"], key["kind"], key["stays"]) for key in shown["keys"]] == [
        ("seal", "sealing key", True)
    ]
    assert json.loads(contrada("token", "check", token.uri(), "--json").out)["label"] == "contrada"
    assert (tmp_path / "unit.secret").stat().st_mode & 0o777 == 0o600
    other = contrada("token", "init", token.uri(object="other"), "--out", str(tmp_path / "unit.secret"))
    assert (other.exit, "E_KEYFILE_EXISTS" in other.err) == (9, True)


def test_keys_move_into_a_token_and_stay_the_same(token: SoftToken, centre: Path) -> None:
    """Root, registrar, router and ledger: sealed by the token, opened through the same secret file; twice is once."""
    secret = centre.parent / "centre.secret"
    before = {path: read_identity(path, secret=Credential(OLD)).public for path in centre.rglob("*.key")}
    call = (
        "token",
        "move",
        str(centre),
        "--secret",
        str(secret),
        "--out",
        str(secret),
        "--token",
        token.uri(),
    )
    done = contrada(*call, "--json")
    assert done.exit == 0, done.err
    assert {row["done"] for row in json.loads(done.out)} == {"moved"}
    assert secret.read_text() == token.uri() + "\n"
    opens = read_credential(secret)
    assert {path: read_identity(path, secret=opens).public for path in before} == before
    assert {row["done"] for row in json.loads(contrada(*call, "--json").out)} == {"was there"}


def test_a_move_leaves_what_other_keys_open_with(token: SoftToken, centre: Path) -> None:
    """A part of the keys moves: the old secret stays. Interrupted, the rest follows; a wrong secret moves nothing."""
    secret, named = centre.parent / "centre.secret", centre.parent / "named"
    call = ("token", "move", str(centre), "--token", token.uri())
    part = contrada(
        "token", "move", str(centre / "root"), *call[3:], "--secret", str(secret), "--out", str(named)
    )
    assert part.exit == 0, part.err
    assert (secret.read_bytes(), named.read_text()) == (OLD, token.uri() + "\n")
    assert contrada(*call).exit == 2
    secret.write_bytes(bytes(32))
    wrong = contrada(*call, "--secret", str(secret))
    assert (wrong.exit, "E_KEYFILE_UNREADABLE" in wrong.err) == (4, True)
    secret.write_bytes(OLD)
    taken = contrada(*call, "--secret", str(secret), "--out", str(named))
    assert (taken.exit, "E_KEYFILE_EXISTS" in taken.err) == (9, True)
    done = contrada(*call, "--secret", str(secret), "--json")
    assert sorted(row["done"] for row in json.loads(done.out)) == ["moved", "moved", "moved", "was there"]


def test_keys_move_from_one_token_to_another(token: SoftToken, centre: Path) -> None:
    """The root goes from the centre's token to its holder's, and opens with the first no more."""
    secret, holder = centre.parent / "centre.secret", centre.parent / "holder"
    contrada(
        "token", "move", str(centre), "--secret", str(secret), "--out", str(secret), "--token", token.uri()
    )
    token.add("holder")
    token.new_process()
    other = token.uri(token="token=holder", object="root")
    done = contrada(
        "token", "move", str(centre / "root"), "--secret", str(secret), "--token", other, "--out", str(holder)
    )
    assert done.exit == 0, done.err
    root = centre / "root" / "identity.key"
    assert read_identity(root, secret=read_credential(holder)).name == "root"
    with pytest.raises(KeyFileUnreadable):
        read_identity(root, secret=read_credential(secret))


def test_a_unit_and_a_router_are_made_under_a_token(token: SoftToken, tmp_path: Path) -> None:
    """--token in the place of --secret: the identity is made in the token, and the homes' checks open it."""
    root = tmp_path / "root.cbor"
    made = found_exchange(tmp_path / "c", secret=Credential(OLD), now=now(), entropy=os.urandom)
    root.write_bytes(made.root.encoded())
    way = ("--kafka", "127.0.0.1:9092", "--kafka-security", "plain")
    unit = contrada(
        "--home",
        str(tmp_path / "fr"),
        *way,
        "unit",
        "init",
        "fr",
        "--root",
        str(root),
        "--token",
        token.uri(),
    )
    assert unit.exit == 0, unit.err
    identity = tmp_path / "fr" / "keys" / "identity.key"
    found = read_identity(identity, secret=read_credential(tmp_path / "fr" / "unit.secret"))
    assert isinstance(found, PlacedIdentity)
    checked = contrada("--home", str(tmp_path / "fr"), "unit", "run", "--check-config")
    assert (checked.exit, "the keys open" in checked.out + checked.err) == (0, True)
    home = tmp_path / "r"
    router = contrada(
        "--home", str(home), *way, "router", "init", "router-2", "--root", str(root), "--token", token.uri()
    )
    assert router.exit == 0, router.err
    asked = contrada(
        "router", "renew", "--config", str(home / "router.toml"), "--out", str(tmp_path / "next")
    )
    assert asked.exit == 0, asked.err
    assert len(token.secret().told().keys) == 4


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "pkcs11:token=x?module-path=/x.so&pin-value=hunter2"], 2, "E_KEY_URI"),
        (["show", "nonsense"], 2, "E_KEY_URI"),
        (["show", "pkcs11:token=x?module-path=/nowhere/x.so"], 2, "E_KEY_URI"),
        (["move", "{tmp}", "--token", "{uri}"], 5, "E_KEYFILE_MISSING"),
    ],
)
def test_wrong_words_end_in_errors_of_ours(
    token: SoftToken, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    tmp_path.chmod(0o700)
    seen = contrada("token", *(word.format(tmp=tmp_path, uri=token.uri()) for word in words))
    assert (seen.exit, said in seen.err, "hunter2" in seen.err) == (code, True, False)


def test_a_token_that_is_away_or_refuses_says_so(token: SoftToken, tmp_path: Path) -> None:
    """Exit code 8 for what may come back, 4 for a PIN, which systemd does not try again; then check, by hand."""
    away = contrada("token", "show", token.uri(token="token=elsewhere"))
    assert (away.exit, "E_TOKEN_AWAY" in away.err) == (8, True)
    token.give_pin("wrong-one")
    for words in ("refuses the PIN", "no right one was given since"):
        token.new_process()
        refused = contrada("token", "show", token.uri())
        assert (refused.exit, words in refused.err) == (4, True)
    token.give_pin(PIN)
    token.new_process()
    assert contrada("token", "show", token.uri()).exit == 4
    token.new_process()
    assert contrada("token", "check", token.uri()).exit == 5, "it has no sealing key yet"
    token.new_process()
    assert contrada("token", "init", token.uri()).exit == 0
