"""Base64 has one form for each byte string, and every other text is refused with what is wrong with it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol.base64_text import base64_fault, from_base64, to_base64

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@given(st.binary(max_size=200))
def test_what_is_written_is_read(data):
    """Round trip, and the text is the standard library's."""
    assert from_base64(to_base64(data)) == data
    assert to_base64(data) == base64.b64encode(data).decode()


@given(st.text(alphabet=ALPHABET + "=-_ \n,:é", max_size=24))
def test_any_other_text_is_refused_and_explained(text):
    """Whatever is taken is the one form; whatever is not is given a reason."""
    try:
        data = from_base64(text)
    except ValueError:
        assert base64_fault(text)
    else:
        assert to_base64(data) == text


@given(st.binary(min_size=1, max_size=60), st.data())
def test_every_other_form_of_the_same_bytes_is_refused(data, draw):
    """White space, no padding, more padding, the URL's letters, stray bits: no other text stands for these bytes."""
    text = to_base64(data)
    place = draw.draw(st.integers(0, len(text)))
    bare = text.rstrip("=")
    others = [
        text[:place] + draw.draw(st.sampled_from(" \n\r\t")) + text[place:],
        text + "=", text + "====", "data:;base64," + text, text.translate(str.maketrans("+/", "-_")), bare,
    ]  # fmt: skip
    if len(bare) % 4:  # the last letter has bits that belong to no byte
        last = ALPHABET.index(bare[-1])
        spare = 0b1111 if len(bare) % 4 == 2 else 0b11
        stray = draw.draw(st.integers(1, spare))
        others.append(bare[:-1] + ALPHABET[last | stray] + "=" * (len(text) - len(bare)))
    for other in others:
        if other == text:
            continue
        with pytest.raises(ValueError, match="not"):
            from_base64(other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data:image/jpeg;base64,/9j/4AAQ", "a data: address; its base64 begins behind the comma"),
        ("DATA:,AAAA", "a data: address"),
        ("_9j_", "the other alphabet, of section 5: _ as character 1"),
        ("AAAA AAAA", "white space, as character 5"),
        ("AAAA\nAAAA", "white space, as character 5"),
        ("AAAAAA", "no padding behind 6 characters"),
        ("AA==AA==", "a = in the middle, as character 3"),
        ("AAA==", "3 characters and 2 of padding"),
        ("A===", "1 characters and 3 of padding"),
        ("AAAA====", "4 characters and 4 of padding"),
        ("AB==", "bits behind the last byte that are not zero"),
        ("AAB=", "bits behind the last byte"),
        ("AAA%", "the character %, at 4"),
        ("ÄAAA", "U+00C4, as character 1"),
        ("\x1bAAA", "U+001B, as character 1"),
    ],
)
def test_a_fault_is_named(text, said):
    """What is wrong is said in words, without the content."""
    with pytest.raises(ValueError, match="not"):
        from_base64(text)

    assert base64_fault(text).startswith(said)


@given(st.text(max_size=40))
def test_a_fault_is_printable(text):
    """What comes from outside cannot act on a terminal."""
    assume(text)
    assert base64_fault(text).isascii()
    assert base64_fault(text).isprintable()
