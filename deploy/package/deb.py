"""A Debian package, written byte for byte by ourselves.

Owns: the format (deb(5): an `ar` of a version, control.tar and data.tar). Knows nothing of what is inside.
Rules: names in order, owner root, one moment for every file; so the same files are the same package, whatever
machine and whoever built it. `dpkg-deb` reads it in the tests; to write it needs nothing of Debian.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

_MAGIC: Final = b"!<arch>\n"
_RUNS: Final = frozenset({"preinst", "postinst", "prerm", "postrm"})

Compress = Callable[[bytes], tuple[str, bytes]]


def small(data: bytes) -> tuple[str, bytes]:
    """For a release: a third smaller, in a minute or two."""
    return ".xz", lzma.compress(data, preset=6)


def quick(data: bytes) -> tuple[str, bytes]:
    """For a trial."""
    return ".gz", gzip.compress(data, compresslevel=1, mtime=0)


def write_deb(
    target: Path, tree: Path, *, control: Mapping[str, bytes], epoch: int, compress: Compress
) -> None:
    """Write what lies below `tree` as a package; `control` has the control file and the scripts, by name."""
    sums = {"md5sums": _md5sums(tree)}
    ending, data = compress(_tar_of_tree(tree, epoch))
    end, about = compress(_tar_of_files({**control, **sums}, epoch))
    members = (("debian-binary", b"2.0\n"), (f"control.tar{end}", about), (f"data.tar{ending}", data))
    with target.open("wb") as file:
        file.write(_MAGIC)
        for name, content in members:
            header = f"{name:<16}{epoch:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
            file.write(header.encode() + content + b"\n" * (len(content) % 2))


def kilobytes(tree: Path) -> int:
    """Installed-Size, as Debian counts it."""
    files = [path for path in tree.rglob("*") if not path.is_dir() or path.is_symlink()]
    return sum(1 if path.is_symlink() else -(-path.stat().st_size // 1024) for path in files)


def _md5sums(tree: Path) -> bytes:
    """For `dpkg --verify`: it looks for damage and not for attackers."""
    lines = [
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(tree)}\n"
        for path in sorted(tree.rglob("*"))
        if path.is_file() and not path.is_symlink()
    ]
    return "".join(lines).encode()


def _tar_of_tree(tree: Path, epoch: int) -> bytes:
    with (
        (made := io.BytesIO()) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        tar.addfile(_owned(tarfile.TarInfo("./"), epoch, mode=0o755, kind=tarfile.DIRTYPE))
        for path in sorted(tree.rglob("*")):
            _add(tar, path, name=f"./{path.relative_to(tree)}", epoch=epoch)
        tar.close()
        return made.getvalue()


def _add(tar: tarfile.TarFile, path: Path, *, name: str, epoch: int) -> None:
    info = tarfile.TarInfo(name)
    if path.is_symlink():
        info.linkname = str(path.readlink())
        tar.addfile(_owned(info, epoch, mode=0o777, kind=tarfile.SYMTYPE))
    elif path.is_dir():
        info.name += "/"
        tar.addfile(_owned(info, epoch, mode=path.stat().st_mode & 0o7777, kind=tarfile.DIRTYPE))
    else:
        data = path.read_bytes()
        info.size = len(data)
        mode = path.stat().st_mode & 0o7777
        tar.addfile(_owned(info, epoch, mode=mode, kind=tarfile.REGTYPE), io.BytesIO(data))


def _tar_of_files(files: Mapping[str, bytes], epoch: int) -> bytes:
    with (
        (made := io.BytesIO()) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        tar.addfile(_owned(tarfile.TarInfo("./"), epoch, mode=0o755, kind=tarfile.DIRTYPE))
        for name, data in sorted(files.items()):
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            mode = 0o755 if name in _RUNS else 0o644
            tar.addfile(_owned(info, epoch, mode=mode, kind=tarfile.REGTYPE), io.BytesIO(data))
        tar.close()
        return made.getvalue()


def _owned(info: tarfile.TarInfo, epoch: int, *, mode: int, kind: bytes) -> tarfile.TarInfo:
    info.mtime, info.mode, info.type = epoch, mode, kind
    info.uname = info.gname = "root"
    return info
