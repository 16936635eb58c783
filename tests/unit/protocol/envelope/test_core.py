"""The core: every field is taken in its one form, or refused with its code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from protocol.canonical import decode, encode
from protocol.codes import Handling, MessageKind, Purpose, Role
from protocol.envelope.core import (
    CORE_FIELDS,
    Addressee,
    Core,
    Limits,
    Position,
    _handling,
    encode_core,
    parse_core,
)
from protocol.envelope.header import Seal, encode_header, parse_header
from protocol.errors import Code, MisuseError, Rejected
from protocol.signatures import Suite
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed
from tests.unit.protocol.strategies import QUICK, THOROUGH, cores, items

CORE = Core(
    suite=Suite.CLASSICAL,
    kind=MessageKind.INFORMATION,
    message_id=bytes(16),
    thread=bytes(16),
    created=1_795_000_000_000,
    expires=1_795_000_600_000,
    sender="fr",
    position=Position(bytes(8), 0),
    signing_key=bytes(16),
    to=(Addressee("it", bytes(16), Role.TO), Addressee("de", bytes(16), Role.COPY)),
    handling=frozenset({Handling.H0}),
    h3=Limits(("de", "it"), 1_796_000_000_000),
    purposes=frozenset({Purpose.STRATEGIC, Purpose.OPERATIONAL}),
    review=1_800_000_000_000,
)

FIELDS = {
    "v": 0, "suite": 1, "kind": 2, "mid": 3, "thread": 4, "created": 5, "expires": 6, "sender": 7, "skey": 8,
    "to": 9, "handling": 10, "h3": 11, "class": 12, "data": 13, "purposes": 14, "urgency": 15, "ground": 16,
    "basis": 17, "exempt": 18, "refs": 19, "review": 20, "att": 21, "dir": 22, "log": 23,
}  # fmt: skip
BAD_NUMBERS = [True, False, None, -1, limits.MAX_UINT + 1, "1", b"\x01", [1], {1: 1}]
B16, B32 = bytes(16), bytes(32)

REFUSED: dict[str, tuple[list[object], Code]] = {
    "v": ([0, 2, True, None, "1", b"\x01", [1]], Code.E_VER),
    "suite": ([0, 3, *BAD_NUMBERS], Code.E_SUITE_UNKNOWN),
    "kind": ([0, 6, *BAD_NUMBERS], Code.E_TYPE),
    "mid": ([bytes(15), bytes(17), b"", "a" * 16, None, 1, []], Code.E_SCHEMA),
    "thread": ([bytes(15), bytes(17), b"", "a" * 16, None, 1, []], Code.E_SCHEMA),
    "created": (BAD_NUMBERS, Code.E_SCHEMA),
    "expires": (BAD_NUMBERS, Code.E_SCHEMA),
    "sender": (
        [
            "fr", None, [], ["fr", bytes(8)], ["fr", bytes(8), 0, 0], ["FR", bytes(8), 0], [b"fr", bytes(8), 0],
            ["fr", bytes(7), 0], ["fr", bytes(9), 0], ["fr", "a" * 8, 0], ["fr", bytes(8), -1],
            ["fr", bytes(8), True], ["fr", bytes(8), limits.MAX_UINT + 1], ["fr", bytes(8), None],
        ],
        Code.E_SCHEMA,
    ),
    "skey": ([bytes(15), bytes(17), b"", "a" * 16, None, 1], Code.E_SCHEMA),
    "to": (
        [
            ["it"], [["it", B16]], [["it", B16, 0, 0]], [["IT", B16, 0]], [["it", bytes(15), 0]], [["it", B16, 3]],
            [["it", B16, True]], [["it", B16, -1]], [["it", B16, None]], [["", B16, 0]],
        ],
        Code.E_SCHEMA,
    ),
    "handling": ([[], [4], [-1], [True], [2, 1], [1, 1], 0, None, ["0"], [[0]], {}, [0, 1, 2, 3, 4]], Code.E_SCHEMA),
    "h3": (
        [
            [], [[]], [[], None, None], [["it", "de"], None], [["de", "de"], None], [["DE"], None], ["de", None],
            [[], True], [[], -1], [[], "x"], 0, False, [None, None],
            [[f"u{i:03}" for i in range(limits.MAX_ONLY + 1)], None],
        ],
        Code.E_SCHEMA,
    ),
    "class": ([2, *BAD_NUMBERS], Code.E_SCHEMA),
    "data": ([5, *BAD_NUMBERS], Code.E_SCHEMA),
    "purposes": ([[7], [-1], [True], [2, 1], [1, 1], 1, None, list(range(9))], Code.E_SCHEMA),
    "urgency": ([0, 5, *(b for b in BAD_NUMBERS if b is not None)], Code.E_SCHEMA),
    "ground": ([0, 11, *(b for b in BAD_NUMBERS if b is not None)], Code.E_SCHEMA),
    "basis": ([0, 11, *(b for b in BAD_NUMBERS if b is not None)], Code.E_SCHEMA),
    "exempt": ([0, 4, *(b for b in BAD_NUMBERS if b is not None)], Code.E_SCHEMA),
    "refs": (
        [None, {}, [[1]], [[0, B32]], [[5, B32]], [[1, bytes(31)]], [[True, B32]], [[1, B32, 0]], [1], [[1, B32]] * 9],
        Code.E_SCHEMA,
    ),
    "review": (BAD_NUMBERS, Code.E_SCHEMA),
    "att": (
        [None, {}, [[B16, 1]], [[bytes(15), 1, B32]], [[B16, -1, B32]], [[B16, True, B32]], [[B16, 1, bytes(31)]],
         [[B16, 1, B32]] * 65],
        Code.E_SCHEMA,
    ),
    "dir": ([None, [], [0], [0, B32, 0], [-1, B32], [True, B32], [0, bytes(31)], [0, None], [0, "a" * 32]], Code.E_SCHEMA),
    "log": ([None, [], [0], [0, B32, 0], [-1, B32], [True, B32], [0, bytes(31)], [0, None], [0, "a" * 32]], Code.E_SCHEMA),
}  # fmt: skip


@QUICK
@given(cores)
def test_every_core_survives_its_encoding(core):
    """What an honest program says comes out as it went in, and has one encoding."""
    raw = encode_core(core)

    assert parse_core(raw) == core
    assert encode_core(parse_core(raw)) == raw


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [(field, value, code) for field, (values, code) in REFUSED.items() for value in values],
)
def test_a_wrong_field_is_refused_with_its_code(field, value, code):
    """Each field refuses the wrong type, size, range, order, and true where a number belongs."""
    row = decode(encode_core(CORE))
    row[FIELDS[field]] = value
    with pytest.raises(Rejected) as caught:
        parse_core(encode(row))

    assert caught.value.reason is code


def no_restriction_beside_a_restriction(codes: list[int]) -> None:
    row = decode(encode_core(CORE))
    row[FIELDS["handling"]] = codes
    with pytest.raises(Rejected) as caught:
        parse_core(encode(row))
    assert caught.value.reason is Code.E_HANDLING_INVALID


@pytest.mark.parametrize("codes", [[0, 1], [0, 2], [0, 3], [0, 1, 2, 3]])
def test_h0_stands_alone(codes: list[int]) -> None:
    """It says that nothing restricts beyond the law. Found as a header with H0+H2 that everybody took."""
    no_restriction_beside_a_restriction(codes)


async def test_asking_whether_h0_stands_alone_is_needed() -> None:
    mutant = Mutant(
        _handling,
        rewritten("handling(set_of(Handling, value, at_least=1))", "set_of(Handling, value, at_least=1)"),
    )
    await assert_missed(mutant, no_restriction_beside_a_restriction, ([0, 2],))


def test_every_field_is_tried():
    """The table above has each of the core's fields."""
    assert list(REFUSED) == list(FIELDS) and len(FIELDS) == CORE_FIELDS


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ([], Code.E_RCPT_COUNT),
        (None, Code.E_RCPT_COUNT),
        ({}, Code.E_RCPT_COUNT),
        ([[f"u{i}", B16, 0] for i in range(65)], Code.E_RCPT_COUNT),
        ([["it", B16, 0], ["it", bytes([1]) * 16, 1]], Code.E_RCPT_DUP),
    ],
)
def test_there_are_1_to_64_addressees_each_once(to, code):
    """The number of addressees is bounded, and nobody is addressed twice, not even in two roles."""
    row = decode(encode_core(CORE))
    row[FIELDS["to"]] = to
    with pytest.raises(Rejected) as caught:
        parse_core(encode(row))

    assert caught.value.reason is code


def test_the_largest_core_is_accepted():
    """All lists at their limits are a header still, and it fits."""
    row = decode(encode_core(CORE))
    row[FIELDS["to"]] = [[f"{'u' * 60}{i:04}", B16, 0] for i in range(64)]
    row[FIELDS["h3"]] = [[f"{'u' * 60}{i:04}" for i in range(64)], limits.MAX_UINT]
    row[FIELDS["refs"]] = [[1, B32]] * 8
    row[FIELDS["att"]] = [[B16, limits.MAX_UINT, B32]] * 64
    row[FIELDS["purposes"]] = list(range(7))
    row[FIELDS["handling"]] = [1, 2, 3]
    core = encode(row)
    seal = Seal(B32, limits.MAX_CIPHERTEXT, bytes(12), B32, (B32,) * 64)

    assert parse_header(encode_header(core, seal)).seal == seal


@pytest.mark.parametrize("row", [[], [1], [1] * 23, [1] * 25, {}, None, 1, b"", "core"])
def test_a_core_has_24_fields(row):
    """A core with fields missing or added is refused: nothing is optional by being absent."""
    with pytest.raises(Rejected) as caught:
        parse_core(encode(row))

    assert caught.value.reason in (Code.E_VER, Code.E_SCHEMA)


def test_a_field_too_many_is_refused():
    """A valid core with one more field is no core."""
    with pytest.raises(Rejected) as caught:
        parse_core(encode([*decode(encode_core(CORE)), None]))

    assert caught.value.reason is Code.E_SCHEMA


@THOROUGH
@given(st.integers(0, CORE_FIELDS - 1), items(8))
def test_any_item_in_any_field_is_a_core_or_rejected(field, item):
    """Whatever stands in a field: either the core means just that, or it is Rejected."""
    row = decode(encode_core(CORE))
    row[field] = item
    raw = encode(row) if _fits(row) else None
    if raw is None:
        return
    try:
        core = parse_core(raw)
    except Rejected:
        return

    assert encode_core(core) == raw


def _fits(row):
    try:
        encode(row)
    except MisuseError:
        return False
    return True


@QUICK
@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_no_core(data):
    """Random bytes say so in the one family of errors."""
    with pytest.raises(Rejected):
        parse_core(data)
