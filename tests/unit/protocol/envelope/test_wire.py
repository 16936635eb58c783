"""The envelope: two layouts, checked in form; the router only takes apart and never adds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from protocol.canonical import decode, encode
from protocol.envelope.wire import (
    encode_delivery,
    encode_wrap,
    parse_delivery,
    parse_submission,
    parse_wrap,
    wrap_protected,
)
from protocol.errors import Code, Rejected
from protocol.identifiers import digest
from tests.sim.world import World
from tests.unit.protocol.strategies import QUICK, items, octets


@pytest.fixture(scope="module")
def world() -> World:
    """An exchange with one delivered message."""
    made = World()
    assert made.send("fr", ["it", "de"]) == []
    return made


def code(parse, item):
    """The code with which an item is refused."""
    with pytest.raises(Rejected) as caught:
        parse(encode(item))
    return caught.value.reason


def test_a_submission_comes_out_as_it_went_in(world):
    """Header, ciphertext and wraps are those that were sent, and the subject names the signed header."""
    raw = world.outboxes["fr"][0]
    submission = parse_submission(raw)

    assert decode(raw) == [1, submission.signed_header, submission.ciphertext, list(submission.wraps)]
    assert submission.header_digest == digest(submission.signed_header)


def test_each_addressee_gets_its_own_wrap_and_no_other(world):
    """A delivery holds one wrap, the addressee's."""
    submission = parse_submission(world.outboxes["fr"][0])

    for index, unit in enumerate(("it", "de")):
        raw = world.inboxes[unit][0]
        delivery = parse_delivery(raw)
        assert (delivery.index, delivery.wrap) == (index, submission.wraps[index])
        assert submission.wraps[1 - index] not in raw
        assert raw == encode_delivery(submission, index, delivery.receipt)
        assert delivery.header_digest == submission.header_digest


@pytest.mark.parametrize(
    ("at", "value", "expected"),
    [
        (0, 0, Code.E_VER), (0, 2, Code.E_VER), (0, True, Code.E_SCHEMA), (0, None, Code.E_SCHEMA),
        (1, "x", Code.E_SCHEMA), (1, b"", Code.E_CBOR), (2, bytes(63), Code.E_SIZE), (2, "x" * 64, Code.E_SCHEMA),
        (2, bytes(limits.MAX_CIPHERTEXT + 1), Code.E_SIZE), (3, None, Code.E_SCHEMA), (3, [None], Code.E_SCHEMA),
        (3, ["x"], Code.E_SCHEMA), (3, {}, Code.E_SCHEMA), (3, b"", Code.E_SCHEMA),
    ],
)  # fmt: skip
def test_another_submission_is_refused(world, at, value, expected):
    """A field of another type, size or version is refused with its code."""
    row = decode(world.outboxes["fr"][0])
    row[at] = value

    assert code(parse_submission, row) is expected


@pytest.mark.parametrize(
    ("at", "value", "expected"),
    [
        (0, 2, Code.E_VER), (0, True, Code.E_SCHEMA), (3, -1, Code.E_SCHEMA), (3, -2, Code.E_SCHEMA),
        (3, 2, Code.E_SCHEMA), (3, True, Code.E_SCHEMA), (3, False, Code.E_SCHEMA), (3, None, Code.E_SCHEMA),
        (3, 2**63, Code.E_SCHEMA), (4, None, Code.E_SCHEMA), (5, None, Code.E_SCHEMA), (2, b"", Code.E_SIZE),
    ],
)  # fmt: skip
def test_another_delivery_is_refused(world, at, value, expected):
    """A wrong index, a negative one above all, and every field of another type is refused."""
    row = decode(world.inboxes["it"][0])
    row[at] = value

    assert code(parse_delivery, row) is expected


def test_a_submission_is_no_delivery(world):
    """The two layouts do not pass for each other, and neither is a list of another length."""
    submission, delivery = decode(world.outboxes["fr"][0]), decode(world.inboxes["it"][0])

    assert code(parse_delivery, submission) is code(parse_submission, delivery) is Code.E_SCHEMA
    assert code(parse_submission, [*submission, 0]) is code(parse_submission, submission[:3]) is Code.E_SCHEMA
    assert code(parse_delivery, [*delivery, 0]) is code(parse_delivery, delivery[:5]) is Code.E_SCHEMA
    for item in ([], {}, None, 1, b"", "x"):
        assert code(parse_submission, item) is code(parse_delivery, item) is Code.E_SCHEMA


@QUICK
@given(octets(16), octets(1120), octets(48))
def test_a_wrap_survives_its_encoding(kid, enc, wrapped):
    """Key id, encapsulation and wrapped key come out as they went in."""
    raw = encode_wrap(kid, enc, wrapped)
    wrap = parse_wrap(raw)

    assert (wrap.kid, wrap.enc, wrap.wrapped, wrap.raw) == (kid, enc, wrapped, raw)


KID, ENC, KEY = bytes(16), bytes(1120), bytes(48)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ([wrap_protected(KID), {-4: ENC[1:]}, KEY], Code.E_WRAP_LEN),
        ([wrap_protected(KID), {-4: ENC + b"\x00"}, KEY], Code.E_WRAP_LEN),
        ([wrap_protected(KID), {-4: ENC}, KEY[1:]], Code.E_WRAP_LEN),
        ([wrap_protected(KID), {-4: ENC}, KEY + b"\x00"], Code.E_WRAP_LEN),
        ([wrap_protected(KID), {}, KEY], Code.E_UNPROTECTED),
        ([wrap_protected(KID), {-4: ENC, 1: 0}, KEY], Code.E_UNPROTECTED),
        ([wrap_protected(KID), {-5: ENC}, KEY], Code.E_UNPROTECTED),
        ([wrap_protected(KID), {-4: "x"}, KEY], Code.E_UNPROTECTED),
        ([encode({1: 56, 4: KID}), {-4: ENC}, KEY], Code.E_ALG_MIX),
        ([encode({1: 3, 4: KID}), {-4: ENC}, KEY], Code.E_ALG_MIX),
        ([encode({1: True, 4: KID}), {-4: ENC}, KEY], Code.E_ALG_MIX),
        ([encode({1: 57, 4: KID[1:]}), {-4: ENC}, KEY], Code.E_SCHEMA),
        ([encode({1: 57}), {-4: ENC}, KEY], Code.E_SCHEMA),
        ([encode({1: 57, 4: KID, 5: 0}), {-4: ENC}, KEY], Code.E_SCHEMA),
        ([b"", {-4: ENC}, KEY], Code.E_CBOR),
        ([wrap_protected(KID), {-4: ENC}], Code.E_SCHEMA),
        ([wrap_protected(KID), {-4: ENC}, KEY, 0], Code.E_SCHEMA),
        ([wrap_protected(KID), {-4: ENC}, [KEY]], Code.E_SCHEMA),
        ([bytes(5000), {-4: ENC}, KEY], Code.E_SIZE),
    ],
)
def test_another_wrap_is_refused(item, expected):
    """Sizes are those of the one algorithm, and no wrap is weaker than the others."""
    assert code(parse_wrap, item) is expected


@QUICK
@given(st.integers(0, 5), items(8))
def test_any_item_in_any_field_is_an_envelope_or_rejected(world, at, item):
    """Whatever stands in a field: it is parsed, or Rejected; no other error."""
    for raw, parse in ((world.outboxes["fr"][0], parse_submission), (world.inboxes["it"][0], parse_delivery)):
        row = decode(raw)
        row[at % len(row)] = item
        try:
            parse(_encoded(row))
        except Rejected:
            continue


def _encoded(row):
    # An item nested to the limit becomes too deep inside the list; any bytes will do instead.
    return encode(row) if all(type(part) is not list and type(part) is not dict for part in row) else b"\x80"


@QUICK
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_rejected(data):
    """Random bytes are no envelope, and say so in the one family of errors."""
    for parse in (parse_submission, parse_delivery, parse_wrap):
        with pytest.raises(Rejected):
            parse(data)
