"""A token in the place of a secret file: it opens key files, and makes keys that never leave it.

    unit.secret     pkcs11:token=contrada;object=unit?module-path=...        instead of 32 random bytes

    KEK of a file = HMAC-SHA256(sealing key, "contrada/token-kek/1" || salt)      computed by the token

The sealing key is made in the token and cannot be taken out of it. What the token has no algorithm for, the
seeds of ML-DSA, X-Wing and note keys and the storage key, lies in files that open with such a KEK only:
without the token a stolen disk has nothing. While a process uses a seed it is in that process's memory. An
Ed25519 key is made in the token where it can (CKM_EDDSA), and is never in any memory of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys.errors import TokenKeyError
from keys.secrecy import Guarded
from keys.token.session import TokenSession, probe
from keys.token.uri import TokenUri
from keys.unlock import KEY_ID
from protocol.errors import MisuseError

_KEK = b"contrada/token-kek/1"
_EDWARDS25519 = (bytes.fromhex("06032b6570"), b"\x13\x0cedwards25519")
"""CKA_EC_PARAMS: an object identifier (RFC 8410), or the name of PKCS#11 3.0. A token knows one of them."""


@dataclass(frozen=True, slots=True)
class KeyTold:
    """One key in a token, by what the token says of it."""

    label: str
    key_id: str
    kind: str
    stays: bool
    """Whether nothing takes it out."""

    made_here: bool
    """Whether the token made it. Who brought one from elsewhere may have a copy."""


@dataclass(frozen=True, slots=True)
class TokenTold:
    """A token, by what it says of itself."""

    label: str
    serial: str
    maker: str
    model: str
    signs_ed25519: bool
    keys: tuple[KeyTold, ...]


class TokenSecret(Guarded):
    """A token that unlocks. A `keys.unlock.Secret`, and a place of keys (`keys.unlock.KeyPlace`)."""

    __slots__ = ("session", "uri")
    kind = "token"
    last_salt: bytes | None = None

    def __init__(self, uri: TokenUri, session: TokenSession) -> None:
        self.uri = uri
        self.session = session

    @property
    def place(self) -> TokenSecret | None:
        """Where keys are made beside the files; None where the token has no Ed25519."""
        return self if self.session.ask(_has_ed25519) else None

    def kek(self, salt: bytes) -> bytes:
        """Computed by the token."""
        import pkcs11  # noqa: PLC0415

        def question(session: Any) -> bytes:
            key = self.session.key(
                session,
                # With its label: other secrets of this process may use other keys of the same token.
                name=("sealing", self.uri.object),
                object_class=pkcs11.ObjectClass.SECRET_KEY,
                label=self.uri.object,
            )
            return bytes(key.sign(_KEK + salt, mechanism=pkcs11.Mechanism.SHA256_HMAC))

        made = self.session.ask(question)
        if len(made) != 32:
            raise TokenKeyError(
                "the token's HMAC has not 32 bytes", hint="docs/hardware-keys.md: another token"
            )
        return made

    def has_sealing_key(self) -> bool:
        """Whether the key that the URI names is there."""
        import pkcs11  # noqa: PLC0415

        wanted = {
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
            pkcs11.Attribute.LABEL: self.uri.object,
        }
        self.reach()
        return self.session.ask(lambda session: bool(list(session.get_objects(wanted))))

    def make_sealing_key(self) -> None:
        """Make it, where there is none."""
        import pkcs11  # noqa: PLC0415

        def question(session: Any) -> None:
            session.generate_key(
                pkcs11.KeyType.GENERIC_SECRET,
                256,
                label=self.uri.object,
                store=True,
                mechanism=pkcs11.Mechanism.GENERIC_SECRET_KEY_GEN,
                capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
                template=_STAYS(),
            )

        if not self.has_sealing_key():
            self.session.ask(question)

    def make_ed25519(self, key_id: bytes, *, label: str) -> bytes:
        """Make a signing key in the token; returns its public half."""
        import pkcs11  # noqa: PLC0415

        if len(key_id) != KEY_ID:
            raise MisuseError(f"the id of a key in a token has {KEY_ID} bytes")

        def question(session: Any) -> bytes:
            for params in _EDWARDS25519:
                try:
                    made, _ = _generate(session, params, key_id, label)
                except (pkcs11.AttributeValueInvalid, pkcs11.DomainParamsInvalid, pkcs11.GeneralError):
                    if params is _EDWARDS25519[-1]:
                        raise
                else:
                    return _point(bytes(made[pkcs11.Attribute.EC_POINT]))
            raise AssertionError

        return self.session.ask(question)

    def sign_ed25519(self, key_id: bytes, message: bytes, *, public: bytes) -> bytes:
        """64 bytes, made by the token and verified here."""
        import pkcs11  # noqa: PLC0415

        def question(session: Any) -> bytes:
            key = self.session.key(
                session, name=key_id, object_class=pkcs11.ObjectClass.PRIVATE_KEY, id=key_id
            )
            return bytes(key.sign(message, mechanism=pkcs11.Mechanism.EDDSA))

        made = self.session.ask(question)
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(made, message)
        except InvalidSignature:
            raise TokenKeyError(
                "what the token signed does not verify under its key", hint="docs/runbooks/tokens.md, at once"
            ) from None
        return made

    def destroy_ed25519(self, key_id: bytes) -> None:
        """Destroy a signing key and its public half."""
        import pkcs11  # noqa: PLC0415

        def question(session: Any) -> None:
            for found in list(session.get_objects({pkcs11.Attribute.ID: key_id})):
                found.destroy()
            self.session.forget_objects()

        self.session.ask(question)

    def try_pin(self) -> None:
        """Log in, although a PIN was refused before: a person stands behind it."""
        self.session.by_hand = True
        try:
            self.reach()
        finally:
            self.session.by_hand = False

    def told(self) -> TokenTold:
        """What the token says of itself, and of the keys in it."""
        self.reach()
        return self.session.ask(lambda session: _told(session, self.uri))

    def reach(self) -> None:
        """`KeyAway` where the token does not answer now."""
        self.session.ask(probe)


def _STAYS() -> dict[Any, Any]:  # noqa: N802
    import pkcs11  # noqa: PLC0415

    return {
        pkcs11.Attribute.PRIVATE: True,
        pkcs11.Attribute.SENSITIVE: True,
        pkcs11.Attribute.EXTRACTABLE: False,
    }


def _generate(session: Any, params: bytes, key_id: bytes, label: str) -> tuple[Any, Any]:
    import pkcs11  # noqa: PLC0415

    parameters = session.create_domain_parameters(
        pkcs11.KeyType.EC_EDWARDS, {pkcs11.Attribute.EC_PARAMS: params}, local=True
    )
    made: tuple[Any, Any] = parameters.generate_keypair(
        id=key_id,
        label=label,
        store=True,
        capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
        mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        private_template=_STAYS(),
    )
    return made


def _point(value: bytes) -> bytes:
    """A point is an OCTET STRING in DER; some tokens give its 32 bytes alone."""
    raw = value[2:] if len(value) == 34 and value[:2] == b"\x04\x20" else value
    if len(raw) != 32:
        raise TokenKeyError("the token's public key is not one of Ed25519", hint="docs/hardware-keys.md")
    return raw


def _told(session: Any, uri: TokenUri) -> TokenTold:
    from pkcs11 import Attribute, KeyType, ObjectClass  # noqa: PLC0415

    kinds = {
        ObjectClass.SECRET_KEY: "sealing key",
        ObjectClass.PRIVATE_KEY: "signing key",
    }
    keys = []
    for kind, words in kinds.items():
        for found in session.get_objects({Attribute.CLASS: kind}):
            is_ours = kind is ObjectClass.PRIVATE_KEY and found[Attribute.KEY_TYPE] is KeyType.EC_EDWARDS
            if kind is ObjectClass.SECRET_KEY:
                is_ours = found[Attribute.LABEL] == uri.object
            keys.append(
                KeyTold(
                    label=str(found[Attribute.LABEL]),
                    key_id=bytes(found[Attribute.ID]).hex(),
                    kind=words if is_ours else "another's",
                    stays=bool(found[Attribute.SENSITIVE]) and not found[Attribute.EXTRACTABLE],
                    made_here=bool(found[Attribute.LOCAL]),
                )
            )
    token = session.token
    serial = token.serial.decode("utf-8", "replace")
    return TokenTold(
        token.label, serial, token.manufacturer_id, token.model, _has_ed25519(session), tuple(keys)
    )


def _has_ed25519(session: Any) -> bool:
    from pkcs11 import Mechanism  # noqa: PLC0415

    wanted = {Mechanism.EDDSA, Mechanism.EC_EDWARDS_KEY_PAIR_GEN}
    return bool(wanted <= session.token.slot.get_mechanisms())
