"""What the README and the pages behind it list is all there is, and what they print is what the program prints."""

from __future__ import annotations

import re
from pathlib import Path

from clients.demo import case, ledger_case
from protocol.codes import MessageKind
from protocol.content.bodies import MODELS, Frame
from protocol.content.drafts import parse_draft
from protocol.content.items import ItemBase
from tests.bench.__main__ import GROUPS
from tests.bench.figures import AGAINST, KINDS
from tests.docs import demo_picture
from tests.docs.pages import page


def test_the_readme_is_short() -> None:
    """The front page is read in five minutes: neither less than what a stranger needs, nor more."""
    assert 600 <= len(page("README.md").text.split()) <= 900


def test_every_figure_has_a_row() -> None:
    """The figures of `make bench` stand in the table, each once, with the targets that it has."""
    rows = page("docs/figures.md").rows("Figure", "Ratio", "Target", "Value", "Floor")

    assert {row[0].strip("`"): row[2] for row in rows} == {
        kind.name: kind.target_text for kind in KINDS.values()
    }
    assert len(rows) == len(KINDS)


def test_every_figure_of_two_trees_has_a_row() -> None:
    """So do those of `make bench-against`."""
    rows = page("docs/figures.md").rows("Figure", "Ratio", "Target", "Now", "Before")

    assert {row[0].strip("`"): row[2] for row in rows} == {
        kind.name: kind.target_text for kind in AGAINST.values()
    }
    assert len(rows) == len(AGAINST)


def test_a_group_of_the_bench_names_what_it_measures() -> None:
    """Each figure belongs to one group, so that it can be asked for alone."""
    named = [name for _, figures in GROUPS.values() for name in figures]

    assert sorted(named) == sorted(KINDS)


def test_the_acts_in_the_picture_are_those_of_the_demo() -> None:
    """Each act that the README's picture shows is one that the demo plays, in that order; and each came as expected."""
    shown = demo_picture.acts(demo_picture.drawn_lines(demo_picture.PICTURE.read_text(encoding="utf-8")))
    names = [row[0] for row in shown]
    source = "".join(Path(module.__file__).read_text(encoding="utf-8") for module in (case, ledger_case))
    played = (*case.Case(None).acts(), *ledger_case.LedgerCase(None, "").acts())  # type: ignore[arg-type]

    assert len(names) == len(played)
    places = [source.index(f'"{name}"') for name in names]
    assert places == sorted(places)
    assert [row for row in shown if row[1] != row[2] or row[3] != "yes"] == []


def test_the_picture_is_drawn_from_its_lines() -> None:
    """Nobody has touched the picture by hand: drawing its lines again gives the same file."""
    picture = demo_picture.PICTURE.read_text(encoding="utf-8")

    assert demo_picture.draw(demo_picture.drawn_lines(picture)) == picture


def test_the_smallest_draft_is_a_draft() -> None:
    """The example in docs/drafts.md is valid as it stands."""
    [draft] = page("docs/drafts.md").blocks("json")

    assert parse_draft(MessageKind.INFORMATION, draft.encode())


def test_the_fields_of_drafts_are_those_of_the_models() -> None:
    """Each kind between officers is listed with its own fields."""
    rows = page("docs/drafts.md").rows("Kind", "Its own fields", "Command")
    listed = {row[0]: re.findall(r"`(\w+)`", row[1]) for row in rows}
    models = {kind: model for kind, model in MODELS.items() if issubclass(model, Frame)}

    assert listed == {
        kind.name.lower(): [name for name in model.model_fields if name not in Frame.model_fields]
        for kind, model in models.items()
    }


def test_the_items_of_drafts_are_those_of_the_program() -> None:
    """Each type of item is listed, and each term that all items have."""
    from protocol.content.partial import ITEM_MODELS

    here = page("docs/drafts.md")
    types = [row[0].strip("`") for row in here.rows("`type`", "What it describes")]
    terms = [row[0].strip("`") for row in here.rows("Field", "Left out", "Meaning")]

    assert sorted(types) == sorted(model.model_fields["type"].default for model in ITEM_MODELS)
    assert sorted(terms) == sorted(ItemBase.model_fields)


def test_the_pages_are_plain() -> None:
    """No emoji, no exclamations, no words of advertising, and no line that does not fit a screen."""
    from tests.docs.pages import pages

    faults = []
    for each in pages():
        if each.name.startswith("docs/spec/"):
            continue
        for number, line in enumerate(each.prose.splitlines(), 1):
            praised = re.search(
                r"\b(blazing|seamless|cutting-edge|world-class|powerful|effortless\w*|robust)\b", line, re.I
            )
            if (
                praised
                or re.search("[\U0001f300-\U0001faff\u2600-\u27bf]", line)
                or re.search(r"\w!(\s|$)", line)
            ):
                faults.append(f"{each.name}:{number}")
            if len(line) > 130 and not line.lstrip().startswith(("|", "- ")):
                faults.append(f"{each.name}:{number}: {len(line)} characters")

    assert faults == []
