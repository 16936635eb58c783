"""The router's log: JSON lines of ids and codes, whatever anybody tries to have written there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.process.loggable import ALLOWED
from tests.waiting import GENEROUS

SECRET = "Wanda-Mueller-1984"
HOSTILE = 'hostile", "code": "E_FORGED\n'


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """What a router wrote that met a secret everywhere."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.broker.leak", SECRET],
        capture_output=True, text=True, check=True, timeout=GENEROUS, cwd=Path(__file__).parents[4],
    )  # fmt: skip
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_every_line_is_json_with_known_keys(lines: list[str]) -> None:
    """No traceback, no free text: each line is one object whose keys are on the closed list."""
    for line in lines:
        assert set(json.loads(line)) <= ALLOWED


def test_the_attempt_was_made(lines: list[str]) -> None:
    """Refusals, quarantined records, refused statements and libraries' errors did write lines."""
    events = [json.loads(line) for line in lines]
    said = {event["event"] for event in events}
    assert {"decided", "statement_refused", "library", "failed"} <= said
    reasons = {reason for event in events for reason in event.get("reasons", ())}
    assert {"E_REPLAY", "E_DATA_BASIS"} <= reasons
    assert {event.get("error") for event in events if event["event"] == "library"} == {None, "ValueError"}


def test_the_name_of_a_logger_cannot_add_to_its_line(lines: list[str]) -> None:
    """Whoever names a logger, a library perhaps after what it was given, writes a string and nothing beside it."""
    line = next(event for event in map(json.loads, lines) if event.get("logger", "").startswith("hostile"))
    assert line == {"event": "library", "level": "error", "logger": HOSTILE}


def test_retries_of_aiokafka_are_not_logged(lines: list[str]) -> None:
    """It logs each of its own retries, four times a second while a broker is away."""
    assert not [line for line in lines if "aiokafka" in line]


@pytest.mark.parametrize("form", ["text", "hex", "pieces"])
def test_no_content_is_in_it(lines: list[str], form: str) -> None:
    """Neither the secret nor its hexadecimal form, nor a piece of it, stands anywhere in the log."""
    log = "\n".join(lines)
    match form:
        case "text":
            assert SECRET not in log
        case "hex":
            # Ids of messages are logged, and a sender may choose them: the id that we made from the secret.
            chosen = (SECRET.encode() * 16)[:16].hex()
            assert SECRET.encode().hex()[:20] not in log.replace("-", "").replace(chosen, "")
        case "pieces":
            assert "Wanda" not in log
            assert "Mueller" not in log
