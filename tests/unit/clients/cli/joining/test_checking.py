"""`unit check` believes no proof that it has not verified, and says which step of the way is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients.cli.joining import checking
from clients.cli.joining.checking import check_unit
from protocol.errors import ContradaError
from runtime.cli.errors import DaemonUnreachable, NotInTime
from runtime.process.homes import UnitHome

MESSAGE = "019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a"
WELL = {name: {"ok": True} for name in ("directory", "kafka", "enrolled", "key")}
ROW = {
    "state": "accepted",
    "decided": 1,
    "subject": "00" * 32,
    "deliveries": [{"unit": "pl", "stage": "received"}],
}


class Daemon:
    """What a daemon says."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "status": {"unit": "pl", "checks": WELL}, "units": {"national_unit": None, "purposes": ["operational"]},
            "outbox": ROW, "proofs": {"proofs": []},
        } | answers  # fmt: skip
        self.sent: list[dict[str, Any]] = []

    def get(self, path: str, **_: Any) -> Any:
        answer = self.answers[path.split("/")[2]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def post(self, _: str, body: dict[str, Any], *, once: str) -> Any:
        assert once
        self.sent.append(body)
        return {"id": MESSAGE}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Daemon], ContradaError | None]:
    """How a check ends that waits for nothing."""

    def check(daemon: Daemon) -> ContradaError | None:
        monkeypatch.setattr(checking, "DaemonClient", lambda _: daemon)
        monkeypatch.setattr(checking, "_PAUSE", 0)
        try:
            check_unit(UnitHome(tmp_path), timeout=0, tell=lambda _: None)
        except ContradaError as error:
            return error
        return None

    return check


def test_each_step_that_is_missing_is_named(asked: Callable[[Daemon], ContradaError | None]) -> None:
    ended = {
        "not ready": Daemon(status={"unit": "pl", "checks": WELL | {"enrolled": {"ok": False}}}),
        "cooling-off": Daemon(
            status={"unit": "pl", "checks": WELL | {"key": {"ok": False, "rests_until": 1}}}
        ),
        "has not come back": Daemon(outbox=ROW | {"deliveries": [{"unit": "pl", "stage": None}]}),
    }
    for words, daemon in ended.items():
        error = asked(daemon)
        assert isinstance(error, NotInTime), words
        assert words in str(error)


def test_a_daemon_that_is_not_there_is_told_at_once(
    asked: Callable[[Daemon], ContradaError | None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only beside one that starts it is waited for."""
    gone = Daemon(status=DaemonUnreachable("no daemon"))
    assert isinstance(asked(gone), DaemonUnreachable)
    with pytest.raises(NotInTime):
        check_unit(UnitHome(tmp_path), timeout=0, tell=lambda _: None, starts=True)


def test_without_a_policy_nothing_is_proved(asked: Callable[[Daemon], ContradaError | None]) -> None:
    """The echo came back; it ends in 3, and not in 0."""
    error = asked(Daemon())
    assert error is not None
    assert (error.code, "nothing proves it" in str(error)) == ("E_NOT_CHECKED", True)


def test_the_echo_goes_to_this_unit_and_says_nothing_of_anybody(
    asked: Callable[[Daemon], ContradaError | None],
) -> None:
    daemon = Daemon()
    asked(daemon)
    (sent,) = daemon.sent
    assert (sent["to"], sent["copy"], sent["echo"]) == (["pl"], [], True)
    assert sent["draft"]["items"][0]["data_class"] == "non-personal"
    authority = Daemon(units={"national_unit": "fr", "purposes": ["operational"]})
    asked(authority)
    assert authority.sent[0]["copy"] == ["fr"], "the law's copy goes with it (ER 7(5))"


def test_waiting_has_an_end() -> None:
    with pytest.raises(NotInTime):
        checking._wait(time.monotonic() - 1, lambda: None, "it")
