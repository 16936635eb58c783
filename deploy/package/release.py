#!/usr/bin/env python3
"""Everything that a release consists of, in dist/: `make release`.

Owns: the list of files and their hashes. Rules: built from what the commit has and from nothing else, so that
whoever doubts a file can build it and compare; tags nothing, sends nothing anywhere. Ends with 8 and a
sentence where something is missing.

    contrada-VERSION-py3-none-any.whl      contrada-VERSION.tar.gz        contrada_VERSION_ARCHITECTURE.deb
    contrada-VERSION.cdx.json              its notes, in Markdown         SHA256SUMS
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

if not __package__:  # run as a program: the repository's root stands for this folder on the import path
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from deploy.kafka.faults import Fault
from deploy.package.build import build_deb, build_distribution
from deploy.package.components import component, components
from deploy.package.deb import Compress, quick, small
from deploy.package.epoch import ROOT, source_epoch, version
from deploy.package.materials import materials
from deploy.package.wheelhouse import wheels

SUMS = "SHA256SUMS"


def make_release(out: Path, *, compress: Compress = small) -> list[Path]:
    """Build all of it into this folder; the files, in the order of SHA256SUMS."""
    notes = release_notes()
    out.mkdir(parents=True, exist_ok=True)
    made = [_taken(kind, out) for kind in ("wheel", "sdist")]
    made.append(build_deb(out, compress=compress))
    bill = out / f"contrada-{version()}.cdx.json"
    moment = datetime.fromtimestamp(source_epoch(), UTC).isoformat()
    bill.write_text(materials(component(made[0]), components(wheels()), moment=moment), encoding="utf-8")
    text = out / f"contrada-{version()}.md"
    text.write_text(notes, encoding="utf-8")
    made += [bill, text]
    (out / SUMS).write_text("".join(f"{_digest(path)}  {path.name}\n" for path in made))
    return [*made, out / SUMS]


def release_notes() -> str:
    """What the tag says: the page of this version, and its section of the CHANGELOG."""
    page = ROOT / "docs" / "releases" / f"{version()}.md"
    if not page.exists():
        raise Fault(
            f"{page.relative_to(ROOT)} is not there: a release says what it is.",
            remedy="Write it, for those who decide whether to upgrade, and when.",
        )
    return f"{page.read_text(encoding='utf-8').rstrip()}\n\n{changes(version())}"


def changes(of: str) -> str:
    """The section of the CHANGELOG of this version."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(rf"^## \[{re.escape(of)}\][^\n]*\n(.*?)(?=^## \[|\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise Fault(
            f"CHANGELOG.md has no section [{of}].", remedy="Give it one; what is unreleased goes there."
        )
    return f"## What changed\n\n{found[1].strip()}\n"


def _taken(kind: str, out: Path) -> Path:
    with tempfile.TemporaryDirectory(prefix="contrada-release-") as place:
        built = build_distribution(kind, Path(place) / kind)
        return Path(shutil.move(built, out / built.name))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """Build it, and name the files."""
    parser = argparse.ArgumentParser(description="A release of Contrada, ready to be tagged.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / version(), help="default: dist/VERSION")
    parser.add_argument("--quick", action="store_true", help="compress quickly: for a trial")
    options = parser.parse_args()
    try:
        for path in make_release(options.out, compress=quick if options.quick else small):
            print(path)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return fault.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
