"""requirements/*.lock say what pyproject.toml says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = {
    "runtime": (),
    "demo": ("build", "kafka"),
    "dev": ("build", "kafka", "dev"),
    "bench": ("build", "kafka", "dev", "bench"),
    "docs": ("build", "kafka", "dev", "bench", "docs"),
    "fuzz": ("build", "kafka", "dev", "bench", "docs", "fuzz"),
}


def wanted(lock: str) -> list[Requirement]:
    """What the lock must satisfy: the dependencies and its groups."""
    lines = list(PROJECT["project"]["dependencies"])
    for group in GROUPS[lock]:
        lines += [line for line in PROJECT["dependency-groups"][group] if isinstance(line, str)]
    return [Requirement(line) for line in lines]


def text(lock: str) -> str:
    """The lock file."""
    return (ROOT / "requirements" / f"{lock}.lock").read_text()


def pinned(lock: str) -> dict[str, str]:
    """Name and version of everything in the lock."""
    return {
        canonicalize_name(n): v for n, v in re.findall(r"^([\w.-]+)==([^\s;]+)", text(lock), re.MULTILINE)
    }


@pytest.mark.parametrize("lock", GROUPS)
def test_a_lock_holds_what_the_project_asks_for(lock):
    """After a change of pyproject.toml, `make lock` is due."""
    found = pinned(lock)
    for requirement in wanted(lock):
        name = canonicalize_name(requirement.name)
        assert name in found, f"{name} is not in requirements/{lock}.lock: run `make lock`"
        assert requirement.specifier.contains(found[name]), f"{name} {found[name]}: run `make lock`"


@pytest.mark.parametrize("lock", GROUPS)
def test_every_package_has_a_hash_and_no_address(lock):
    """Nothing is installed unproved, and no file says where packages come from."""
    blocks = re.split(r"^(?=[\w.-]+==)", text(lock), flags=re.MULTILINE)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text(lock)


def test_locks_agree_on_every_version():
    """A wider lock never brings another version of what a narrower one has."""
    widest = pinned("fuzz")
    for lock in GROUPS:
        assert pinned(lock).items() <= widest.items()
