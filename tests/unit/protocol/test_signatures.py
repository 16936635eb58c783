"""Signatures: every one of the suite, for one use only, under the key that was expected."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.soft_keys import SoftIdentity
from protocol.canonical import decode, encode
from protocol.errors import Code, Rejected
from protocol.signatures import BATCH, HEADER, STATEMENT, Context, Suite, parse_signed, sign, verify
from tests.unit.protocol.strategies import QUICK

_entropy = random.Random(7).randbytes
FR, IT = (SoftIdentity.generate(name, _entropy) for name in ("fr", "it"))
PAYLOAD = b"what was said"
SUITES = pytest.mark.parametrize("suite", Suite)


def signed(suite=Suite.HYBRID, payload=PAYLOAD, signer=FR, context=HEADER):
    """A signed structure as an item that can be broken."""
    return decode(sign(payload, suite=suite, signer=signer, context=context))


def check(item, public=FR.public, context=HEADER):
    """Parse and verify, as every reader does."""
    parsed = parse_signed(encode(item))
    verify(parsed, public, context=context)
    return parsed


def refused(item, **kwargs):
    """The code with which it is refused."""
    with pytest.raises(Rejected) as caught:
        check(item, **kwargs)
    return caught.value.reason


@SUITES
@QUICK
@given(st.binary(max_size=100))
def test_what_was_signed_verifies(suite, payload):
    """A signature verifies under the signer's key, and the payload comes out as it went in."""
    parsed = check(signed(suite, payload))

    assert (parsed.payload, parsed.suite, parsed.kid) == (payload, suite, FR.public.kid)


@SUITES
@pytest.mark.parametrize("context", [STATEMENT, BATCH, Context(b""), Context(b"contrada/header/2")])
def test_a_signature_is_for_one_use(suite, context):
    """A header's signature never passes for a statement's or a batch's."""
    assert refused(signed(suite), context=context) is Code.E_SIG_CLASSICAL


@SUITES
def test_another_key_is_refused_by_name(suite):
    """A structure that names another key is refused before its signature is looked at."""
    assert refused(signed(suite, signer=IT)) is Code.E_KEY_UNKNOWN


@SUITES
def test_a_signature_under_a_borrowed_name_is_refused(suite):
    """Somebody who writes another's key id over an own signature fails."""
    item, own = signed(suite, signer=IT), signed(suite)
    if suite is Suite.CLASSICAL:
        item[0] = own[0]
    else:
        for mine, theirs in zip(item[3], own[3], strict=True):
            mine[0] = theirs[0]

    assert refused(item) is Code.E_SIG_CLASSICAL


def test_a_post_quantum_half_cannot_be_cut_off():
    """A suite-2 signature without its second half is no suite-1 signature: they cover different bytes."""
    item = signed(Suite.HYBRID)
    prot, _, signature = item[3][0]

    assert refused([prot, {}, item[2], signature]) is Code.E_SIG_CLASSICAL
    assert refused([b"", {}, item[2], [item[3][0]]]) is Code.E_SCHEMA


def test_a_suite_1_signature_cannot_be_dressed_up():
    """An Ed25519 signature of suite 1 is no half of suite 2."""
    one, two = signed(Suite.CLASSICAL), signed(Suite.HYBRID)
    two[3][0][2] = one[3]

    assert refused(two) is Code.E_SIG_CLASSICAL


def test_both_signatures_must_hold():
    """One good signature of the two is none."""
    for at, code in ((0, Code.E_SIG_CLASSICAL), (1, Code.E_SIG_PQ)):
        item = signed()
        item[3][at][2] = bytes(len(item[3][at][2]))
        assert refused(item) is code


def test_halves_of_two_messages_do_not_fit():
    """The post-quantum signature of another payload is refused."""
    item, other = signed(), signed(payload=b"something else")
    item[3][1] = other[3][1]

    assert refused(item) is Code.E_SIG_PQ


def test_the_order_of_signatures_is_fixed():
    """Swapped signatures are refused by their algorithms."""
    item = signed()
    item[3].reverse()

    assert refused(item) is Code.E_ALG_MIX


@SUITES
def test_another_payload_is_refused(suite):
    """A signature does not move to other bytes."""
    item = signed(suite)
    item[2] += b"!"

    assert refused(item) is Code.E_SIG_CLASSICAL


def test_a_post_quantum_key_of_another_is_refused():
    """Both halves are of one identity: a mixed pair is refused by name."""
    item = signed()
    item[3][1] = signed(signer=IT)[3][1]

    assert refused(item) is Code.E_KEY_UNKNOWN


def _broken():
    one, two = signed(Suite.CLASSICAL), signed(Suite.HYBRID)
    ed, ml = two[3]
    kid = FR.public.kid
    yield "unprotected 1", [one[0], {1: 0}, *one[2:]], Code.E_UNPROTECTED
    yield "unprotected 2", [two[0], {1: 0}, *two[2:]], Code.E_UNPROTECTED
    yield "unprotected ed", [*two[:3], [[ed[0], {1: 0}, ed[2]], ml]], Code.E_UNPROTECTED
    yield "unprotected ml", [*two[:3], [ed, [ml[0], {1: 0}, ml[2]]]], Code.E_UNPROTECTED
    yield "protected of the whole", [encode({}), *two[1:]], Code.E_SCHEMA
    yield "three signatures", [*two[:3], [ed, ml, ml]], Code.E_SCHEMA
    yield "no signature", [*two[:3], []], Code.E_SCHEMA
    yield "short Ed25519", [*one[:3], one[3][:-1]], Code.E_SCHEMA
    yield "long Ed25519", [*one[:3], one[3] + b"\x00"], Code.E_SCHEMA
    yield "short ML-DSA", [*two[:3], [ed, [ml[0], {}, ml[2][:-1]]]], Code.E_SCHEMA
    yield "five fields", [*one, 0], Code.E_SCHEMA
    yield "three fields", one[:3], Code.E_SCHEMA
    yield "not a list", {}, Code.E_SCHEMA
    yield "payload of text", [one[0], {}, "text", one[3]], Code.E_SCHEMA
    yield "another algorithm", [encode({1: -8, 4: kid}), *one[1:]], Code.E_ALG_MIX
    yield "algorithm true", [encode({1: True, 4: kid}), *one[1:]], Code.E_ALG_MIX
    yield "algorithm of text", [encode({1: "EdDSA", 4: kid}), *one[1:]], Code.E_SCHEMA
    yield "no algorithm", [encode({4: kid}), *one[1:]], Code.E_SCHEMA
    yield "no key id", [encode({1: -19}), *one[1:]], Code.E_SCHEMA
    yield "short key id", [encode({1: -19, 4: kid[:15]}), *one[1:]], Code.E_SCHEMA
    yield "one more entry", [encode({1: -19, 4: kid, 5: 0}), *one[1:]], Code.E_SCHEMA
    yield "protected not a map", [encode([1, -19]), *one[1:]], Code.E_SCHEMA
    yield "protected not CBOR", [b"\xff", *one[1:]], Code.E_CBOR
    yield "protected too large", [encode({1: -19, 4: bytes(80)}), *one[1:]], Code.E_SIZE


@pytest.mark.parametrize(
    ("item", "code"), [pytest.param(item, code, id=name) for name, item, code in _broken()]
)
def test_a_structure_in_another_form_is_refused(item, code):
    """There is one form of each suite; what could be added or left out outside the signature is refused."""
    assert refused(item) is code


@SUITES
def test_every_flipped_bit_of_a_small_structure_is_refused(suite):
    """Of a whole signed structure, no byte can be changed in any bit without refusal."""
    raw = sign(b"x", suite=suite, signer=FR, context=HEADER)
    # Of the long ML-DSA signature a sample: one verification each.
    for at in range(len(raw)):
        for mask in (0x01, 0x80) if at < 250 or at % 50 == 0 else ():
            altered = raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :]
            with pytest.raises(Rejected):
                verify(parse_signed(altered), FR.public, context=HEADER)
