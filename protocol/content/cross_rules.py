"""Rules across the fields of one model: which fields each is about, and what is broken.

Owns how a model states such rules and what a breach says. The rules stand in the models; their base
(protocol/content/fields.py) runs them.

    @cross_rule("position", field="longitude")
    def _has_both(self) -> Breach | None: ...

Rules: each rule is alone and in any order. One that reads a field that is wrong itself cannot be judged, and
is passed over; that field is told of anyway. What a breach says would be right has no value in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from pydantic_core import InitErrorDetails, PydanticCustomError

Check = TypeVar("Check", bound=Callable[[Any], "Breach | None"])

_MARK: Final = "__cross_rule__"

WHOLE: Final = ""
"""The place of a rule about the model as a whole."""


@dataclass(frozen=True, slots=True)
class Breach:
    """What is wrong between fields each of which is right."""

    right: str
    """To be read after "expected"."""

    found: str | None = None
    """To be read after "found"; shown to whoever wrote the draft, and to nobody else."""

    field: str | None = None
    """The field to change, if it is another one than the rule's."""


@dataclass(frozen=True, slots=True)
class CrossRule:
    """A rule of a model."""

    name: str
    field: str
    draft: bool
    check: Callable[[Any], Breach | None]


def cross_rule(name: str, *, field: str, draft: bool = False) -> Callable[[Check], Check]:
    """Make a method of a model a rule of this name about this field; with `draft`, for drafts alone."""

    def mark(check: Check) -> Check:
        setattr(check, _MARK, (name, field, draft))
        return check

    return mark


def broken(rule: str, right: str, found: str | None = None) -> PydanticCustomError:
    """Name the rule that a value breaks; the message says what was expected and never what was found."""
    known = None if found is None else {"found": found}
    return PydanticCustomError(rule, right, known)  # type: ignore[arg-type, unused-ignore]


def breach_details(rule: CrossRule, breach: Breach) -> InitErrorDetails:
    """The breach as pydantic takes it, at its field."""
    place = rule.field if breach.field is None else breach.field
    return InitErrorDetails(
        type=broken(rule.name, breach.right, breach.found), loc=(place,) if place else (), input=None
    )


@cache
def rules_of(model: type) -> tuple[CrossRule, ...]:
    """The rules of a model: those of its bases first, as they are written."""
    methods = {
        name: method
        for base in reversed(model.__mro__)
        for name, method in vars(base).items()
        if hasattr(method, _MARK)
    }
    return tuple(
        CrossRule(name, field, draft, method)
        for method in methods.values()
        for name, field, draft in [getattr(method, _MARK)]
    )
