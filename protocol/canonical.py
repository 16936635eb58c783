"""Deterministic CBOR (RFC 8949, 4.2.1): only what `encode` makes is decoded.

cbor2 is below this layer and is not trusted to refuse: its decoder takes tags, floats, cyclic
references and trailing bytes. So a decoded item is walked against a whitelist of types, and then
encoded again: bytes that differ are refused. Map keys are integers from -24 to 23 only, for which the
length-first order of cbor2 and the bytewise order of RFC 8949 are the same.

Input that makes cbor2 work for long is refused before that, while the heads of the items are counted: each
reader has a budget of items, no tag is ever given a meaning, and no large map is ever built. So hostile bytes
cost what their budget allows, and beyond it only what it takes to hash or copy them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import cbor2

from protocol.errors import Code, MisuseError, Rejected
from protocol.limits import MAX_CBOR_ITEMS, MAX_DEPTH, MAX_RECORD

Item = Any
"""int, bytes, str, bool, None, a list of items, or a dict from int to items."""

_LEAVES = frozenset((bytes, str, bool, type(None)))
_MAX_INT = 2**64
_MAX_ENTRIES = 48  # of a map: as many as there are keys from -24 to 23


class _NoTags(dict[int, Any]):
    """Refuses every tag instead of resolving it.

    References between shared items (tags 28 and 29) would let 200 bytes stand for 10^9 items, all of
    which the walk would visit; others stand for numbers of any size, or for regular expressions.
    """

    def __missing__(self, tag: int) -> Any:
        return _refuse_tag


def _refuse_tag(*_: object) -> NoReturn:
    raise ValueError("a tag")


_NO_TAGS = _NoTags()


def encode(item: Item) -> bytes:
    """The one encoding of `item`."""
    if not _is_plain(item, MAX_DEPTH):
        raise MisuseError("the item has a part that the profile does not know")
    encoded: bytes = cbor2.dumps(item, canonical=True)
    return encoded


def decode(data: bytes, *, limit: int = MAX_RECORD, items: int = MAX_CBOR_ITEMS) -> Item:
    """The item of which `data` is the one encoding; everything else is `Rejected`.

    `limit` is in bytes. `items` is the reader's budget: every list, map, key and value counts as one.
    """
    if len(data) > limit:
        raise Rejected(Code.E_SIZE, f"{len(data)} bytes, at most {limit} allowed")
    if len(data) > items:  # each item has a byte at the least
        _count_items(data, items)
    item = decode_again(data)
    # The walk comes before the encoder, which would take floats and simple values too.
    if not _is_plain(item, MAX_DEPTH):
        raise Rejected(Code.E_CBOR, "a type, a map key or a depth that the profile does not know")
    if cbor2.dumps(item, canonical=True) != data:
        raise Rejected(Code.E_NONDET, "not the deterministic encoding, or bytes behind the item")
    return item


def decode_again(data: bytes) -> Item:
    """The item of bytes that `decode` took before, known by their hash. Of others anything may come of it."""
    try:
        return cbor2.loads(
            data,
            max_depth=MAX_DEPTH + 1,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_NO_TAGS,
        )
    except Exception as error:  # noqa: BLE001 - whatever the library raises on hostile bytes ends here
        raise Rejected(Code.E_CBOR, f"not CBOR ({type(error).__name__})") from None


def _count_items(data: bytes, budget: int) -> None:
    """Look at the heads of the items, as many as the budget allows.

    A map is bounded besides: its keys can be chosen so that a Python dict takes quadratic time.
    """
    at, left, end, begun = 0, 1, len(data), 0
    while left and at < end:
        if begun + left > budget:
            raise Rejected(Code.E_CBOR, f"more than {budget} items")
        begun += 1
        major, size = data[at] >> 5, data[at] & 31
        at, left = at + 1, left - 1
        if size >= 24:
            if size > 27:
                raise Rejected(Code.E_CBOR, "a reserved or an indefinite length")
            size, at = int.from_bytes(data[at : at + (1 << size - 24)], "big"), at + (1 << size - 24)
        if major in (2, 3):
            at += size
        elif major == 4:
            left += size
        elif major == 5:
            if size > _MAX_ENTRIES:
                raise Rejected(Code.E_CBOR, f"a map of {size} entries, at most {_MAX_ENTRIES} can be")
            left += 2 * size
        elif major == 6:
            raise Rejected(Code.E_CBOR, "a tag")


def _is_plain(item: Item, depth: int) -> bool:
    return _are_plain((item,), depth)


def _are_plain(items: Iterable[Item], depth: int) -> bool:
    """Whether the profile allows every item, with at most `depth` levels of nesting below."""
    for item in items:
        kind = type(item)
        if kind in _LEAVES:
            continue
        if kind is int:
            plain = -_MAX_INT <= item < _MAX_INT
        elif kind is list:
            plain = depth > 0 and _are_plain(item, depth - 1)
        elif kind is dict:
            keys = all(type(key) is int and -24 <= key <= 23 for key in item)
            plain = depth > 0 and keys and _are_plain(item.values(), depth - 1)
        else:
            plain = False
        if not plain:
            return False
    return True
