"""JSON from outside means one thing, or is refused at the field that does not."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import DraftError
from protocol.json_text import MAX_JSON_DEPTH, merged_faults, read_json, read_json_object
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import returning

MANY = 100_000

NAMES = st.text(max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def read(text):
    return read_json(text if isinstance(text, bytes) else text.encode(), at_most=MANY)


def told(text):
    return [str(fault) for fault in read(text).faults]


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_json_can_say_is_read(value, ascii_only, indent):
    """Every value comes back, in any layout, with no fault."""
    found = read(json.dumps(value, ensure_ascii=ascii_only, indent=indent))

    assert (found.value, found.faults, found.is_json) == (value, (), True)


@given(
    st.binary(max_size=60)
    | st.text(alphabet='{}[]",:\\u0123dD8 eE+-.nulltrue\n', max_size=60).map(str.encode)
)
def test_any_bytes_are_read_or_refused(data):
    """No byte string does anything else, and no fault can act on a terminal."""
    found = read(data)

    assert found.faults or found.value == json.loads(data.decode("utf-8-sig"))
    assert all(str(fault).isascii() and str(fault).isprintable() for fault in found.faults)


@given(VALUES, st.lists(NAMES, min_size=1, max_size=3, unique=True), st.data())
def test_a_field_twice_is_found_wherever_it_is(value, path, draw):
    """At any depth, beside anything, also if both say the same, and as an escape: never one of the two silently."""
    name = draw.draw(NAMES)
    again = "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in name)
    inner = f'{{{json.dumps(name)}: {json.dumps(value)}, "{again}": {json.dumps(value)}}}'
    for step in reversed(path):
        inner = f'{{"before": [], {json.dumps(step)}: [0, {inner}]}}'
    faults = read(inner).faults

    assert "once" in {fault.rule for fault in faults}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"to":[1],"to":[2]}', ["to: found the field twice; expected it once in one object"]),
        ('{"a":[{"b":1,"b":2,"b":3}]}', ["a[0].b: found the field 3 times; expected it once in one object"]),
        ('{"items":[{"imo":NaN}]}', ["items[0].imo: found NaN; expected a number of JSON"]),
        ("[-Infinity]", ["[0]: found -Infinity; expected a number of JSON"]),
        ('{"a":1e999}', ["a: found 1e999; expected a number that is not endless"]),
        ('{"a":' + "9" * 5000 + "}", ["a: found 5000 digits; expected at most 40 digits"]),
        (
            '{"subject":"A boat \\ud83d"}',
            ["subject: found \\ud83d, as character 8, which is half of a pair; expected whole characters"],
        ),
        (
            '{"\\udc00":1}',
            ["\\udc00: found \\udc00, as character 1, which is half of a pair; expected whole characters"],
        ),
        ('{"a":1,}', [
            '(top): found the character "}" at line 1, column 8; expected JSON: a field\'s name in double quotes'
        ]),
        ('{"a":1\n "b":2}', [
            '(top): found the character "\\"" at line 2, column 2; expected JSON: a comma, or the end of the list or object'
        ]),
        ("{'a':1}", [
            '(top): found the character "\'" at line 1, column 2; expected JSON: a field\'s name in double quotes'
        ]),
        ("", ["(top): found nothing at line 1, column 1; expected JSON: a value"]),
        ("{", ["(top): found the end at line 1, column 2; expected JSON: a field's name in double quotes"]),
        ("{} {}", ['(top): found the character "{" at line 1, column 4; expected JSON: nothing behind the end of the value']),
        ('["a\nb"]', [
            '(top): found the character "\\n" at line 1, column 4; expected JSON: \\n for the end of a line within text, \\t for a tab'
        ]),
        (b"\xff\xfe{\x00", ["(top): found UTF-16; expected UTF-8"]),
        (b'{"a":"\xe9"}', ["(top): found other bytes, at 6; expected UTF-8"]),
        (b"\xed\xa0\xbd", ["(top): found other bytes, at 0; expected UTF-8"]),
        (b" " * (MANY + 1), ["(top): found 100001 bytes; expected at most 100000 bytes"]),
    ],
)  # fmt: skip
def test_a_fault_names_its_field(text, said):
    """Where it is, what was found, and what would be right."""
    assert told(text) == said


def test_all_faults_are_told_at_once():
    """Three kinds of fault in one text, each at its place; what is right beside them is read."""
    found = read('{"a":1,"a":2,"b":[NaN,"\\ud800"],"c":"kept"}')

    assert [(fault.field, fault.rule) for fault in found.faults] == [
        ("a", "once"), ("b[0]", "number"), ("b[1]", "surrogate"),
    ]  # fmt: skip
    assert found.value == {"a": 1, "b": [None, "?"], "c": "kept"}


def test_the_depth_is_bounded():
    """As deep as the bound is read, one deeper is refused at its place, and no depth ends the program."""
    assert told("[" * MAX_JSON_DEPTH + "]" * MAX_JSON_DEPTH) == []
    (one,) = read("[" * (MAX_JSON_DEPTH + 1) + "]" * (MAX_JSON_DEPTH + 1)).faults
    assert (one.field, one.rule) == ("[0]" * MAX_JSON_DEPTH, "depth")
    for deep in (500, MANY // 2):
        (one,) = read("[" * deep + "]" * deep).faults
        assert one.rule == "depth"


def test_many_names_take_no_time_that_grows_with_their_square():
    """One object of thousands of names, of which the last stands twice, is read as fast as any other text."""
    names = ",".join(f'"{n}":0' for n in range(9_000))
    (one,) = read("{" + names + ',"8999":1}').faults

    assert one.field == "8999"


def test_a_mark_at_the_beginning_is_no_fault():
    """Editors write it (RFC 8259, 8.1: a reader may pass over it)."""
    assert read(b"\xef\xbb\xbf[]").value == []


def test_an_object_is_had_or_explained():
    """The reader that most doors use: the object, or one error with every fault."""
    assert read_json_object(b'{"a": 1}', at_most=MANY, what="the draft") == {"a": 1}
    with pytest.raises(DraftError, match="the draft is not a JSON object"):
        read_json_object(b"[]", at_most=MANY, what="the draft")
    with pytest.raises(DraftError, match="a: found the field twice") as caught:
        read_json_object(b'{"a": 1, "a": 2}', at_most=MANY, what="the draft")
    assert len(caught.value.faults) == 1


def test_a_wrong_field_is_told_of_once():
    """What the text is blamed for, its value is not blamed for too."""
    text, values = read('{"a":NaN,"b":NaN}').faults

    assert merged_faults([text], [text, values]) == (text, values)
    assert math.isfinite(len(merged_faults([], [])))


class _Raw(str):
    """A part of JSON as it is written."""

    __slots__ = ()


_WRITTEN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from([0, -7, 1.5]),
        # Halves of pairs, endless numbers and names that stand twice come as often as what is right.
        st.sampled_from(
            ['"a"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud83d"', "NaN", "9" * 50, '{"a":1,"a":2}']
        ).map(_Raw),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "\ud800", "é"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def _text(value: object) -> str:
    """JSON, in which raw parts stand as they are."""
    match value:
        case _Raw():
            return str(value)
        case list():
            return f"[{','.join(map(_text, value))}]"
        case dict():
            return f"{{{','.join(f'{json.dumps(name)}:{_text(entry)}' for name, entry in value.items())}}}"
        case _:
            return json.dumps(value)


@given(_WRITTEN, st.integers(0, MAX_JSON_DEPTH + 1))
def test_what_counts_as_clean_at_a_glance_is_what_has_no_fault(value, lists):
    """The glance and the long look agree, at any depth and of whatever is wrong."""
    text = f"{'[' * lists}{_text(value)}{']' * lists}".encode()
    read = read_json(text, at_most=10_000)
    glance = Mutant("protocol.json_text:_is_clean", returning("False"))
    with mutated(glance):
        assert read_json(text, at_most=10_000) == read


OWN = {
    "protocol/json_text.py": "the reader itself",
    "clients/daemon/store/outbox.py": "a column that the daemon wrote",
    "clients/daemon/store/unacknowledged.py": "the same column",
    "clients/daemon/store/replies.py": "likewise",
    "clients/daemon/api/views.py": "likewise",
    "clients/demo/case.py": "drafts that are shipped",
    "clients/demo/ledger_case.py": "likewise, and what the demo's own commands print",
    "clients/demo/exchange.py": "what the demo's own processes say",
    "clients/demo/processes.py": "likewise",
    "clients/cli/bundle/shown.py": "lines of logs, which have fractions; what is not on its list is left out",
    "clients/cli/bundle/gathering.py": "readiness of a process of this host, which has fractions; likewise",
}
"""Where the library reads JSON: what this program has written itself, or shows only by a list."""


def test_json_from_outside_comes_in_through_the_one_reader():
    """No other module of the product reads JSON with the library."""
    root = Path(__file__).parents[3]
    readers = {
        str(path.relative_to(root))
        for package in ("broker", "clients", "keys", "protocol", "runtime")
        for path in (root / package).rglob("*.py")
        if re.search(r"\bjson\.loads?\(|JSONDecoder", path.read_text(encoding="utf-8"))
    }

    assert readers == OWN.keys()
