"""Leaves of the ledger: what each record of the audit topic adds, quickly and exactly as read item by item."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.canonical import decode, encode
from protocol.envelope.core import Reference
from protocol.errors import Code, Rejected
from protocol.identifiers import digest
from protocol.trail.acts import unverified
from protocol.trail.batches import (
    RECORD_SALT,
    OutboxPlace,
    Record,
    RecordType,
    decision_leaf,
    delivery_leaves,
    encode_record,
    parse_delivered,
    parse_record,
    sign_batch,
    summarize,
    verify_decisions,
)
from protocol.trail.ledger_leaves import _row, leaves_of, leaves_of_row, own_leaf
from protocol.trail.record_scan import scan, scanned_of
from tests.sim.world import NOON, World
from tests.unit.protocol.strategies import QUICK, records
from tests.unit.protocol.trail.acts import HASH, every_act, stated, stated_acts


@pytest.fixture(scope="module")
def world() -> World:
    """Two accepted messages, one of them to three units, a refusal, an answer, a duplicate, and junk."""
    made = World()
    about = (Reference(1, digest(b"another message")),)
    submissions = [
        made.compose("fr", ["it", "de"], copy=["centre"]),
        made.compose("fr", ["nz"]),
        made.compose("fr", ["it"], refs=about),
    ]
    made.submit("fr", *submissions, submissions[0], b"junk")
    made.route("fr")
    return made


def by_items(data: bytes, world: World):
    """The same leaves and rows, from the records as `verify_decisions` reads them."""
    made = verify_decisions(data, parties=world.directory)
    entries, rows = [], []
    for record, leaf in zip(made.records, made.leaves, strict=True):
        rows.append(_row(scanned_of(record), leaf.record, leaf.salt, len(entries)))
        entries += [leaf.entry, *(each.entry for each in delivery_leaves(record, leaf.record, leaf.salt))]
    return entries, rows


def test_a_decision_makes_its_leaf_and_those_of_its_deliveries(world):
    """One leaf for each decision, and behind an accepted one a leaf for each addressee, in the header's order."""
    made = leaves_of(world.audit[0], first=100, parties=world.directory)

    assert [(row.index, row.leaves, row.type) for row in made.rows] == [
        (100, 4, 1), (104, 1, 2), (105, 2, 1), (107, 1, 17), (108, 1, 2),
    ]  # fmt: skip
    assert len(made.entries) == len(set(made.entries)) == 9
    told = [parse_delivered(leaf.record) for leaf in leaves_of_row(made.rows[0])[1:]]
    assert [(each.index, each.unit) for each in told] == [(0, "it"), (1, "de"), (2, "centre")]
    assert {each.decision for each in told} == {digest(made.rows[0].record)}


def test_the_quick_way_and_the_long_way_are_one(world):
    """Entries and rows are those of the records read item by item."""
    made = leaves_of(world.audit[0], first=0, parties=world.directory)

    assert (made.entries, made.rows) == by_items(world.audit[0], world)


@settings(deadline=None, max_examples=40)
@given(st.lists(records, min_size=1, max_size=5))
def test_whatever_a_router_signs_is_read_both_ways_alike(world, batch):
    """Any records at all: rare forms go the long way, and nobody can tell."""
    batch = [replace(record, t=NOON) for record in batch]
    made = sign_batch(batch, router="router", now=NOON, signer=world.router, entropy=world.entropy)
    found = leaves_of(made.decisions, first=0, parties=world.directory)

    assert (found.entries, found.rows) == by_items(made.decisions, world)


def test_records_of_routers_have_the_common_form(world):
    """What a router writes of a proven message goes the quick way, references and refusals included."""
    raws = [row[0] for row in decode(world.audit[0])[1]]

    assert [scan(raw) is not None for raw in raws] == [True, True, True, True, False]


def test_nothing_is_taken_quickly_that_would_be_refused(world):
    """Every single-byte change to a record is judged as `parse_record` judges it, and read with its values."""
    raws = [row[0] for row in decode(world.audit[0])[1]][:3]
    taken = 0
    for raw in raws:
        for at in range(len(raw)):
            for value in (raw[at] ^ 1, raw[at] ^ 0x80, raw[at] + 1 & 255, 0x18, 0x1B, 0xF4, 0xF5, 0x00, 0xFF):
                altered = raw[:at] + bytes([value]) + raw[at + 1 :]
                quick = scan(altered)
                if quick is not None:
                    taken += 1
                    assert quick == scanned_of(parse_record(altered))
    assert taken > 1000


def test_numbers_have_one_encoding(world):
    """Every size of a number is taken quickly in its shortest form and in no other, nor beyond 2^53 - 1."""
    record = parse_record(decode(world.audit[0])[1][0][0])
    place = encode("fr") + encode(0)
    for value in (0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**53 - 1):
        raw = encode_record(replace(record, source=OutboxPlace("fr", 0, value)))
        assert scan(raw) == scanned_of(parse_record(raw))
        head, tail = raw.split(place + encode(value), 1)
        for size in (1, 2, 4, 8):
            other = bytes([0x18 + size.bit_length() - 1]) + value.to_bytes(8, "big")[-size:]
            if value < 256**size and len(other) > len(encode(value)):
                assert scan(head + place + other + tail) is None
        assert scan(head + place + encode(2**53) + tail) is None


@settings(deadline=None, max_examples=60)
@given(records, st.data())
def test_nothing_is_taken_quickly_that_is_cut_or_joined(record, data):
    """Bytes put in or taken out anywhere do not make a record that only the quick way takes."""
    raw = encode_record(record)
    at, end = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 3))
    altered = raw[:at] + data.draw(st.binary(max_size=3)) + raw[at + end :]
    quick = scan(altered)

    assert quick is None or quick == scanned_of(parse_record(altered))


def test_a_row_opens_its_leaves(world):
    """From a row alone come the entries that stand in the log, and the salts by which each is proved."""
    made = leaves_of(world.audit[0], first=0, parties=world.directory)
    for row in made.rows:
        opened = leaves_of_row(row)
        assert [leaf.entry for leaf in opened] == made.entries[row.index : row.index + row.leaves]
        assert leaves_of_row(row._replace(record=None, salt=None)) == ()


def test_whoever_has_a_receipt_knows_the_leaf_of_the_delivery(world):
    """Record and salt of a receipt give the leaves that the ledger must have."""
    raw, salt = decode(decode(world.inboxes["it"][0])[5])[1:3]
    record = parse_record(raw)
    promised = [decision_leaf(record, raw, salt), *delivery_leaves(record, raw, salt)]

    assert [leaf.entry for leaf in promised] == leaves_of(
        world.audit[0], first=0, parties=world.directory
    ).entries[:4]


def test_a_delivery_hides_itself():
    """Each delivery has a salt of its own, that of the decision opens none of them by itself."""
    record = Record(
        RecordType.ACCEPTED, NOON, OutboxPlace("fr", 0, 0), bytes(32), (), 0, bytes(32),
        summarize(World().core("fr", ["it", "de"])),
    )  # fmt: skip
    raw = encode_record(record)
    one, two = delivery_leaves(record, raw, bytes(RECORD_SALT))
    other, _ = delivery_leaves(record, raw, b"another salt 016")

    assert len({one.salt, two.salt, other.salt, bytes(RECORD_SALT)}) == 4
    assert len({one.entry, two.entry, other.entry}) == 3
    assert delivery_leaves(replace(record, type=RecordType.REJECTED), raw, bytes(RECORD_SALT)) == ()


def test_rows_say_what_they_are_found_by(world):
    """Sender, units, reasons and message id stand in the row as they stand in the record."""
    accepted, refused, _, again, junk = leaves_of(world.audit[0], first=0, parties=world.directory).rows

    assert (accepted.sender, accepted.units, accepted.reasons) == ("fr", "fr it de centre", "")
    assert refused.units == "fr nz"
    assert "E_DATA_BASIS" in refused.reasons.split()
    assert again.message_id == accepted.message_id == parse_record(accepted.record).header[0]
    assert (junk.message_id, junk.sender, junk.units, junk.reasons) == (None, None, "fr", "E_CBOR")


def test_acts_are_leaves(world):
    """Each act makes a leaf and a row, found by who did it and whom it is about."""
    for raw in stated_acts(world):
        made = leaves_of(raw, first=7, parties=world.directory)
        assert [row.index for row in made.rows] == list(range(7, 7 + len(made.entries)))
        for entry, row in zip(made.entries, made.rows, strict=True):
            assert [leaf.entry for leaf in leaves_of_row(row)] == [entry]
    announced = leaves_of(stated(world, "ledger", every_act(world.now)[0]), first=0, parties=world.directory)
    assert announced.rows[0].units == "ledger fr"


def test_what_does_not_verify_has_a_leaf_too(world):
    """The ledger writes place, hash and code of what it could not verify, under a salt."""
    act = unverified(NOON, "ledger", offset=12, record=HASH, code=Code.E_RECEIPT)
    entry, row = own_leaf(act, bytes(16), index=5)

    assert (row.index, row.leaves, row.type, row.reasons) == (5, 1, RecordType.UNVERIFIED, "E_RECEIPT")
    assert [leaf.entry for leaf in leaves_of_row(row)] == [entry]


@pytest.mark.parametrize("at", ["record", "salt", "batch", "order", "missing"])
def test_decisions_that_were_not_signed_make_no_leaf(world, at):
    """Whatever is changed in a batch, nothing of it is sequenced as a decision."""
    version, rows, batch = decode(world.audit[0])
    match at:
        case "record":
            rows[0][0] = rows[2][0]
        case "salt":
            rows[0][1] = bytes(16)
        case "batch":
            batch = batch[:-1] + bytes([batch[-1] ^ 1])
        case "order":
            rows.reverse()
        case "missing":
            rows.pop()
    with pytest.raises(Rejected):
        leaves_of(encode([version, rows, batch]), first=0, parties=world.directory)


@QUICK
@given(st.binary(max_size=200))
def test_arbitrary_bytes_make_no_leaf(world, data):
    """Random bytes are refused, whatever they begin with."""
    for raw in (data, b"\x83" + data, b"\x84" + data):
        with pytest.raises(Rejected):
            leaves_of(raw, first=0, parties=world.directory)
    assert scan(data) is None
