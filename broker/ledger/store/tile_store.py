"""The store of tiles and checkpoints: a directory, or an S3 bucket. One interface over both.

    <url>/audit/2026h2/checkpoint           the newest published checkpoint of a log
    <url>/audit/2026h2/tile/0/x001/234      C2SP tlog-tiles, as an auditor copies them

Rules:
- When `put` returns, the files survive a power failure. obstore does not sync a directory's files, so
  that is done here: the file, then every directory above it.
- A tile's content follows from the tree alone. To put it again changes nothing, so a half-done `put` is
  simply done again, from the row that was staged with the tree's new head (broker/ledger/sequencer.py).
- A checkpoint replaces another one: it is written beside it, synced, and moved into its place.
- This store need not be trusted: what is read from it is compared with the lock row (checks.py), and no file
  is read that is larger than a log's can be.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from runtime.errors import Misconfigured, Unavailable
from runtime.log_files import MAX_LOG_FILE

if TYPE_CHECKING:
    from obstore.store import RetryConfig, S3Config

CHECKPOINT: Final = "checkpoint"
_AT_ONCE: Final = 8
_TRIED: Final = "writable.new"
_TRIED_BYTES: Final = 8_192  # more than a directory's entry can hold by itself
_RETRY: Final[RetryConfig] = {"max_retries": 5, "retry_timeout": timedelta(seconds=10)}


class TileStore:
    """Files by path, below one URL."""

    def __init__(self, store: ObjectStore, *, root: Path | None) -> None:
        self._store = store
        self._root = root
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="tiles")

    @classmethod
    def open(cls, url: str) -> TileStore:
        """The store at this URL, or in this directory, which is made if need be."""
        try:
            if "://" not in url:
                root = Path(url).absolute()
                return cls(LocalStore(root, mkdir=True), root=root)
            if url.startswith("s3://"):
                # Not every S3 server deletes many at once, and few are deleted here.
                bulk: S3Config = {"disable_bulk_delete": True}
                return cls(from_url(url, config=bulk, retry_config=_RETRY), root=None)
            return cls(from_url(url, retry_config=_RETRY), root=None)
        except (BaseError, OSError, ValueError) as error:
            # Not the error's words: a URL of a bucket may hold a secret.
            raise Misconfigured(
                f"the tile store cannot be opened ({type(error).__name__})",
                hint="name a directory, or s3://BUCKET/PREFIX with the usual AWS_* variables",
            ) from None

    def get(self, path: str) -> bytes | None:
        """The file, or None where there is none. A larger one than any file of a log is `Unavailable`."""
        try:
            found = obstore.get(self._store, path)
            # What a bucket announces is all that it can send: nothing is read of what is too much.
            if (size := found.meta["size"]) > MAX_LOG_FILE:
                raise Unavailable(
                    f"{path} in the tile store has {size} bytes, and a file of a log at most {MAX_LOG_FILE}",
                    hint="is that the ledger's store? compare it with a copy ('contrada audit fsck')",
                )
            return bytes(found.bytes())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _unavailable("read", error) from error

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write all of them, durably. Raises `Unavailable` unless every one is there."""
        self._each(lambda path: self._put(path, files[path]), files)
        if self._root is not None:
            self._each(_sync, {str(above) for path in files for above in self._directories(path)})

    def replace(self, path: str, data: bytes) -> None:
        """Write one file that may be there already, so that a reader sees the old one or the new one."""
        if self._root is None:
            self.put({path: data})
            return
        beside = f"{path}.new"
        self._each(lambda _: self._put(beside, data), [beside])
        self._each(lambda _: obstore.rename(self._store, beside, path), [path])
        self._each(_sync, map(str, self._directories(path)))

    def try_write(self) -> None:
        """Write a file and remove it; `Unavailable` where none can be written now. Of a bucket: ask it."""
        if self._root is None:
            self.get(CHECKPOINT)
            return
        self.put({_TRIED: bytes(_TRIED_BYTES)})
        self.forget([_TRIED])

    def names(self, below: str) -> tuple[str, ...]:
        """The paths below this one."""
        try:
            return tuple(found["path"] for page in obstore.list(self._store, below) for found in page)
        except (BaseError, OSError) as error:
            raise _unavailable("listed", error) from error

    def forget(self, paths: Iterable[str]) -> None:
        """Remove files that no reader asks for any more. A file that is gone already is no error."""
        for path in paths:
            try:
                obstore.delete(self._store, path)
            except FileNotFoundError:
                continue
            except (BaseError, OSError) as error:
                raise _unavailable("tidied", error) from error

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _put(self, path: str, data: bytes) -> None:
        obstore.put(self._store, path, data, use_multipart=False)
        if self._root is not None:
            _sync(str(self._root / path))

    def _each(self, do: Callable[[str], object], paths: Iterable[str]) -> None:
        # Threads, since each of these waits for a disk or a network, and none for one alone; the first error
        # is the one told.
        together = list(paths)
        try:
            for _ in map(do, together) if len(together) == 1 else self._pool.map(do, together):
                pass
        except (BaseError, OSError) as error:
            raise _unavailable("written", error) from error

    def _directories(self, path: str) -> Iterable[Path]:
        assert self._root is not None
        for above in (self._root / path).parents:
            yield above
            if above == self._root:
                return


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(what: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"the tile store cannot be {what} ({type(error).__name__})",
        hint="look at its disk or its service; nothing is lost, the ledger goes on from where it was",
    )
