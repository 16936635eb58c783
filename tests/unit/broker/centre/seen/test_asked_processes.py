"""What answers where a process should: `centre status` shows it, and is stopped by none of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from broker.centre.commands.status_lines import show_process
from broker.centre.seen import processes
from broker.centre.status import advice_of
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import returning


@contextmanager
def answering(body: Any) -> Iterator[str]:
    """A process that answers with this."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_process_is_shown_with_its_checks(capsys) -> None:
    """What it says that a person must do, too."""
    checks = {
        "kafka": {"ok": True, "hint": "say how"},
        "key": {"ok": True, "ending": True, "hint": "renew it"},
    }
    with answering({"ready": True, "checks": checks}) as url:
        found = processes.ask_process(url)
    show_process("router", found)
    assert (found["ready"], found["checks"]) == (True, checks)
    assert advice_of(found) == ["its key ends: renew it"]
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[1:]] == [
        "its key ends: renew it",
        "say how",
    ]


STRANGERS = [[], "x", {"ready": True, "checks": [1]}, {"ready": True, "checks": {"kafka": 3, "key": None}}]


@pytest.mark.parametrize("body", STRANGERS)
def test_whatever_else_answers_is_no_process(body: Any) -> None:
    """Nothing of it is looked into, and the rest of the status is shown."""
    with answering(body) as url:
        found = processes.ask_process(url)
    show_process("router", found)
    assert found == {"url": url, "ready": False, "checks": {}, "error": "no process of the exchange"}


def test_what_is_not_looked_at_is_noticed() -> None:
    """The promise's own test fails where checks may be anything."""
    with (
        mutated(Mutant(processes._checks_in, returning('body["checks"]'))),
        pytest.raises((AssertionError, AttributeError)),
    ):
        test_whatever_else_answers_is_no_process(STRANGERS[-1])
