"""The mkdocs hook of `make docs`: adds pages of the root, the reference, and parts of the navigation.

The pages in docs/ are written for a reader of the repository: their links to files that are no pages
(sources, LICENSE) become plain text in the site, and links to pages of the root lead to the copies that are
made here. The reference has a page for each room, made from its docstrings. Nothing is imported and nothing
is fetched.
"""

from __future__ import annotations

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("protocol", "keys", "runtime", "broker", "clients")
ROOT_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
FRONT = "index" + Path(ROOT_PAGES[0]).suffix

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_ITEM = re.compile(r"^(\s*)([-*]|\d+\.) +\S")
_FENCE = re.compile(r"^\s*(```|~~~)")


def on_config(config: Any) -> Any:
    """Fill the long sections of the navigation, and let lists begin where GitHub lets them begin."""
    config.nav = [_section(entry) for entry in config.nav]
    config.markdown_extensions.append(Lists())
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root, and a page of reference for each room."""
    for source in ROOT_PAGES:
        target = _in_site(source)
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=_moved(text, source, target, files)))
    for room, modules in rooms().items():
        files.append(File.generated(config, _page_of(room), content=_reference(room, modules)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001 - called by name
    """Lead the links of a page in docs/ to what the site has."""
    target = page.file.src_uri
    if target in (*ROOT_PAGES, FRONT) or target.startswith("reference/"):
        return markdown
    return _moved(markdown, f"docs/{target}", target, files)


def rooms() -> dict[str, list[str]]:
    """The modules of each folder that has some, by the folder's dotted name; none that is private."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if not parts[-1].startswith("_"):
                found.setdefault(".".join(parts[:-1]), []).append(".".join(parts))
    return found


def _section(entry: Any) -> Any:
    match entry:
        case {"Runbooks": list(first)}:
            return {"Runbooks": [*first, *_others("runbooks", [*first, "runbooks/audit.md"])]}
        case {"Decisions": list(first)}:
            return {"Decisions": [*first, *_others("adr", first)]}
        case {"Reference": _}:
            return {"Reference": _tree()}
        case _:
            return entry


def _others(folder: str, first: list[Any]) -> list[str]:
    pages = sorted(path.name for path in (ROOT / "docs" / folder).glob("*.md"))
    return [f"{folder}/{name}" for name in pages if f"{folder}/{name}" not in first]


def _tree() -> list[dict[str, Any]]:
    names = rooms()
    return [
        {
            package: [
                {(room.partition(".")[2] or "own modules"): _page_of(room)}
                for room in names
                if room.split(".")[0] == package
            ]
        }
        for package in PACKAGES
    ]


def _page_of(room: str) -> str:
    return f"reference/{room}.md"


def _reference(room: str, modules: list[str]) -> str:
    init = ROOT.joinpath(*room.split("."), "__init__.py")
    says = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) if init.exists() else None
    return "\n\n".join([f"# {room}", says or "", *(f"::: {module}" for module in modules), ""])


def _in_site(path: str) -> str:
    return FRONT if path == ROOT_PAGES[0] else path.removeprefix("docs/")


def _moved(text: str, source: str, target: str, files: Files) -> str:
    """The text with its links as they lead from `target` in the site; without those that lead to no page."""

    def link(match: re.Match[str]) -> str:
        picture, label, where = match.groups()
        name, mark, anchor = where.partition("#")
        if not name or "://" in where:
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), name))
        page = _in_site(path)
        known = path in ROOT_PAGES or (path.startswith("docs/") and files.get_file_from_path(page))
        if not known:
            return label
        here = posixpath.relpath(page, posixpath.dirname(target) or ".")
        return f"{picture}[{label}]({here}{mark}{anchor})"

    return _LINK.sub(link, text)


class Lists(Extension):  # type: ignore[misc]
    """A list may follow a paragraph without an empty line, as on GitHub and in the docstrings here."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - the name is the library's
        """Before blocks are read, and after fences were taken out."""
        md.preprocessors.register(_BeforeLists(md), "lists", 5)


class _BeforeLists(Preprocessor):  # type: ignore[misc]
    def run(self, lines: list[str]) -> list[str]:
        out: list[str] = []
        fenced = within = False
        for line in lines:
            fenced ^= bool(_FENCE.match(line))
            item = bool(_ITEM.match(line)) and not fenced
            if item and not within and out and out[-1].strip():
                out.append("")
            within = not fenced and (item or (within and bool(line.strip())))
            out.append(line)
        return out
