"""Disks that forget, for simulations: what a power cut leaves of a home, and disks that are full, read-only or wrong.

    disks = Disks(random.Random(seed))
    with disks.watched():                        the calls by which our code writes are watched (tests/years/disks_watched.py)
        disk = disks.add(home)
        disk.cut_power(party.kill)               its process is gone, and of its files what a disk must have kept
        disk.fill(); disk.read_only(); disk.heal()
        image = disk.copy(); disk.put_back(image)     an older copy; its process does not run
        disk.flip_bit(); disk.tear()                  a disk that does not keep what it has

What a power cut leaves: a file's content up to its last `fsync`, and of what was written since a part of any length; of
the names (made, replaced, removed) those before the directory's last `fsync`, and of the later ones a beginning in
their order; of a database with synchronous=FULL all, and of one with NORMAL what was brought to the disk
(clients/daemon/store/disk.py), and any part of what follows it in the log.

What it does not model: a power cut in the middle of a call of ours, since a job runs whole between two steps of the
loop (`lose_power_in` ends one in the middle by an error); names and files that libraries in C and Rust make (SQLite's,
the tile store's) other than as whole; sectors that were written out of order; and a disk that confirms what it has not
written, but as `put_back` of an older copy.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.years.disks_watched import NORMAL, Calls, Name, WalEnd, frames_until, watching

SECTOR: Final = 512
_NEVER_KEPT: Final = ("-shm",)
_SQLITE: Final = b"SQLite format 3\x00"
_WAL: Final = "-wal"


@dataclass(frozen=True, slots=True)
class Image:
    """The files of a home, with their modes; and its folders."""

    files: dict[str, tuple[int, bytes]]
    folders: dict[str, int]


@dataclass(eq=False)
class Disk:
    """The disk below one home."""

    home: Path
    chance: random.Random
    calls: Calls = field(default_factory=Calls)

    # Faults that last.

    def fill(self) -> None:
        """No room: what needs more fails with ENOSPC, or SQLITE_FULL."""
        self.calls.full = True
        self.calls.tell_databases()

    def read_only(self) -> None:
        """Nothing is written: EROFS, or SQLITE_READONLY."""
        self.calls.locked = True
        self.calls.tell_databases()

    def heal(self) -> None:
        """It takes everything again."""
        self.calls.full = self.calls.locked = self.calls.lost = False
        self.calls.tell_databases()

    def lose_power_in(self, steps: int, then: Callable[[], object]) -> None:
        """At the so-manyth call from now on that writes, the disk is gone, and every later call fails.

        `then` is called at that moment. It must arrange that the process is killed and `survivors`, which are from
        that moment, are put back: `cut_power` does both.
        """
        self.calls.countdown, self.calls.at_loss = steps, then

    @property
    def is_failing(self) -> bool:
        """Whether it is about to be gone in the middle of a call, or is."""
        return bool(self.calls.countdown) or self.calls.lost

    # What is left of it.

    def cut_power(self, kill: Callable[[], object]) -> None:
        """The machine loses its power: its process is gone, and so is what was not on the disk."""
        image = self.survivors()
        kill()
        self.put_back(image)

    def survivors(self) -> Image:
        """What a power cut in this moment leaves. Its process may run."""
        image = self.copy()
        levels = self.calls.levels()
        for name in list(image.files):
            path = self.home / name
            if name.endswith(_WAL):
                if levels.get(path.with_name(path.name.removesuffix(_WAL))) == NORMAL:
                    self._cut_log(image, name, path)
            elif not _is_database(image.files[name][1]):
                self._cut_file(image, name, path)
        self._undo_names(image)
        return image

    def copy(self) -> Image:
        """A copy of the files as they are, such as an operator's of a disk."""
        files: dict[str, tuple[int, bytes]] = {}
        folders: dict[str, int] = {}
        for path in sorted(self.home.rglob("*")):
            name = path.relative_to(self.home).as_posix()
            if path.is_symlink() or path.is_socket() or name.endswith(_NEVER_KEPT):
                continue
            if path.is_dir():
                folders[name] = path.stat().st_mode & 0o7777
            elif path.is_file():
                files[name] = (path.stat().st_mode & 0o7777, path.read_bytes())
        return Image(files, folders)

    def put_back(self, image: Image) -> None:
        """The home has these files and no others. Its process must be gone; what it had open is closed."""
        self.calls.close_databases()
        self.heal()
        self.calls.countdown = 0  # what is written here is no program's
        for path in self.home.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for name, mode in sorted(image.folders.items()):
            (self.home / name).mkdir(mode=mode, parents=True, exist_ok=True)
            (self.home / name).chmod(mode)
        for name, (mode, data) in image.files.items():
            path = self.home / name
            path.write_bytes(data)
            path.chmod(mode)
        self.calls.flushed.clear()
        self.calls.settle(self.home)

    # A disk that is wrong. Its process should not run: what it has in memory it would not read again.

    def flip_bit(self, pattern: str = "*") -> str:
        """One bit of one file is another; which file. Empty where there is none."""
        path = self._any(pattern)
        if path is None:
            return ""
        data = bytearray(path.read_bytes())
        place = self.chance.randrange(len(data))
        data[place] ^= 1 << self.chance.randrange(8)
        path.write_bytes(data)
        return f"{path.relative_to(self.home)} at {place}"

    def tear(self, pattern: str = "*") -> str:
        """From one sector on a file has nothing but zeros; which file."""
        path = self._any(pattern)
        if path is None:
            return ""
        data = path.read_bytes()
        place = self.chance.randrange(0, len(data), SECTOR)
        path.write_bytes(data[:place] + bytes(len(data) - place))
        return f"{path.relative_to(self.home)} from {place} on"

    def _any(self, pattern: str) -> Path | None:
        found = sorted(path for path in self.home.rglob(pattern) if path.is_file() and path.stat().st_size)
        found = [path for path in found if not path.name.endswith(_NEVER_KEPT)]
        return self.chance.choice(found) if found else None

    # A power cut.

    def _cut_log(self, image: Image, name: str, path: Path) -> None:
        """Of a write-ahead log: what was flushed, and a part of what follows, torn anywhere."""
        mode, data = image.files[name]
        end = frames_until(data)
        flushed = self.calls.flushed.get(path, WalEnd(b"", 0))
        # A log that was begun anew: SQLite itself brought the one before, and the database, to the disk.
        kept = flushed.end if data[:32] == flushed.header else 0
        if end > kept:
            cut = self.chance.randint(kept, end)
            image.files[name] = (mode, data[:cut])

    def _cut_file(self, image: Image, name: str, path: Path) -> None:
        mode, data = image.files[name]
        synced = self.calls.synced.get(path.stat().st_ino)
        found = path.stat()
        if synced is None or synced != (found.st_size, found.st_mtime_ns):
            least = 0 if synced is None else min(synced[0], len(data))
            image.files[name] = (mode, data[: self.chance.randint(least, len(data))])

    def _undo_names(self, image: Image) -> None:
        names = self.calls.names
        kept = self.chance.randint(0, len(names))
        for name in reversed(names[kept:]):
            _undo(image, name, self.home)


def _undo(image: Image, name: Name, home: Path) -> None:
    target = name.path.relative_to(home).as_posix()
    if target in image.files and _is_database(image.files[target][1]):
        return  # SQLite syncs the directory itself, with the first sync of its log
    found = image.files.pop(target, None)
    if name.moved_from is not None and found is not None and name.moved_from.is_relative_to(home):
        image.files[name.moved_from.relative_to(home).as_posix()] = found
    if name.before is not None:
        image.files[target] = (0o600 if found is None else found[0], name.before)


def _is_database(data: bytes) -> bool:
    return data.startswith(_SQLITE)


class Disks:
    """All disks of a simulation."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._disks: dict[Path, Disk] = {}
        self._below: dict[Path, Calls | None] = {}
        """By folder, what was found: it is asked for at each call."""

    def add(self, home: Path) -> Disk:
        """The disk below this home; what is there now is on it."""
        home = home.resolve()
        disk = self._disks.get(home)
        if disk is None:
            disk = self._disks[home] = Disk(home, self.chance)
            self._below.clear()
            disk.calls.settle(home)
        return disk

    def settle(self) -> None:
        """Half a minute has passed, and more: a machine brings everything to its disk by then, also what nobody synced."""
        for home, disk in self._disks.items():
            disk.calls.settle(home)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What is written to the homes goes through their disks; `fsync` costs nothing meanwhile."""
        with watching(self._calls_of):
            yield
        for disk in self._disks.values():
            with suppress(Exception):
                disk.calls.close_databases()

    def _calls_of(self, path: Path) -> Calls | None:
        folder = path if path in self._disks else path.parent
        if folder not in self._below:
            above = [home for home in self._disks if folder.is_relative_to(home)]
            self._below[folder] = self._disks[max(above)].calls if above else None
        return self._below[folder]
