"""What a release consists of: the same bytes each time, a bill of materials that the standard takes, notes that are there."""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
from pathlib import Path

import pytest

from deploy.kafka.faults import Fault
from deploy.package import advisories
from deploy.package.build import build_distribution
from deploy.package.components import Component
from deploy.package.epoch import source_epoch, version
from deploy.package.materials import materials
from deploy.package.release import changes, release_notes
from tests.packaging.schema import faults


def library(name: str, *needs: str, licence: str = "MIT") -> Component:
    """One that is not there."""
    wheel = f"{name}-1.0-py3-none-any.whl"
    return Component(
        name, "1.0", licence, hashlib.sha256(name.encode()).hexdigest(), wheel, f"is {name}", needs
    )


def bill(*libraries: Component) -> str:
    """The document of a program that needs the first one."""
    own = library("contrada", libraries[0].name, licence="Apache-2.0")
    return materials(own, libraries, moment="2026-12-01T00:00:00+00:00")


@pytest.mark.slow
def test_the_bill_of_materials_is_one() -> None:
    """By the schema of CycloneDX 1.6; and a slip in it is noticed."""
    text = bill(
        library("a", "b", "elsewhere"),
        library("b", licence="Apache-2.0 OR BSD-3-Clause"),
        library("c", licence="NOASSERTION"),
    )
    assert faults(text) is None
    assert faults(text.replace('"SHA-256"', '"SHA-0"')) is not None


def test_it_says_what_depends_on_what() -> None:
    """Of what is in it; a library that is asked for elsewhere alone is not made up."""
    found = {
        each["ref"]: each["dependsOn"]
        for each in json.loads(bill(library("a", "b", "elsewhere"), library("b")))["dependencies"]
    }
    assert found == {
        "pkg:pypi/contrada@1.0": ["pkg:pypi/a@1.0"],
        "pkg:pypi/a@1.0": ["pkg:pypi/b@1.0"],
        "pkg:pypi/b@1.0": [],
    }


def test_the_same_materials_have_the_same_number() -> None:
    """And others have another one."""
    same, other = bill(library("a")), bill(library("b"))
    assert same == bill(library("a"))
    assert json.loads(same)["serialNumber"] != json.loads(other)["serialNumber"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_two_builds_are_the_same_bytes(kind: str, tmp_path: Path) -> None:
    """Whoever doubts one builds it and compares."""
    first, second = (build_distribution(kind, tmp_path / each) for each in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert version() in first.name


@pytest.mark.slow
def test_the_sources_hold_no_more_than_the_repository(tmp_path: Path) -> None:
    """No virtual environment, no demo with its keys, nothing that was built."""
    built = build_distribution("sdist", tmp_path / "sdist")
    with tarfile.open(built) as tar:
        top = {name.split("/")[1] for name in tar.getnames() if "/" in name}
    assert not top & {".venv", "demo", "dist", ".git"}
    assert {"pyproject.toml", "docs", "tests", "requirements"} <= top


def test_this_version_has_its_notes() -> None:
    """A page for those who decide, the CHANGELOG's section for those who look a thing up."""
    notes = release_notes()
    assert version() in notes.splitlines()[0]
    assert changes(version()) in notes
    with pytest.raises(Fault, match="no section"):
        changes("0.0.7")


def test_the_moment_is_the_commit_or_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never the hour of the build."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1234567890")
    assert source_epoch() == 1234567890
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert source_epoch() == source_epoch()


ANSWER = {
    "dependencies": [
        {"name": "a", "version": "1", "vulns": [{"id": "GHSA-1", "fix_versions": ["2"]}]},
        {"name": "b", "version": "1", "vulns": []},
    ]
}


PASSED_OVER = {
    "dependencies": [
        {"name": "c", "skip_reason": "Dependency not found on PyPI and could not be audited: c (1)"}
    ]
}
"""What pip-audit says, and ends well, where an index has packages and no advisories."""


@pytest.mark.parametrize(
    ("answer", "text", "code", "said"),
    [
        (json.dumps(ANSWER), "", 7, "NEW: a 1: GHSA-1, fixed in 2"),
        (json.dumps(ANSWER), "GHSA-1 # the part is not used here", 0, "weighed: a 1: GHSA-1"),
        (json.dumps(ANSWER), "GHSA-1", 7, "NEW: a 1"),
        (
            json.dumps({"dependencies": [{"name": "b", "version": "1", "vulns": []}]}),
            "",
            0,
            "0 advisories for 1 libraries",
        ),
        (
            json.dumps(PASSED_OVER),
            "",
            0,
            "not asked: no advisory service answers here (what answers for the package index",
        ),
        (
            json.dumps({"dependencies": [*PASSED_OVER["dependencies"], *ANSWER["dependencies"]]}),
            "",
            7,
            "knows nothing of c",
        ),
        ("", "", 0, "not asked: no advisory service answers here (unreachable)"),
        ("<html>", "", 0, "not asked"),
        ("[]", "", 0, "not asked"),
    ],
)
def test_an_advisory_that_nobody_weighed_ends_it(
    answer: str, text: str, code: int, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    """One that was weighed does not, with a reason; and where nobody answers that is said, and fails nothing."""
    (place := tmp_path / "advisories.txt").write_text(text)
    monkeypatch.setattr(advisories, "WEIGHED", place)
    monkeypatch.setattr(advisories, "ask", lambda _: (answer, "unreachable"))
    monkeypatch.setattr(sys, "argv", ["advisories"])
    assert advisories.main() == code
    assert said in capsys.readouterr().out
