"""The console in a real browser: nothing leaves the host, nothing hostile works, everybody can use it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.console.people.links import ConsoleRole
from tests.console.browser import Browser, Page, chromium, program
from tests.console.rig import Rig
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

AXE = (Path(__file__).with_name("axe") / "axe.min.js").read_text(encoding="utf-8")
WIDTHS = (1280, 390)
PAGES = ("/", "/decisions", "/deadlines", "/lag", "/ledger", "/quarantine", "/directory", "/directory/fr")


def pictures() -> Path:
    """Where the pictures are kept: each run's own place, or the one that CONSOLE_PICTURES names."""
    named = os.environ.get("CONSOLE_PICTURES")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "dist" / "console"


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    program()
    with chromium(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("console"))
    made.fill()
    with made.serving():
        yield made


def enter(
    browser: Browser,
    rig: Rig,
    *,
    width: int = 1280,
    dark: bool = False,
    role=ConsoleRole.WATCH,
    name="A. Costa",
) -> Page:
    page = Page(browser, width=width, height=900, dark=dark)
    page.ask("Network.clearBrowserCookies")
    page.go(rig.link(role, name))
    page.click("button.go")
    page.until("document.querySelector('#part-flow svg') !== null", "the first page")
    return page


def address(rig: Rig, path: str) -> str:
    return f"http://127.0.0.1:{rig.port}{path}"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_read_it_and_nothing_leaves_the_host(browser, rig, width, dark) -> None:
    """Axe finds nothing on any page, nothing is wider than the window, and no request goes elsewhere; pictures are kept."""
    page = enter(browser, rig, width=width, dark=dark, role=ConsoleRole.ACT)
    found, wide = {}, []
    for path in PAGES:
        page.go(address(rig, path))
        page.until(
            "[...document.querySelectorAll('.chart')].every((each) => each.querySelector('canvas'))",
            "the curves",
        )
        page.picture(
            pictures()
            / f"{path.strip('/').replace('/', '-') or 'overview'}-{width}-{'dark' if dark else 'light'}.png"
        )
        page.run(AXE)
        report = page.run("axe.run(document).then((found) => found.violations.map((each) => "
                          "[each.id, each.nodes.map((node) => node.html.slice(0, 200))]))")  # fmt: skip
        found |= {path: report} if report else {}
        if page.run("document.documentElement.scrollWidth") > width:
            wide.append(path)

    assert found == {}
    assert wide == []
    assert [url for url in page.requested() if not url.startswith(address(rig, "/"))] == []
    assert page.complaints() == []


def test_names_and_reasons_of_others_are_text(browser, rig) -> None:
    """What members wrote runs nothing, makes no element, and turns no line around, on any page."""
    page = enter(browser, rig)
    for path in (*PAGES, "/directory/hostile-0", "/directory?of=%3Cscript%3E", "/lag?of=%22autofocus"):
        page.go(address(rig, path))

        assert page.run("document.body.dataset.owned ?? null") is None, path
        assert (
            page.run(
                "document.querySelectorAll('img, main script, [onfocus], [onerror], [autofocus]').length"
            )
            == 0
        ), path
        assert (
            page.run(r"/[\u202a-\u202e\u200b-\u200f\u2066\u2067]/.test(document.body.textContent)") is False
        ), path
    page.go(address(rig, "/quarantine"))
    assert "<script>" in page.run("document.querySelector('main').textContent")
    assert "\\u202e" in page.run("document.querySelector('main').textContent")
    assert page.complaints() == []


def test_a_new_look_is_shown_without_a_reload(browser, rig) -> None:
    """The stream tells of it, the parts are written again, and what somebody has unfolded or focused stays so."""
    page = enter(browser, rig)
    page.run(
        "window.before = true; document.getElementById('flow-summary').click(); document.getElementById('flow-summary').focus()"
    )
    before = page.run("document.querySelector('#strip time').textContent")
    rig.moment += 60_000
    rig.call(rig.look)
    page.until(f"document.querySelector('#strip time').textContent !== {json.dumps(before)}", "the next look")

    assert page.run("window.before") is True
    page.until(
        "document.getElementById('flow-details').open && document.activeElement.id === 'flow-summary'",
        "what was open",
    )
    page.run("document.getElementById('pause').click()")
    shown = page.run("document.querySelector('#strip time').textContent")
    rig.moment += 60_000
    number = rig.window.looking.newest.number
    rig.call(rig.look)
    until(lambda: rig.window.looking.newest.number > number, what="a look")
    page.run(
        "new Promise((done) => { const looks = new EventSource('/live'); looks.addEventListener('look', () => { looks.close(); setTimeout(done, 300); }); })"
    )
    assert page.run("document.querySelector('#strip time').textContent") == shown
    assert page.complaints() == []


def test_everything_is_reached_by_keyboard(browser, rig) -> None:
    """Tab comes to every control of the first page, in the order in which they stand, and each shows that it is there."""
    page = enter(browser, rig, role=ConsoleRole.ACT)
    page.run("document.getElementById('pause').click()")  # so that nothing is written anew meanwhile
    wanted = page.run("""[...document.querySelectorAll('a[href], button, input:not([type=hidden]), summary, [tabindex="0"]')]
        .filter((each) => each.checkVisibility()).map((each, at) => { each.dataset.stop = at; return at; })""")
    page.run("document.activeElement.blur(); window.focus()")
    seen, outlined = [], []
    for _ in range(len(wanted)):
        page.key("Tab")
        at, outline = page.run(
            "[Number(document.activeElement.dataset.stop), getComputedStyle(document.activeElement).outlineStyle]"
        )
        seen.append(at)
        outlined.append(outline)

    assert sorted(seen) == wanted
    assert set(outlined) == {"solid"}


def test_two_people_come_to_a_release(browser, rig) -> None:
    """One asks, the same one cannot agree, another one can; then the command is there, and nothing was taken out."""
    first = enter(browser, rig, role=ConsoleRole.ACT, name="A. Costa")
    first.go(address(rig, "/quarantine"))
    first.click("form[action='/quarantine/3/ask'] button")
    assert "A. Costa" in first.run("document.querySelector('main').textContent")
    first.click("form[action='/quarantine/3/agree'] button")
    assert "a release takes two people" in first.run("document.body.textContent")

    second = enter(browser, rig, role=ConsoleRole.ACT, name="M. O'Neill")
    second.go(address(rig, "/quarantine"))
    second.click("form[action='/quarantine/3/agree'] button")
    second.picture(pictures() / "quarantine-agreed-1280-light.png")

    shown = second.run("document.querySelector('pre').textContent")
    assert (
        shown
        == "contrada centre quarantine release 3 --by 'A. Costa' --second 'M. O'\"'\"'Neill' --out record-3.bin"
    )
    watching = enter(browser, rig)
    watching.go(address(rig, "/quarantine"))
    assert watching.run("document.querySelectorAll('form[action^=\"/quarantine\"]').length") == 0


def test_signed_out_is_out(browser, rig) -> None:
    """The button ends the session, a link is good once, and the page of a stranger says how to come in."""
    page = Page(browser, width=390, height=900, dark=True)
    page.ask("Network.clearBrowserCookies")
    link = rig.link()
    page.go(link)
    page.picture(pictures() / "enter-390-dark.png")
    page.click("button.go")
    page.click("form.leave button")
    assert "Signed out" in page.run("document.body.textContent")
    page.go(address(rig, "/"))
    assert "contrada --home ./centre centre console link" in page.run("document.body.textContent")
    page.picture(pictures() / "stranger-390-dark.png")
    page.go(link)
    page.click("button.go")
    assert "used already" in page.run("document.body.textContent")
