"""The version and the moment that everything built here bears.

Owns: where both come from. Rule: nothing built depends on when or where it was built. So two builds of one
commit are the same bytes, and whoever doubts a package can build it and compare.
"""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BEFORE_GIT = 1580601600
"""Where there is neither SOURCE_DATE_EPOCH nor a clone: the moment that hatchling takes, too."""


def version() -> str:
    """The program's version: pyproject.toml is the one place that has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def source_epoch() -> int:
    """Seconds since 1970: SOURCE_DATE_EPOCH, or else when this commit was made."""
    if said := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(said)
    asked = ["git", "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return BEFORE_GIT
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else BEFORE_GIT


def environment() -> dict[str, str]:
    """In which a tool is started that builds something."""
    return {**os.environ, "SOURCE_DATE_EPOCH": str(source_epoch()), "PYTHONHASHSEED": "0", "TZ": "UTC"}
