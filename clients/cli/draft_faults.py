"""What is wrong with a draft or with a request, in the words of the command line.

Owns the step from fields of the local API to options: a person who typed `--expires` has not heard of
`expires_in_s`. A field of the draft is named as it stands in the draft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from protocol.codes import MessageKind
from protocol.content.code_forms import read_code
from protocol.errors import DraftError, with_fault_lines
from protocol.fault_text import TOP, value_text
from protocol.identifiers import show_id
from runtime.cli.errors import BadInput, DaemonProblem

_OPTIONS: Final[Mapping[str, str]] = {
    "to": "--to", "copy": "--copy", "handling": "--handling", "h3": "--handling", "h3.only": "--h3-only",
    "h3.delete_by": "--h3-delete-by", "classification": "--classification", "data_class": "--data-class",
    "purposes": "--purpose", "urgency": "--urgent", "ground": "--ground", "basis": "--basis",
    "copy_exemption": "--copy-exemption", "reply_to": "ID", "reply_to_sender": "--sender",
    "thread": "--thread", "expires_in_s": "--expires",
    "review_in_s": "--review", "suite": "--suite", "idempotency_key": "--idempotency-key",
    "stage": "--stage", "case_ref": "--case-ref",
}  # fmt: skip
"""The option, or argument, that gives a field of a request."""

_DRAFT: Final = "draft"
_ATTACHMENTS: Final = "attachments["


def explain_draft(where: str, data: bytes, kind: str) -> BadInput:
    """All that is wrong with a draft that is no valid JSON: of its text, and of what could be read of it."""
    from protocol.content.drafts import parse_draft  # noqa: PLC0415 - brings pydantic

    code = read_code(MessageKind, kind)
    replies = code in (MessageKind.ANSWER, MessageKind.REFUSAL)
    # Which request is answered is not known here: any id will do.
    known = {"in_reply_to": show_id(bytes(16))} if replies else {}
    try:
        parse_draft(code, data, known=known)
    except DraftError as error:
        return BadInput(f"{where} is not a valid {kind} yet:", hint=error.hint, faults=error.faults)
    raise AssertionError("a draft that is wrong was taken")


def in_options(problem: DaemonProblem, attached: Sequence[str] = ()) -> DaemonProblem:
    """The daemon's problem with its fields in the words of the command line."""
    if not problem.faults:
        return problem
    faults = tuple(replace(fault, field=_option(fault.field, attached)) for fault in problem.faults)
    first = str(problem).splitlines()[0]
    message = "not everything that was said is right:" if problem.code == "E_REQUEST" else first
    return DaemonProblem(
        with_fault_lines(message, faults),
        code=problem.code,
        # It would list the fields of the API.
        hint="" if problem.code == "E_REQUEST" else problem.hint,
        exit_=problem.exit,
        faults=faults,
    )


def _option(field: str, attached: Sequence[str]) -> str:
    if field == _DRAFT:
        return TOP
    if field.startswith(f"{_DRAFT}."):
        return field.removeprefix(f"{_DRAFT}.")
    if field.startswith(_ATTACHMENTS):
        number, _, _ = field.removeprefix(_ATTACHMENTS).partition("]")
        known = number.isdigit() and int(number) < len(attached)
        return f"--attach {(value_text(attached[int(number)]) or '')[1:-1]}" if known else "--attach"
    name = field.partition("[")[0]
    return _OPTIONS.get(name, field)
