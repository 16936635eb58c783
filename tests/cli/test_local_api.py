"""The daemon's answers, good and bad, as the command line takes them.

The other side here is a real HTTP server on a real socket that says what a test wants: a daemon that
fails in every way cannot be had on demand. What a good daemon says is tested in test_live.py.
"""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from clients.cli import local_api
from tests.cli.homes import fixture_homes
from tests.cli.terminal import Seen, contrada
from tests.full_disk import room
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.waiting import GENEROUS

ID = "019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a"


class Daemon(socketserver.ThreadingUnixStreamServer):
    """Says what it is told to say; remembers what it was asked."""

    daemon_threads = True

    def __init__(self, home: Path) -> None:
        (home / "run").mkdir()
        super().__init__(str(home / "run" / "api.sock"), Handler)
        self.home = str(home)
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.keys: list[str | None] = []

    def handle_error(self, *_: object) -> None:
        """A connection that a test cut off is no news."""

    def run(self, *arguments: str) -> Seen:
        """One command line against this daemon."""
        return contrada("--home", self.home, *arguments)


class CutOff(bytes):
    """The beginning of an answer: the connection ends before the rest."""

    __slots__ = ()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Daemon

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        self.server.asked.append((self.command, self.path, body))
        self.server.keys.append(self.headers.get("Idempotency-Key"))
        status, said = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if status == 0:
            self.connection.close()
            return
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) + isinstance(said, CutOff)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _answer

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    fixture_homes(tmp_path)
    with Daemon(tmp_path / "fr") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "code", "exit_"),
    [(422, "E_DRAFT", 2), (403, "E_X", 4), (404, "E_NOT_FOUND", 5), (422, "E_RCPT_UNKNOWN", 6),
     (422, "E_COMMIT", 2), (500, "E_COMMIT", 7), (503, "E_STORE", 8), (409, "E_CONFLICT", 9), (500, "E_Y", 1)],
)  # fmt: skip
def test_a_problem_is_shown(daemon: Daemon, status: int, code: str, exit_: int) -> None:
    """A problem's sentence, code and hint are the daemon's own; the exit code follows from them."""
    daemon.answers = [(status, {"status": status, "code": code, "detail": "it is so", "hint": "do this"})]
    seen = daemon.run("inbox", "show", ID)

    assert (seen.exit, seen.out) == (exit_, "")
    assert seen.err == f"contrada: it is so ({code})\nhint: do this\n"


def test_a_draft_error_keeps_its_lines(daemon: Daemon) -> None:
    """What is wrong with a draft is shown line by line."""
    problem = {"code": "E_DRAFT", "detail": "not valid yet:\n  items[0].imo: is missing", "hint": ""}
    daemon.answers = [(422, problem)]
    seen = daemon.run("send", "--to", "it", daemon.home + "/../draft.json")

    assert seen.err == "contrada: not valid yet: (E_DRAFT)\n  items[0].imo: is missing\n"


@pytest.mark.parametrize("answer", [(200, b"<html>"), (0, None), (502, b"oops"), (200, b"")])
def test_an_answer_that_is_none(daemon: Daemon, answer: tuple[int, Any]) -> None:
    """What is no answer of a daemon never ends in a traceback."""
    daemon.answers = [answer]
    seen = daemon.run("inbox", "show", ID)

    assert seen.exit == 8
    assert seen.err.startswith("contrada: ")
    assert "Traceback" not in seen.err


def test_an_answer_has_a_bound(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program on the socket can say what it likes: it is not read to its end."""
    monkeypatch.setattr("clients.cli.local_api.MAX_ANSWER", 1000)
    daemon.answers = [(200, b"[" + b" " * 998 + b"]")]
    assert daemon.run("units", "ls", "--json").exit == 0
    for status in (200, 500):
        daemon.answers = [(status, b"[" + b" " * 999 + b"]")]
        seen = daemon.run("units", "ls")
        assert seen.exit == 8
        assert "an answer of a daemon has at most 1000 bytes, and this one has more" in seen.err
        assert "is another program on the socket?" in seen.err


def test_an_answer_that_breaks_off_is_none(daemon: Daemon) -> None:
    """Half of it is not taken for all of it, even where half is JSON as well."""
    daemon.answers = [(200, CutOff(b'{"items": [], "next": null}'))]
    seen = daemon.run("inbox", "ls")

    assert seen.exit == 8
    assert "the daemon went away while it was asked" in seen.err


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (Mutant(local_api._whole, rewritten("MAX_ANSWER", "1 << 30")), test_an_answer_has_a_bound),
        (Mutant(local_api._whole, unchecked("response.length")), test_an_answer_that_breaks_off_is_none),
    ],
)
async def test_what_an_answer_is_held_to_is_needed(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, mutant: Mutant, promise: Callable[..., None]
) -> None:
    """Its bound, and that it is whole."""
    await assert_missed(mutant, promise, daemon=daemon, monkeypatch=monkeypatch)


def test_send_says_what_was_asked(daemon: Daemon) -> None:
    """Every option arrives in the request; what was not said is left to the daemon; the id is the output."""
    daemon.answers = [(202, {"id": ID, "thread": ID, "state": "queued"})]
    draft = daemon.home + "/../draft.json"
    seen = daemon.run(
        "send", "--to", "IT,de", "--to", "it", "--copy", "centre", "--handling", "h3+h1", "--h3-only", "it",
        "--h3-only", "de", "--purpose", "operational", "--suite", "2", "--thread", ID.upper(), "--expires", "8h",
        "--review", "30d", "--idempotency-key", "k", "--data-class", "special", "--attach", draft, draft,
    )  # fmt: skip

    method, path, body = daemon.asked[0]
    assert daemon.keys == ['"k"']
    attached = body.pop("attachments")
    assert (seen.exit, seen.out) == (0, ID + "\n")
    assert (method, path) == ("POST", "/v1/messages")
    assert attached[0]["name"] == "draft.json"
    assert attached[0]["media_type"] == "application/json"
    assert body.pop("draft")["subject"] == "vessel"
    assert body == {
        "kind": "information", "to": ["it", "de"], "copy": ["centre"], "handling": "H1+H3",
        "h3": {"only": ["de", "it"], "delete_by": None}, "classification": "bpl", "data_class": "special",
        "purposes": ["operational"], "urgency": None, "ground": None, "basis": None, "copy_exemption": None,
        "reply_to": None, "reply_to_sender": None, "thread": ID, "expires_in_s": 28800, "review_in_s": 2592000, "suite": 2,
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("lost", [(0, None), (409, {"code": "E_IN_HAND"}), (503, {"code": "E_STOPPING"})])
def test_what_may_have_been_taken_in_is_asked_again_under_one_key(
    daemon: Daemon, lost: tuple[int, Any]
) -> None:
    """The connection is lost, or the daemon stops: the same request with the same key, until it is answered."""
    daemon.answers = [lost, lost, (202, {"id": ID, "thread": ID, "state": "queued"})]
    for command in (("send", "--to", "it", daemon.home + "/../draft.json"), ("inbox", "ack", ID)):
        daemon.keys, daemon.answers = [], [lost, lost, (202, {"id": ID, "thread": ID, "state": "queued"})]
        assert daemon.run(*command).exit == 0
        assert len(daemon.keys) == 3
        assert len(set(daemon.keys)) == 1
        assert daemon.keys[0] is not None


def test_without_an_answer_the_key_is_told(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever goes on by hand can say the same request again."""
    monkeypatch.setattr("clients.cli.local_api.AGAIN_FOR", 0.0)
    daemon.answers = [(0, None)]
    seen = daemon.run("send", "--to", "it", daemon.home + "/../draft.json")

    assert seen.exit == 8
    assert f"--idempotency-key {json.loads(daemon.keys[0])}" in seen.err


@pytest.mark.parametrize("status", [400, 422, 500, 507])
def test_what_was_refused_is_not_asked_again(daemon: Daemon, status: int) -> None:
    """Nothing was taken in, and the next answer would be the same."""
    daemon.answers = [(status, {"code": "E_X", "detail": "no"})]
    assert daemon.run("send", "--to", "it", daemon.home + "/../draft.json").exit != 0
    assert len(daemon.asked) == 1


@pytest.mark.parametrize("key", ["", "é", "a\nb", "a" * 201])
def test_a_key_that_no_header_can_hold_is_refused_at_once(daemon: Daemon, key: str) -> None:
    """A mistake of the command line, with what would be right."""
    seen = daemon.run("send", "--to", "it", "--idempotency-key", key, daemon.home + "/../draft.json")
    assert (seen.exit, daemon.asked) == (2, [])
    assert "printable ASCII" in seen.err


def test_send_with_wait_asks_until_the_router_has_decided(daemon: Daemon) -> None:
    """--wait asks until the router has decided; a refusal says what is wrong, by which rule, and ends in 6."""
    refused = {"id": ID, "state": "refused", "reasons": [{"code": "E_DATA_BASIS", "unit": "no"}]}
    daemon.answers = [
        (202, {"id": ID, "thread": ID, "state": "queued"}), (200, {"id": ID, "state": "sent"}), (200, refused),
    ]  # fmt: skip
    seen = daemon.run("send", "--to", "no", "--wait", daemon.home + "/../draft.json")

    assert (seen.exit, seen.out) == (6, ID + "\n")
    assert seen.err == (
        "contrada: the router refused the message\n"
        "  the legal basis of no does not carry personal data, or is not named (E_DATA_BASIS; data basis, ER 23(4), 25)\n"
        "hint: send non-personal data only, or leave that party out\n"
    )


def test_send_does_not_wait_for_ever(daemon: Daemon) -> None:
    """Without a decision in time it ends in 8, and says that the message is kept."""
    daemon.answers = [
        (202, {"id": ID, "thread": ID, "state": "queued"}),
        (200, {"id": ID, "state": "queued"}),
    ]
    seen = daemon.run("send", "--to", "it", "--wait", "--timeout", "0s", daemon.home + "/../draft.json")

    assert (seen.exit, seen.out) == (8, ID + "\n")
    assert "stays in the outbox" in seen.err


def test_lists_are_whole(daemon: Daemon) -> None:
    """A list is read to its end; one that --limit cuts has the newest, and says where the older ones are."""
    rows = [{"id": str(n), "state": "new"} for n in range(3)]
    daemon.answers = [(200, {"items": rows[:2], "next": "2"}), (200, {"items": rows[2:], "next": None})]
    whole = daemon.run("inbox", "ls", "--json")
    daemon.answers = [(200, {"items": rows[:2], "next": "2"})]
    cut = daemon.run("outbox", "ls", "--limit", "2", "--state", "sent", "--before", "9", "--json")

    assert json.loads(whole.out) == rows
    assert [path for _, path, _ in daemon.asked] == [
        "/v1/inbox?limit=500&order=oldest",
        "/v1/inbox?limit=500&order=oldest&after=2",
        "/v1/outbox?limit=2&order=newest&state=sent&before=9",
    ]
    assert json.loads(cut.out) == rows[1::-1]
    assert cut.err == "hint: there are older ones: say --before 2, or no --limit\n"


def test_an_empty_list(daemon: Daemon) -> None:
    """Nothing is `[]`, and a word to a person."""
    daemon.answers = [(200, {"items": [], "next": None})]

    assert daemon.run("inbox", "ls", "--json").out == "[]\n"
    assert daemon.run("inbox", "ls").err == "nothing there\n"


def test_a_reply_goes_to_the_sender(daemon: Daemon) -> None:
    """A refusal from the command line is a whole draft, to whoever asked, in the same conversation."""
    received = {"id": ID, "thread": ID, "sender": "it", "body": {"subject": "who is it", "language": "fr"}}
    daemon.answers = [(200, received), (202, {"id": ID, "thread": ID, "state": "queued"})]
    seen = daemon.run("inbox", "refuse", ID, "--ground", "minor-offence", "--reasons", "a fine")

    body = daemon.asked[1][2]
    assert seen.exit == 0
    assert (body["kind"], body["to"], body["reply_to"], body["thread"]) == ("refusal", ["it"], ID, ID)
    assert body["draft"] == {
        "subject": "who is it", "language": "fr", "extent": "whole",
        "grounds": [{"ground": "minor-offence", "reasons": "a fine"}],
    }  # fmt: skip


def test_caveats_are_shown_at_both_ends(daemon: Daemon) -> None:
    """The sender reads them beside the id, the addressee before the content; no word of them can act on the terminal."""
    caveats = [{"field": "items[0].mrz", "rule": "mrz_not_checked", "text": "not checked: \x1b[2J"}]
    daemon.answers = [(202, {"id": ID, "thread": ID, "state": "queued", "caveats": caveats})]
    sent = daemon.run("send", "--to", "it", daemon.home + "/../draft.json")
    daemon.answers = [(200, {"id": ID, "state": "new", "caveats": caveats, "body": {"subject": "x"}})]
    read = daemon.run("inbox", "show", ID)

    assert sent.out == ID + "\n"
    assert "caveat: items[0].mrz: not checked: " in sent.err
    assert "caveat: items[0].mrz: not checked: " in read.out
    assert "\x1b" not in sent.err + read.out


def test_ids_stay_in_their_place(daemon: Daemon) -> None:
    """What is typed as an id cannot become another path of the API."""
    seen = daemon.run("inbox", "show", "../keys")

    assert seen.exit == 2
    assert daemon.asked == []


def test_a_home_too_deep_for_a_socket(tmp_path: Path) -> None:
    """A path that no socket can have is said so, before anything is tried."""
    home = tmp_path / ("d" * 100)
    home.mkdir()
    (home / "unit.toml").write_text('unit = "fr"\n')
    seen = contrada("--home", str(home), "units", "ls")

    assert seen.exit == 8
    assert "too long for a socket" in seen.err


def received(*contents: bytes) -> dict[str, Any]:
    """What the daemon gives of a new message with attachments."""
    attachments = [
        {"name": f"{number}.pdf", "media_type": "application/pdf", "content_b64": b64encode(content).decode()}
        for number, content in enumerate(contents)
    ]
    return {
        "id": ID, "sender": "it", "state": "new", "kind": "information", "attachments": attachments,
        "body": {"subject": "Wanda-1984"},
    }  # fmt: skip


OPENED = ("POST", f"/v1/inbox/{ID}/opened?sender=it", {})


def test_a_message_that_was_shown_counts_as_opened(daemon: Daemon, tmp_path: Path) -> None:
    """Content first, and only then the word that it was seen."""
    daemon.answers = [(200, received(b"one", b"two")), (200, {"state": "opened"})]
    seen = daemon.run("inbox", "show", ID, "--save-to", str(tmp_path / "case"))

    assert (seen.exit, daemon.asked) == (0, [("GET", f"/v1/inbox/{ID}/content", None), OPENED])
    assert [path.read_bytes() for path in sorted((tmp_path / "case").iterdir())] == [b"one", b"two"]
    assert "\nstate  opened\n" in seen.out


def test_a_disk_that_is_full_at_the_second_attachment_leaves_the_message_new(
    daemon: Daemon, tmp_path: Path
) -> None:
    """None is saved, the message is not opened, and the same command works when there is room."""
    case = tmp_path / "case"
    daemon.answers = [(200, received(b"small", os.urandom(300_000)))]
    with room(100_000):
        seen = daemon.run("inbox", "show", ID, "--save-to", str(case))
    assert seen.exit == 1
    assert f"{case / '1.pdf'}: file too large" in seen.err
    assert "Wanda" not in seen.out
    assert list(case.iterdir()) == []
    assert OPENED not in daemon.asked

    daemon.answers = [*daemon.answers, (200, {"state": "opened"})]
    assert daemon.run("inbox", "show", ID, "--save-to", str(case)).exit == 0
    assert [path.stat().st_size for path in sorted(case.iterdir())] == [5, 300_000]
    assert daemon.asked[-1] == OPENED


@pytest.mark.parametrize("json_", [[], ["--json"]])
def test_what_could_not_be_printed_was_not_opened(daemon: Daemon, tmp_path: Path, json_: list[str]) -> None:
    """Its output goes to a full disk: the officer has seen nothing. What was saved does not block the retry."""
    daemon.answers = [(200, received(b"one"))]
    show = ["inbox", "show", ID, "--save-to", str(tmp_path / "case"), *json_]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "clients.cli.main", "--home", daemon.home, *show],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=GENEROUS,
        )  # fmt: skip
    assert done.returncode == 1
    assert "no space left on device" in done.stderr
    assert daemon.asked == [("GET", f"/v1/inbox/{ID}/content", None)]

    daemon.answers = [*daemon.answers, (200, {"state": "opened"})]
    assert daemon.run(*show).exit == 0
    assert daemon.asked[-1] == OPENED


def test_an_erased_message_is_not_opened(daemon: Daemon) -> None:
    """There is nothing to see any more."""
    daemon.answers = [(200, received() | {"body": None, "erased": True})]
    done = daemon.run("inbox", "show", ID)
    assert done.exit == 0
    assert "was erased" in done.err
    assert OPENED not in daemon.asked


ALARM = {
    "id": 17,
    "raised": 1,
    "code": "clock_behind",
    "detail": "",
    "state": "open",
    "by": None,
    "note": None,
}


def test_alarms_are_acknowledged_by_their_numbers(daemon: Daemon) -> None:
    """Who and what was found go along; --all is what is open at that moment, and no alarm that comes later."""
    done = (200, {"items": [ALARM], "acknowledged": [17]})
    daemon.answers = [done]
    one = daemon.run("unit", "alarms", "ack", "17", "--by", "J. Martin", "--note", "clock set")
    daemon.answers = [(200, {"items": [ALARM], "cursor": "17", "next": None}), done]
    every = daemon.run("unit", "alarms", "ack", "--all")

    assert (one.exit, one.err) == (0, "1 acknowledged\n")
    assert daemon.asked[0] == (
        "POST", "/v1/alarms/ack", {"alarms": [17], "by": "J. Martin", "note": "clock set"},
    )  # fmt: skip
    assert daemon.asked[1][1].startswith("/v1/alarms?") and "state=open" in daemon.asked[1][1]
    assert (every.exit, daemon.asked[2][2]["alarms"], daemon.asked[2][2]["by"] != "") == (0, [17], True)
    assert daemon.run("unit", "alarms", "ack").exit == 2
    assert daemon.run("unit", "alarms", "ack", "17", "--all").exit == 2


@pytest.mark.parametrize(("open_alarms", "exit_"), [(0, 0), (1, 3)])
def test_a_unit_is_not_well_while_an_alarm_is_open(daemon: Daemon, open_alarms: int, exit_: int) -> None:
    """What somebody has acknowledged does not count, and is not shown as open."""
    state = "open" if open_alarms else "acknowledged"
    daemon.answers = [
        (200, {"unit": "fr", "ready": True, "checks": {}, "ledger": {"followed": False},
               "open_alarms": open_alarms, "alarms": [ALARM | {"state": state}]}),
    ]  # fmt: skip
    seen = daemon.run("unit", "status")
    assert seen.exit == exit_
    assert ("clock_behind" in seen.out) == bool(open_alarms)
    assert ("unit alarms ack NUMBER" in seen.err) == bool(open_alarms)
