"""Access to the published files of a log: in a directory, or behind a URL (C2SP tlog-tiles).

Owns the bounds: a file has at most as many bytes as any file of a log can have, an answer begins in time and
does not drip, and redirects are not followed. Verifies nothing: the caller does.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from protocol.tlog.tiles import MAX_ENTRY, TILE_WIDTH
from runtime.bounded import join_bounded, read_bounded
from runtime.deadline import paced, within
from runtime.errors import TooLarge, Unavailable

if TYPE_CHECKING:
    import httpx

MAX_LOG_FILE: Final = TILE_WIDTH * (MAX_ENTRY + 2)
"""Bytes of a full tile of the largest entries, each behind its length."""


class LogFileSource(Protocol):
    """Files by their path in the layout of a ledger, such as `audit/2026h2/tile/0/000`."""

    def get(self, path: str) -> bytes | None:
        """The file; None where there is none; `Unavailable` where that cannot be determined now."""
        ...

    def local(self, path: str) -> Path | None:
        """The file on this machine; None where the source is elsewhere."""
        ...


class DirectoryLogFiles:
    """The files in a directory, as a ledger writes them."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, path: str) -> bytes | None:
        """The file. A larger one than any file of a log is `Unavailable`, as elsewhere."""
        try:
            return read_bounded(self._path / path, MAX_LOG_FILE, what="a file of a log")
        except FileNotFoundError:
            return None
        except TooLarge as error:
            raise Unavailable(str(error), hint="is that a log's directory?") from None
        except OSError as error:
            raise Unavailable(f"{self._path / path}: {error.strerror}", hint="check the path") from None

    def local(self, path: str) -> Path | None:
        """The file itself."""
        return self._path / path


class HttpLogFiles:
    """The files behind a URL, as the ledger's read API serves them."""

    __slots__ = ("_client", "_prefix", "_seconds")

    def __init__(self, url: str, *, seconds: float) -> None:
        """`seconds` is how long to wait for an answer, and for each part of it (runtime/deadline.py)."""
        self._seconds = seconds
        self._prefix = url.rstrip("/")
        self._client = self._opened()

    def _opened(self) -> httpx.Client:
        import httpx  # noqa: PLC0415 - 100 ms, needed only where there is something to fetch

        return httpx.Client(
            timeout=self._seconds, follow_redirects=False, headers={"accept-encoding": "identity"}
        )

    def get(self, path: str) -> bytes | None:
        """The file. Too large or slow an answer, or a status not 200, 404 or 410, is `Unavailable`."""
        import httpx  # noqa: PLC0415

        try:
            question = self._client.build_request("GET", f"{self._prefix}/{path}")
            with closing(within(self._seconds, partial(self._client.send, question, stream=True))) as answer:
                if answer.status_code in (404, 410):
                    return None
                if answer.status_code != httpx.codes.OK:
                    raise _unavailable(path, f"status {answer.status_code}")
                if "content-encoding" in answer.headers:
                    raise _unavailable(path, "an encoded answer, which nobody asked for")
                chunks = paced(answer.iter_bytes(), self._seconds)
                return join_bounded(chunks, MAX_LOG_FILE, name="the answer", what="a file of a log")
        except TooLarge as error:
            raise _unavailable(path, str(error)) from None
        except TimeoutError:
            # What still comes over this connection is nobody's.
            self._client.close()
            self._client = self._opened()
            raise _unavailable(path, "it comes too slowly") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unavailable(path, type(error).__name__) from None

    def local(self, _: str) -> Path | None:
        """None: nothing is on this machine."""
        return None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _unavailable(path: str, why: str) -> Unavailable:
    return Unavailable(
        f"the source does not give {path}: {why}", hint="try again; the copy goes on where it was"
    )
