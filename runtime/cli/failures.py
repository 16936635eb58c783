"""Reporting errors: one lower-case sentence, hints, an exit code. The only place that does it.

    contrada: no daemon at /srv/fr/run/api.sock
    hint: start it with 'contrada unit run --home /srv/fr'

Rules (after age): stderr, the program's name first, no final period, no colour, no traceback. With `--json`
the same as one JSON object on stderr. An unexpected error shows its type and place and not its text, which
could hold content; `CONTRADA_TRACEBACK=1` shows all of it to a developer.
"""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click

from protocol.errors import ContradaError, Fault
from protocol.fault_text import fault_rows
from runtime.cli.errors import RefusedByPolicy
from runtime.cli.exits import Exit, of_code
from runtime.cli.render import json_text, printable
from runtime.process.streams import tell

TRACEBACK = "CONTRADA_TRACEBACK"
_JSON = {"--json", "--jsonl"}


@dataclass(frozen=True, slots=True)
class Failure:
    """An error in the form in which it is shown."""

    message: str
    code: str
    exit: Exit
    hints: tuple[str, ...] = ()
    reasons: tuple[dict[str, str | None], ...] = ()
    faults: tuple[Fault, ...] = ()
    """The message has lines for them, too."""


def report(error: BaseException, arguments: Sequence[str]) -> Exit:
    """Show the error on stderr; returns the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        tell(error.format_message())
        return Exit.USAGE
    if os.environ.get(TRACEBACK):
        tell("".join(traceback.format_exception(error)))
    failure = failure_of(error)
    tell(_as_json(failure) if not _JSON.isdisjoint(arguments) else _as_text(failure))
    return failure.exit


def error_text(error: BaseException) -> str:
    """The error as a person reads it: a sentence, its code, what to do."""
    return _as_text(failure_of(error))


def exit_code_of(run: Callable[[], None]) -> int:
    """Run a process: an error is reported on stderr, and its kind decides the exit code."""
    try:
        run()
    except Exception as error:  # noqa: BLE001 - the last place before a traceback
        return report(error, ())
    return Exit.OK


def failure_of(error: BaseException) -> Failure:
    """What this error means to the person who typed the command."""
    match error:
        case KeyboardInterrupt() | click.Abort():
            return Failure("interrupted", "E_INTERRUPTED", Exit.INTERRUPTED)
        case click.ClickException():
            return _usage(error)
        case ContradaError():
            return _ours(error)
        case OSError() | MemoryError():
            return _system(error)
        case ModuleNotFoundError(name=str(name)) if name.partition(".")[0] in ("clients", "broker"):
            return Failure(
                f"this installation has no {name}",
                "E_INSTALLATION",
                Exit.FAILURE,
                ("install contrada again, whole",),
            )
        case _:
            return _unforeseen(error)


def _usage(error: click.ClickException) -> Failure:
    hints: list[str] = []
    message = error.format_message()
    if isinstance(error, click.NoSuchOption | click.NoSuchCommand):
        message = error.message
        close = _near(error)
        if close:
            hints.append("did you mean " + " or ".join(f"'{name}'" for name in close) + "?")
    elif isinstance(error, click.MissingParameter):
        message = " ".join(message.split())  # its choices come as a list with tabs
    context = getattr(error, "ctx", None)
    if isinstance(context, click.Context):
        hints.append(f"see '{context.command_path} --help'")
    return Failure(_sentence(message), "E_USAGE", Exit.USAGE, tuple(hints))


def _near(error: click.NoSuchOption | click.NoSuchCommand) -> list[str]:
    """What was probably meant: Click compares the hyphens, too, in which any two options are near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for a slip

    name = error.option_name if isinstance(error, click.NoSuchOption) else error.command_name
    known = {each.lstrip("-"): each for each in error.possibilities or ()}
    return sorted(known[each] for each in get_close_matches(name.lstrip("-"), known))


def _ours(error: ContradaError) -> Failure:
    # Rejected shows its code first; here the code follows the sentence, for every error alike.
    message = error.sentence
    exit_ = getattr(error, "exit", None)
    reasons = error.reasons if isinstance(error, RefusedByPolicy) else ()
    hints = tuple(error.hint.splitlines())
    return Failure(
        message,
        error.code,
        exit_ if isinstance(exit_, Exit) else of_code(error.code),
        hints,
        reasons,
        getattr(error, "faults", ()),
    )


_OF_ERRNO = {
    errno.ENOENT: Exit.NOT_FOUND,
    errno.EACCES: Exit.NOT_AUTHORISED,
    errno.EPERM: Exit.NOT_AUTHORISED,
    errno.EEXIST: Exit.CONFLICT,
    errno.EISDIR: Exit.USAGE,
    errno.ENOTDIR: Exit.USAGE,
}


def _system(error: OSError | MemoryError) -> Failure:
    if isinstance(error, MemoryError):
        return Failure("there is not enough memory for this", "E_SYSTEM", Exit.FAILURE)
    if isinstance(error, ConnectionError | TimeoutError):
        return Failure("the other side does not answer", "E_UNAVAILABLE", Exit.UNAVAILABLE)
    if error.errno == errno.EBADF and error.filename is None:
        return Failure("stdin or stdout is closed, and this needs it", "E_SYSTEM", Exit.FAILURE)
    text = error.strerror or type(error).__name__
    where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    return Failure(
        where + text[:1].lower() + text[1:], "E_SYSTEM", _OF_ERRNO.get(error.errno or 0, Exit.FAILURE)
    )


def _unforeseen(error: BaseException) -> Failure:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    return Failure(
        f"internal error: {type(error).__name__}{place}",
        "E_INTERNAL",
        Exit.FAILURE,
        (f"this is a fault of the program; with {TRACEBACK}=1 it shows the whole of it",),
    )


def _sentence(text: str) -> str:
    """Lower case at the start, no period at the end; codes and names keep their letters."""
    text = text.strip().removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def _as_text(failure: Failure) -> str:
    code = f" ({failure.code})" if failure.code.startswith("E_") and failure.code not in _SILENT else ""
    first, *rest = failure.message.splitlines() or [""]
    lines = [f"contrada: {first}{code}", *rest]
    for reason in failure.reasons:
        rule = f"; {reason['source']}" if reason.get("source") else ""
        found = reason.get("found") or f"for a reason that this program does not know: {reason['code']}"
        lines.append(f"  {found} ({reason['code']}{rule})")
        if reason.get("hint"):
            lines.append(f"hint: {reason['hint']}")
    lines += [f"hint: {hint}" for hint in failure.hints]
    return "\n".join(printable(line) for line in dict.fromkeys(lines))


_SILENT = {"E_USAGE", "E_INTERRUPTED", "E_SYSTEM", "E_INTERNAL", "E_DECLINED", "E_REFUSED", "E_INSTALLATION"}


def _as_json(failure: Failure) -> str:
    error = {
        "code": failure.code,
        "message": failure.message,
        "hints": list(failure.hints),
        "exit": int(failure.exit),
    }
    if failure.reasons:
        error["reasons"] = list(failure.reasons)
    if failure.faults:
        error["faults"] = fault_rows(failure.faults)
    return json_text({"error": error})
