"""The settings for people who work on the repository call what is there, and fetch nothing."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT

HOOKS = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")


def test_hooks_fetch_nothing() -> None:
    """Each hook is local, and the system's: it runs what the lock files pinned."""
    entries = re.findall(r"^ +entry: (\S+)", HOOKS, re.MULTILINE)

    assert re.findall(r"repo: (\S+)", HOOKS) == ["local"]
    assert len(entries) > 3
    assert re.findall(r"language: (\S+)", HOOKS) == ["system"] * len(entries)
    assert [entry for entry in entries if not entry.startswith(".venv/bin/")] == []


def test_hooks_call_what_check_calls() -> None:
    """A hook is a line of `make check`, so that a commit that passes the hooks is not refused for style later."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    tools = {re.sub(r".*/", "", entry) for entry in re.findall(r"^ +entry: (\S+)", HOOKS, re.MULTILINE)}

    assert sorted(tool for tool in tools - {"python"} if f".venv/bin/{tool}" not in makefile) == []


@pytest.mark.parametrize("name", ["bug.yml", "proposal.yml"])
def test_a_form_for_issues_asks_for_what_is_needed(name: str) -> None:
    """Each form has questions that must be answered, each with an id of its own."""
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / name).read_text(encoding="utf-8")
    ids = re.findall(r"^ +id: (\w+)$", form, re.MULTILINE)

    assert len(ids) == len(set(ids)) > 2
    assert "required: true" in form


def test_a_change_is_asked_for_its_promise() -> None:
    """The form of a pull request asks which promise, which test, which mutant, and for the changelog."""
    form = (ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8").lower()

    assert [
        word for word in ("which promise", "which test", "which mutant", "changelog.md") if word not in form
    ] == []


def test_vulnerabilities_go_to_one_place() -> None:
    """Who opens a form for a bug is sent to SECURITY.md, which names no address that nobody reads."""
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")

    assert "SECURITY.md" in (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8")
    assert "Report a vulnerability" in page
    assert re.findall(r"[\w.]+@[\w.]+|mailto:|https?://", page) == []
