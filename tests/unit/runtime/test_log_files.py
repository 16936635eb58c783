"""Files of a log from a directory and from a URL: what is there, what is not, and what is too much."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runtime import log_files
from runtime.errors import Unavailable
from runtime.log_files import DirectoryLogFiles, HttpLogFiles

ANSWERS = {
    "/ledger/there": (200, b"tile"),
    "/ledger/gone": (410, b""),
    "/ledger/large": (200, b"x" * 11),
    "/ledger/moved": (302, b""),
    "/ledger/broken": (500, b""),
}


class Handler(BaseHTTPRequestHandler):
    """Answers as the table says; 404 for all else."""

    def do_GET(self) -> None:
        status, body = ANSWERS.get(self.path, (404, b""))
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/ledger/there")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def web() -> Iterator[HttpLogFiles]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with closing(HttpLogFiles(f"http://127.0.0.1:{server.server_port}/ledger/", seconds=30)) as source:
        yield source
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_is_there_or_not(web: HttpLogFiles, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"tile")
    directory = DirectoryLogFiles(tmp_path)

    assert web.get("there") == directory.get("there") == b"tile"
    assert web.get("gone") is web.get("never") is directory.get("never") is None
    assert (web.local("there"), directory.local("there")) == (None, tmp_path / "there")


@pytest.mark.slow
@pytest.mark.parametrize("path", ["large", "moved", "broken"])
def test_what_is_no_answer_is_not_taken(
    web: HttpLogFiles, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is too large, a redirect, and an error of the server."""
    monkeypatch.setattr(log_files, "MAX_LOG_FILE", 10)
    with pytest.raises(Unavailable):
        web.get(path)


def test_a_directory_gives_no_more_than_a_log_can_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "MAX_LOG_FILE", 10)
    (tmp_path / "large").write_bytes(b"x" * 100)
    with pytest.raises(Unavailable, match=r"at most 10 bytes.* has 100 bytes"):
        DirectoryLogFiles(tmp_path).get("large")


def test_what_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unavailable):
        DirectoryLogFiles(tmp_path).get("folder")
