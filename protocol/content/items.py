"""The base of all items: the provider's terms, which each item carries.

Owns the base of all items, the rules that hold for each of them, and the short names of the sources. The
things described are in `entities`. Each item has its own codes (ER Art. 19(2), 29), because a message may
carry items of several origins and one item may be shown without the others.
"""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from protocol.codes import DataClass, Handling, Purpose
from protocol.content.code_forms import OPEN_HANDLING, UNEVALUATED
from protocol.content.fields import (
    ASCENDING,
    DISTINCT,
    NOT_EMPTY,
    SHOWN,
    EvaluationField,
    FileName,
    HandlingField,
    Model,
    PurposeField,
    RuleSource,
    Term,
    Text,
    broken,
    coded,
)

MAX_FILES: Final = 16

OURS: Final = RuleSource("Contrada")
B2_A: Final = RuleSource("ER Annex II B.2(a)")
B2_B: Final = RuleSource("ER Annex II B.2(b)")
B2_C: Final = RuleSource("ER Annex II B.2(c)")
B2_D: Final = RuleSource("ER Annex II B.2(d)")
B2_E: Final = RuleSource("ER Annex II B.2(e)")
B2_F: Final = RuleSource("ER Annex II B.2(f)")
B2_H: Final = RuleSource("ER Annex II B.2(h)")
B2_I: Final = RuleSource("ER Annex II B.2(i)")
B2_L: Final = RuleSource("ER Annex II B.2(l)")
SIS_20: Final = RuleSource("SIS Art. 20(3)")
SIS_37: Final = RuleSource("SIS Art. 37(1)")
SIS_38: Final = RuleSource("SIS Art. 38(2)")


class ItemBase(Model):
    """The terms of one item. Without codes in a draft: H0, and X4 (ER Art. 29(4)); on the wire always."""

    handling: Annotated[HandlingField, RuleSource("ER Art. 19(2)")] = OPEN_HANDLING
    restriction: Annotated[Text | None, RuleSource("ER Art. 19(2)")] = None
    evaluation: Annotated[EvaluationField, RuleSource("ER Art. 29")] = UNEVALUATED
    purposes: Annotated[tuple[PurposeField, ...], NOT_EMPTY, ASCENDING, RuleSource("ER Art. 18(2), 19(1)")]
    data_class: Annotated[DataClass, coded(DataClass), SHOWN, RuleSource("ER Art. 30")]
    review: Annotated[Term | None, RuleSource("ER Art. 31(2), 31(4)")] = None
    files: Annotated[
        tuple[FileName, ...], Field(max_length=MAX_FILES), DISTINCT, RuleSource("ER Annex II B.2(c)")
    ] = ()

    def least_data_class(self) -> DataClass:
        """The data class that the item has at least, by its structure; free text cannot be judged."""
        return DataClass.NON_PERSONAL

    def is_empty(self) -> bool:
        """Whether nothing in the item identifies the thing."""
        return False

    @model_validator(mode="after")
    def _keeps_the_terms(self) -> Self:
        if (Handling.H3 in self.handling) != (self.restriction is not None):
            raise broken("h3_restriction", "H3 and the restriction in words come together")
        if Purpose.UNDETERMINED in self.purposes and len(self.purposes) > 1:
            raise broken("undetermined_alone", "undetermined stands alone: a purpose is known or it is not")
        if self.data_class < self.least_data_class():
            raise broken("data_class_low", "a stricter data class: the item's fields imply more (ER Art. 30)")
        if self.is_empty():
            raise broken("item_empty", "at least one field that says which one is meant")
        return self


def both_or_none(latitude: str | None, longitude: str | None) -> None:
    """Refuse half a position."""
    if (latitude is None) != (longitude is None):
        raise broken("position", "latitude and longitude together")
