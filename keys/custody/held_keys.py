"""The keys of one router, as its signer holds them: the present one, and the one that follows.

    identity.key    identity-next.key    identity-before-<kid>.key

Owns the files. Which key signs is the router's to say, since the router has the directory: each request names
a key, and both sign. So nothing that the router asks destroys a key: before a third is made, the first is put
aside under its own name, not sooner than a month after the second was made.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from keys.appointments.request import request_appointment
from keys.appointments.succession import succession
from keys.custody.duties import check_duty, check_now
from keys.custody.frames import Answer, Ask, AskAppointment, AskSignature, AskSuccession, AskWho, Keys, Made
from keys.errors import KeyFileExists, SignerRefused
from keys.key_files import make_identity, read_identity
from keys.lifecycle import ROUTER_LIFETIME
from keys.possession import appoint
from keys.secrecy import Guarded
from keys.soft_keys import PrivateIdentity
from keys.statement_types import StatementType
from keys.store import move_private, read_private, write_private
from keys.unlock import Secret
from protocol.identifiers import Entropy, KeyId, Millis
from protocol.limits import DAY

THIRD_AFTER = 30 * DAY


class HeldKeys(Guarded):
    """What a signer answers from."""

    __slots__ = ("_clock", "_entropy", "_next", "_path", "_present", "_router", "_secret")

    def __init__(
        self, path: Path, *, secret: Secret, router: str | None, clock: Callable[[], Millis], entropy: Entropy
    ) -> None:
        self._path = path
        self._secret = secret
        self._clock = clock
        self._entropy = entropy
        self._present = read_identity(path, secret=secret)
        self._next = read_identity(self._next_path, secret=secret) if self._next_path.exists() else None
        self._router = router or str(self._present.name)

    def answer(self, ask: Ask) -> Answer:
        """What was asked for, or `SignerRefused`, or another error of this package."""
        match ask:
            case AskWho():
                self._present.reach()
                held = [key for key in (self._present, self._next) if key is not None]
                return Keys(tuple((key.name, key.public) for key in held))
            case AskSignature(algorithm, message):
                return Made(self._sign(algorithm, message))
            case AskSuccession(kid, now, until):
                self._check_life(now, until)
                present = self._foremost(kid)
                following = self._following()
                return Made(
                    succession(present.name, present=present, successor=following, now=now, until=until)
                )
            case AskAppointment(now, until):
                self._check_life(now, until)
                following = self._following()
                made = appoint(
                    StatementType.ROUTER, following.name, signer=following, not_before=now, not_after=until
                )
                return Made(request_appointment(made))

    def _sign(self, algorithm: str, message: bytes) -> bytes:
        now = self._clock()
        kid = check_duty(message, algorithm=algorithm, router=self._router, actor=self._present.name, now=now)
        for key in (self._present, self._next):
            if key is None:
                continue
            if algorithm == "ed25519" and kid == key.public.kid:
                return key.sign_ed25519(message)
            if algorithm == "ml-dsa-65" and kid == key.public.pq_kid:
                return key.sign_ml_dsa_65(message)
        raise SignerRefused(
            "it is for another key", hint="start the router again, so that it asks which keys there are"
        )

    def _check_life(self, now: Millis, until: Millis) -> None:
        check_now(now, self._clock())
        if not now < until <= now + ROUTER_LIFETIME:
            raise SignerRefused("a key lives longer than a router's may")

    def _foremost(self, kid: KeyId) -> PrivateIdentity:
        """The key of that id, as the one that names the next: what was next moves up, and is followed."""
        if self._next is not None and kid == self._next.public.kid:
            age = self._clock() - int(self._next_path.stat().st_mtime * 1000)
            if age < THIRD_AFTER:
                raise SignerRefused("the key that follows was made within the last month")
            aside = self._path.with_name(f"{self._path.stem}-before-{self._present.public.kid.hex()}.key")
            # A copy first: a crash between the two leaves every key where it is looked for.
            with suppress(KeyFileExists):
                write_private(aside, read_private(self._path), entropy=self._entropy)
            move_private(self._next_path, self._path)
            self._present, self._next = self._next, None
        if kid != self._present.public.kid:
            raise SignerRefused("it is for another key")
        return self._present

    def _following(self) -> PrivateIdentity:
        if self._next is None:
            try:
                self._next = make_identity(
                    self._next_path, self._present.name, secret=self._secret, entropy=self._entropy
                )
            except KeyFileExists:
                self._next = read_identity(self._next_path, secret=self._secret)
        return self._next

    @property
    def _next_path(self) -> Path:
        return self._path.with_name(f"{self._path.stem}-next{self._path.suffix}")
