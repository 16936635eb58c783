#!/usr/bin/env python3
"""Build the Debian package: `make package`.

Owns: the order of the steps. Prints the path of what was built. Ends with 8 and a sentence where something is
missing.

    python deploy/package/build.py                  # dist/contrada_VERSION_ARCHITECTURE.deb
    python deploy/package/build.py --quick --out D  # larger, in a third of the time
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

if not __package__:  # run as a program: the repository's root stands for this folder on the import path
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from deploy.kafka.faults import Fault
from deploy.package.components import components
from deploy.package.deb import Compress, kilobytes, quick, small, write_deb
from deploy.package.epoch import ROOT, environment, source_epoch, version
from deploy.package.tree import FILES, lay_out
from deploy.package.wheelhouse import architecture, wheels


def build_deb(out: Path, *, compress: Compress = small) -> Path:
    """Build the package into this folder; its path."""
    kind, folder = architecture(), wheels()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="contrada-package-") as place:
        tree = Path(place) / "tree"
        tree.mkdir()
        own = build_distribution("wheel", Path(place) / "own")
        lay_out(tree, wheels=folder, own=own, libraries=components(folder))
        target = out / f"contrada_{version()}_{kind}.deb"
        write_deb(target, tree, control=_control(tree, kind), epoch=source_epoch(), compress=compress)
    return target


def build_distribution(kind: str, out: Path) -> Path:
    """Build this tree's wheel or sdist into an empty folder, the same bytes each time; its path."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fault(
            f"The {kind} could not be built:\n  {done.stderr[-500:]}", remedy="make venv-demo, then again."
        )
    (built,) = [path for path in out.iterdir() if path.suffix in {".whl", ".gz"}]
    return built


def _control(tree: Path, kind: str) -> dict[str, bytes]:
    text = (FILES / "control").read_text()
    said = {"VERSION": version(), "ARCHITECTURE": kind, "SIZE": str(kilobytes(tree))}
    for name, value in said.items():
        text = text.replace(f"@{name}@", value)
    scripts = {name: (FILES / name).read_bytes() for name in ("postinst", "prerm", "postrm")}
    return {"control": text.encode(), **scripts}


def main() -> int:
    """Build it, and say where it is."""
    parser = argparse.ArgumentParser(description="The Debian package of Contrada.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="default: dist")
    parser.add_argument("--quick", action="store_true", help="compress quickly: for a trial")
    options = parser.parse_args()
    try:
        print(build_deb(options.out, compress=quick if options.quick else small))
    except Fault as fault:
        print(fault, file=sys.stderr)
        return fault.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
