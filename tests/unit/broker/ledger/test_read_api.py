"""The ledger's pages under requests that nobody meant: a file, or a plain refusal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from broker.ledger.read_api import ledger_pages
from broker.ledger.store.tile_store import TileStore
from runtime.api.problems import PROBLEM
from tests.hostile import Surface, answer_of, requests

SURFACE = Surface(
    segments=["2026h2", "checkpoint", "tile", "0", "000", "000.p", "5", "entries", "x001", "audit", ".."]
)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory):
    """The answers to paths, from a store with one checkpoint."""
    root: Path = tmp_path_factory.mktemp("ledger")
    store = TileStore.open(str(root))
    store.put({"audit/2026h2/checkpoint": b"signed", "directory/checkpoint": b"signed"})
    pages = ledger_pages(store, CollectorRegistry(), lambda: {"ledger": {"ok": True}})
    with asyncio.Runner() as runner:
        yield lambda request: answer_of(runner, pages, request)
    store.close()


@pytest.mark.parametrize(
    "path",
    [
        "/audit/{}/checkpoint",
        "/audit/{}/tile/{}/{}",
        "/audit/{}/{}",
        "/directory/{}",
        "/directory/{}/{}",
        "/{}",
    ],
)
@given(st.data())
@settings(max_examples=60)
def test_no_path_is_an_internal_error_or_a_store_that_does_not_answer(asked, path, data):
    """Every path is answered from what is there: found, or a problem: not found, a wrong method or a query."""
    request = data.draw(requests(path, SURFACE))
    answer = asked(request)
    assert answer.status_code in (200, 400, 404, 405), request.url.raw_path
    assert answer.status_code == 200 or answer.headers["content-type"] == PROBLEM


@pytest.mark.parametrize("shard", ["%00", "%2e%2e", "%0A", "a" * 5000, "2026h3", "2026h2%0A"])
def test_only_a_half_year_is_looked_up(asked, shard):
    """What cannot be a shard is not there, and the store is not asked for it."""
    url = httpx.URL("http://ledger").copy_with(raw_path=f"/audit/{shard}/checkpoint".encode())
    assert asked(httpx.Request("GET", url)).status_code == 404


def test_what_is_there_is_served(asked):
    """A half-year's checkpoint."""
    assert asked(httpx.Request("GET", "http://ledger/audit/2026h2/checkpoint")).status_code == 200
