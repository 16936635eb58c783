"""The examples in `--help` are lines to copy: each is understood, and what it hands over is taken."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest

from clients.cli.main import contrada as root
from clients.daemon.sending.composing import Earlier, compose
from clients.daemon.sending.requests import SendRequest
from protocol.codes import MessageKind, Purpose
from protocol.conversation.following import EarlierMessage
from protocol.identifiers import Digest, MessageId, Millis, ThreadId, UnitId
from runtime.cli.command import Command
from tests.cli.homes import THEN, fixture_homes
from tests.cli.terminal import EXAMPLES, contrada
from tests.cli.test_commands import LEAVES
from tests.cli.test_local_api import ID, Daemon, daemon
from tests.docs.test_commands import PLACEHOLDERS, calls, understand

__all__ = ["daemon"]

ROOT = Path(EXAMPLES).parent
LINES = [(name, line) for name, leaf in LEAVES.items() if isinstance(leaf, Command) for line in leaf.examples]
ASKED = {
    "id": ID, "thread": ID, "sender": "it", "body": {"subject": "skipper", "language": "en"},
}  # fmt: skip
SENDING = ("send", "request", "inbox answer", "inbox refuse")
OFFLINE = ("errors", "completion")


@pytest.mark.parametrize(("name", "line"), LINES, ids=lambda text: text)
def test_an_example_is_understood(name: str, line: str) -> None:
    """Options, arguments and values are those that the command takes, and it is the command's own."""
    found = list(calls(line.replace('"$(', "$(").replace(')"', ")")))

    assert found
    assert all(understand(call, whole=True) is LEAVES[name] for call in found)
    assert root.name == "contrada"


@pytest.mark.parametrize("line", [line for name, line in LINES if name in SENDING])
def test_what_an_example_hands_over_is_taken(
    line: str, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the drafts that are shipped: the daemon makes a message of it, and nothing is missing or too much."""
    monkeypatch.chdir(ROOT)
    accepted = {"id": ID, "thread": ID, "state": "accepted", "reasons": []}
    daemon.answers = [(200, ASKED)] if " inbox " in line else []
    daemon.answers += [(202, accepted), (200, accepted)]
    command, _, given = line.removeprefix("contrada ").partition(" < ")
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command)]
    stdin = (ROOT / given).read_text(encoding="utf-8") if given else ""

    seen = contrada("--home", daemon.home, *words, stdin=stdin)

    assert (seen.exit, seen.out != "") == (0, True), seen
    [body] = [body for method, path, body in daemon.asked if (method, path) == ("POST", "/v1/messages")]
    request = SendRequest.model_validate_json(json.dumps(body))
    order = compose(request, earlier=earlier(request.kind), now=Millis(THEN), entropy=os.urandom).order
    assert [recipient.unit for recipient in order.to] == list(request.to)


def earlier(kind: MessageKind) -> Earlier | None:
    """The request that an answer or a refusal is about."""
    if kind not in (MessageKind.ANSWER, MessageKind.REFUSAL):
        return None
    asked = EarlierMessage(MessageKind.REQUEST, UnitId("it"), frozenset({UnitId("fr")}), ThreadId(bytes(16)))
    return Earlier(MessageId(bytes(16)), Digest(bytes(32)), asked, frozenset({Purpose.OPERATIONAL}))


@pytest.mark.parametrize(
    "line", [line for name, line in LINES if name.split()[0] in OFFLINE or name == "route explain"]
)
def test_an_example_that_needs_nobody_works(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is run as it stands; a message that a rule refuses ends in 6."""
    monkeypatch.chdir(ROOT)
    fixture_homes(tmp_path)
    typed = re.match(r"echo '([^']*)' \|", line)
    [words] = calls(line.replace('"$(', "$(").replace(')"', ")"))
    here = [str(tmp_path / "sealed.cbor") if word == "submission.cbor" else word for word in words]

    seen = contrada("--home", str(tmp_path / "fr"), *here, stdin=typed[1] if typed else "")

    assert seen.exit in ((0, 6) if words[0] == "route" else (0,)), seen
    assert seen.out
