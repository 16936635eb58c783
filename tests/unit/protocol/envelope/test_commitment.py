"""The commitment: one part can be shown without the others, and nothing can be exchanged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol.content.parts import Part
from protocol.envelope.commitment import combine, commit, commit_part, disclose, part_salt, verify_disclosure
from tests.unit.protocol.strategies import QUICK, octets, parts


@QUICK
@given(octets(32), parts, st.data())
def test_one_part_can_be_shown_alone(salt, all_parts, data):
    """Any part, shown with its salt and the others' commitments, verifies against the signed commitment."""
    index = data.draw(st.integers(0, len(all_parts) - 1))

    assert verify_disclosure(disclose(salt, all_parts, index), commit(salt, all_parts))


def test_the_other_parts_stay_hidden():
    """A disclosure tells nothing of the others: their salts are not in it and cannot be made from it."""
    salt = bytes(range(32))
    secret = Part(1, b"the name of a witness")
    shown = disclose(salt, (Part(0, b"frame"), secret), 0)
    known = [shown.part_salt, salt, *shown.others]

    assert secret.content not in repr(shown).encode()
    # Even with the right guess, nobody confirms it without the part's own salt.
    guesses = {commit_part(known_salt, secret) for known_salt in known if known_salt != part_salt(salt, 1)}
    assert shown.others[0] not in guesses
    assert salt not in (shown.part_salt, *shown.others)


def test_the_same_content_twice_cannot_be_recognised():
    """Two equal parts have two commitments, and so have equal messages under two salts."""
    part = Part(1, b"yes")
    first, second = (commit_part(part_salt(bytes(32), i), part) for i in (0, 1))

    assert first != second
    assert commit(bytes(32), [part]) != commit(bytes([1]) + bytes(31), [part])


@QUICK
@given(octets(32), parts, st.data())
def test_nothing_else_passes_for_a_part(salt, all_parts, data):
    """Altered content, kind, place, salt or neighbours are refused."""
    index = data.draw(st.integers(0, len(all_parts) - 1))
    shown, commitment = disclose(salt, all_parts, index), commit(salt, all_parts)
    part = all_parts[index]
    others = [
        replace(shown, part=Part(part.kind, part.content + b"\x00")),
        replace(shown, part=Part(part.kind ^ 1, part.content)),
        replace(shown, part_salt=bytes(32)),
        replace(shown, others=(*shown.others, bytes(32))),
        *(replace(shown, index=i) for i in range(len(all_parts)) if i != index),
        *(replace(shown, others=shown.others[:i] + shown.others[i + 1 :]) for i in range(len(shown.others))),
    ]
    for other in others:
        assert not verify_disclosure(other, commitment)


@pytest.mark.parametrize("index", [-1, -2, 2, 70_000])
def test_an_index_outside_is_refused(index):
    """A place that is not there does not count from the end, and is no error either."""
    salt, both = bytes(32), (Part(0, b"a"), Part(1, b"b"))

    assert not verify_disclosure(replace(disclose(salt, both, 1), index=index), commit(salt, both))


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_salt_has_exactly_32_bytes(size):
    """HMAC would take a key of any size and make two of them equal by padding: only one size is taken."""
    shown = disclose(bytes(32), (Part(0, b"a"),), 0)

    assert not verify_disclosure(
        replace(shown, part_salt=bytes(size)), combine([commit_part(bytes(size), shown.part)])
    )


@QUICK
@given(octets(32), parts, parts)
def test_two_contents_have_two_commitments(salt, one, other):
    """The commitment distinguishes all contents, also where parts are cut elsewhere."""
    assume(one != other)

    assert commit(salt, one) != commit(salt, other)


def test_cutting_elsewhere_changes_the_commitment():
    """The same bytes in other parts are another content."""
    salt = bytes(32)

    assert commit(salt, [Part(0, b"ab")]) != commit(salt, [Part(0, b"a"), Part(0, b"b")])
