"""Each small input that went wrong once (tests/cases), on a real daemon, as the person sees it who hands it over."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cases.table import CASES, HERE, Case, Refused, Taken
from tests.cli.served import ServedUnit, served_unit


@pytest.fixture(scope="module")
def unit() -> Iterator[ServedUnit]:
    # A short path: it has a socket in it.
    with tempfile.TemporaryDirectory(prefix="cd-") as directory, served_unit(Path(directory)) as made:
        yield made


def named(case: Case) -> str:
    return f"{case.file}-{len(case.attach)}"


def test_every_input_is_a_case() -> None:
    """A file that lies there is tried."""
    assert {path.name for path in HERE.glob("*.json")} == {case.file for case in CASES}


@pytest.mark.parametrize("case", [case for case in CASES if case.door == "send"], ids=named)
def test_a_draft_that_went_wrong_once(unit: ServedUnit, tmp_path: Path, case: Case) -> None:
    """Taken and delivered as it has to be, or refused with every fault at its field."""
    options = []
    for name in case.attach:
        (tmp_path / name).write_bytes(b"made up")
        options += ["--attach", str(tmp_path / name)]
    seen = unit.contrada("send", "--to", "pt", *options, "--json", str(case.path))
    match case.right:
        case Taken(attached=attached):
            assert seen.exit == 0, seen.err
            arrived = unit.deliver(json.loads(seen.out)["id"])["attachments"]
            assert {file["name"]: file["media_type"] for file in arrived} == attached
        case Refused(faults=faults, said=words):
            assert (seen.exit, seen.out) == (2, "")
            error = json.loads(seen.err.splitlines()[-1])["error"]
            assert {fault["field"]: fault["rule"] for fault in error["faults"]} == faults
            assert all(word in error["message"] for word in words), error["message"]


@pytest.mark.parametrize("case", [case for case in CASES if case.door == "api"], ids=named)
def test_a_request_that_went_wrong_once(unit: ServedUnit, case: Case) -> None:
    """A problem of the client, 4xx, with every fault at its field."""
    status, problem = unit.post("/v1/messages", case.path.read_bytes())

    assert isinstance(case.right, Refused)
    assert 400 <= status < 500
    assert {fault["field"]: fault["rule"] for fault in problem["faults"]} == case.right.faults
    assert all(word in problem["detail"] for word in case.right.said)
