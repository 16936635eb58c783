"""The pages of the documentation, as the tests see them: text, blocks of code, spans of code, links.

Owns the reading of Markdown as far as these tests need it: fenced blocks, spans in backticks, links,
headings, tables. Judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path from the root."""
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """What stands outside of blocks of code."""
        return _FENCE.sub("", self.text)

    def blocks(self, *languages: str) -> list[str]:
        """The blocks of code in these languages."""
        return [body for language, body in _FENCE.findall(self.text) if language in languages]

    def spans(self) -> list[str]:
        """What stands in backticks."""
        return _SPAN.findall(self.prose)

    def links(self) -> list[str]:
        """Where links lead."""
        return _LINK.findall(self.prose)

    def anchors(self) -> set[str]:
        """The names of headings, as a link writes them."""
        return {
            re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in _HEADING.findall(self.prose)
        }

    def lines(self) -> Iterator[str]:
        """Command lines of the blocks for a shell, joined where they are continued, without the prompt."""
        for block in self.blocks("sh", "console"):
            for line in block.replace("\\\n", " ").splitlines():
                text = line.strip().removeprefix("$ ")
                if text and not text.startswith("#"):
                    yield text

    def rows(self, *columns: str) -> list[tuple[str, ...]]:
        """The rows of every table with these columns."""
        found: list[tuple[str, ...]] = []
        inside = False
        for line in self.text.splitlines():
            cells = tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
            if not line.lstrip().startswith("|"):
                inside = False
            elif cells == columns:
                inside = True
            elif inside and not set(line) <= set("|-: "):
                found.append(cells)
        return found


@cache
def pages() -> tuple[Page, ...]:
    """Every page that we wrote."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
    return tuple(map(Page, [*top, *sorted((ROOT / "docs").rglob("*.md"))]))


def page(name: str) -> Page:
    """One page."""
    return Page(ROOT / name)


def own_sources() -> Iterator[Path]:
    """Our program's files, in which a page may be named."""
    for folder in ("broker", "clients", "deploy", "keys", "protocol", "runtime"):
        yield from (
            path
            for path in sorted((ROOT / folder).rglob("*"))
            if path.suffix in {".py", ".service", ".yaml", ".sh"}
        )
    yield from (ROOT / name for name in ("Makefile", "pyproject.toml"))
