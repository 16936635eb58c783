"""How errors end: one exit code for each, a sentence, a hint, and never a traceback."""

from __future__ import annotations

import errno
import json

import click
import pytest

from clients.cli.rules_of import RULE_OF
from keys import errors as key_errors
from protocol.errors import Code, ContradaError, DraftError, Rejected
from protocol.exchange_rules import RULES
from runtime.cli import errors, exits
from runtime.cli.exits import Exit, of_code, of_problem
from runtime.cli.failures import failure_of, report
from runtime.errors import (
    AlreadyRunning,
    Conflict,
    HomeError,
    NotFound,
    NotVerified,
    TopicConflict,
    Unavailable,
)


def test_every_code_has_one_exit() -> None:
    """No code of the protocol ends in a plain failure, and none stands in two groups."""
    listed = [code for codes in exits._GROUPS.values() for code in codes.split()]

    assert len(listed) == len(set(listed))
    assert set(Code.__members__) <= set(listed)


@pytest.mark.parametrize(
    ("error", "exit_"),
    [
        (Rejected(Code.E_PURPOSE, "x"), Exit.REFUSED),
        (Rejected(Code.E_SIG_PQ, "x"), Exit.VERIFICATION),
        (Rejected(Code.E_SENDER_SUSPENDED, "x"), Exit.NOT_AUTHORISED),
        (DraftError("x"), Exit.USAGE),
        (errors.NoHome("x"), Exit.USAGE),
        (errors.DaemonUnreachable("x"), Exit.UNAVAILABLE),
        (errors.NotInTime("x"), Exit.UNAVAILABLE),
        (errors.RefusedByPolicy("x"), Exit.REFUSED),
        (NotVerified("x"), Exit.VERIFICATION),
        (NotFound("x"), Exit.NOT_FOUND),
        (Conflict("x"), Exit.CONFLICT),
        (errors.Declined("x"), Exit.FAILURE),
        (key_errors.KeyFileMissing("x"), Exit.NOT_FOUND),
        (key_errors.KeyFileExists("x"), Exit.CONFLICT),
        (key_errors.KeyFileExposed("x"), Exit.NOT_AUTHORISED),
        (key_errors.KeyFileUnreadable("x"), Exit.NOT_AUTHORISED),
        (key_errors.CredentialError("x"), Exit.NOT_AUTHORISED),
        (AlreadyRunning("x"), Exit.CONFLICT),
        (HomeError("x"), Exit.USAGE),
        (Unavailable("x"), Exit.UNAVAILABLE),
        (TopicConflict("x"), Exit.CONFLICT),
        (FileNotFoundError(errno.ENOENT, "No such file", "f"), Exit.NOT_FOUND),
        (PermissionError(errno.EACCES, "Permission denied", "f"), Exit.NOT_AUTHORISED),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Exit.UNAVAILABLE),
        (TimeoutError(), Exit.UNAVAILABLE),
        (OSError(errno.ENOSPC, "No space left on device"), Exit.FAILURE),
        (click.UsageError("x"), Exit.USAGE),
        (click.Abort(), Exit.INTERRUPTED),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (ModuleNotFoundError("x", name="clients.demo"), Exit.FAILURE),
        (ZeroDivisionError("x"), Exit.FAILURE),
    ],
    ids=lambda value: value.name if isinstance(value, Exit) else f"{type(value).__name__}",
)
def test_an_error_has_its_exit(error: BaseException, exit_: Exit) -> None:
    """Each kind of error ends in the exit code that the table says."""
    assert failure_of(error).exit is exit_


@pytest.mark.parametrize(
    ("status", "code", "exit_"),
    [
        (422, "E_PURPOSE", Exit.REFUSED), (422, "E_DRAFT", Exit.USAGE), (422, "E_SCHEMA", Exit.USAGE),
        (400, "E_REQUEST", Exit.USAGE), (404, "E_NOT_FOUND", Exit.NOT_FOUND), (409, "E_CONFLICT", Exit.CONFLICT),
        (413, "E_SIZE", Exit.USAGE), (500, "E_INTERNAL", Exit.FAILURE), (503, "E_STORE", Exit.UNAVAILABLE),
        (507, "E_STORE", Exit.UNAVAILABLE), (403, "E_WHATEVER", Exit.NOT_AUTHORISED), (418, "", Exit.FAILURE),
        (422, "E_SIG_PQ", Exit.USAGE), (500, "E_OPEN", Exit.VERIFICATION),
    ],
)  # fmt: skip
def test_a_problem_has_its_exit(status: int, code: str, exit_: Exit) -> None:
    """What the daemon says exactly goes before the class of its HTTP status."""
    assert of_problem(status, code) is exit_


def test_an_unknown_code_is_a_failure() -> None:
    """A code of a later version is a failure, never a success."""
    assert of_code("E_OF_NEXT_YEAR") is Exit.FAILURE


def test_what_nobody_foresaw_shows_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    """An unforeseen error may quote content: its type and place are shown, its words are not."""
    try:
        raise ValueError("the witness lives at 4 Rue Exemple")
    except ValueError as error:
        code = report(error, [])

    shown = capsys.readouterr().err
    assert code is Exit.FAILURE
    assert "ValueError at test_exits.py:" in shown
    assert "witness" not in shown
    assert "Traceback" not in shown


def test_errors_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json an error is one JSON object on stderr, with every reason."""
    reason = {"code": "E_PURPOSE", "unit": "it", "rule": "r", "hint": "h"}
    code = report(errors.RefusedByPolicy("refused", reasons=(reason,)), ["send", "--json"])

    seen = capsys.readouterr()
    assert seen.out == ""
    assert json.loads(seen.err) == {
        "error": {"code": "E_REFUSED", "message": "refused", "hints": [], "exit": 6, "reasons": [reason]}
    }
    assert code == 6


def test_each_code_of_a_rule_names_a_rule_that_is_there() -> None:
    """Whoever was refused is shown a row of the router's own table."""
    assert set(RULE_OF.values()) == {rule.name for rule in RULES}
    assert set(RULE_OF) <= set(Code.__members__)


def test_an_error_cannot_paint_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences in what another process said are written out."""
    report(ContradaError("\x1b[2Jgone\u202e", hint="\x9b31m"), [])

    assert (
        capsys.readouterr().err
        == "contrada: \\u001b[2Jgone\\u202e (E_INTERNAL)\nhint: \\u009b31m\n".replace(" (E_INTERNAL)", "")
    )


def test_an_error_as_json_cannot_paint_the_terminal_either(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON leaves C1 controls and marks that turn the direction of text as they are; we do not."""
    report(errors.BadInput("\x9b2Jgone\u202e"), ["--json"])

    shown = capsys.readouterr().err
    assert not {"\x9b", "\u202e"} & set(shown)
    assert json.loads(shown)["error"]["message"] == "\x9b2Jgone\u202e"
