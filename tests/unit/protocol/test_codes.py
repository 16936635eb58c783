"""The code lists: complete, stable, written in one way."""

from __future__ import annotations

import inspect
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codes
from protocol.codes import (
    CrimeArea,
    Handling,
    InformationEvaluation,
    Purpose,
    RefusalGround,
    SourceEvaluation,
    UrgencyGround,
)
from protocol.content.code_forms import (
    OPEN_HANDLING,
    UNEVALUATED,
    Evaluation,
    forms_of,
    handling,
    missing_handling,
    read_code,
    read_evaluation,
    read_handling,
    show_code,
    show_handling,
    unite_handling,
)
from protocol.content.code_texts import LISTS, code_text, text
from protocol.errors import Code, Rejected

ALL_LISTS = [
    member
    for _, member in inspect.getmembers(codes, inspect.isclass)
    if issubclass(member, Enum) and member.__module__ == codes.__name__
]
RESTRICTIONS = st.sets(st.sampled_from([Handling.H1, Handling.H2, Handling.H3])).map(frozenset)
SETS = RESTRICTIONS.map(lambda chosen: chosen or OPEN_HANDLING)

# Numbers on the wire and in the audit trail: this table may grow, and no line of it may change.
NUMBERS = {
    "Handling": "H0=0 H1=1 H2=2 H3=3",
    "InformationEvaluation": "CERTAIN=1 KNOWN_TO_SOURCE=2 CORROBORATED=3 UNCORROBORATED=4",
    "Purpose": "UNDETERMINED=0 CROSS_CHECK=1 STRATEGIC=2 OPERATIONAL=3 FACILITATE=4 RESEARCH=5 PUBLIC_APPEAL=6",
    "UrgencyGround": "PUBLIC_SECURITY=1 LIFE=2 LIBERTY_DECISION=3 RELEVANCE_LOSS=4",
    "RefusalGround": "NOT_AVAILABLE=1 NOT_COMPLIANT=2 JUDICIAL_REFUSED=3 OUTSIDE_CATEGORIES=4 INACCURATE=5 "
    "NATIONAL_SECURITY=6 INVESTIGATION_OR_SAFETY=7 LEGAL_PERSON=8 MINOR_OFFENCE=9 THIRD_ORIGIN=10",
    "MessageKind": "INFORMATION=1 REQUEST=2 ANSWER=3 REFUSAL=4 ACKNOWLEDGEMENT=5",
    "DataClass": "NON_PERSONAL=0 PERSONAL=1 SPECIAL=2 MINOR=3 VICTIM=4",
    "Classification": "BPL=0 EU_RESTRICTED=1",
    "UnitKind": "NATIONAL_UNIT=1 COMPETENT_AUTHORITY=2 CENTRE=3 UNION_BODY=4 THIRD_PARTY=5 "
    "INTERNATIONAL_ORGANISATION=6",
    "LegalBasis": "UNION_LAW=1 UNION_BODY=2 ADEQUACY=3 AGREEMENT=4 COOPERATION=5 SAFEGUARDS_INSTRUMENT=6 "
    "SAFEGUARDS_ASSESSED=7 DEROGATION=8 SET_OF_TRANSFERS=9 WORKING_ARRANGEMENT=10",
    "Role": "TO=0 COPY=1 RELAY=2",
    "RefKind": "REPLY_TO=1 RELATED=2 ONWARD=3 CONSENT=4",
    "CopyExemption": "SENSITIVE=1 TERRORISM=2 SAFETY=3",
}


@pytest.mark.parametrize("codes_list", ALL_LISTS, ids=lambda member: member.__name__)
def test_every_code_has_a_text_and_a_source(codes_list):
    """People can read every code of every list, and look up the rule behind it."""
    assert codes_list in LISTS
    for code in codes_list:
        assert code_text(code).text == text(code) != ""
        assert code_text(code).source


@pytest.mark.parametrize("codes_list", ALL_LISTS, ids=lambda member: member.__name__)
def test_texts_of_one_list_differ(codes_list):
    """No two codes of one list say the same: a copied line in the table would."""
    assert len({text(code) for code in codes_list}) == len(codes_list)


def test_every_list_names_its_legal_source():
    """Each list says in its docstring by which rule it is closed."""
    for codes_list in ALL_LISTS:
        assert any(word in codes_list.__doc__ for word in ("ER ", "DIR ", "SIS ", "2013/488", "Europol")), (
            codes_list
        )


def test_handling_texts_are_verbatim():
    """The handling codes are quoted and not paraphrased."""
    assert text(Handling.H0) == (
        "This information may only be used for the purpose of preventing and combating crimes in line with the ER "
        "and any other applicable law."
    )
    assert text(Handling.H1) == (
        "Not to be disclosed in judicial proceedings without the permission of the provider."
    )
    assert text(Handling.H2) == "Not to be disseminated without the permission of the provider."
    assert text(Handling.H3) == "Other restrictions and comments"


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_do_not_change(name):
    """A released number keeps its meaning for ever."""
    assert " ".join(f"{code.name}={code.value}" for code in getattr(codes, name)) == NUMBERS[name]


def test_crime_areas_are_those_of_annex_i():
    """Annex I lists thirty forms of crime and the 2025 amendment one more, numbered in its order."""
    assert [int(area) for area in CrimeArea] == list(range(1, 32))
    assert CrimeArea(1).name == "TERRORISM"
    assert CrimeArea(6).name == "MIGRANT_SMUGGLING"
    assert CrimeArea(31).name == "RESTRICTIVE_MEASURES"
    assert len(RefusalGround) == 10
    assert len(UrgencyGround) == 4


@pytest.mark.parametrize("codes_list", ALL_LISTS, ids=lambda member: member.__name__)
def test_each_code_has_one_form(codes_list):
    """What is written for a code reads back as that code, and as no other of its list."""
    assert [read_code(codes_list, show_code(code)) for code in codes_list] == list(codes_list)


def test_forms_are_what_officers_write():
    """Codes look as they do on paper."""
    assert show_code(Handling.H2) == "H2"
    assert show_code(SourceEvaluation.B) == "B"
    assert show_code(InformationEvaluation.CORROBORATED) == "3"
    assert show_code(Purpose.CROSS_CHECK) == "cross-check"
    assert read_code(CrimeArea, "migrant-smuggling") is CrimeArea.MIGRANT_SMUGGLING


@given(st.text())
def test_what_is_no_code_is_rejected_without_being_repeated(written):
    """A text that is no code ends in our error, whose hint lists the codes."""
    if written in forms_of(Purpose).split(", "):
        return
    with pytest.raises(Rejected) as caught:
        read_code(Purpose, written)
    assert caught.value.reason is Code.E_SCHEMA
    assert "cross-check" in caught.value.hint
    assert str(caught.value) == "E_SCHEMA: no code of Purpose"


@given(SETS)
def test_handling_reads_as_written(chosen):
    """A set of handling codes has one form, and any order of its codes reads as the same set."""
    written = show_handling(chosen)
    assert read_handling(written) == chosen
    assert read_handling("+".join(reversed(written.split("+")))) == chosen


@pytest.mark.parametrize(
    "written", ["", "H0+H1", "H1+H1", "H4", "h1", "H1+", "+", "H1 + H2", "H1,H2", "1", "H1" * 999]
)
def test_other_handling_is_rejected(written):
    """H0 stands alone, and every other code once."""
    with pytest.raises(Rejected) as caught:
        read_handling(written)
    assert caught.value.reason is Code.E_HANDLING_INVALID


def test_a_handling_set_is_not_empty():
    """No code at all is not a handling set: that would be a provider who said nothing."""
    with pytest.raises(Rejected):
        handling([])
    assert handling([Handling.H3, Handling.H1]) == {Handling.H1, Handling.H3}


@given(st.lists(SETS))
def test_union_keeps_every_restriction(sets):
    """Nothing that restricts one item is lost for the whole, and H0 never hides a restriction."""
    together = unite_handling(sets)
    assert all(missing_handling(required=one, given=together) == frozenset() for one in sets)
    assert (Handling.H0 in together) == (not any(one - OPEN_HANDLING for one in sets))
    assert handling(together) == together


def test_missing_handling_is_what_is_not_said():
    """H0 is said by every set; any other code only by itself, for the codes are no scale."""
    h1, h2 = frozenset({Handling.H1}), frozenset({Handling.H2})
    assert missing_handling(required=OPEN_HANDLING, given=h2) == frozenset()
    assert missing_handling(required=h1, given=h2) == h1
    assert missing_handling(required=h1, given=OPEN_HANDLING) == h1


def test_every_evaluation_reads_as_written():
    """There are sixteen evaluations, and each has its own form."""
    forms = {str(Evaluation(source, info)) for source in SourceEvaluation for info in InformationEvaluation}
    assert len(forms) == 16
    assert {str(read_evaluation(form)) for form in forms} == forms


def test_no_evaluation_means_x4():
    """Where the provider gave none, X4 holds (ER 29(4))."""
    assert str(UNEVALUATED) == "X4"
    assert read_evaluation("X4") == UNEVALUATED


@pytest.mark.parametrize("written", ["", "B", "2B", "b2", "D1", "A5", "A0", "B2 ", "F6"])
def test_other_evaluations_are_rejected(written):
    """Nothing is guessed, and no other scale is converted."""
    with pytest.raises(Rejected):
        read_evaluation(written)
