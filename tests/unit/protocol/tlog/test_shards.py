"""Shards: every millisecond is of one half-year, and every half-year has one name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Code, Rejected
from protocol.identifiers import Millis
from protocol.tlog.shards import Shard, directory_origin, parse_shard, shard_at, shard_of, shards_from
from tests.unit.protocol.strategies import QUICK

NAME = "contrada.example"


def at(text: str) -> Millis:
    """A moment in UTC."""
    return Millis(int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000)


@pytest.mark.parametrize(
    ("t", "origin"),
    [
        (at("2026-11-22T10:00:00"), "contrada.example/audit/2026h2"),
        (at("2026-07-01T00:00:00"), "contrada.example/audit/2026h2"),
        (Millis(at("2026-07-01T00:00:00") - 1), "contrada.example/audit/2026h1"),
        (at("2027-01-01T00:00:00"), "contrada.example/audit/2027h1"),
        (Millis(at("2027-01-01T00:00:00") - 1), "contrada.example/audit/2026h2"),
        (at("2028-02-29T23:59:59"), "contrada.example/audit/2028h1"),
        (Millis(0), "contrada.example/audit/1970h1"),
    ],
)
def test_half_years_are_utc(t, origin):
    """Up to the last millisecond of June and of December."""
    assert shard_of(NAME, t) == origin


@QUICK
@given(st.integers(0, at("9998-12-31T00:00:00")))
def test_every_time_is_in_its_shard(t):
    """It lies between start and end, and the name leads back to the shard."""
    shard = shard_at(NAME, Millis(t))

    assert shard.start <= t < shard.end == shard.next().start
    assert parse_shard(shard.origin) == shard
    assert shard < shard.next()


def test_shards_follow_each_other():
    """This one, and those after it."""
    assert [shard.origin[-6:] for shard in shards_from(NAME, at("2026-11-22T10:00:00"), count=4)] == [
        "2026h2", "2027h1", "2027h2", "2028h1",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a", "contrada.example", "audit.police.example/eu/contrada", "a-b.c/d_e"])
def test_names_are_taken(name):
    """Host names, with a path or without."""
    assert parse_shard(shard_of(name, Millis(0))) == Shard(name, 1970, 1)
    assert directory_origin(name) == f"{name}/directory"


@pytest.mark.parametrize(
    "name", ["", "A", "a b", "a+b", "a/", "/a", "a//b", "-a", "a\n", "é", "a" * 200, "a/b/c/d/e"]
)
def test_other_names_are_refused(name):
    """What could not stand in a key's name, or would look like two logs."""
    for make in (lambda: shard_of(name, Millis(0)), lambda: directory_origin(name)):
        with pytest.raises(Rejected) as caught:
            make()
        assert caught.value.reason is Code.E_LOG_UNKNOWN


@pytest.mark.parametrize(
    "origin",
    ["", "x", "x/audit/2026h3", "x/audit/2026h0", "x/audit/26h1", "x/audit/2026h1/", "x/audit/2026h1\n", "/audit/2026h1",
     "x/directory", "X/audit/2026h1", "x/audit/0000h1", "x/audit/9999h1", "x/audit/२०२६h1"],
)  # fmt: skip
def test_another_origin_is_no_shard(origin):
    """One name for one half-year."""
    with pytest.raises(Rejected):
        parse_shard(origin)


@pytest.mark.parametrize("t", [-1, 2**53, 2**63, 10**30])
def test_a_time_that_cannot_be_is_refused(t):
    """In our own family of errors."""
    with pytest.raises(Rejected):
        shard_of(NAME, Millis(t))
