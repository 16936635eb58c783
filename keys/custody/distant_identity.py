"""A router's identity whose keys another process holds: the router's side of the socket.

Owns the connection. Which key signs is decided here, by the directory, as own_identity.py does for keys that
lie here; the signer holds the present one and the one that follows, and signs with either. Rules:
- An answer is waited for and has a bound: who calls does so in a thread of its own (broker/router/loop.py).
- What was signed is verified before it is used: whoever listens on the socket may not be the signer.
- A connection that fails is given up, and made anew once in the same call: the signer may have been started
  again. What is asked may be asked twice.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from keys.appointments.request import parse_appointment_request
from keys.appointments.succession import successor_end
from keys.custody.frames import (
    HEAD,
    Answer,
    Ask,
    AskAppointment,
    AskSignature,
    AskSuccession,
    AskWho,
    Keys,
    Made,
    NotMade,
    answer_in,
    encode_ask,
    length_of,
)
from keys.directory import Directory
from keys.errors import KeyUriError, SignerAway, SignerRefused
from keys.lifecycle import OVERLAP, takes_over
from keys.secrecy import Guarded
from keys.statement_types import Appointment, StatementType
from protocol.errors import Rejected
from protocol.identifiers import Millis, UnitId
from protocol.parties import IdentityKey
from protocol.public_keys import IdentityPublic

ANSWERS_WITHIN = 2.0
"""Seconds for one answer."""

AWAY_HINT = "start it: systemctl start contrada-signer; the router goes on by itself, and nothing is lost"


class DistantIdentity(Guarded):
    """A signing identity that another process holds. A `protocol.signatures.Signer`."""

    __slots__ = ("_connection", "_held", "_lock", "_path", "_public", "_stated", "_within")

    def __init__(self, path: Path, *, within: float = ANSWERS_WITHIN) -> None:
        if not path.is_absolute():
            raise KeyUriError(
                "the signer's socket is no whole path", hint="write signer:/run/contrada-signer/socket"
            )
        self._path = path
        self._within = within
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._stated: bytes | None = None
        self._held = self._who()
        self._public = self._held[0][1]

    @property
    def name(self) -> UnitId:
        """The router whose identity it is."""
        return self._held[0][0]

    @property
    def present(self) -> DistantKey:
        """The present key, which stays the same while this identity goes on to the next."""
        return DistantKey(self, self._public)

    @property
    def public(self) -> IdentityPublic:
        """The public half of the present key."""
        return self._public

    def sign_ed25519(self, message: bytes) -> bytes:
        """64 bytes, RFC 8032, by the signer."""
        return self.present.sign_ed25519(message)

    def sign_ml_dsa_65(self, message: bytes) -> bytes:
        """3309 bytes, FIPS 204, by the signer."""
        return self.present.sign_ml_dsa_65(message)

    def signature(self, ask: AskSignature) -> bytes:
        """What the signer made; not verified yet."""
        return self._made(ask)

    def reach(self) -> None:
        """`KeyAway` where the signer does not answer now, or has not this key any more."""
        self._held = self._who()
        if not self.has(self._public):
            raise SignerRefused("the signer has another key than before", hint="start the router again")

    def appointment(self, stype: StatementType, *, now: Millis, lifetime: int) -> Appointment:
        """The next key, for a registrar to appoint."""
        made = self._made(AskAppointment(now, Millis(now + lifetime)))
        try:
            asked = parse_appointment_request(made)
        except Rejected:
            raise _not_the_signer() from None
        if asked.stype is not stype or asked.name != self.name:
            raise _not_the_signer()
        return asked

    def succession(self, now: Millis, *, directory: Directory, lifetime: int) -> bytes | None:
        """The statement that names the next key, if it is time; the same bytes until the directory has it."""
        present = self._known(self._public, directory)
        if present is None:
            return None
        until = successor_end(present, directory=directory, now=now, lifetime=lifetime)
        if until is None:
            self._stated = None
        elif self._stated is None:
            self._stated = self._made(AskSuccession(self._public.kid, now, until))
        return self._stated

    def adopt(self, now: Millis, *, directory: Directory, overlap: int = OVERLAP) -> IdentityPublic | None:
        """Sign with the next key from its time on; returns the one before, if it is exchanged now."""
        present = self._known(self._public, directory)
        for _, public in self._held:
            known = None if public == self._public else self._known(public, directory)
            if known is not None and takes_over(known, present, now, overlap=overlap):
                before, self._public, self._stated = self._public, public, None
                return before
        return None

    def has(self, public: IdentityPublic) -> bool:
        """Whether the signer signs with this key."""
        return any(public == held for _, held in self._held)

    def _known(self, public: IdentityPublic, directory: Directory) -> IdentityKey | None:
        party = directory.party(public.kid)
        return next((key for key in party if key.unit == self.name and key.public == public), None)

    def _who(self) -> tuple[tuple[UnitId, IdentityPublic], ...]:
        answer = self._ask(AskWho())
        if not isinstance(answer, Keys):
            raise _not_the_signer()
        return answer.held

    def _made(self, ask: Ask) -> bytes:
        answer = self._ask(ask)
        if not isinstance(answer, Made):
            raise _not_the_signer()
        return answer.data

    def _ask(self, ask: Ask) -> Answer:
        with self._lock:
            fresh = self._connection is None
            try:
                answer = self._asked(ask)
            except SignerAway:
                if fresh:
                    raise
                answer = self._asked(ask)
        if isinstance(answer, NotMade):
            if answer.later:
                raise SignerAway(f"the signer is busy: {answer.why}", hint=AWAY_HINT)
            raise SignerRefused(
                f"the signer does not sign this: {answer.why}", hint="docs/runbooks/signer.md"
            )
        return answer

    def _asked(self, ask: Ask) -> Answer:
        try:
            if self._connection is None:
                self._connection = _connected(self._path, self._within)
            self._connection.sendall(encode_ask(ask))
            length = length_of(_received(self._connection, HEAD))
            return answer_in(_received(self._connection, length))
        except (OSError, Rejected) as error:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            why = error.reason.value if isinstance(error, Rejected) else type(error).__name__
            raise SignerAway(f"the signer at {self._path} does not answer ({why})", hint=AWAY_HINT) from None


class DistantKey(Guarded):
    """One key of such an identity. A `protocol.signatures.Signer`."""

    __slots__ = ("_identity", "_public")

    def __init__(self, identity: DistantIdentity, public: IdentityPublic) -> None:
        self._identity = identity
        self._public = public

    @property
    def public(self) -> IdentityPublic:
        """The public half."""
        return self._public

    def sign_ed25519(self, message: bytes) -> bytes:
        """64 bytes, RFC 8032, by the signer and verified here."""
        made = self._identity.signature(AskSignature("ed25519", message))
        if not self._public.verify_ed25519(made, message):
            raise _not_the_signer()
        return made

    def sign_ml_dsa_65(self, message: bytes) -> bytes:
        """3309 bytes, FIPS 204, by the signer and verified here."""
        made = self._identity.signature(AskSignature("ml-dsa-65", message))
        if not self._public.verify_ml_dsa_65(made, message):
            raise _not_the_signer()
        return made


def _connected(path: Path, within: float) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        made.settimeout(within)
        made.connect(str(path))
    except OSError:
        made.close()
        raise
    return made


def _received(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise ConnectionResetError
        data += more
    return data


def _not_the_signer() -> SignerRefused:
    return SignerRefused(
        "what answers on the socket is not this router's signer", hint="docs/runbooks/signer.md"
    )
