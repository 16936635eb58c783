"""Keys in a token: what lies on the disk is worth nothing without it, and what it makes never leaves it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from keys.errors import KeyFileExists, KeyFileUnreadable, KeyStoreError, KeyUriError, TokenAway, TokenKeyError
from keys.key_files import IDENTITY_FILE, make_identity, read_identity, write_identity
from keys.note_keys import NoteKey, read_note_key, write_note_key
from keys.possession import appoint, check_possession
from keys.sealed_file import open_sealed
from keys.soft_keys import PlacedIdentity
from keys.statement_types import StatementType
from keys.store import prepare_directory, read_credential, read_private, write_private
from keys.token import session as sessions
from keys.token.token_secret import TokenSecret
from keys.unit_keys import UnitKeys
from keys.unlock import Credential
from protocol.canonical import decode
from protocol.identifiers import UnitId
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.softhsm import PIN, SoftToken
from tests.unit.keys.world import NOW, YEAR, identity

FR = UnitId("fr")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """An empty directory for keys."""
    prepare_directory(tmp_path / "keys")
    return tmp_path / "keys"


def test_a_file_that_names_a_token_opens_keys(token: SoftToken, keys: Path) -> None:
    """Where a secret's file names a token, a unit's keys are made under it, and open again."""
    token.secret()
    file = keys / "unit.secret"
    write_private(file, token.uri().encode() + b"\n", entropy=os.urandom)
    made = UnitKeys.create(keys / "unit", unit=FR, secret=read_credential(file), entropy=os.urandom)
    made.ensure_epochs(NOW)
    token.new_process()
    again = UnitKeys.load(keys / "unit", secret=read_credential(file), entropy=os.urandom)
    assert again.signer.public == made.signer.public
    assert again.opener.kids() == made.opener.kids()
    assert again.storage_key == made.storage_key


def test_a_stolen_disk_is_worth_nothing_without_the_token(token: SoftToken, keys: Path) -> None:
    """Files, their names, the PIN, and another token of the same name with a key of the same name: nothing opens."""
    secret = token.secret()
    make_identity(keys / IDENTITY_FILE, FR, secret=secret, entropy=os.urandom)
    write_note_key(keys / "note.key", NoteKey.generate(os.urandom), secret=secret, entropy=os.urandom)
    with token.taken_out():
        token.new_process()
        with pytest.raises(TokenAway):
            read_identity(keys / IDENTITY_FILE, secret=token_again(token))
        token.add("contrada")
        thief = token.secret()
        for open_it in (
            lambda: read_identity(keys / IDENTITY_FILE, secret=thief),
            lambda: read_note_key(keys / "note.key", secret=thief),
            lambda: read_identity(keys / IDENTITY_FILE, secret=Credential(bytes(32))),
        ):
            with pytest.raises(KeyFileUnreadable):
                open_it()
        for each in list(token.directory.iterdir()):
            for file in each.iterdir():
                file.unlink()
            each.rmdir()


def token_again(token: SoftToken, key: str = "seal") -> TokenSecret:
    """The token as another process finds it; nothing is made in it."""
    from keys.token.named import open_token
    from keys.token.uri import parse_token_uri

    return open_token(parse_token_uri(token.uri(object=key)))


def test_an_ed25519_key_that_was_made_in_the_token_is_in_no_file(token: SoftToken, keys: Path) -> None:
    """The file, opened, has the name of the key and no seed; the token does not give the key out; both halves sign."""
    import pkcs11

    secret = token.secret()
    made = make_identity(keys / IDENTITY_FILE, FR, secret=secret, entropy=os.urandom)
    assert isinstance(made, PlacedIdentity)
    content = open_sealed(
        read_private(keys / IDENTITY_FILE), purpose="identity", secret=secret, name="identity"
    )
    match decode(content):
        case [2, "fr", bytes(public), bytes(key_id), bytes(_)]:
            assert (public, key_id) == (made.public.ed25519, made.key_id)
        case found:
            pytest.fail(f"{len(found)} items")

    def take_out(session: object) -> bytes:
        key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, id=made.key_id)
        return key[pkcs11.Attribute.VALUE]

    with pytest.raises(KeyStoreError):
        secret.session.ask(take_out)
    appointed = appoint(StatementType.IDENTITY, FR, signer=made, not_before=NOW, not_after=NOW + YEAR)
    check_possession(appointed)


def test_what_the_token_signs_is_verified(token: SoftToken, keys: Path) -> None:
    """A signature of another key than the one that is asked for does not leave."""
    secret = token.secret()
    mine, other = os.urandom(16), os.urandom(16)
    public = secret.make_ed25519(mine, label="mine")
    secret.make_ed25519(other, label="other")
    with pytest.raises(TokenKeyError, match="does not verify"):
        secret.sign_ed25519(other, b"message", public=public)


async def test_it_is_missed_that_signatures_are_verified(token: SoftToken, keys: Path) -> None:
    mutant = Mutant(
        TokenSecret.sign_ed25519,
        rewritten("Ed25519PublicKey.from_public_bytes(public).verify(made, message)", "None"),
    )
    await assert_missed(mutant, test_what_the_token_signs_is_verified, token=token, keys=keys)


def test_a_key_that_could_be_taken_out_is_not_used(token: SoftToken) -> None:
    """A sealing key that does not stay in the token seals nothing; where it came from is shown."""
    import pkcs11

    secret = token_again(token)

    def plant(session: object) -> None:
        session.create_object({
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
            pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.GENERIC_SECRET,
            pkcs11.Attribute.LABEL: "seal", pkcs11.Attribute.TOKEN: True, pkcs11.Attribute.SIGN: True,
            pkcs11.Attribute.SENSITIVE: False, pkcs11.Attribute.EXTRACTABLE: True,
            pkcs11.Attribute.VALUE: bytes(32),
        })  # fmt: skip

    secret.session.ask(plant)
    assert [(key.stays, key.made_here) for key in secret.told().keys] == [(False, False)]
    with pytest.raises(TokenKeyError, match="can be taken out"):
        secret.kek(bytes(16))


async def test_it_is_missed_that_keys_stay(token: SoftToken) -> None:
    mutant = Mutant(sessions._check_stays, unchecked(TokenKeyError))
    await assert_missed(mutant, test_a_key_that_could_be_taken_out_is_not_used, token=token)


def test_two_secrets_of_one_token_have_keys_of_their_own(token: SoftToken) -> None:
    """A unit's and a witness's, in one process: each file opens with its own sealing key."""
    one, two = token.secret(object="one"), token.secret(object="two")
    salt = bytes(16)
    assert one.kek(salt) != two.kek(salt)
    assert (one.kek(salt), two.kek(salt)) == (
        token_again(token, "one").kek(salt),
        token_again(token, "two").kek(salt),
    )


async def test_it_is_missed_that_they_are_told_apart(token: SoftToken) -> None:
    mutant = Mutant(TokenSecret.kek, rewritten('("sealing", self.uri.object)', '"sealing"'))
    await assert_missed(mutant, test_two_secrets_of_one_token_have_keys_of_their_own, token=token)


def test_a_token_that_was_taken_out_is_found_again(token: SoftToken, keys: Path) -> None:
    """Away it is `TokenAway`; put in again, in whichever slot, the same process goes on with the same keys."""
    secret = token.secret()
    made = make_identity(keys / IDENTITY_FILE, FR, secret=secret, entropy=os.urandom)
    with token.taken_out():
        # SoftHSM has no plug and goes on from memory: what another token does by itself is done here.
        secret.session._library.again()
        for use in (made.reach, lambda: made.sign_ed25519(b"message")):
            with pytest.raises(TokenAway):
                use()
    token.add("another")
    signature = made.sign_ed25519(b"message")
    assert made.public.verify_ed25519(signature, b"message")
    made.reach()


def test_a_lost_session_costs_a_new_one(token: SoftToken, keys: Path) -> None:
    """Somebody closes all sessions behind our back, or another token's user starts the library anew: it goes on."""
    secret = token.secret()
    made = make_identity(keys / IDENTITY_FILE, FR, secret=secret, entropy=os.urandom)
    secret.session.ask(lambda session: session.close())
    assert made.public.verify_ed25519(made.sign_ed25519(b"message"), b"message")
    token.add("another")
    other = token.secret(token="token=another")
    for _ in range(2):
        assert made.public.verify_ed25519(made.sign_ed25519(b"message"), b"message")
        other.reach()


def test_two_tokens_of_one_name_are_told_apart_by_serial(token: SoftToken) -> None:
    """Of two tokens with one label neither is taken, and nothing is written into either; a serial names one."""
    serial = token.secret().told().serial
    token.add("contrada")
    token.new_process()
    with pytest.raises(KeyUriError, match="2 tokens"):
        token_again(token).reach()
    assert token.secret(token=f"serial={serial}").told().serial == serial


def test_a_second_key_of_a_party_is_refused_and_leaves_nothing(token: SoftToken, keys: Path) -> None:
    """Where there is a file, the key that was made for another is destroyed in the token."""
    secret = token.secret()
    make_identity(keys / IDENTITY_FILE, FR, secret=secret, entropy=os.urandom)
    before = secret.told().keys
    with pytest.raises(KeyFileExists):
        make_identity(keys / IDENTITY_FILE, FR, secret=secret, entropy=os.urandom)
    assert secret.told().keys == before


def test_a_key_that_is_not_in_the_token_is_said_to_be_missing(token: SoftToken, keys: Path) -> None:
    """Destroyed in the token, it is missing and not a damaged file; so is a sealing key of another name."""
    secret = token.secret()
    made = make_identity(keys / IDENTITY_FILE, FR, secret=secret, entropy=os.urandom)
    secret.destroy_ed25519(made.key_id)
    with pytest.raises(TokenKeyError, match="no such key"):
        made.sign_ed25519(b"message")
    with pytest.raises(TokenKeyError, match="no such key"):
        TokenSecret(secret.uri.__class__(token.module, "contrada", object="other"), secret.session).kek(
            bytes(16)
        )


def test_a_moved_key_is_sealed_by_the_token_and_stays_the_same(token: SoftToken, keys: Path) -> None:
    """A key from a file signs as before under the token; its seed is in the file, sealed."""
    secret = token.secret()
    write_identity(keys / IDENTITY_FILE, identity("fr"), secret=secret, entropy=os.urandom)
    assert read_identity(keys / IDENTITY_FILE, secret=secret).public == identity("fr").public
    assert PIN.encode() not in read_private(keys / IDENTITY_FILE)
