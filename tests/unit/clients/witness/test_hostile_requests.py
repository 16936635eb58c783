"""The witness over HTTP under requests that nobody meant: each is refused in the protocol's words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.witness.queue import WitnessQueue
from clients.witness.witness_api import monitoring_api, witness_api
from runtime.process.worker import Worker
from tests.hostile import RAW_BODIES, Surface, answer_of, requests
from tests.sim.witnessing import Branch, Case

pytestmark = pytest.mark.slow

RIGHT = [Branch().request(0, 6), Branch().request(6, 9), Branch("other").request(0, 4)]
SURFACE = Surface(segments=["0" * 64, "add-checkpoint", "checkpoint"])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A right request with a slice of it replaced, doubled or left out; or anything."""
    right = draw(st.sampled_from(RIGHT))
    start, end = sorted((draw(st.integers(0, len(right))), draw(st.integers(0, len(right)))))
    middle = draw(
        st.sampled_from([b"", right[start:end] * 2, b"\x00", b"\n\n", "\ud7ff".encode(), b"9" * 40])
    )
    return draw(st.sampled_from([right[:start] + middle + right[end:]] * 4 + [draw(RAW_BODIES)]))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory):
    """The statuses of answers, from a witness that signs."""
    path: Path = tmp_path_factory.mktemp("witness")
    worker = Worker()
    with asyncio.Runner() as runner:
        case = runner.run(worker.do(lambda: Case(path)))
        queue = WitnessQueue(case.witness, worker, None)
        pages = {"log": witness_api(queue), "own": monitoring_api(queue)}
        yield lambda request, of="log": answer_of(runner, pages[of], request).status_code
        runner.run(queue.close())


@given(bodies())
@settings(max_examples=200)
def test_no_body_is_an_internal_error(asked, body):
    """Signed, or refused with a status of tlog-witness."""
    request = httpx.Request("POST", "http://witness/add-checkpoint", content=body)
    assert asked(request) in (200, 400, 403, 404, 409, 413, 422), body


@pytest.mark.parametrize("of", ["log", "own"])
@pytest.mark.parametrize("path", ["/{}", "/{}/checkpoint", "/readyz", "/metrics"])
@given(st.data())
@settings(max_examples=40)
def test_no_path_is_an_internal_error(asked, path, of, data):
    """Found, not found or a wrong method."""
    request = data.draw(requests(path, SURFACE))
    assert asked(request, of) in (200, 400, 404, 405), request.url.raw_path
