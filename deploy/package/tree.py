"""What the package installs, and where.

Owns: the layout. /usr/lib/contrada is a virtual environment made by hand: pyvenv.cfg, a link to Debian's
Python, and the libraries. It works wherever it lies, since Python finds the rest from the place of its own
link. Rule: nothing of the building machine is in it, no path, no time, no compiled module (the installation
compiles).
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.package.components import Component
from deploy.package.epoch import ROOT, environment, source_epoch, version
from deploy.package.wheelhouse import PYTHON, pip, proved, tags

FILES: Final = Path(__file__).resolve().parent / "files"
HOME: Final = Path("usr/lib/contrada")
PACKAGES: Final = HOME / "lib" / f"python{PYTHON}" / "site-packages"
DOC: Final = Path("usr/share/doc/contrada")

START: Final = f"""#!/{HOME}/bin/python3 -I
# Isolated: neither the environment nor the working directory says what is imported.
import sys

from clients.cli.main import main

sys.argv[0] = "contrada"
main()
"""

# What pip writes about its own doing, with paths of the machine that built.
_TRACES: Final = ("RECORD", "REQUESTED", "direct_url.json")


def lay_out(tree: Path, *, wheels: Path, own: Path, libraries: tuple[Component, ...]) -> None:
    """Put everything below `tree`; `own` is the wheel of this program."""
    _environment(tree, wheels, own)
    _programs(tree)
    _services(tree)
    _documents(tree, libraries)
    _modes(tree)


def _environment(tree: Path, wheels: Path, own: Path) -> None:
    target = tree / PACKAGES
    target.mkdir(parents=True)
    into = ("--no-index", "--find-links", str(wheels), "--no-compile", "--target", str(target))
    pip("install", *into, *proved(), fault="The libraries could not be laid out")
    pip("install", *into, "--no-deps", *tags(), str(own), fault="The program could not be laid out")
    # Programs of the libraries, with the building machine's Python in their first lines.
    shutil.rmtree(target / "bin", ignore_errors=True)
    for about in target.glob("*.dist-info"):
        for name in _TRACES:
            (about / name).unlink(missing_ok=True)
    (tree / HOME / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"
    )
    (tree / HOME / "bin").mkdir()
    (tree / HOME / "bin" / "python3").symlink_to(f"/usr/bin/python{PYTHON}")


def _programs(tree: Path) -> None:
    start = tree / HOME / "bin" / "contrada"
    start.write_text(START)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/contrada").symlink_to("../lib/contrada/bin/contrada")
    (tree / "usr/sbin").mkdir()
    for name in ("contrada-as", "contrada-credential"):
        shutil.copyfile(FILES / name, tree / "usr/sbin" / name)


def _services(tree: Path) -> None:
    for source, target in (
        *((unit, "usr/lib/systemd/system") for unit in sorted((ROOT / "deploy/systemd").glob("*.service"))),
        (FILES / "sysusers.conf", "usr/lib/sysusers.d/contrada.conf"),
        (FILES / "tmpfiles.conf", "usr/lib/tmpfiles.d/contrada.conf"),
    ):
        place = tree / target
        place = place if place.suffix else place / source.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)


def _documents(tree: Path, libraries: tuple[Component, ...]) -> None:
    doc = tree / DOC
    doc.mkdir(parents=True)
    for name in ("README.md", "SECURITY.md"):
        shutil.copyfile(ROOT / name, doc / name)
    for source in sorted(
        each for each in (ROOT / "docs").rglob("*") if each.suffix in {".md", ".svg", ".cddl"}
    ):
        place = doc / source.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
    _packed(doc / "changelog.gz", (ROOT / "CHANGELOG.md").read_bytes())
    lines = [f"  {each.name} {each.version}: {each.licence}\n" for each in libraries]
    (doc / "copyright").write_text((FILES / "copyright").read_text() + "".join(lines))
    completions = tree / "usr/share/bash-completion/completions"
    completions.mkdir(parents=True)
    (completions / "contrada").write_text(_said("completion", "bash"))
    pages = tree / "usr/share/man/man1"
    pages.mkdir(parents=True)
    _packed(pages / "contrada.1.gz", _manual().encode())


def _packed(target: Path, data: bytes) -> None:
    target.write_bytes(gzip.compress(data, compresslevel=9, mtime=source_epoch()))


def _said(*arguments: str) -> str:
    """What the program of this tree prints; the same program that is packed."""
    line = [sys.executable, "-c", "from clients.cli.main import main; main()", *arguments]
    quiet = environment() | {"NO_COLOR": "1", "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
    return subprocess.run(line, cwd=ROOT, env=quiet, capture_output=True, text=True, check=True).stdout


def _manual() -> str:
    """A page that shows what --help shows, for those who ask `man` first."""
    text = _said("--help").replace("\\", "\\e").replace("-", "\\-")
    lines = "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in text.splitlines())
    return (
        f'.TH CONTRADA 1 "" "contrada {version()}" "User Commands"\n'
        ".SH NAME\ncontrada \\- message exchange for police forces\n"
        f".SH SYNOPSIS\n.nf\n{lines}\n.fi\n"
        ".SH SEE ALSO\nEvery command has \\-\\-help with examples."
        " All pages lie in /usr/share/doc/contrada/docs.\n"
    )


def _modes(tree: Path) -> None:
    """As Debian wants them, whatever the umask of the build is."""
    runs = {tree / HOME / "bin/contrada", *(tree / "usr/sbin").iterdir()}
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in runs else 0o644)
    tree.chmod(0o755)
