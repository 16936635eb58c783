"""The package for Debian: what is in it, the same bytes each time, and a machine on which it is installed, booted for the test."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.kafka.faults import Fault
from deploy.package.build import build_deb
from deploy.package.components import component
from deploy.package.deb import quick
from deploy.package.epoch import ROOT, version
from deploy.package.release import make_release
from deploy.package.tree import lay_out
from deploy.package.wheelhouse import wheels
from tests.packaging.schema import faults
from tests.sim.world import World
from tests.waiting import GENEROUS

HERE = Path(__file__).resolve().parent
SYSTEMD = Path("/lib/systemd/systemd")
PYTHON = Path("/usr/bin/python3.11")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.version_info[:2] != (3, 11), reason="packages are built with Python 3.11, as Debian 12 has it"
    ),
]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Built once for all that is asked here."""
    try:
        return make_release(tmp_path_factory.mktemp("release"), compress=quick)
    except Fault as fault:
        pytest.skip(f"no release: {fault}")


@pytest.fixture(scope="module")
def package(release: list[Path]) -> Path:
    """The package of it."""
    (found,) = (path for path in release if path.suffix == ".deb")
    return found


def test_a_release_is_whole(release: list[Path]) -> None:
    """Every file that it should have, with hashes that `sha256sum` finds right, and a bill of what is in the package."""
    *files, sums = release
    endings = {"".join(re.findall(r"(?:\.cdx)?\.\w+$", path.name)) for path in files}
    assert endings == {".whl", ".gz", ".deb", ".cdx.json", ".md"}
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", sums.name], cwd=sums.parent, check=True)
    (text,) = (path.read_text() for path in files if path.name.endswith(".cdx.json"))
    assert faults(text) is None
    found, lock = json.loads(text), (ROOT / "requirements/runtime.lock").read_text()
    named = {each["name"]: each["version"] for each in found["components"]}
    assert named == dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))
    assert all(f"sha256:{each['hashes'][0]['content']}" in lock for each in found["components"])
    assert component(files[0]).sha256 == found["metadata"]["component"]["hashes"][0]["content"]


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its files, somewhere else than where they belong."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not here: Debian has it")
    place = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "--extract", package, place], check=True)
    return place


def test_two_builds_are_the_same_bytes(package: Path, tmp_path: Path) -> None:
    """In another folder, with another umask and another time zone: whoever doubts a package builds it and compares."""
    before = os.umask(0o077)
    try:
        again = build_deb(tmp_path / "elsewhere", compress=quick)
    finally:
        os.umask(before)
    assert again.read_bytes() == package.read_bytes()


def test_a_library_that_was_exchanged_is_not_packed(release: list[Path], tmp_path: Path) -> None:
    """What is kept for the next build is proved again by the lock's hashes."""
    kept = shutil.copytree(wheels(), tmp_path / "wheels")
    with zipfile.ZipFile(next(kept.glob("click-*.whl")), "a") as wheel:
        wheel.writestr("click/more.py", "print('more')")
    with pytest.raises(Fault, match="could not be laid out"):
        lay_out(tmp_path / "tree", wheels=kept, own=release[0], libraries=())


def test_debian_reads_it(package: Path, unpacked: Path) -> None:
    """Its fields are fields, what it needs is named, and everything belongs to root."""
    asked = ["dpkg-deb", "--field", package, "Package", "Version", "Depends"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[:2] == ["Package: contrada", f"Version: {version()}"]
    assert "python3 (<< 3.12~)" in said
    listed = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True).stdout
    (unpacked.parent / "fsys.tar").write_bytes(listed)
    with tarfile.open(unpacked.parent / "fsys.tar") as tar:
        members = tar.getmembers()
    assert {(each.uid, each.gid, each.uname) for each in members} == {(0, 0, "root")}
    assert len({each.mtime for each in members}) == 1
    assert not [each.name for each in members if each.mode & 0o6022 and not each.issym()]


def test_nothing_of_the_building_machine_is_in_it(unpacked: Path) -> None:
    """No compiled module, no path of a home or of this checkout, no program with another machine's Python."""
    files = [path for path in unpacked.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if path.suffix == ".pyc" or path.name in {"RECORD", "direct_url.json"}]
    own = str(HERE.parents[1]).encode()
    assert not [path for path in files if own in path.read_bytes()]


def test_it_runs_wherever_it_lies(unpacked: Path) -> None:
    """Without a network, an installation or a virtual environment of ours; the environment says nothing of what is imported."""
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not here: Debian 12's Python")
    program = [unpacked / "usr/lib/contrada/bin/python3", "-I", unpacked / "usr/lib/contrada/bin/contrada"]
    (trap := unpacked.parent / "trap").mkdir(exist_ok=True)
    (trap / "click.py").write_text("raise SystemExit('imported from the environment')")
    for arguments, expected in (
        (["--version"], f"contrada {version()}\n"),
        (["errors", "show", "E_SIZE"], "E_SIZE"),
        (["router", "run", "--help"], "--config"),
    ):
        done = subprocess.run(
            [*program, *arguments], cwd=trap, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(trap)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout


def test_every_library_has_its_licence_and_none_is_gpl(unpacked: Path) -> None:
    """The copyright file names each library with its licence."""
    text = (unpacked / "usr/share/doc/contrada/copyright").read_text()
    lines = dict(line.strip().rsplit(": ", 1) for line in text.splitlines() if line.startswith("  "))
    about = unpacked / "usr/lib/contrada/lib/python3.11/site-packages"
    assert len(lines) == len(list(about.glob("*.dist-info"))) - 1
    assert not [name for name, licence in lines.items() if "GPL" in licence or licence == "NOASSERTION"]


@dataclass(frozen=True)
class Machine:
    """What the script on the booted machine has said, by the first word."""

    text: str

    def __getitem__(self, what: str) -> str:
        found = [line[3:] for line in self.text.splitlines() if line.startswith(f"== {what}")]
        assert found, f"nothing was said of {what!r}:\n{self.text}"
        return found[0].removeprefix(what).strip(": ")


@pytest.fixture(scope="module")
def machine(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A copy of this machine's system with a systemd of its own, on which the package was installed and used."""
    if os.geteuid() != 0 or not SYSTEMD.exists() or not PYTHON.exists() or shutil.which("unshare") is None:
        pytest.skip("a machine is booted by root where Debian 12's systemd and Python are")
    place = tmp_path_factory.mktemp("machine")
    (place / "files").mkdir()
    shutil.copyfile(package, place / "files/contrada.deb")
    (place / "files/root.cbor").write_bytes(World().directory.root.encoded())
    shutil.copyfile(HERE / "probe.sh", place / "probe.sh")
    spaces = ("--mount", "--pid", "--fork", "--cgroup", "--uts", "--ipc", "--net", "--kill-child")
    done = subprocess.run(
        ["unshare", *spaces, "bash", HERE / "boot.sh", place],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=2 * GENEROUS,
    )  # fmt: skip
    said = place / "up/root/said"
    if not said.exists():
        pytest.skip(
            f"no machine could be booted here: {(done.stderr or (place / 'console').read_text())[-300:]}"
        )
    yield Machine(said.read_text())
    shutil.rmtree(place, ignore_errors=True)


def test_installing_enables_nothing(machine: Machine) -> None:
    """Users and a credential that is sealed to the machine are there; no service runs that nobody asked for."""
    assert machine["installed"] == "0"
    assert (machine["enabled"], machine["active"]) == ("disabled", "inactive")
    assert (machine["users"], machine["credential"]) == ("7", "root 600")
    assert int(machine["compiled"]) > 1000
    assert machine["verify"] == ""


def test_a_unit_begins_with_its_credential(machine: Machine) -> None:
    """What opens the keys is the sealed credential alone; the home has no secret beside them."""
    assert machine["without a home"] == "ExecMainStatus=2 SubState=failed"
    assert (machine["made"], machine["checked"], machine["a slip"]) == ("0", "0", "2")
    assert machine["home"] == "contrada-unit 700 0"


def test_the_service_works_under_its_locks(machine: Machine) -> None:
    """It serves as its own user, without rights, behind a filter of system calls; and is watched."""
    assert (machine["started"], machine["runs"]) == ("0", "active contrada-unit")
    assert machine["status"] == "CapEff:0000000000000000 NoNewPrivs:1 Seccomp:2"
    assert machine["asked"] == "3"
    assert machine["notices"] == "1min"
    assert machine["nice"] == "0"


def test_an_upgrade_restarts_what_ran(machine: Machine) -> None:
    """And starts nothing else."""
    assert machine["upgraded"] == "0: active inactive anew"


def test_a_credential_is_never_overwritten(machine: Machine) -> None:
    """The keys that it opens would stay closed for good; what is no secret is not sealed."""
    assert (machine["never twice"], machine["no secret"], machine["taken in"]) == ("6", "3", "0")


def test_removing_keeps_the_keys(machine: Machine) -> None:
    """The program goes; keys and what opens them stay."""
    assert machine["removed"] == "0: 0 inactive"
    assert machine["kept"] == "2"
