"""Sealing: the addressees open exactly what was committed to; every failure looks the same."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from keys.soft_keys import SoftEpochKey, SoftIdentity, SoftOpener
from protocol import limits
from protocol.canonical import decode, encode
from protocol.codes import Handling, MessageKind, Purpose, Role
from protocol.content.parts import Part
from protocol.envelope import sealing
from protocol.envelope.commitment import commit
from protocol.envelope.core import Addressee, Core, Position
from protocol.envelope.sealing import (
    content_aad,
    encode_plaintext,
    open_content,
    padme,
    seal,
    wrap_info,
    wrap_key,
)
from protocol.envelope.wire import encode_wrap, parse_submission, parse_wrap
from protocol.errors import Code, MisuseError, Rejected
from protocol.identifiers import digest
from protocol.signatures import Suite
from tests.unit.protocol.strategies import QUICK, octets, parts

_entropy = random.Random(11).randbytes
FR = SoftIdentity.generate("fr", _entropy)
IT, DE = (SoftEpochKey.generate(unit, 1, _entropy) for unit in ("it", "de"))
SALT = bytes(range(32))


def opener(*keys: SoftEpochKey) -> SoftOpener:
    """A unit that holds these keys."""
    made = SoftOpener()
    for key in keys:
        made.put(key)
    return made


def core(*to: SoftEpochKey, **changes):
    """A header to the units of these keys."""
    base = Core(
        suite=Suite.CLASSICAL,
        kind=MessageKind.INFORMATION,
        message_id=bytes(16),
        thread=bytes(16),
        created=5,
        expires=6,
        sender="fr",
        position=Position(bytes(8), 0),
        signing_key=FR.public.kid,
        to=tuple(Addressee(key.unit, key.kid, Role.TO) for key in to),
        handling=frozenset({Handling.H0}),
        purposes=frozenset({Purpose.STRATEGIC}),
        review=7,
    )
    return replace(base, **changes)


def sealed(*contents: Part, to=(IT, DE), **changes):
    """A parsed submission."""
    made = seal(
        core(*to, **changes),
        contents or (Part(0, b"content"),),
        keys=[key.public for key in to],
        signer=FR,
        entropy=_entropy,
    )
    return parse_submission(made.submission)


def cannot_open(submission, wrap, *keys, header=None, ciphertext=None) -> tuple[str, str, str]:
    """How the refusal to open looks from outside."""
    with pytest.raises(Rejected) as caught:
        open_content(
            header or submission.header,
            submission.ciphertext if ciphertext is None else ciphertext,
            parse_wrap(wrap),
            opener=opener(*keys),
        )
    # What went wrong inside is not to be seen in a traceback either.
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value.code, str(caught.value), caught.value.hint


@QUICK
@given(parts)
def test_each_addressee_opens_what_was_sealed(contents):
    """All addressees read the same parts, each with its own wrap and key."""
    submission = sealed(*contents)

    for wrap, key in zip(submission.wraps, (IT, DE), strict=True):
        content = open_content(submission.header, submission.ciphertext, parse_wrap(wrap), opener=opener(key))
        assert content.parts == contents
        assert commit(content.salt, content.parts) == submission.header.seal.commitment


def test_what_is_sealed_can_be_parsed_whatever_its_size():
    """From one empty part on, what we seal has a size that the exchange takes."""
    for size in (0, 1, 10, 50, 1000):
        submission = sealed(Part(0, bytes(size)))
        assert limits.MIN_CIPHERTEXT <= len(submission.ciphertext) == submission.header.seal.ct_len


def test_nothing_random_is_used_twice():
    """Two messages with the same words share neither ciphertext, nor vector, nor commitment."""
    one, two = sealed(), sealed()

    assert one.ciphertext != two.ciphertext
    assert one.header.seal.iv != two.header.seal.iv
    assert one.header.seal.commitment != two.header.seal.commitment
    assert not set(one.wraps) & set(two.wraps)


def _plaintext_failures():
    """Plaintexts that an honest program does not write."""
    good = [SALT, [[0, b"a"]], bytes(5)]
    yield "no list", encode(b"content")
    yield "short salt", encode([SALT[:31], [[0, b"a"]], b""])
    yield "no parts", encode([SALT, [], bytes(20)])
    yield "too many parts", encode([SALT, [[0, b""]] * 257, b""])
    yield "a part of text", encode([SALT, [[0, "a"]], bytes(5)])
    yield "a kind of 256", encode([SALT, [[256, b"a"]], bytes(5)])
    yield "a kind of true", encode([SALT, [[True, b"a"]], bytes(5)])
    yield "a negative kind", encode([SALT, [[-1, b"a"]], bytes(5)])
    yield "no pad", encode(good[:2])
    yield "not CBOR", b"\xff" * 64
    yield "not deterministic", encode(good)[:-1] + b"\x00\x00"
    proper = encode_plaintext(SALT, [Part(0, b"a" * 100)])
    shown = decode(proper)
    yield "a longer pad", encode([*shown[:2], shown[2] + b"\x00"])
    yield "a pad that is not zeros", encode([*shown[:2], b"\x01" * len(shown[2])])


def _failures():
    """Everything that can go wrong on the way to the plaintext, as (what, refusal)."""
    submission = sealed()
    header, ciphertext, wrap = submission.header, submission.ciphertext, submission.wraps[0]
    parsed = parse_wrap(wrap)
    stranger = SoftEpochKey.generate("it", 1, _entropy)
    flipped = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
    other_core = sealed(thread=bytes([1]) * 16)
    yield "no such key", cannot_open(submission, wrap, DE)
    yield (
        "a key of another person",
        cannot_open(submission, encode_wrap(stranger.kid, parsed.enc, parsed.wrapped), stranger),
    )
    yield "junk wrap", cannot_open(submission, encode_wrap(IT.kid, bytes(1120), bytes(48)), IT)
    yield "random wrap", cannot_open(submission, encode_wrap(IT.kid, _entropy(1120), _entropy(48)), IT)
    yield "the wrap of another message", cannot_open(submission, other_core.wraps[0], IT)
    yield (
        "a wrap of another content key",
        cannot_open(submission, wrap_key(bytes(32), IT.public, header.core_hash), IT),
    )
    yield "a wrap of a short key", cannot_open(submission, short_wrap(header), IT)
    yield "another ciphertext", cannot_open(submission, wrap, IT, ciphertext=flipped)
    yield (
        "another vector",
        cannot_open(submission, wrap, IT, header=replace(header, seal=replace(header.seal, iv=bytes(12)))),
    )
    yield (
        "another header",
        cannot_open(submission, wrap, IT, header=replace(header, core_bytes=other_core.header.core_bytes)),
    )
    yield "a cut-off tag", cannot_open(submission, wrap, IT, ciphertext=ciphertext[:-1])
    yield "nothing", cannot_open(submission, wrap, IT, ciphertext=b"")
    for what, plaintext in _plaintext_failures():
        cek = bytes(32)
        forged = AESGCM(cek).encrypt(header.seal.iv, plaintext, content_aad(header.core_hash))
        yield what, cannot_open(submission, wrap_key(cek, IT.public, header.core_hash), IT, ciphertext=forged)


def short_wrap(header):
    """A wrap of 32 bytes that are not a key: a 31-byte key cannot be wrapped in 48 bytes."""
    sealed_key = sealing.HPKE_9.encrypt(
        bytes(31) + b"\x00", IT.public.hpke_key(), wrap_info(IT.kid, bytes(32))
    )
    return encode_wrap(IT.kid, sealed_key[:1120], sealed_key[1120:])


def test_all_failures_to_open_look_the_same():
    """Code, words and hint of every failure are one and the same: nobody learns what exactly failed."""
    seen = dict(_failures())

    assert len(seen) > 20
    assert set(seen.values()) == {seen["junk wrap"]}
    assert seen["junk wrap"][0] == Code.E_OPEN


def test_two_contents_under_one_signature_are_impossible():
    """A ciphertext that opens under two keys to two contents, which AES-GCM allows, is found by E_COMMIT."""
    submission = sealed(Part(0, b"the true content"))
    header = submission.header
    cek = bytes(32)
    lie = encode_plaintext(SALT, [Part(0, b"another content.")])
    forged = AESGCM(cek).encrypt(header.seal.iv, lie, content_aad(header.core_hash))

    with pytest.raises(Rejected) as caught:
        open_content(
            header, forged, parse_wrap(wrap_key(cek, IT.public, header.core_hash)), opener=opener(IT)
        )
    assert caught.value.reason is Code.E_COMMIT


@pytest.mark.parametrize("changed", ["part", "salt", "order"])
def test_the_commitment_covers_all_of_the_content(changed):
    """Another part, another salt and another order of parts are all refused."""
    both = (Part(0, b"one"), Part(1, b"two"))
    submission = sealed(*both)
    header = submission.header
    content = open_content(header, submission.ciphertext, parse_wrap(submission.wraps[0]), opener=opener(IT))
    salt, shown = {
        "part": (content.salt, (both[0], Part(1, b"twO"))),
        "salt": (SALT, both),
        "order": (content.salt, both[::-1]),
    }[changed]
    cek = bytes(32)
    forged = AESGCM(cek).encrypt(header.seal.iv, encode_plaintext(salt, shown), content_aad(header.core_hash))

    with pytest.raises(Rejected) as caught:
        open_content(
            header, forged, parse_wrap(wrap_key(cek, IT.public, header.core_hash)), opener=opener(IT)
        )
    assert caught.value.reason is Code.E_COMMIT


@QUICK
@given(octets(32), parts)
def test_padding_reaches_the_padme_size(salt, contents):
    """The plaintext has the Padmé size of its own length, or one byte more where none fits exactly."""
    bare = len(encode([salt, [[part.kind, part.content] for part in contents], b""]))
    padded = len(encode_plaintext(salt, contents))
    least = limits.MIN_CIPHERTEXT - sealing.TAG_SIZE

    assert bare <= padded
    assert padded - max(padme(bare), least) in (0, 1)


@given(st.integers(2, 2_000_000))
def test_padme_is_never_far(size):
    """The bound of the paper: at most 12 % more, and never less."""
    assert size <= padme(size) <= size * 1.12 + 1
    assert padme(padme(size)) == padme(size)


def test_near_sizes_cannot_be_told_apart():
    """Of a hundred lengths around 2,000 bytes only a few sizes are to be seen."""
    sizes = {len(encode_plaintext(SALT, [Part(0, bytes(n))])) for n in range(1950, 2050)}

    assert len(sizes) <= 4


def test_padding_of_every_small_size():
    """No length falls between the steps of the pad's own length field."""
    for size in range(1200):
        contents = [Part(0, bytes(size))]
        bare = len(encode([SALT, [[0, bytes(size)]], b""]))
        assert 0 <= len(encode_plaintext(SALT, contents)) - max(padme(bare), 48) <= 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"keys": [IT.public]},
        {"keys": [DE.public, IT.public]},
        {"keys": [IT.public, DE.public, DE.public]},
        {"parts": []},
        {"parts": [Part(0, b"")] * 257},
        {"parts": [Part(256, b"")]},
        {"parts": [Part(-1, b"")]},
    ],
)
def test_does_not_seal_what_it_would_not_open(wrong):
    """Keys that the header does not name, and parts out of bounds, are the caller's mistake."""
    keys = wrong.get("keys", [IT.public, DE.public])
    with pytest.raises(MisuseError):
        seal(core(IT, DE), wrong.get("parts", [Part(0, b"")]), keys=keys, signer=FR, entropy=_entropy)


def test_content_is_bounded():
    """More than a mebibyte is refused when it is sealed, not when it arrives."""
    with pytest.raises(Rejected) as caught:
        seal(core(IT), [Part(2, bytes(limits.MAX_CIPHERTEXT))], keys=[IT.public], signer=FR, entropy=_entropy)

    assert caught.value.reason is Code.E_SIZE


def test_opened_content_does_not_show_itself():
    """The representation of content holds none of it, so that no log line can."""
    submission = sealed(Part(0, b"the name of a witness"))
    content = open_content(
        submission.header, submission.ciphertext, parse_wrap(submission.wraps[0]), opener=opener(IT)
    )

    assert "witness" not in repr(content) + repr(content.parts) + repr(submission)


def test_the_info_of_a_wrap_names_what_comes_next():
    """The wrap is bound to the next layer's algorithm and to the header, the ciphertext to the header."""
    hcore = digest(b"core")

    assert decode(wrap_info(IT.kid, hcore)) == ["HPKE Recipient", 3, encode({1: 57, 4: IT.kid}), hcore]
    assert decode(content_aad(hcore)) == ["Encrypt", bytes.fromhex("a10103"), hcore]
