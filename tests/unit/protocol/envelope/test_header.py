"""The header: core and seal, each in its one form, or refused with its code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import encode
from protocol.envelope.core import encode_core
from protocol.envelope.header import Seal, encode_header, parse_header, parse_seal
from protocol.errors import Code, Rejected
from tests.unit.protocol.envelope.test_core import B32, CORE
from tests.unit.protocol.strategies import QUICK, octets, uints


@QUICK
@given(octets(32), uints, octets(12), octets(32), st.lists(octets(32), min_size=1, max_size=5))
def test_every_seal_survives_its_encoding(ct_hash, length, iv, commitment, hashes):
    """Core bytes and seal come out of a header as they went in."""
    seal, core = Seal(ct_hash, length, iv, commitment, tuple(hashes)), encode_core(CORE)
    header = parse_header(encode_header(core, seal))

    assert (header.seal, header.core, header.core_bytes) == (seal, CORE, core)


SEAL = [B32, 64, bytes(12), B32, [B32]]


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, bytes(31)), (0, None), (1, -1), (1, True), (1, None), (2, bytes(11)), (2, bytes(13)), (3, bytes(33)),
        (3, "a" * 32), (4, []), (4, [B32] * 65), (4, [bytes(31)]), (4, None), (4, [None]), (4, [[B32]]),
    ],
)  # fmt: skip
def test_a_wrong_seal_is_refused(at, value):
    """Hashes have 32 bytes, the initialisation vector 12, and there is a wrap hash for 1 to 64 addressees."""
    row = list(SEAL)
    row[at] = value
    with pytest.raises(Rejected) as caught:
        parse_seal(encode(row))

    assert caught.value.reason is Code.E_SCHEMA


@pytest.mark.parametrize("payload", [[], [b""], [b"", b"", b""], ["a", b""], None, {}, [[], []], b""])
def test_a_header_is_core_and_seal(payload):
    """Anything but two byte strings is refused."""
    with pytest.raises(Rejected):
        parse_header(encode(payload))


@QUICK
@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_no_header(data):
    """Random bytes say so in the one family of errors."""
    for parse in (parse_seal, parse_header):
        with pytest.raises(Rejected):
            parse(data)
