"""The errors of this package: about a party's own keys and the files that hold them.

    ContradaError
    └── KeyStoreError             something about the party's own keys needs a person
        ├── KeyFileMissing        there is no such file
        ├── KeyFileExists         it would overwrite a key
        ├── KeyFileExposed        others may read or replace it
        ├── KeyFileUnreadable     damaged, or another passphrase or credential: not told apart on purpose
        ├── CredentialError       the passphrase or credential itself is unusable
        │   └── TokenPinError     the PIN of a token is missing, was refused, or is locked
        ├── KeyUriError           no such scheme, or what it names cannot be used
        ├── TokenKeyError         the token has no such key, or does not let it be used
        ├── SignerRefused         the process that signs does not sign this
        └── KeyAway               what holds the key does not answer now: it may again
            ├── TokenAway         a token
            └── SignerAway        the process that signs

Data of others that does not verify is `protocol.errors.Rejected`, here as everywhere. Rules: a message names
paths, modes and key ids; never a key, a passphrase or what was decrypted.
"""

from __future__ import annotations

from protocol.errors import ContradaError


class KeyStoreError(ContradaError):
    """Something about the party's own keys needs a person."""

    code = "E_KEYSTORE"


class KeyFileMissing(KeyStoreError):
    """There is no such key file."""

    code = "E_KEYFILE_MISSING"


class KeyFileExists(KeyStoreError):
    """A key file is already there, and keys are never overwritten by accident."""

    code = "E_KEYFILE_EXISTS"


class KeyFileExposed(KeyStoreError):
    """The file or its directory is open to others."""

    code = "E_KEYFILE_EXPOSED"


class KeyFileUnreadable(KeyStoreError):
    """The file does not open: damaged, or sealed under another passphrase or credential."""

    code = "E_KEYFILE_UNREADABLE"


class CredentialError(KeyStoreError):
    """The passphrase or the credential is unusable."""

    code = "E_CREDENTIAL"


class KeyUriError(KeyStoreError):
    """The URI names an unknown kind of key store."""

    code = "E_KEY_URI"


class TokenPinError(CredentialError):
    """The PIN of a token is missing, was refused, or is locked. It is never tried twice by itself."""

    code = "E_TOKEN_PIN"


class TokenKeyError(KeyStoreError):
    """The token has no such key, or what comes of it is not that key's."""

    code = "E_TOKEN_KEY"


class KeyAway(KeyStoreError):
    """What holds the key does not answer now. Trying again later is right, and loses nothing."""

    code = "E_KEY_AWAY"


class TokenAway(KeyAway):
    """The token is not there, or lost its session."""

    code = "E_TOKEN_AWAY"


class SignerAway(KeyAway):
    """The process that signs is not there, is busy, or does not answer."""

    code = "E_SIGNER_AWAY"


class SignerRefused(KeyStoreError):
    """The process that signs does not sign this: it is not what a router signs."""

    code = "E_SIGNER_REFUSED"
