"""A file of 3 GB in the place of each file that a command takes: refused by its size, in bounded memory."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from clients.cli.main import run_line
from runtime.bounded import gather_bounded, join_bounded, read_bounded
from runtime.errors import TooLarge
from tests.cli.homes import fixture_homes
from tests.waiting import GENEROUS

pytestmark = pytest.mark.slow

SIZE = 3 * 2**30
MEMORY = 2**30
SECRETS = {
    "--home {tmp}/new --kafka k:1 unit init nl --root {tmp}/fr/root.cbor --secret {big}": 4,
    "--home {tmp}/new --kafka k:1 unit init nl --root {tmp}/fr/root.cbor --passphrase {big}": 4,
}
LINES = (
    "--home {tmp}/fr send --to it {big}",
    "--home {tmp}/fr send --to it - < {big}",
    "--home {tmp}/fr send --to it {tmp}/draft.json --attach {big}",
    "--home {tmp}/fr request --to it {big}",
    "--home {tmp}/fr inbox answer 019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a --file {big}",
    "--home {tmp}/fr inbox refuse 019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a --file {big}",
    "--home {tmp}/fr route explain {big}",
    "--home {tmp}/fr route explain - < {big}",
    "--home {tmp}/new --kafka k:1 unit init nl --root {big}",
    "--home {tmp}/new --kafka k:1 unit init nl --root {tmp}/fr/root.cbor --ledger-policy {big}",
    *SECRETS,
    "--home {tmp}/new witness init x.example/w --policy {big}",
    "--home {tmp}/centre centre enrol {big}",
    "--home {tmp}/centre centre act policy-change {big} --why x",
    "--home {tmp}/centre ledger init --origin x.example --witness {big}",
    "router run --config {big}",
    "ledger check --config {big}",
    "audit verify message {big} --policy {big}",
    "--home {tmp}/large unit run --check-config",
    "--home {tmp}/large route explain {tmp}/draft.json --to it",
)


def run_all(lines: list[str]) -> list[tuple[int, str]]:
    """Each line's exit code and what it said, in a process that may have little memory."""
    seen = []
    for line in lines:
        words, _, given = line.partition(" < ")
        err = io.StringIO()
        with redirect_stdout(io.StringIO()), redirect_stderr(err), open(given or "/dev/null") as stdin:
            sys.stdin = stdin
            seen.append((run_line(words.split()), err.getvalue()))
    return seen


def sparse(path: Path) -> Path:
    """A file of 3 GB that takes no room."""
    with path.open("wb") as file:
        file.truncate(SIZE)
    path.chmod(0o600)
    return path


def test_no_command_reads_more_than_it_can_use(tmp_path: Path) -> None:
    """The refusal says how much there was, and how much there may be."""
    fixture_homes(tmp_path)
    names = {"tmp": tmp_path, "big": sparse(tmp_path / "big")}
    (tmp_path / "large").mkdir(mode=0o700)
    sparse(tmp_path / "large" / "unit.toml")
    lines = [line.format(**names) for line in LINES]

    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.cli.test_large_files"], input=json.dumps(lines),
        capture_output=True, text=True, check=True, timeout=GENEROUS,
    )  # fmt: skip
    seen = dict(zip(LINES, json.loads(done.stdout), strict=True))

    assert {line: code for line, (code, _) in seen.items() if code != SECRETS.get(line, 2)} == {}
    assert {line: said for line, (_, said) in seen.items() if f"has {SIZE} bytes" not in said} == {}


def test_what_has_no_size_is_bounded_too(tmp_path: Path) -> None:
    """A pipe never ends, and is refused as soon as it gives too much."""
    with pytest.raises(TooLarge, match=r"at most 10 bytes, and .*zero has more"):
        read_bounded(Path("/dev/zero"), 10, what="a draft")
    (tmp_path / "small").write_bytes(b"x" * 10)
    assert read_bounded(tmp_path / "small", 10, what="a draft") == b"x" * 10


async def test_parts_are_bounded_before_they_are_joined() -> None:
    """An answer that is sent for ever is left at the first byte too many."""
    given = [b"12345", b"67890", b"1", b"never asked for"]
    chunks = iter(given)
    with pytest.raises(TooLarge):
        join_bounded(chunks, 10, name="the answer", what="a tile")
    assert list(chunks) == given[3:]

    async def later():
        for chunk in given[:2]:
            yield chunk

    assert await gather_bounded(later(), 10, name="this one", what="a request") == b"1234567890"
    with pytest.raises(TooLarge):
        await gather_bounded(later(), 9, name="this one", what="a request")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.__stdout__.write(json.dumps(run_all(json.load(sys.stdin))))
