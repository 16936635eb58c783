"""The codec: one item, one encoding; everything else is refused, quickly, and in one family of errors."""

from __future__ import annotations

import struct
from random import Random

import cbor2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol import canonical
from protocol.canonical import decode, encode
from protocol.errors import Code, MisuseError, Rejected
from protocol.limits import MAX_DEPTH
from tests.unit.protocol.strategies import QUICK, THOROUGH, items

FOREIGN = {
    "an integer that is longer than needed": "1800",
    "a 16-bit integer that fits 8 bits": "190017",
    "a 32-bit integer that fits 16 bits": "1a00000100",
    "a 64-bit integer that fits 32 bits": "1b00000000ffffffff",
    "a negative integer that is longer than needed": "3800",
    "a byte string with a longer length than needed": "580161",
    "a text with a longer length than needed": "780161",
    "an array with a longer length than needed": "980100",
    "a map with a longer length than needed": "b8010000",
    "an indefinite byte string": "5f4161ff",
    "an indefinite text": "7f6161ff",
    "an indefinite array": "9f00ff",
    "an indefinite map": "bf0000ff",
    "a lonely break": "ff",
    "half a float": "f93c00",
    "a float": "fa3f800000",
    "a double": "fb3ff0000000000000",
    "not a number": "f97e00",
    "undefined": "f7",
    "a simple value": "f0",
    "a simple value of two bytes": "f8ff",
    "a reserved simple value": "f818",
    "true, written in two bytes": "f815",
    "a bignum": "c249010000000000000000",
    "a bignum that fits an integer": "c24101",
    "a negative bignum": "c349010000000000000000",
    "a date": "c074323032362d31312d32325430303a30303a30305a",
    "an epoch time": "c100",
    "a decimal fraction": "c4820001",
    "a bigfloat": "c5820001",
    "a rational": "d81e820102",
    "a regular expression": "d8236161",
    "a set": "d9010281ff",
    "a self-described item": "d9d9f700",
    "an unknown tag": "da0001000000",
    "a list that contains itself": "d81c81d81d00",
    "a map that contains itself": "d81ca100d81d00",
    "a shared list": "82d81c8100d81d00",
    "a reference to nothing": "d81d00",
    "a string reference": "d90100826161d81900",
    "map keys out of order": "a201000000",
    "negative map keys out of order": "a220000000",
    "a map key twice": "a200000000",
    "a map key of text": "a1616100",
    "a map key of bytes": "a1416100",
    "a map key that is true": "a1f500",
    "a map key that is null": "a1f600",
    "a map key that is a list": "a18000",
    "a map key of two bytes": "a1181800",
    "a negative map key of two bytes": "a1381800",
    "nothing": "",
    "a byte behind the item": "0000",
    "an item behind the item": "8080",
    "a cut-off integer": "19",
    "a cut-off string": "4261",
    "a cut-off array": "8200",
    "an array that promises 2^64 items": "9bffffffffffffffff",
    "a map that promises 2^64 entries": "bbffffffffffffffff",
    "a string that promises 2^64 bytes": "5bffffffffffffffff",
    "a text that is not UTF-8": "61ff",
    "a text with a surrogate": "63eda080",
    "a text in overlong UTF-8": "62c080",
    "a reserved length": "1c",
    "a reserved length of an array": "9c",
}  # fmt: skip


@pytest.mark.parametrize("what", FOREIGN)
def test_refuses_what_the_profile_does_not_know(what):
    """Whatever is not the one encoding of an item of the profile is refused with a code of the codec."""
    with pytest.raises(Rejected) as caught:
        decode(bytes.fromhex(FOREIGN[what]))

    assert caught.value.reason in (Code.E_CBOR, Code.E_NONDET)


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("around", ["81{}", "a100{}", "8200{}", "82820000{}"])
def test_refuses_it_inside_other_items_too(what, around):
    """A refused item is refused in a list and in a map as well."""
    with pytest.raises(Rejected):
        decode(bytes.fromhex(around.format(FOREIGN[what])))


@THOROUGH
@given(items())
def test_decodes_what_it_encodes(item):
    """Every item of the profile survives its encoding."""
    assert decode(encode(item)) == item


@THOROUGH
@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_an_item_or_rejected(data):
    """Any bytes are either the one encoding of an item, or Rejected; no other error exists."""
    try:
        item = decode(data)
    except Rejected:
        return

    assert encode(item) == data


@THOROUGH
@given(items(), st.data())
def test_bytes_near_an_item_are_an_item_or_rejected(item, data):
    """Encodings with a byte changed, inserted or removed still decode to their own item or not at all."""
    raw = bytearray(encode(item))
    at = data.draw(st.integers(0, len(raw) - 1))
    match data.draw(st.sampled_from(["change", "insert", "remove"])):
        case "change":
            raw[at] = data.draw(st.integers(0, 255))
        case "insert":
            raw.insert(at, data.draw(st.integers(0, 255)))
        case "remove":
            del raw[at]
    try:
        found = decode(bytes(raw))
    except Rejected:
        return

    assert encode(found) == bytes(raw)


@THOROUGH
@given(items(), st.randoms(use_true_random=False))
def test_refuses_every_other_encoding_of_an_item(item, random):
    """A second encoding of the same item, as other programs may write it, is refused."""
    other = _lax(item, random)
    assume(other != encode(item))
    with pytest.raises(Rejected):
        decode(other)


def _lax(item, random):
    """A valid CBOR encoding that is free where RFC 8949 leaves freedom."""
    match item:
        case bool() | None:
            return encode(item)
        case int():
            return _head(0, item, random) if item >= 0 else _head(1, -1 - item, random)
        case bytes():
            return _string(2, item, random)
        case str():
            return _string(3, item.encode(), random)
        case list():
            inner = b"".join(_lax(part, random) for part in item)
            return _container(4, len(item), inner, random)
        case dict():
            entries = [_lax(key, random) + _lax(value, random) for key, value in item.items()]
            random.shuffle(entries)
            return _container(5, len(item), b"".join(entries), random)


def _head(major, number, random):
    sizes = [(24, 1, "B"), (25, 2, "H"), (26, 4, "I"), (27, 8, "Q")]
    forms = [
        bytes([major << 5 | ai]) + struct.pack(">" + form, number)
        for ai, size, form in sizes
        if number < 256**size
    ]
    return random.choice([bytes([major << 5 | number]), *forms] if number < 24 else forms)


def _string(major, raw, random):
    if random.random() < 0.2:
        return bytes([major << 5 | 31]) + _head(major, len(raw), random) + raw + b"\xff"
    return _head(major, len(raw), random) + raw


def _container(major, size, inner, random):
    if random.random() < 0.2:
        return bytes([major << 5 | 31]) + inner + b"\xff"
    return _head(major, size, random) + inner


@pytest.mark.parametrize("opening", [b"\x81", b"\xa1\x00"])
def test_depth_is_bounded_exactly(opening):
    """Nesting is accepted to the limit and refused one deeper, for lists and for maps."""
    decode(opening * MAX_DEPTH + b"\x00")
    with pytest.raises(Rejected) as caught:
        decode(opening * (MAX_DEPTH + 1) + b"\x00")

    assert caught.value.reason is Code.E_CBOR


def test_very_deep_nesting_is_refused():
    """A million open brackets end in Rejected and not in the interpreter's stack."""
    with pytest.raises(Rejected):
        decode(b"\x81" * 1_000_000)


def test_size_is_bounded_exactly():
    """The limit on the number of bytes is exact."""
    data = encode(bytes(97))

    assert decode(data, limit=99) == bytes(97)
    with pytest.raises(Rejected) as caught:
        decode(data, limit=98)
    assert caught.value.reason is Code.E_SIZE


def test_shared_references_cannot_multiply_work(monkeypatch):
    """250 bytes of references to references are refused before anything walks what they stand for."""

    def never(*_: object) -> bool:
        raise AssertionError("walked")

    def level(i: int) -> bytes:
        return b"\xd8\x1c\x8c" + (b"\xd8\x1d" + bytes([i])) * 12

    bomb = b"\x87\xd8\x1c\x8c" + bytes(12) + b"".join(level(i) for i in range(6))
    monkeypatch.setattr(canonical, "_is_plain", never)

    with pytest.raises(Rejected) as caught:
        decode(bomb)
    assert caught.value.reason is Code.E_CBOR


@pytest.mark.parametrize("tag", [0, 1, 2, 4, 5, 28, 29, 30, 35, 256, 258, 1000, 55799, 2**40])
def test_no_tag_is_given_a_meaning(tag):
    """Whatever the library would make of a tag's content, it is not asked to."""
    with pytest.raises(cbor2.CBORDecodeError) as caught:
        cbor2.loads(_head(6, tag, Random(0)) + b"\x00", semantic_decoders=canonical._NO_TAGS)

    assert str(caught.value.__cause__) == "a tag"


@pytest.mark.parametrize(
    "prefix", [b"", b"\x82\x58\xff" + bytes(255), b"\xa1\x00", b"\x82\xc0\x00", b"\xc0", b"\x82\xf5"]
)
def test_a_large_map_is_refused_before_it_is_built(prefix, monkeypatch):
    """A map with more entries than there are keys never reaches the library's dict."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    entries = b"".join(b"\x1b" + i.to_bytes(8, "big") + b"\x00" for i in range(1000))
    monkeypatch.setattr(cbor2, "loads", never)

    with pytest.raises(Rejected) as caught:
        decode(prefix + b"\xb9" + (1000).to_bytes(2, "big") + entries)
    assert caught.value.reason is Code.E_CBOR


def test_the_largest_map_is_accepted():
    """All 48 keys at once are an item, also behind many bytes."""
    item = [bytes(9000), {key: key for key in range(-24, 24)}]

    assert decode(encode(item)) == item


@QUICK
@given(st.lists(items(6), min_size=1, max_size=3))
def test_large_items_are_judged_like_small_ones(parts):
    """The look ahead at large input refuses nothing that would be accepted."""
    item = [bytes(5000), *(part for part in parts)]
    assume(canonical._is_plain(item, MAX_DEPTH))

    assert decode(encode(item)) == item


@pytest.mark.parametrize(
    "item", [1.0, 2**64, -(2**64) - 1, {24: 0}, {-25: 0}, {"a": 0}, {True: 0}, (1,), bytearray(b"a"), {1}, object(), [[1.5]], cbor2.undefined]
)  # fmt: skip
def test_does_not_encode_what_it_would_not_decode(item):
    """An item outside the profile is the caller's mistake, found before anything is written."""
    with pytest.raises(MisuseError):
        encode(item)


def test_a_subclass_is_not_its_base():
    """An enum is not an integer to the encoder, so that nobody signs a name where a number was meant."""
    with pytest.raises(MisuseError):
        encode([Code.E_CBOR])
