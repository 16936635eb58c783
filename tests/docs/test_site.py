"""The site that `make docs` builds: whole, without a warning, and without anything from another host."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import ROOT, pages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not in .venv: make venv-docs"
    ),
]

# What a browser loads by itself, and the attribute that says from where.
LOADED = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "embed": "src",
    "object": "data", "link": "href", "use": "href", "image": "href", "form": "action", "base": "href",
}  # fmt: skip


class Document(HTMLParser):
    """What one page loads, where its links lead, its anchors, and its own styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what this element asks for."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if LOADED.get(tag) in values:
            self.loaded.append(values[LOADED[tag]])
        if tag == "meta" and "http-equiv" in values:
            self.loaded += re.findall(r"url=(.+)", values.get("content", ""))
        self.loaded += [part.split()[0] for part in values.get("srcset", "").split(",") if part.strip()]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr[-3000:]
    assert "WARNING" not in done.stderr
    return place


def documents(site: Path) -> Iterator[tuple[Path, Document]]:
    """Every page of the site."""
    for path in sorted(site.rglob("*.html")):
        yield path, Document(path.read_text(encoding="utf-8"))


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    """No page asks another host for a script, a style, a font, a picture, or anything else; it may link there."""
    asked = {
        (path.name, where)
        for path, document in documents(site)
        for where in document.loaded
        if re.match(r"([a-z]+:)?//", where)
    }

    assert asked == set()


def test_styles_and_pictures_ask_no_other_host(site: Path) -> None:
    """Nor does a style sheet, nor a picture."""
    asked = set()
    for path in [*site.rglob("*.css"), *site.rglob("*.svg"), *site.rglob("*.html")]:
        text = path.read_text(encoding="utf-8")
        asked |= {(path.name, where) for where in re.findall(r"url\(\s*['\"]?((?:https?:)?//[^)'\"]+)", text)}
        asked |= {(path.name, where) for where in re.findall(r"@import\s+['\"]((?:https?:)?//[^'\"]+)", text)}
        if path.suffix == ".svg":
            asked |= {(path.name, where) for where in re.findall(r"href=['\"](https?://[^'\"]+)", text)}

    assert asked == set()


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    """Each link and each file that a page asks for is in the site, with the anchor that it names."""
    found = dict(documents(site))
    broken = set()
    for path, document in found.items():
        for where in (*document.links, *document.loaded):
            parts = urlsplit(where)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchors = found[target].anchors if target in found else set()
            if not target.exists() or (
                parts.fragment and unquote(parts.fragment) not in {*anchors, "__comments"}
            ):
                broken.add((str(path.relative_to(site)), where))

    assert {each for each in broken if each[0] != "404.html"} == set()


def test_every_page_and_every_room_is_there(site: Path) -> None:
    """Each page that we wrote has its place in the site, and each folder of the program a page of reference."""
    made = {str(path.relative_to(site).with_suffix("")) for path in site.rglob("*.html")}
    names = {each.name.removeprefix("docs/").removesuffix(".md") for each in pages()}
    wanted = {"index" if name == "README" else re.sub(r"README$", "index", name) for name in names}
    packages = ("broker", "clients", "keys", "protocol", "runtime")
    modules = [path for package in packages for path in (ROOT / package).rglob("*.py") if path.name[0] != "_"]
    rooms = {f"reference/{'.'.join(path.relative_to(ROOT).parts[:-1])}" for path in modules}

    assert sorted((wanted | rooms) - made) == []


def test_a_public_docstring_is_in_the_reference(site: Path) -> None:
    """The page of a room says what its functions say of themselves."""
    from protocol.tlog import checkpoints

    [first, *_] = (checkpoints.parse_checkpoint.__doc__ or "").split(".")

    assert first
    assert first.split("`")[0] in (site / "reference" / "protocol.tlog.html").read_text(encoding="utf-8")
