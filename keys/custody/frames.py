"""What goes between a router and the process that signs for it. Pure.

    frame    = uint32 length || item of canonical CBOR
    request  = [ 1, "who" ]                        reply = [ 1, "who", [ + [name, ed25519, ml-dsa-65] ] ]
             / [ 1, "ed25519", message ]                 / [ 1, "made", signature ]
             / [ 1, "ml-dsa-65", message ]               / [ 1, "made", signature ]
             / [ 1, "succession", kid, now, until ]      / [ 1, "made", statement ]
             / [ 1, "request", now, until ]              / [ 1, "made", appointment request ]
                                                         / [ 1, "refused", why ] / [ 1, "busy", why ]

Both sides take what the other sends for hostile: a router may have been taken over, and whoever listens on a
socket may not be the signer. So each frame has a bound, each item its form, and what is signed is verified.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.canonical import decode, encode
from protocol.errors import Code, Rejected
from protocol.identifiers import KeyId, Millis, UnitId, parse_unit_id
from protocol.item_forms import uint
from protocol.public_keys import IdentityPublic

MAX_FRAME = 32_768
HEAD = 4
MOST_KEYS = 8
_VERSION = 1


@dataclass(frozen=True, slots=True)
class AskWho:
    """Whose keys they are, the present one first."""


@dataclass(frozen=True, slots=True)
class AskSignature:
    """A signature over bytes that say themselves what they are."""

    algorithm: str
    """`ed25519` or `ml-dsa-65`."""

    message: bytes


@dataclass(frozen=True, slots=True)
class AskSuccession:
    """The statement by which this key names the next."""

    kid: KeyId
    now: Millis
    until: Millis


@dataclass(frozen=True, slots=True)
class AskAppointment:
    """The request by which a registrar appoints the next key."""

    now: Millis
    until: Millis


Ask = AskWho | AskSignature | AskSuccession | AskAppointment


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys with which the signer signs now."""

    held: tuple[tuple[UnitId, IdentityPublic], ...]


@dataclass(frozen=True, slots=True)
class Made:
    """What was asked for: a signature, a statement."""

    data: bytes


@dataclass(frozen=True, slots=True)
class NotMade:
    """What was asked for is not signed; `later` where it may be asked again."""

    why: str
    later: bool


Answer = Keys | Made | NotMade


def encode_ask(ask: Ask) -> bytes:
    """A request as a frame."""
    match ask:
        case AskWho():
            item: list[object] = ["who"]
        case AskSignature(algorithm, message):
            item = [algorithm, message]
        case AskSuccession(kid, now, until):
            item = ["succession", kid, now, until]
        case AskAppointment(now, until):
            item = ["request", now, until]
    return _framed(item)


def parse_ask(data: bytes) -> Ask:
    """A request, or `Rejected`."""
    match decode(data, limit=MAX_FRAME):
        case [version, "who"] if _is_known(version):
            return AskWho()
        case [version, ("ed25519" | "ml-dsa-65") as algorithm, bytes(message)] if _is_known(version):
            return AskSignature(algorithm, message)
        case [version, "succession", bytes(kid), now, until] if _is_known(version) and len(kid) == 16:
            return AskSuccession(KeyId(kid), Millis(uint(now)), Millis(uint(until)))
        case [version, "request", now, until] if _is_known(version):
            return AskAppointment(Millis(uint(now)), Millis(uint(until)))
        case _:
            raise Rejected(Code.E_SCHEMA, "not a request to a signer")


def encode_answer(answer: Answer) -> bytes:
    """A reply as a frame."""
    match answer:
        case Keys(held):
            return _framed(["who", [[name, key.ed25519, key.ml_dsa_65] for name, key in held]])
        case Made(data):
            return _framed(["made", data])
        case NotMade(why, later):
            return _framed(["busy" if later else "refused", why])


def answer_in(data: bytes) -> Answer:
    """A reply, or `Rejected`."""
    match decode(data, limit=MAX_FRAME):
        case [version, "who", [*rows]] if _is_known(version) and 0 < len(rows) <= MOST_KEYS:
            return Keys(tuple(map(_key, rows)))
        case [version, "made", bytes(made)] if _is_known(version):
            return Made(made)
        case [version, ("busy" | "refused") as kind, str(why)] if _is_known(version) and len(why) <= 200:
            return NotMade(why if why.isprintable() else "", kind == "busy")
        case _:
            raise Rejected(Code.E_SCHEMA, "not an answer of a signer")


def length_of(head: bytes) -> int:
    """How many bytes follow, or `Rejected`."""
    length = int.from_bytes(head, "big")
    if len(head) != HEAD or not 0 < length <= MAX_FRAME:
        raise Rejected(Code.E_SIZE, f"a frame has 1 to {MAX_FRAME} bytes")
    return length


def _framed(item: list[object]) -> bytes:
    data = encode([_VERSION, *item])
    return len(data).to_bytes(HEAD, "big") + data


def _is_known(version: object) -> bool:
    return type(version) is int and version == _VERSION


def _key(row: object) -> tuple[UnitId, IdentityPublic]:
    match row:
        case [str(name), bytes(ed25519), bytes(ml_dsa_65)]:
            return parse_unit_id(name), IdentityPublic(ed25519, ml_dsa_65)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a key of a signer")
