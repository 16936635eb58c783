"""The textual forms of codes: `H1+H3`, `B2`, `migrant-smuggling`.

Owns the textual forms, both ways, and the two small algebras behind them (handling codes, 4x4
evaluation). Does not own the codes' meanings (`codes`, `code_texts`).

Rules: every code has one textual form. What cannot be read is `Rejected`, and the hint lists what
could have been written; the text itself is never repeated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from typing import Final, TypeVar

from protocol.codes import Handling, InformationEvaluation, SourceEvaluation
from protocol.errors import Code, Rejected

CodeT = TypeVar("CodeT", bound=Enum)

HandlingCodes = frozenset[Handling]
"""H0 alone, or any of H1, H2, H3. H0 always applies, so that beside another code it says nothing."""

_HANDLING_FORM: Final = "H0 alone, or H1, H2, H3 joined by +, each once, as in H1+H3"

OPEN_HANDLING: Final[HandlingCodes] = frozenset({Handling.H0})


# Typed: codes of two lists may be equal as numbers. There are some hundred codes in all.
@lru_cache(maxsize=None, typed=True)
def show_code(code: Enum) -> str:
    """The one textual form of a code: `H1`, `B`, `2`, `cross-check`."""
    if isinstance(code, Handling | SourceEvaluation):
        return code.name
    if isinstance(code, InformationEvaluation):
        return str(code.value)
    return code.name.lower().replace("_", "-")


def read_code(codes: type[CodeT], text: str) -> CodeT:
    """The code of the list `codes` that is written `text`."""
    code = _by_form(codes).get(text)
    if isinstance(code, codes):
        return code
    raise Rejected(Code.E_SCHEMA, f"no code of {codes.__name__}", hint=f"one of {forms_of(codes)}")


@cache
def _by_form(codes: type[Enum]) -> dict[str, Enum]:
    return {show_code(code): code for code in codes}


def forms_of(codes: type[Enum]) -> str:
    """All that may be written for a list of codes, for hints and `--help`."""
    return ", ".join(map(show_code, codes))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A 4x4 evaluation. Only its provider changes it (ER Art. 29(3)); no conversion to other scales."""

    source: SourceEvaluation
    information: InformationEvaluation

    def __str__(self) -> str:
        return f"{self.source.value}{self.information.value}"


UNEVALUATED: Final = Evaluation(SourceEvaluation.X, InformationEvaluation.UNCORROBORATED)
"""What holds where no evaluation was given: X4 (ER Art. 29(4))."""

_EVALUATIONS: Final = {
    f"{source.value}{information.value}": Evaluation(source, information)
    for source in SourceEvaluation
    for information in InformationEvaluation
}


def read_evaluation(text: str) -> Evaluation:
    """The evaluation written as source letter and information digit, such as `B2`."""
    try:
        return _EVALUATIONS[text]
    except KeyError:
        hint = "a letter A, B, C or X for the source and a digit 1 to 4 for the information, such as B2"
        raise Rejected(Code.E_SCHEMA, "not a 4x4 evaluation", hint=hint) from None


def handling(codes: Iterable[Handling]) -> HandlingCodes:
    """The set of `codes`, if it is one that may stand on an item or a message."""
    given = list(codes)
    chosen = frozenset(given)
    if not given or len(chosen) != len(given) or (Handling.H0 in chosen and len(chosen) > 1):
        raise Rejected(Code.E_HANDLING_INVALID, "not a set of handling codes", hint=_HANDLING_FORM)
    return chosen


def unite_handling(sets: Iterable[HandlingCodes]) -> HandlingCodes:
    """Every restriction of every set: what holds for the whole of them."""
    restrictions = frozenset(code for codes in sets for code in codes) - OPEN_HANDLING
    return restrictions or OPEN_HANDLING


def missing_handling(*, required: HandlingCodes, given: HandlingCodes) -> HandlingCodes:
    """The restrictions of `required` that `given` does not express; H0 is expressed by every set."""
    return required - given - OPEN_HANDLING


def show_handling(codes: HandlingCodes) -> str:
    """A set of handling codes in its one written form, such as `H1+H3`."""
    return "+".join(map(show_code, sorted(codes)))


def read_handling(text: str) -> HandlingCodes:
    """The handling codes written as `H0`, or as `H1`, `H2`, `H3` joined by plus signs in any order."""
    names = Handling.__members__
    words = text.split("+", maxsplit=len(names))
    if any(word not in names for word in words):
        raise Rejected(Code.E_HANDLING_INVALID, "not a handling code", hint=_HANDLING_FORM)
    return handling(names[word] for word in words)
