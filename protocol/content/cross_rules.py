"""Rules across the fields of one model: which fields each is about, and what is broken.

Owns how a model states such rules, how they are checked, and how they are checked for a model some of whose
fields are wrong, so that a person learns of everything at once. The rules themselves stand in the models.

    @cross_rule("position", field="longitude")
    def _has_both(self) -> Breach | None: ...

Rules: each rule is alone and in any order. One that reads a field that is wrong itself cannot be judged, and
is passed over; that field is told of anyway. What a breach says would be right has no value in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
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


def cross_rule(name: str, *, field: str) -> Callable[[Check], Check]:
    """Make a method of a model a rule of this stable name about this field."""

    def mark(check: Check) -> Check:
        setattr(check, _MARK, (name, field))
        return check

    return mark


def check_cross_rules(model: BaseModel) -> None:
    """Raise every breach in one error of pydantic, each at its field."""
    found = list(breaches(model))
    if found:
        raise ValidationError.from_exception_data(type(model).__name__, found)


def breaches(model: BaseModel) -> Iterator[InitErrorDetails]:
    """The rules that are broken. Those that read a field that the model lacks are passed over."""
    for name, field, check in _rules_of(type(model)):
        try:
            breach: Breach | None = check(model)
        except AttributeError:
            continue
        if breach is not None:
            place = field if breach.field is None else breach.field
            yield InitErrorDetails(
                type=broken(name, breach.right, breach.found),
                loc=(place,) if place else (),
                input=None,
            )


def broken(rule: str, right: str, found: str | None = None) -> PydanticCustomError:
    """Name the rule that a value breaks; the message says what was expected and never what was found."""
    known = None if found is None else {"found": found}
    return PydanticCustomError(rule, right, known)  # type: ignore[arg-type, unused-ignore]


@cache
def _rules_of(model: type[BaseModel]) -> tuple[tuple[str, str, Callable[[Any], Breach | None]], ...]:
    # The rules of a base first, as they are written.
    methods = {
        name: method
        for base in reversed(model.__mro__)
        for name, method in vars(base).items()
        if hasattr(method, _MARK)
    }
    return tuple((*getattr(method, _MARK), method) for method in methods.values())
