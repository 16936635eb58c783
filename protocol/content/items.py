"""The base of all items: the provider's terms, which each item carries.

Owns the base of all items, the rules that hold for each of them, and the short names of the sources. The
things described are in `entities`. Each item has its own codes (ER Art. 19(2), 29), because a message may
carry items of several origins and one item may be shown without the others.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from protocol.codes import DataClass, Handling, Purpose
from protocol.content.code_forms import OPEN_HANDLING, UNEVALUATED, show_code, show_handling
from protocol.content.cross_rules import WHOLE, Breach, cross_rule
from protocol.content.fields import (
    ASCENDING,
    DISTINCT,
    NOT_EMPTY,
    SHOWN,
    EvaluationField,
    HandlingField,
    Model,
    PurposeField,
    RuleSource,
    Term,
    Text,
    coded,
)
from protocol.content.file_fields import FileName
from protocol.fault_text import value_text

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

    def identified_by(self) -> tuple[str, ...]:
        """The fields of which at least one says which thing is meant; none where every item says it."""
        return ()

    @cross_rule("h3_restriction", field="restriction")
    def _restricts_in_words(self) -> Breach | None:
        restricted, worded = Handling.H3 in self.handling, self.restriction is not None
        if restricted and not worded:
            return Breach("the restriction in words, which belongs to H3", "nothing")
        if worded and not restricted:
            given = value_text(show_handling(self.handling))
            return Breach("H3, or no restriction in words", given, field="handling")
        return None

    @cross_rule("undetermined_alone", field="purposes")
    def _is_determined_or_not(self) -> Breach | None:
        if Purpose.UNDETERMINED in self.purposes and len(self.purposes) > 1:
            return Breach("undetermined alone, or other purposes without it", "undetermined beside others")
        return None

    @cross_rule("data_class_low", field="data_class")
    def _is_strict_enough(self) -> Breach | None:
        least = self.least_data_class()
        if self.data_class < least:
            implied = f"{show_code(least)} or stricter, which the item's other fields imply (ER Art. 30)"
            return Breach(implied, value_text(show_code(self.data_class)))
        return None

    @cross_rule("item_empty", field=WHOLE)
    def _means_something(self) -> Breach | None:
        identifying = self.identified_by()
        if not identifying or any(getattr(self, name) for name in identifying):
            return None
        return Breach(f"at least one of {', '.join(identifying)}: which one is meant", "none of them")


def half_position(latitude: str | None, longitude: str | None) -> Breach | None:
    """Whether a half of a position is missing, and which."""
    if (latitude is None) == (longitude is None):
        return None
    missing = "latitude" if latitude is None else "longitude"
    return Breach(f"a {missing}, which belongs to the position", "nothing", field=missing)
