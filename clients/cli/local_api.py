"""The client of the daemon's local API: JSON over HTTP over a unix socket.

Standard library only: a warm `contrada send` has 400 ms for the whole process. A problem of the daemon
(RFC 9457) becomes `DaemonProblem` with its own code and hint; a daemon that is not there,
`DaemonUnreachable`.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from protocol.fault_text import faults_of_rows
from protocol.json_text import read_json
from runtime.bounded import read_stream
from runtime.cli.errors import DaemonProblem, DaemonUnreachable, NotInTime
from runtime.cli.exits import of_problem
from runtime.errors import TooLarge
from runtime.process.homes import LONGEST_SOCKET_PATH, UnitHome

TIMEOUT = 30.0

MOST_ROWS = 500
"""So many rows a page of a list may have."""

Row = dict[str, Any]
AGAIN_FOR = 10.0
"""Seconds for which a request is asked again: a daemon that was told to start anew is back by then."""

AGAIN_AFTER = 0.2
NOTHING_MORE: Mapping[str, str] = {}
MAX_ANSWER = 64 << 20
"""A page of 500 messages, or a message with its attachments, has less."""

NO_DAEMON = "is another program on the socket?"


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _WentAway(DaemonUnreachable):
    """Whether it did what it was asked is not known."""


class DaemonClient:
    """One home's daemon. A connection per call: it is a unix socket."""

    def __init__(self, home: UnitHome, *, timeout: float = TIMEOUT) -> None:
        self._home = home
        self._timeout = timeout
        if len(os.fsencode(home.socket)) > LONGEST_SOCKET_PATH:
            raise DaemonUnreachable(
                f"the path {home.socket} is too long for a socket",
                hint=f"put the home where this path has at most {LONGEST_SOCKET_PATH} bytes",
            )

    def get(self, path: str, *, timeout: float | None = None, **query: str | int | None) -> Any:
        """GET; the decoded body."""
        chosen = {name: value for name, value in query.items() if value is not None}
        return self._call("GET", path + ("?" + urlencode(chosen) if chosen else ""), None, timeout)

    def post(self, path: str, body: object, *, timeout: float | None = None, once: str | None = None) -> Any:
        """POST JSON; the decoded body.

        Under an idempotency key, `once`, it is asked again for a while where nobody can tell whether it was
        taken in: the daemon takes it in once.
        """
        data = json.dumps(body).encode()
        if once is None:
            return self._call("POST", path, data, timeout)
        until: float | None = None
        while True:
            try:
                return self._call("POST", path, data, timeout, {"Idempotency-Key": _quoted(once)})
            except (DaemonUnreachable, DaemonProblem, NotInTime) as error:
                # No daemon at all is an answer the first time; later it may be one that starts anew.
                again = _is_open(error) or (until is not None and isinstance(error, DaemonUnreachable))
                until = time.monotonic() + AGAIN_FOR if until is None else until
                if not again or time.monotonic() > until:
                    raise
                time.sleep(AGAIN_AFTER)

    def pages(self, path: str, *, limit: int | None = None, **query: Any) -> tuple[list[Row], str | None]:
        """All rows of a list, page by page, the oldest first; or the newest `limit`.

        Also where a list of older ones ends, if there are any.
        """
        rows: list[Row] = []
        side, order = ("after", "oldest") if limit is None else ("before", "newest")
        while True:
            want = MOST_ROWS if limit is None else min(MOST_ROWS, limit - len(rows))
            page = self.get(path, limit=want, order=order, **query)
            rows += page["items"]
            more: str | None = page["next"]
            if more is None or (limit is not None and len(rows) >= limit):
                return (rows, None) if limit is None else (rows[::-1], more)
            query[side] = more

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None,
        timeout: float | None,
        more: Mapping[str, str] = NOTHING_MORE,
    ) -> Any:
        connection = _UnixConnection(self._home.socket, self._timeout if timeout is None else timeout)
        headers = {"Accept": "application/json", **more}
        if body:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return _decoded(response.status, _whole(response))
        except TimeoutError:
            raise NotInTime(
                "the daemon did not answer in time", hint="look at its log, or try again"
            ) from None
        except (FileNotFoundError, ConnectionRefusedError):
            raise DaemonUnreachable(
                f"no daemon at {self._home.socket}",
                hint=f"start it with 'contrada --home {self._home.path} unit run'",
            ) from None
        except (ConnectionError, HTTPException):
            raise _WentAway(
                "the daemon went away while it was asked", hint="what was handed over is kept; try again"
            ) from None
        finally:
            connection.close()


def segment(text: str) -> str:
    """A path segment, quoted, from what the person typed."""
    return quote(text, safe="")


def _is_open(error: Exception) -> bool:
    """Whether the request may have been taken in, or may be soon."""
    if isinstance(error, DaemonProblem):
        return error.code in ("E_IN_HAND", "E_STOPPING")
    return isinstance(error, _WentAway | NotInTime)


def _quoted(key: str) -> str:
    """The key as the header has it (RFC 9651, 3.3.3)."""
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _whole(response: HTTPResponse) -> bytes:
    try:
        data = read_stream(response, MAX_ANSWER, name="this one", what="an answer of a daemon")
    except TooLarge as error:
        raise DaemonUnreachable(str(error), hint=NO_DAEMON) from None
    if response.length:  # read in parts, an answer that breaks off is no error of the library
        raise IncompleteRead(data, response.length)
    return data


def _decoded(status: int, data: bytes) -> Any:
    read = read_json(data, at_most=MAX_ANSWER)
    body = None if read.faults else read.value
    if status < 400:
        if isinstance(body, dict | list):
            return body
        raise DaemonUnreachable("what answers there is no daemon", hint=NO_DAEMON)
    problem = body if isinstance(body, dict) else {}
    code = str(problem.get("code") or "E_DAEMON_ERROR")
    detail = str(problem.get("detail") or problem.get("title") or f"the daemon answered {status}")
    rows = problem.get("reasons")
    raise DaemonProblem(
        detail,
        code=code,
        hint=str(problem.get("hint") or ""),
        exit_=of_problem(status, code),
        faults=faults_of_rows(problem.get("faults")),
        reasons=_reasons(rows) if isinstance(rows, list) else (),
    )


def _reasons(rows: list[Any]) -> tuple[dict[str, Any], ...]:
    return tuple(row for row in rows if isinstance(row, dict) and isinstance(row.get("code"), str))
