"""Decisions: what the router signed can be proved, alone and whole, and nothing else passes for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.soft_keys import SoftIdentity
from keys.statement_types import Revocation, StatementType
from protocol.canonical import decode, encode
from protocol.errors import Code, Rejected
from protocol.limits import MAX_REASONS, MAX_UINT
from protocol.signatures import BATCH, HEADER, STATEMENT, Suite, sign
from protocol.trail import signed_batches
from protocol.trail.batches import (
    RECORD_SALT,
    SUMMARY_FIELDS,
    OutboxPlace,
    Record,
    RecordType,
    encode_record,
    entry_of,
    parse_record,
    sign_batch,
    summarize,
    verify_batch,
    verify_decisions,
    verify_receipt,
    verify_signed_receipt,
)
from protocol.trail.ledger_leaves import leaves_of_decisions
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import dropped, forced, unchecked
from tests.sim.world import NOON, World
from tests.unit.protocol.strategies import QUICK, items, records


@pytest.fixture(scope="module")
def world() -> World:
    """An exchange with one batch of three decisions: two accepted, one refused."""
    made = World()
    made.submit("fr", made.compose("fr", ["it"]), made.compose("fr", ["de"]), made.compose("fr", ["nz"]))
    made.route("fr")
    return made


def receipt(world: World) -> bytes:
    """The receipt on a delivery."""
    return decode(world.inboxes["it"][0])[5]


def refused(call, *args, **kwargs) -> Code:
    """The code with which it is refused."""
    with pytest.raises(Rejected) as caught:
        call(*args, **kwargs)
    return caught.value.reason


@settings(deadline=None, max_examples=40)
@given(records)
def test_every_record_survives_its_encoding(record):
    """A record comes out as it went in, and has one encoding."""
    raw = encode_record(record)

    assert parse_record(raw) == record
    assert encode_record(parse_record(raw)) == raw


def test_a_summary_has_a_name_for_each_field(world):
    """The names of the summary's fields are as many as the fields."""
    assert len(summarize(world.core("fr", ["it"]))) == len(SUMMARY_FIELDS)


def test_receipts_and_decisions_tell_the_same(world):
    """Each delivery's receipt is one of the decisions that the sender got."""
    decisions = world.decisions("fr")

    assert [record.type for record in decisions.records] == [1, 1, 2]
    assert verify_receipt(receipt(world), parties=world.directory) == decisions.records[0]
    assert verify_receipt(decode(world.inboxes["de"][0])[5], parties=world.directory) == decisions.records[1]
    assert decisions.batch.count == 3


@settings(deadline=None, max_examples=15)
@given(st.lists(records, min_size=1, max_size=6))
def test_every_receipt_of_every_batch_verifies(world, batch):
    """Batches of any size prove each of their records."""
    batch = [replace(record, t=NOON) for record in batch]
    made = sign_batch(batch, router="router", now=NOON, signer=world.router, entropy=world.entropy)

    assert verify_decisions(made.decisions, parties=world.directory).records == tuple(batch)
    for record, proof in zip(batch, made.receipts, strict=True):
        assert verify_receipt(proof, parties=world.directory) == record


@pytest.mark.parametrize("which", ["receipt", "decisions"])
def test_every_altered_byte_is_refused(world, which):
    """No byte of a receipt or of decisions can be changed without refusal; not even to true where 1 was, or false where 0 was."""
    raw, read = (
        (receipt(world), verify_receipt)
        if which == "receipt"
        else (world.receipts["fr"][0], verify_decisions)
    )
    for at in range(len(raw)):
        for mask in (0x01, 0x80, raw[at] ^ 0xF5, raw[at] ^ 0xF4):
            altered = raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :]
            if altered != raw:
                refused(read, altered, parties=world.directory)


def test_a_part_of_the_decisions_is_refused(world):
    """Leaving a decision out, doubling it, or changing the order is refused."""
    version, rows, batch = decode(world.receipts["fr"][0])
    for other in (rows[:-1], rows[1:], [*rows, rows[0]], rows[::-1], []):
        assert (
            refused(verify_decisions, encode([version, other, batch]), parties=world.directory)
            is Code.E_RECEIPT
        )


def test_a_receipt_proves_its_own_record_only(world):
    """Another record, index or path under the same batch is refused."""
    version, _, salt, index, path, batch = decode(receipt(world))
    other = decode(decode(world.inboxes["de"][0])[5])
    for item in (
        [version, other[1], salt, index, path, batch],
        [version, other[1], other[2], index, path, batch],
        [version, other[1], other[2], other[3], path, batch],
        [version, decode(receipt(world))[1], salt, other[3], other[4], batch],
        [version, decode(receipt(world))[1], salt, index, path[:-1], batch],
        [version, decode(receipt(world))[1], salt, index, [*path, bytes(32)], batch],
    ):
        assert refused(verify_receipt, encode(item), parties=world.directory) is Code.E_RECEIPT


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize(
    "value", [True, False, None, -1, "x", b"", [], {}, 2**64 - 1, [None], [bytes(31)], [bytes(32)] * 33]
)
def test_another_receipt_is_refused(world, at, value):
    """A receipt with a field of another type or size is refused; true is not 1, and false is not 0."""
    row = decode(receipt(world))
    row[at] = value

    refused(verify_receipt, encode(row), parties=world.directory)


@QUICK
@given(st.integers(0, 8), items(5))
def test_any_item_in_any_field_of_a_record_is_a_record_or_rejected(world, at, item):
    """Whatever stands in a field: the record means just that, or it is Rejected."""
    row = decode(encode_record(world.decisions("fr").records[0]))
    row[at] = item
    try:
        raw = encode(row)
    except Exception:
        return
    try:
        record = parse_record(raw)
    except Rejected:
        return
    assert encode_record(record) == raw


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, True), (0, 2), (1, True), (1, 3), (1, 0), (2, True), (2, -1), (2, MAX_UINT + 1), (3, ["fr", 0]),
        (3, ["fr", True, 0]), (3, ["fr", 0, False]), (3, ["fr", -1, 0]), (3, ["FR", 0, 0]), (4, bytes(31)), (5, b""),
        (6, []), (6, [0] * 20), (6, [0] * 19), (6, 1), (7, [["E_NEW", None]]), (7, [["E_CBOR", "FR"]]), (7, [["E_CBOR"]]),
        (7, [["E_CBOR", None]] * (MAX_REASONS + 1)), (7, [[1, None]]), (8, True), (8, -1), (8, None),
    ],
)  # fmt: skip
def test_another_record_is_refused(world, at, value):
    """A record with a field out of its type, range or closed list is refused."""
    row = decode(encode_record(world.decisions("fr").records[0]))
    row[at] = value

    assert refused(parse_record, encode(row)) in (Code.E_SCHEMA, Code.E_VER)


@pytest.mark.parametrize("at", range(len(SUMMARY_FIELDS)))
@pytest.mark.parametrize("value", [True, -1, 99, "x", b"x", [[]], {}, [["fr"]], [None]])
def test_another_summary_is_refused(world, at, value):
    """Each field of a summary is checked as the field of a header: no tool that reads it later can stumble."""
    row = decode(encode_record(world.decisions("fr").records[0]))
    # Of the numbers a summary may hold, 99 is one: a sequence number, or a time.
    allowed = value == 99 and SUMMARY_FIELDS[at] in ("seq", "created", "expires", "review")
    row[6][at] = value
    if allowed:
        assert parse_record(encode(row)).header[at] == 99
    else:
        assert refused(parse_record, encode(row)) in (Code.E_SCHEMA, Code.E_TYPE, Code.E_RCPT_COUNT)


def batch(
    world: World, payload: object = None, *, signer=None, suite=Suite.CLASSICAL, context=BATCH
) -> bytes:
    """A signed batch of the given payload."""
    item = [1, "router", NOON, 1, bytes(32)] if payload is None else payload
    return sign(encode(item), suite=suite, signer=signer or world.router, context=context)


def test_only_a_router_signs_batches(world):
    """A batch signed by a unit, a registrar or a stranger is refused."""
    stranger = SoftIdentity.generate("router", world.entropy)
    for signer in (stranger, world.registrar, world.root_key, world.parties["fr"].identity):
        assert refused(verify_batch, batch(world, signer=signer), parties=world.directory) is Code.E_RECEIPT


@pytest.mark.parametrize("context", [HEADER, STATEMENT])
def test_another_signature_of_the_router_is_no_batch(world, context):
    """What a router signed for another use is no batch."""
    assert (
        refused(verify_batch, batch(world, context=context), parties=world.directory) is Code.E_SIG_CLASSICAL
    )


@pytest.mark.parametrize(
    "payload",
    [
        [True, "router", NOON, 1, bytes(32)], [2, "router", NOON, 1, bytes(32)], [1, b"router", NOON, 1, bytes(32)],
        [1, "router", True, 1, bytes(32)], [1, "router", -1, 1, bytes(32)], [1, "router", NOON, True, bytes(32)],
        [1, "router", NOON, 0, bytes(32)], [1, "router", NOON, -1, bytes(32)], [1, "router", NOON, 1, bytes(31)],
        [1, "router", NOON, 1], [1, "router", NOON, 1, bytes(32), 0], {}, [1, "r" * 300, NOON, 1, bytes(32)],
    ],
)  # fmt: skip
def test_another_batch_is_refused(world, payload):
    """A batch in another form is refused, even signed by a router."""
    refused(verify_batch, batch(world, payload), parties=world.directory)


def test_an_empty_batch_is_refused(world):
    """A router signs no batch without a decision, so nobody takes one."""
    empty = encode([1, [], batch(world, [1, "router", NOON, 0, bytes(32)])])

    assert refused(verify_decisions, empty, parties=world.directory) is Code.E_SCHEMA


@pytest.mark.parametrize("off", [-400, 400])
def test_a_batch_outside_the_keys_validity_is_refused(world, off):
    """A router's key signs within its validity only."""
    item = [1, "router", NOON + off * 86_400_000, 1, bytes(32)]

    assert refused(verify_batch, batch(world, item), parties=world.directory) is Code.E_RECEIPT


@pytest.mark.parametrize(("since", "holds"), [(None, False), (-1, False), (0, False)])
def test_a_revoked_router_is_not_believed(since, holds):
    """After a router's key is revoked, or from its compromise on, its decisions are refused, seen before or not."""
    world = World()
    world.send("fr", ["it"])
    assert world.open("it").content.parts
    compromised = None if since is None else world.now + since
    world.publish(
        Revocation("router", world.router.public.kid, reason="stolen", compromised_since=compromised),
        by=world.registrar,
    )

    assert refused(world.open, "it") is Code.E_RECEIPT
    assert refused(world.decisions, "fr") is Code.E_RECEIPT


def test_what_a_router_decided_before_its_compromise_stands():
    """A compromise known to begin later leaves earlier decisions valid."""
    world = World()
    world.send("fr", ["it"])
    world.now += 10
    world.publish(
        Revocation("router", world.router.public.kid, reason="stolen", compromised_since=world.now),
        by=world.registrar,
    )

    assert world.open("it").content.parts


def test_a_new_router_key_takes_over():
    """After a rotation both routers' decisions verify."""
    world = World()
    world.send("fr", ["it"])
    world.router = SoftIdentity.generate("router", world.entropy)
    world.appoint(StatementType.ROUTER, world.router, by=world.registrar)
    world.send("fr", ["it"])

    assert all(world.open("it", raw).content.parts for raw in world.inboxes["it"])


def test_a_leaf_hides_its_record():
    """Without the salt nobody can test a guess against a log entry, so that a deleted record is gone."""
    record = Record(RecordType.ACCEPTED, NOON, OutboxPlace("fr", 0, 0), bytes(32), (), 0)
    raw = encode_record(record)
    one, two = (entry_of(record.type, record.t, bytes([n]) * RECORD_SALT, raw) for n in (1, 2))

    assert one != two
    assert bytes(32) not in one


def test_every_record_has_a_salt_of_its_own(world):
    """Two equal records of one batch have two leaves."""
    record = replace(world.decisions("fr").records[0])
    made = sign_batch([record, record], router="router", now=NOON, signer=world.router, entropy=world.entropy)
    shown = verify_decisions(made.decisions, parties=world.directory)

    assert len(set(shown.entries)) == 2


@pytest.mark.parametrize("t", [0, 5, NOON - 1, NOON + 1, 253_402_300_800_000])
def test_a_decision_has_the_time_that_was_signed(world, t):
    """A router cannot date one decision otherwise than its batch: not to the year 10000, nor before its key was stolen."""
    good = world.decisions("fr").records[0]
    for batch in ([replace(good, t=t)], [replace(good, t=NOON), replace(good, t=t)]):
        made = sign_batch(batch, router="router", now=NOON, signer=world.router, entropy=world.entropy)
        assert refused(verify_decisions, made.decisions, parties=world.directory) is Code.E_RECEIPT
        assert refused(verify_receipt, made.receipts[-1], parties=world.directory) is Code.E_RECEIPT
        assert (
            refused(leaves_of_decisions, made.decisions, first=0, parties=world.directory) is Code.E_RECEIPT
        )


def test_a_router_signs_under_no_other_routers_name():
    """A name of its own choice is one of its processes; the name of another router that was appointed is refused."""
    world = World()
    world.send("fr", ["it"])
    record = world.decisions("fr").records[0]
    other = SoftIdentity.generate("router-2", world.entropy)
    world.appoint(StatementType.ROUTER, other, by=world.registrar)
    for name, signer, good in (
        ("router", world.router, True),
        ("router-2", other, True),
        ("process-7", other, True),
        ("router", other, False),
        ("router-2", world.router, False),
    ):
        made = sign_batch(
            [replace(record, t=NOON)], router=name, now=NOON, signer=signer, entropy=world.entropy
        )
        if good:
            assert verify_decisions(made.decisions, parties=world.directory).batch.router == name
        else:
            assert refused(verify_decisions, made.decisions, parties=world.directory) is Code.E_RECEIPT
            assert refused(verify_receipt, made.receipts[0], parties=world.directory) is Code.E_RECEIPT


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (
            Mutant(signed_batches.check_time, dropped(Code.E_RECEIPT)),
            lambda w: test_a_decision_has_the_time_that_was_signed(w, 5),
        ),
        (
            Mutant(signed_batches.check_batch, dropped("check_time")),
            lambda w: test_a_decision_has_the_time_that_was_signed(w, 5),
        ),
        (
            Mutant(verify_signed_receipt, dropped("check_time")),
            lambda w: test_a_decision_has_the_time_that_was_signed(w, 5),
        ),
        (
            Mutant(verify_batch, unchecked("is_router")),
            lambda _: test_a_router_signs_under_no_other_routers_name(),
        ),
        (
            Mutant(verify_batch, forced(True, "key.unit")),
            lambda _: test_a_router_signs_under_no_other_routers_name(),
        ),
    ],
    ids=["any time", "any time in decisions", "any time in a receipt", "any name", "no name of its own"],
)
def test_the_rules_of_a_batch_are_tested(world, mutant, promise):
    """Each of them, taken away, is missed."""
    promise(world)
    with mutated(mutant), pytest.raises((AssertionError, pytest.fail.Exception, Rejected)):
        promise(world)


@QUICK
@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_rejected(world, data):
    """Random bytes are no receipt, no decisions, no batch and no record."""
    for read in (verify_receipt, verify_decisions, verify_batch):
        refused(read, data, parties=world.directory)
    refused(parse_record, data)
