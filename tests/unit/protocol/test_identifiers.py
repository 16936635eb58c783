"""Identifiers: each has one form, and the parsers take no other."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Code, Rejected
from protocol.identifiers import (
    ID_WORDS,
    IdPrefix,
    digest,
    new_message_id,
    new_thread_id,
    parse_unit_id,
    read_id,
    read_id_or_prefix,
    short_id,
    show_id,
)
from tests.unit.protocol.strategies import QUICK, octets, unit_ids


@QUICK
@given(unit_ids)
def test_unit_ids_are_words_joined_by_hyphens(text):
    """A well-formed unit id is taken as it is."""
    assert parse_unit_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "f", "a" * 65, "FR", "fr_customs", "-fr", "fr-", "fr--it", "1fr", "fr customs", "fr\n", "fré", "fr.it", "ﬀr", "fr\x00", None, 7, b"fr", ["fr"], True],
)  # fmt: skip
def test_other_names_are_no_unit_ids(text):
    """Anything else is refused, whatever its type: a unit id becomes a topic's name."""
    with pytest.raises(Rejected) as caught:
        parse_unit_id(text)

    assert caught.value.reason is Code.E_SCHEMA


def test_unit_ids_have_2_to_64_characters():
    """The bounds are exact."""
    assert parse_unit_id("fr") and parse_unit_id("a" * 64)


@QUICK
@given(st.integers(0, 2**48 - 1), octets(10))
def test_message_ids_are_uuids_of_version_7(now, random):
    """A message id is a UUIDv7 of the given time, with every bit that the version leaves free random."""
    message_id = new_message_id(now, lambda _: random)
    shown = uuid.UUID(bytes=message_id)

    assert (shown.version, shown.variant) == (7, uuid.RFC_4122)
    assert shown.int >> 80 == now
    kept = (1 << 74) - 1 - (0b11 << 62)
    raw = int.from_bytes(random, "big")
    assert shown.int & ((1 << 62) - 1) == raw & ((1 << 62) - 1)
    assert (shown.int >> 64) & 0xFFF == (raw >> 64) & 0xFFF and kept


def test_message_ids_differ_within_a_millisecond():
    """Two messages of one moment have two ids."""
    entropy = iter([b"a" * 10, b"b" * 10])

    assert new_message_id(5, lambda _: next(entropy)) != new_message_id(5, lambda _: b"b" * 10)


def test_a_thread_id_tells_nothing_about_its_time():
    """A conversation's id is random only."""
    assert new_thread_id(lambda size: bytes(size)) == bytes(16)


@QUICK
@given(octets(16))
def test_ids_are_read_as_they_are_shown(raw):
    """The textual form of an id is reversible."""
    assert read_id(show_id(raw)) == raw


@QUICK
@given(st.text(max_size=40))
def test_text_is_an_id_or_rejected(text):
    """Any text is read as 16 bytes or Rejected."""
    try:
        assert len(read_id(text)) == 16
    except Rejected as rejected:
        assert rejected.reason is Code.E_SCHEMA


def test_digest_is_sha_256():
    """The digest of nothing is the well-known one."""
    assert digest(b"").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@QUICK
@given(octets(16), st.integers(8, 31), st.booleans())
def test_the_first_digits_of_an_id_are_what_it_begins_with(raw, length, hyphens):
    """With hyphens or without, in letters of both cases: the prefix begins the id, and bounds exactly those that it begins."""
    digits = raw.hex()[:length]
    text = show_id(raw)[: length + sum(length > at for at in (8, 12, 16, 20))] if hyphens else digits.upper()
    prefix = read_id_or_prefix(text)

    assert prefix.digits == digits and prefix.begins(raw)
    assert prefix.first <= raw <= prefix.last
    assert {prefix.first.hex()[:length], prefix.last.hex()[:length]} == {digits}
    assert read_id_or_prefix(str(prefix)) == prefix


@QUICK
@given(octets(16), st.lists(octets(16), max_size=4))
def test_a_short_id_begins_no_neighbour(raw, others):
    """What a list shows is taken everywhere, and means that id; it has at least the 12 digits of a message's time."""
    for near in (*others, raw[:15] + bytes([raw[15] ^ 1]), raw[:8] + bytes(8), raw, None):
        short = short_id(raw, near)
        assert show_id(raw).startswith(short) and len(short) >= 13
        read = read_id_or_prefix(short)
        assert read == raw if isinstance(read, bytes) else read.begins(raw)
        assert near in (None, raw) or not show_id(near).startswith(short)
    assert len(short_id(raw)) == 13


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0195a0c",
        "0195a0g2",
        "0195a0c2-7c3e-7b1a-8f4d-0000000000000",
        "ffffffff ffffffff",
        "٠١٢٣٤٥٦٧",
        "0195a0c2--7c3e",
        "-0195a0c2",
        "0195a0c27-c3e",
        "0195a0c27c3e-",
        "0195a0c2-7c3e-7b1a-8f4d-000000000000-",
        "0195-a0c2-7c3e-7b1a-8f4d-0000-0000-0000",
        "{0195a0c2-7c3e-7b1a-8f4d-000000000000}",
        "urn:uuid:0195a0c2-7c3e-7b1a-8f4d-000000000000",
    ],
)
def test_what_is_neither_an_id_nor_its_beginning(text):
    """Fewer than eight digits would seldom name one message; the hint says what would be right."""
    with pytest.raises(Rejected) as caught:
        read_id_or_prefix(text)
    assert caught.value.hint == ID_WORDS
    with pytest.raises(Rejected):
        read_id(text)


def test_an_id_is_read_in_the_forms_in_which_it_is_copied():
    """In capitals, without hyphens, with the hyphen behind what a double click took; by the API without spaces only."""
    raw = bytes.fromhex("0195a0c27c3e7b1a8f4d000000000000")
    for text in (show_id(raw), show_id(raw).upper(), raw.hex()):
        assert read_id(text) == read_id_or_prefix(f" {text}\n") == raw
    assert read_id_or_prefix("0195a0c2-") == read_id_or_prefix("0195A0C2") == IdPrefix("0195a0c2")
    with pytest.raises(Rejected):
        read_id(f" {show_id(raw)}")
