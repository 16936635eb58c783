"""Files, links, targets and tests that the documentation names are there."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from clients.cli import explanation
from protocol.exchange_rules import RULES
from tests.docs.pages import ROOT, Page, own_sources, page, pages

FOLDERS = r"(?:broker|clients|deploy|docs|examples|keys|protocol|requirements|tests|\.ci)/"
PATH = re.compile(rf"{FOLDERS}[\w./*-]*")
IN_PROSE = re.compile(rf"(?<![\w/.-]){FOLDERS}[\w./-]*\w")
TOP = {path.name for path in ROOT.iterdir()}
MADE_BY_MAKE = {".venv"}

each_page = pytest.mark.parametrize("where", pages(), ids=lambda where: where.name)


@each_page
def test_every_file_that_is_named_is_there(where: Page) -> None:
    """A path of the repository leads to a file or a folder."""
    named = {span for span in where.spans() if PATH.fullmatch(span)} | set(IN_PROSE.findall(where.prose))

    missing = sorted(name for name in named if not list(ROOT.glob(name.rstrip("/"))))

    assert missing == []


@each_page
def test_every_link_leads_somewhere(where: Page) -> None:
    """A link within the repository leads to a file, and to a heading in it where it names one."""
    broken = []
    for link in where.links():
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (where.path.parent / name).resolve() if name else where.path
        if not target.exists() or (anchor and anchor not in Page(target).anchors()):
            broken.append(link)

    assert broken == []


@each_page
def test_every_target_of_make_is_there(where: Page) -> None:
    """`make something` is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [*where.lines(), *(span for span in where.spans() if span.startswith("make "))]
    named = {match for line in lines for match in re.findall(r"(?:^|\s)make ([a-z][a-z-]*)", line)}

    assert sorted(named - targets) == []


@each_page
def test_every_file_given_to_a_command_is_there(where: Page) -> None:
    """Tests, examples and units that a command line names are in the repository."""
    words = {word for line in where.lines() for word in line.split() if PATH.fullmatch(word)}

    assert sorted(word for word in words if not (ROOT / word.partition("::")[0]).exists()) == []


def test_every_page_can_be_reached() -> None:
    """From the README one comes to every page by links."""
    reached: set[str] = set()
    waiting = [page("README.md")]
    while waiting:
        here = waiting.pop()
        if here.name in reached:
            continue
        reached.add(here.name)
        for link in here.links():
            target = (here.path.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists():
                waiting.append(Page(target))

    assert (
        sorted(each.name for each in pages() if each.name not in reached and "docs/spec/" not in each.name)
        == []
    )


def test_every_page_that_the_program_names_is_there() -> None:
    """An error, a comment or a service file that sends the reader to a page sends him to one that exists."""
    ours = {path.name for path in [*ROOT.glob("*.md"), *ROOT.glob("d*/**/*.md")]}
    missing = set()
    for path in own_sources():
        text = path.read_text(encoding="utf-8")
        gone = [name for name in re.findall(r"\bdocs/[\w./-]*\w", text) if not list(ROOT.glob(f"{name}*"))]
        gone += [name for name in re.findall(r"[\w-]+\.md\b", text) if name not in ours]
        missing |= {f"{path.relative_to(ROOT)}: {name}" for name in gone}

    assert sorted(missing) == []


def test_ci_installs_every_debian_package_that_a_test_misses() -> None:
    """A package for want of which a test skips is one that `.ci/run` installs, and that contributors are told of."""
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    named = set(re.findall(r"Debian has it in the package '([\w-]+)'", tests))
    installed = set(re.findall(r"wanted\+=\(([\w-]+)\)", (ROOT / ".ci/run").read_text(encoding="utf-8")))

    assert len(named) > 1
    assert named <= installed
    assert named <= set(page("CONTRIBUTING.md").spans())


def test_every_rule_rests_on_something_that_is_there() -> None:
    """Where no article of law stands behind a rule, a decision or a section of the normative text does."""
    sections = re.findall(r"^## (.+)$", page("docs/spec/README.md").text, re.MULTILINE)
    there = {f"docs/spec, {section}" for section in sections}
    there |= {f"docs/adr/{path.name[:4]}" for path in (ROOT / "docs/adr").glob("0*.md")}

    named = {rule.article for rule in RULES} | {explanation.SOURCE}

    assert sorted(name for name in named if name.startswith("docs/") and name not in there) == []
    assert sorted(name for name in named if not re.match(r"docs/|ER |DIR |[0-9]{4}/[0-9]+/EU", name)) == []


@cache
def functions_of_tests() -> frozenset[str]:
    """The names of all functions under tests/."""
    names = set()
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
    return frozenset(names)


@each_page
def test_every_test_that_is_named_exists(where: Page) -> None:
    """What a page calls the proof of a claim is a test."""
    named = {span for span in where.spans() if re.fullmatch(r"test_\w+", span)}

    assert sorted(named - functions_of_tests()) == []


def test_every_attack_names_a_proof_that_exists() -> None:
    """Each row of docs/attacks.md names tests or attacks that exist, or sends the reader to the limits."""
    rows = page("docs/attacks.md").rows("Attack", "What stops it", "Shown by")
    named = {row[0]: re.findall(r"`(\w+)`", row[2]) for row in rows}

    missing = {name for names in named.values() for name in names} - functions_of_tests()

    assert len(rows) > 40
    assert sorted(missing) == []
    assert [row[0] for row in rows if not named[row[0]] and "See the limits" not in row[1]] == []


def test_every_attack_that_is_tested_is_written_about() -> None:
    """Nobody adds an attack without telling the reader of docs/attacks.md."""
    from tests.unit.protocol.attacks import ATTACKS

    text = page("docs/attacks.md").text

    assert sorted(name for name in ATTACKS if f"`{name}`" not in text) == []


def test_every_page_has_its_place_in_the_navigation() -> None:
    """What is in no menu nobody finds. Runbooks and decisions are listed by the hook (deploy/docs_site.py)."""
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    listed = set(re.findall(r"([\w./-]+\.md)$", menu, re.MULTILINE))
    written = {each.name.removeprefix("docs/") for each in pages() if each.name != "README.md"}

    by_the_hook = {name for name in written if name.startswith(("adr/", "runbooks/"))}
    assert sorted(written - by_the_hook - listed) == []
    assert sorted(listed - written - {"index.md"}) == []
