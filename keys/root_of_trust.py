"""The pinned root: the public keys from which everything in the directory follows.

    key  = [ ed25519: bstr .size 32, ml-dsa-65: bstr .size 1952 ]
    root = [ v: 1, threshold: uint, [ 1*8 key ] ]
    next = [ v: 2, threshold: uint, [ 1*8 key ], retired: [ 1*8 key ], kept: [ 1*256 bstr .size 32 ] ]
    many = [ v: 3, threshold: uint, [ 1*8 key ], registrars: 2..4 ], or with retired and kept behind it
    slow = [ v: 4, threshold: uint, [ 1*8 key ], registrars: 1..4, cooling-off: ms ], or with both behind it

It reaches a unit by hand, on paper or on a medium, and never over the exchange itself. `threshold` root keys
must appoint the same registrar before it is one. `registrars` of them must agree before a dangerous statement
takes effect (registrars/agreement.py); with one, the file is as it was before there was such a number. Where
there is a cooling-off time, a unit's key that registrars appoint counts only that much later
(appointments/line.py): everybody has seen it by then, and can have it withdrawn before it signs anything.

A next root has other keys, and names those before them, and the statements that these have made, by SHA-256:
those count for ever, and nothing else that a retired key signs. So its thief has nothing, and every directory
stays what it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from protocol.canonical import decode, encode
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import Digest, KeyId
from protocol.limits import DAY, MAX_STATEMENT
from protocol.public_keys import IdentityPublic

MAX_ROOTS = 8
MAX_KEPT = 256
MAX_COOLING_OFF = 7 * DAY
MAX_AGREEING = 4
"""More people are seldom in one office, and none of them may be away."""


@dataclass(frozen=True, slots=True)
class RootOfTrust:
    """The root keys, how many of them must agree, and how many registrars."""

    keys: tuple[IdentityPublic, ...]
    threshold: int = 1
    retired: tuple[IdentityPublic, ...] = ()
    kept: frozenset[Digest] = frozenset()
    """The statements of retired keys that count."""

    registrars: int = 1
    """How many registrars must agree on what is dangerous. The same for ever: all was judged by it."""

    cooling_off: int = 0
    """Milliseconds that a unit's key rests which registrars have appointed. The same for ever, too."""

    def __post_init__(self) -> None:
        """Refuse a root whose threshold could be met by fewer keys than it says."""
        if not 1 <= len(self.keys) <= MAX_ROOTS:
            raise MisuseError(f"a root of trust has 1 to {MAX_ROOTS} keys")
        if not 1 <= self.threshold <= len(self.keys):
            raise MisuseError("the threshold is between 1 and the number of root keys")
        if not 1 <= self.registrars <= MAX_AGREEING:
            raise MisuseError(f"between 1 and {MAX_AGREEING} registrars must agree")
        if not 0 <= self.cooling_off <= MAX_COOLING_OFF:
            raise MisuseError("a cooling-off time is seven days at most")
        every = (*self.keys, *self.retired)
        if len({key.kid for key in every} | {key.pq_kid for key in every}) != 2 * len(every):
            raise MisuseError("a root key is there twice")
        if (
            len(self.retired) > MAX_ROOTS
            or len(self.kept) > MAX_KEPT
            or bool(self.retired) != bool(self.kept)
        ):
            raise MisuseError(f"a root names up to {MAX_ROOTS} retired keys, and what is kept of them")

    @classmethod
    def parse(cls, data: bytes) -> RootOfTrust:
        """The root in a pinned file, or `Rejected`."""
        match decode(data, limit=MAX_STATEMENT):
            case [version, threshold, list(pairs)] if (
                type(version) is type(threshold) is int and version == 1
            ):
                try:
                    return cls(tuple(_public(pair) for pair in pairs), threshold)
                except MisuseError as error:
                    raise Rejected(Code.E_SCHEMA, error.sentence) from None
            case [version, threshold, list(pairs), [_, *_] as before, [_, *_] as kept] if (
                type(version) is type(threshold) is int and version == 2
            ):
                return cls._next(data, threshold, 1, pairs, before, kept)
            case [version, threshold, list(pairs), registrars] if (
                type(version) is type(threshold) is type(registrars) is int and version == 3
            ):
                return cls._next(data, threshold, registrars, pairs, [], [])
            case [version, threshold, list(pairs), registrars, list(before), list(kept)] if (
                type(version) is type(threshold) is type(registrars) is int and version == 3
            ):
                return cls._next(data, threshold, registrars, pairs, before, kept)
            case [version, threshold, list(pairs), registrars, rests, *behind] if (
                type(version) is type(threshold) is type(registrars) is type(rests) is int and version == 4
            ):
                before, kept = _retired(behind)
                return cls._next(data, threshold, registrars, pairs, before, kept, rests)
            case _:
                raise Rejected(Code.E_SCHEMA, "not a root of trust")

    @classmethod
    def _next(
        cls,
        data: bytes,
        threshold: int,
        registrars: int,
        pairs: list[object],
        before: list[object],
        kept: list[object],
        rests: int = 0,
    ) -> RootOfTrust:
        names = [Digest(name) for name in kept if isinstance(name, bytes) and len(name) == 32]
        try:
            keys, retired = tuple(map(_public, pairs)), tuple(map(_public, before))
            root = cls(keys, threshold, retired, frozenset(names), registrars, rests)
        except MisuseError as error:
            raise Rejected(Code.E_SCHEMA, error.sentence) from None
        if root.encoded() != data:
            raise Rejected(Code.E_SCHEMA, "not the one form of this root of trust")
        return root

    def signer_of(self, kid: KeyId, statement: Digest) -> IdentityPublic | None:
        """The root key of this id, where it counts for this statement."""
        for key in self.keys:
            if key.kid == kid:
                return key
        return next((key for key in self.retired if key.kid == kid and statement in self.kept), None)

    @property
    def names(self) -> frozenset[KeyId]:
        """The ids of all root keys, classical and post-quantum, retired ones too: nobody else has one."""
        return frozenset(name for key in (*self.keys, *self.retired) for name in (key.kid, key.pq_kid))

    def followed_by(self, key: IdentityPublic, instead_of: KeyId, made: Iterable[Digest]) -> RootOfTrust:
        """The next root: `key` in the place of the one of this id, which has made these statements."""
        place = [each.kid for each in self.keys].index(instead_of)
        keys = (*self.keys[:place], key, *self.keys[place + 1 :])
        retired = (*self.retired, self.keys[place])
        every = self.kept | frozenset(made)
        return RootOfTrust(keys, self.threshold, retired, every, self.registrars, self.cooling_off)

    def encoded(self) -> bytes:
        """The contents of the file that units pin."""
        keys = [[key.ed25519, key.ml_dsa_65] for key in self.keys]
        retired = [[key.ed25519, key.ml_dsa_65] for key in self.retired]
        before = [retired, sorted(self.kept)] if retired else []
        if self.cooling_off:
            return encode([4, self.threshold, keys, self.registrars, self.cooling_off, *before])
        if self.registrars > 1:
            return encode([3, self.threshold, keys, self.registrars, *before])
        return encode([2 if before else 1, self.threshold, keys, *before])

    def fingerprint(self) -> str:
        """What two people read to each other to know that they pin the same root."""
        return spoken(sha256(self.encoded()).digest())


def fingerprint(public: IdentityPublic) -> str:
    """What two people read to each other to know that they mean the same identity."""
    return spoken(sha256(encode([public.ed25519, public.ml_dsa_65])).digest())


def spoken(digest: bytes) -> str:
    """32 bytes as groups of four hexadecimal digits."""
    text = digest.hex()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _retired(behind: list[object]) -> tuple[list[object], list[object]]:
    match behind:
        case []:
            return [], []
        case [[_, *_] as before, [_, *_] as kept]:
            return list(before), list(kept)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a root of trust")


def _public(pair: object) -> IdentityPublic:
    match pair:
        case [bytes(ed25519), bytes(ml_dsa_65)]:
            return IdentityPublic(ed25519, ml_dsa_65)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a pair of public keys")
