"""Earlier commits and releases of this repository, to be run beside this tree.

Owns how an older tree is found and laid out. Two ways: `checked_out` with a virtual environment of its own, for what is
measured; `unpacked` with this one's dependencies, for what only has to run. Rule: nothing here changes this tree.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
TAGS = "v*"
FETCH_WITHIN = 60.0


class NoRelease(Exception):
    """There is none to be had, and the text says why."""


def last_release() -> str:
    """The tag to upgrade from: $REV, or else the last one behind this tree; `NoRelease` where there is none."""
    if chosen := os.environ.get("REV"):
        return chosen
    if _asked("rev-parse", "--git-dir") is None:
        raise NoRelease("this tree is no clone of the repository, so it knows no release")
    behind = _asked("describe", "--tags", "--abbrev=0", f"--match={TAGS}", "HEAD")
    if behind is not None and _asked("rev-parse", f"{behind}^{{commit}}") == _asked("rev-parse", "HEAD"):
        # This tree is that release: what there is to upgrade from is the one before.
        behind = _asked("describe", "--tags", "--abbrev=0", f"--match={TAGS}", "HEAD^") or behind
    if behind is None and _asked("rev-parse", "--is-shallow-repository") == "true":
        behind = _fetched()
    if behind is None:
        raise NoRelease(
            f"no tag {TAGS} is behind this commit: nothing was released, or 'git fetch --tags' has it"
        )
    return behind


def _fetched() -> str | None:
    """The newest tag of the origin, where this clone was made without history.

    By when it was made: 0.2.0 came after the tag v0.9.0, whose programs call themselves 0.1.0.
    """
    with contextlib.suppress(subprocess.TimeoutExpired):
        _asked(
            "fetch",
            "--quiet",
            "--depth=1",
            "origin",
            f"refs/tags/{TAGS}:refs/tags/{TAGS}",
            within=FETCH_WITHIN,
        )
    tags = _asked("tag", "--list", TAGS, "--sort=-creatordate")
    return tags.splitlines()[0] if tags else None


def _asked(*question: str, within: float = 30.0) -> str | None:
    """What git answers; None where it has no answer, or where there is no git."""
    quiet = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", *question],
            cwd=HERE,
            capture_output=True,
            text=True,
            check=False,
            timeout=within,
            env=quiet,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@dataclass(frozen=True)
class Release:
    """A tree whose programs can be run with this tree's Python and dependencies."""

    name: str
    tree: Path

    def command(self, *arguments: str) -> list[str]:
        """The command line as a user types it."""
        return [sys.executable, "-P", "-c", "from clients.cli.main import main; main()", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """In which this tree's modules come before all others."""
        return {**os.environ, "PYTHONPATH": str(self.tree)}


THIS = Release("this tree", HERE)


@contextlib.contextmanager
def unpacked(revision: str) -> Iterator[Release]:
    """An older tree in a directory of its own, without its history; `NoRelease` where git does not know it."""
    done = subprocess.run(["git", "archive", revision], cwd=HERE, capture_output=True, check=False)
    if done.returncode:
        raise NoRelease(f"git has no tree {revision} here: {done.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory(prefix="cr-", ignore_cleanup_errors=True) as directory:
        tree = Path(directory)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(tree, filter="data")
        _say_what_is_installed(tree)
        yield Release(revision, tree)


def _say_what_is_installed(tree: Path) -> None:
    """What an installation would write of a tree: its version, and which commands it adds."""
    project = tomllib.loads((tree / "pyproject.toml").read_text())["project"]
    about = tree / f"contrada-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: contrada\nVersion: {project['version']}\n")
    lines = []
    for group, points in project.get("entry-points", {}).items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
    (about / "entry_points.txt").write_text("\n".join([*lines, ""]))


@contextlib.contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """An older tree with a virtual environment of its own, ready to run; it is taken away again."""
    with tempfile.TemporaryDirectory(prefix="co-", ignore_cleanup_errors=True) as directory:
        tree = Path(directory) / "tree"
        _run("git", "worktree", "add", "--quiet", "--detach", str(tree), revision)
        try:
            _run("sh", str(tree / "deploy" / "bootstrap.sh"), "demo")
            _run(str(tree / ".venv" / "bin" / "python"), str(tree / "deploy/kafka/launcher.py"), "prepare")
            yield tree
        finally:
            _run("git", "worktree", "remove", "--force", str(tree))


def _run(*command: str) -> None:
    subprocess.run(command, cwd=HERE, check=True, stdout=sys.stderr)
