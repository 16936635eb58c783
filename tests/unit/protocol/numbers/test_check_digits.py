"""Check digits of ships, containers, accounts and telephones, and what stands for no number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.numbers.check_digits import (
    iban_length,
    is_container_number,
    is_iban,
    is_imei,
    is_imo_number,
    placeholder,
    placeholder_container,
    placeholder_document,
    placeholder_iban,
    placeholder_imei,
    placeholder_mmsi,
)


@pytest.mark.parametrize("number", ["9074729", "9176187", "8814275"])
def test_ships_that_exist_pass(number):
    """The IMO check digit agrees with published numbers."""
    assert is_imo_number(number)


@given(st.integers(0, 6), st.integers(1, 9))
def test_every_slip_in_an_imo_number_but_one_kind_is_seen(place, shift):
    """A wrong digit is seen, except where its weight and the shift make ten: that is the scheme's limit."""
    right = "9074729"
    wrong = right[:place] + str((int(right[place]) + shift) % 10) + right[place + 1 :]
    weight = 7 - place if place < 6 else 1
    assert is_imo_number(wrong) == (weight * shift % 10 == 0)


def test_a_container_number_needs_its_digit():
    """ISO 6346's own example passes, and with every other last digit it does not."""
    assert [digit for digit in "0123456789" if is_container_number("CSQU305438" + digit)] == ["3"]


@pytest.mark.parametrize(
    "number",
    ["GB82WEST12345698765432", "DE89370400440532013000", "NO9386011117947", "FR1420041010050500013M02606"],
)
def test_accounts_of_the_registry_pass(number):
    """The examples of the IBAN registry, with the lengths of their countries."""
    assert is_iban(number)
    assert iban_length(number) == len(number)


@given(st.integers(4, 21), st.integers(1, 9))
def test_every_slip_of_one_digit_in_an_account_is_seen(place, shift):
    """Modulo 97 sees each of them."""
    right = "DE89370400440532013000"
    wrong = right[:place] + str((int(right[place]) + shift) % 10) + right[place + 1 :]
    assert not is_iban(wrong)


def test_a_telephone_needs_its_digit():
    """The example of 3GPP TS 23.003, annex B, and no other last digit."""
    assert [digit for digit in "0123456789" if is_imei("49015420323751" + digit)] == ["8"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0000000", "all zeros"),
        ("999999999", "all nines"),
        ("1111111", "the character 1 alone"),
        ("XXXXXX", "the character X alone"),
        ("1234567", "digits that count up"),
        ("0123456789012345", "digits that count up"),
        ("7654321", "digits that count down"),
        ("9876543210", "digits that count down"),
        ("9074729", None),
        ("123", None),
        ("1234568", None),
        ("", None),
    ],
)
def test_what_stands_for_no_number(text, found):
    """Zeros, one character again and again, and counting; nothing that could be drawn by lot."""
    assert placeholder(text) == found


def test_placeholders_hide_behind_letters_and_check_digits():
    """The part that an owner, a bank or a series of documents does not give is what counts."""
    assert placeholder_document("AB0000000") == "all zeros"
    assert placeholder_document("AB1234567") == "digits that count up"
    assert placeholder_document("L898902C3") is None
    assert placeholder_mmsi("001193046") == "the number of a device that is not set up"
    assert placeholder_container("CSQU0000000") == "all zeros"
    assert placeholder_container("CSQU3054383") is None
    assert placeholder_iban("DE36370400440000000000") == "all zeros"
    assert placeholder_iban("DE89370400440532013000") is None
    assert placeholder_imei("000000000000000") == "all zeros"
    assert placeholder_imei("123456789012347") == "digits that count up"
    assert placeholder_imei("490154203237518") is None


@given(st.text())
def test_any_text_can_be_asked_about(text):
    """The checks are total, and digits of other scripts are no digits."""
    for check in (is_imo_number, is_container_number, is_iban, is_imei):
        assert check(text) in {True, False}
    for found in (
        placeholder,
        placeholder_document,
        placeholder_container,
        placeholder_iban,
        placeholder_imei,
    ):
        assert found(text) is None or found(text).isprintable() or not text.isprintable()
    assert not is_imo_number("٩٠٧٤٧٢٩")
    assert not is_imei("٤٩٠١٥٤٢٠٣٢٣٧٥١٨")
