"""The local API under requests that nobody meant: every answer is one of ours, and none is an internal error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.daemon.api import routes
from clients.daemon.api.routes import LocalApi, application
from clients.daemon.daemon import Daemon
from protocol.identifiers import UnitId, show_id
from runtime.process.homes import UnitHome
from runtime.process.worker import Worker
from tests.hostile import Surface, answer_of, requests
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import Silent, UnitFixture, draft, pump

pytestmark = pytest.mark.slow

UNKNOWN = "019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a"
DRAFT = draft() | {"items": [draft()["items"][0] | {"files": ["a.txt"]}]}
SEND = {
    "kind": "information", "to": ["pt"], "copy": [], "draft": DRAFT, "handling": "H1+H3", "h3": {"only": ["pt"], "delete_by": None},
    "classification": "bpl", "data_class": "non-personal", "purposes": ["operational"], "urgency": None, "ground": None,
    "basis": None, "copy_exemption": None, "reply_to": None, "thread": UNKNOWN, "expires_in_s": 3600, "review_in_s": 7200,
    "suite": 1, "attachments": [{"name": "a.txt", "media_type": "text/plain", "content_b64": "eA=="}], "idempotency_key": None,
}  # fmt: skip
ALARM_ACK = {"alarms": [1], "by": "J. Martin", "note": "clock set"}
ACK = {"stage": "accepted", "case_ref": "17/2026"}


@dataclass
class Rig:
    """A daemon with mail in both directions, and its event loop."""

    runner: asyncio.Runner
    daemon: Daemon
    api: LocalApi
    ids: list[str]

    @property
    def surface(self) -> Surface:
        return Surface(
            segments=[self.ids[0], *self.ids, UNKNOWN, "pt"],
            queries=["limit", "after", "wait", "sender"],
            headers=["idempotency-key"],
            bodies={
                "/v1/messages": [SEND, SEND | {"kind": "answer"}],
                "/v1/inbox/{}/ack": [ACK],
                "/v1/keys/rotate": [{}],
                "/v1/alarms/ack": [ALARM_ACK],
            },
        )


PATHS = [
    *(
        "/v1/messages",
        "/v1/outbox",
        "/v1/outbox/{}",
        "/v1/inbox",
        "/v1/inbox/{}",
        "/v1/inbox/{}/ack",
        "/v1/units",
    ),
    *("/v1/units/{}", "/v1/keys", "/v1/keys/rotate", "/v1/trace/{}", "/v1/proofs/{}", "/v1/receipts/{}"),
    *(
        "/v1/alarms",
        "/v1/alarms/ack",
        "/v1/evidence",
        "/v1/status",
        "/healthz",
        "/readyz",
        "/metrics",
        "/{}",
        "/v1/{}",
        "//",
    ),
]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    path: Path = tmp_path_factory.mktemp("hostile")
    patch = pytest.MonkeyPatch()
    patch.setattr(routes, "MAX_WAIT", 0.01)
    with asyncio.Runner() as runner:
        worker = Worker()

        def made() -> tuple[Daemon, list[str]]:
            world = World()
            es = UnitFixture(world, UnitId("es"), path / "es")
            pt = UnitFixture(world, UnitId("pt"), path / "pt")
            es.learn()
            es.submit("pt")
            pt.submit("es")
            pump(world, es, pt)
            daemon = Daemon(es.context, worker, log_=None, feeds=Silent(), directory=None, marks=None)
            return daemon, [
                show_id(mid) for (mid,) in es.rows("SELECT mid FROM inbox UNION ALL SELECT mid FROM outbox")
            ]

        async def begin() -> Rig:
            daemon, ids = await worker.do(made)
            daemon.directory_read.set()
            return Rig(runner, daemon, LocalApi(daemon, UnitHome(path / "es")), ids)

        rig = runner.run(begin())
        intake = runner.get_loop().create_task(rig.daemon.intake.run())
        yield rig
        intake.cancel()
        rig.daemon.disk.close()
        runner.run(worker.do(rig.daemon.context.store.close))
        worker.close()
    patch.undo()


def is_ours(answer: httpx.Response) -> bool:
    """A success, or a problem in our words."""
    if answer.status_code < 400 or answer.request.method == "HEAD" or answer.request.url.path == "/readyz":
        return answer.status_code != 500
    problem = answer.json()
    return (
        answer.status_code != 500
        and answer.headers["content-type"] == "application/problem+json"
        and problem["status"] == answer.status_code
        and bool(problem["code"] and problem["detail"])
    )


@pytest.mark.parametrize("path", PATHS)
@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_request_is_an_internal_error(rig: Rig, path: str, data: st.DataObject) -> None:
    """Any method, path, query, header and body: a success, or a problem with its code and its sentence."""
    request = data.draw(requests(path, rig.surface))
    answer = answer_of(rig.runner, application(rig.api), request)
    assert is_ours(answer), (
        request.method,
        request.url.raw_path,
        request.content[:3000],
        answer.status_code,
        answer.text,
    )


def test_what_is_tried_begins_with_what_is_right(rig: Rig) -> None:
    """The requests that go wrong are changes of requests that succeed."""
    for path, body in (("/v1/messages", SEND), (f"/v1/inbox/{rig.ids[0]}/ack", ACK)):
        request = httpx.Request("POST", f"http://local{path}", json=body)
        assert answer_of(rig.runner, application(rig.api), request).status_code == 202


@pytest.mark.parametrize("case", [{"case_ref": "17/2026"}, {"case_ref": "17/2026", "stage": "opened"}])
def test_a_case_without_its_stage_is_told_the_stage(rig: Rig, case: dict[str, str]) -> None:
    """No internal error: 400 with the field, the stage that it goes with, and the one that was found."""
    request = httpx.Request("POST", f"http://local/v1/inbox/{rig.ids[0]}/ack", json=case)
    answer = answer_of(rig.runner, application(rig.api), request)
    assert (answer.status_code, answer.json()["code"]) == (400, "E_REQUEST")
    (fault,) = answer.json()["faults"]
    assert (fault["field"], fault["rule"]) == ("case_ref", "case_ref")
    assert all(f"'{stage}'" in answer.json()["detail"] for stage in ("accepted", "opened"))
