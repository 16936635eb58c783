"""Who sees which page, and what a request may ask of the console."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from broker.console.app import console_application
from broker.console.pages import console_window, form_pages, guard, live
from broker.console.pages.console_pages import PARTS, STATIC
from broker.console.pages.console_window import COOKIE
from broker.console.pages.guard import MAX_FORM, own_hosts
from broker.console.pages.live import MOST_STREAMS, OF_SESSION
from broker.console.people.links import ConsoleRole, Grant
from tests.console.rig import MARKUP, Rig
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, returning, unchecked
from tests.mutants.promises import assert_missed
from tests.sim.world import World

HOST = "127.0.0.1:9500"
PAGES = ("/", "/decisions", "/deadlines", "/lag", "/ledger", "/quarantine", "/directory", "/directory/fr")
BY_ITSELF = (*(f"/part/{name}" for name in PARTS), "/data/rates", "/data/growth", "/live")


class Visitor:
    """A browser without a window."""

    def __init__(self, rig: Rig, *, host: str = HOST) -> None:
        self.rig = rig
        application = console_application(rig.window, own_hosts(9500, ("console.example",)))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=f"http://{host}")

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(path, **more)

    async def post(
        self, path: str, fields: dict[str, str], *, origin: str | None = f"http://{HOST}", **more: Any
    ) -> httpx.Response:
        headers = {} if origin is None else {"origin": origin}
        return await self.client.post(path, data=fields, headers=headers | more)

    def sign_in(self, role: ConsoleRole = ConsoleRole.WATCH, name: str = "A. Costa") -> str:
        token = self.rig.window.sessions.begin(Grant(role, name))
        self.client.cookies.set(COOKIE, token)
        session = self.rig.window.sessions.find(token)
        assert session is not None
        return session.form_token


@pytest.fixture
def rig(tmp_path) -> Rig:
    made = Rig(tmp_path, World())
    # Not through the feeds: their loop would be another one than the test's.
    made.window.looking._there = {"audit"}
    made.look()
    return made


@pytest.fixture
def quarantined(rig) -> Rig:
    row = {
        "number": 3,
        "t": rig.moment,
        "unit": MARKUP,
        "partition": 0,
        "offset": 3,
        "reason": "E_CBOR",
        "size": 9,
        "submission": "00",
    }
    rig.window.looking._quarantine.append(row)
    rig.look()
    return rig


async def test_a_stranger_sees_the_door_and_nothing_else(rig) -> None:
    """Every page, part and stream wants a session; the way in and the pages' own files do not."""
    visitor = Visitor(rig)
    for path in (*PAGES, *BY_ITSELF):
        assert (await visitor.get(path)).status_code == 401, path
    for path in ("/leave", "/quarantine/3/ask"):
        assert (await visitor.post(path, {"form_token": "x"})).status_code == 401
    assert (await visitor.get("/enter/anything")).status_code == 200
    assert (await visitor.get("/static/console.css")).status_code == 200


async def test_each_page_is_there_for_a_session(rig) -> None:
    visitor = Visitor(rig)
    visitor.sign_in()
    for path in (*PAGES, *BY_ITSELF[:-1]):
        assert (await visitor.get(path)).status_code == 200, path
    for path in (
        "/directory/nobody",
        "/directory/-",
        "/part/nothing",
        "/static/../app.py",
        "/static/htmx.LICENSE",
        "/nothing",
        "/lag/",
    ):
        assert (await visitor.get(path)).status_code == 404, path
    for path in ("/lag?page=0", "/lag?page=1&page=2", "/?x=1", "/directory?page=ten"):
        assert (await visitor.get(path)).status_code == 400, path


async def test_the_first_page_is_whole_without_a_script(rig) -> None:
    """Its parts stand in it as they are: a browser that runs nothing sees everything but curves."""
    visitor = Visitor(rig)
    visitor.sign_in()
    text = (await visitor.get("/")).text

    for name in PARTS:
        assert (await visitor.get(f"/part/{name}")).text.strip() in text, name
    assert "&lt;p" not in text


async def test_only_its_own_names_lead_to_it(rig) -> None:
    """Another name that leads to this address finds nothing: a page of a stranger cannot become the console's."""
    for host in (HOST, "localhost:9500", "console.example"):
        assert (await Visitor(rig, host=host).get("/enter/x")).status_code == 200
    for host in ("evil.example", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:9500.evil.example", "[::1]:9500"):
        assert (await Visitor(rig).get("/enter/x", headers={"host": host})).status_code == 421
    assert (
        await Visitor(rig).get("/enter/x", headers=[("host", HOST), ("host", "evil.example")])
    ).status_code == 421


async def test_every_answer_binds_the_browser(rig) -> None:
    """Also of an error, of a file, and of a host that is refused."""
    visitor = Visitor(rig)
    for path, host in (
        ("/enter/x", HOST),
        ("/", HOST),
        ("/nothing", HOST),
        ("/static/htmx.min.js", HOST),
        ("/", "evil.example"),
    ):
        headers = (await visitor.get(path, headers={"host": host})).headers
        assert headers["content-security-policy"] == guard.POLICY, path
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == ("private, max-age=300" if "static" in path else "no-store")
    assert (
        "unsafe" not in guard.POLICY
        and "http" not in guard.POLICY
        and guard.POLICY.startswith("default-src 'none'")
    )


async def test_a_link_becomes_a_session(rig) -> None:
    """Looking at it uses nothing up; the form does, once; the cookie is for this host alone and no script reads it."""
    link = rig.link(ConsoleRole.ACT).partition("/enter/")[2]
    visitor = Visitor(rig)
    for _ in range(2):
        assert link in (await visitor.get(f"/enter/{link}")).text
    answer = await visitor.post("/enter", {"token": link})

    assert answer.status_code == 303 and answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Domain" not in cookie
    assert (await visitor.get("/")).status_code == 200
    assert (await Visitor(rig).post("/enter", {"token": link})).status_code == 403


async def test_a_form_comes_from_a_page_of_the_session(quarantined) -> None:
    """Not from another origin, not without one, and not with the token of another session; nothing is done by it."""
    visitor = Visitor(quarantined)
    token = visitor.sign_in(ConsoleRole.ACT)
    good = {"form_token": token}
    for fields, origin in (
        (good, "http://evil.example"), (good, None), (good, "null"), (good, f"http://{HOST}.evil.example"),
        ({"other": "x"}, f"http://{HOST}"), ({"form_token": "x" * 43}, f"http://{HOST}"),
        ({"form_token": Visitor(quarantined).sign_in(ConsoleRole.ACT)}, f"http://{HOST}"),
    ):  # fmt: skip
        assert (await visitor.post("/quarantine/3/ask", fields, origin=origin)).status_code == 403
    assert quarantined.window.desk.asked(3) is None
    assert (await visitor.post("/quarantine/3/ask", good)).status_code == 303
    assert quarantined.window.desk.asked(3).by == "A. Costa"


async def test_whoever_watches_does_not_act(quarantined) -> None:
    visitor = Visitor(quarantined)
    answer = await visitor.post("/quarantine/3/ask", {"form_token": visitor.sign_in(ConsoleRole.WATCH)})

    assert answer.status_code == 403 and "may look and not act" in answer.text
    assert quarantined.window.desk.asked(3) is None


async def test_a_step_is_one_that_there_is(quarantined) -> None:
    """Of a record that is there, in an order that makes sense."""
    visitor = Visitor(quarantined)
    form = {"form_token": visitor.sign_in(ConsoleRole.ACT)}
    for path, status in (
        ("/quarantine/4/ask", 404), ("/quarantine/3/release", 404), ("/quarantine/x/ask", 404),
        ("/quarantine/3/agree", 409), ("/quarantine/3/withdraw", 409), ("/quarantine/3/ask", 303),
        ("/quarantine/3/ask", 409), ("/quarantine/3/agree", 409), ("/quarantine/3/withdraw", 303),
    ):  # fmt: skip
        assert (await visitor.post(path, form)).status_code == status, path
    assert (await visitor.get("/quarantine/3/ask")).status_code == 405


async def test_a_form_is_bounded(rig) -> None:
    """In bytes and fields, and it is a form."""
    visitor = Visitor(rig)
    form = {"content-type": guard.FORM, "origin": f"http://{HOST}"}
    for content, headers, status in (
        (b"token=" + b"a" * MAX_FORM, form, 413), (b"&".join(b"f%d=1" % n for n in range(50)), form, 400),
        (b"token=a&token=b", form, 400), (b"\xff=1", form, 400), (b"no field", form, 400),
        (b"{}", form | {"content-type": "application/json"}, 415), (b"token=a", form, 403),
    ):  # fmt: skip
        assert (
            await visitor.client.post("/enter", content=content, headers=headers)
        ).status_code == status, content[:20]


async def test_a_form_that_does_not_come_is_given_up(rig, monkeypatch) -> None:
    monkeypatch.setattr(guard, "FORM_WITHIN", 0.05)

    async def slowly():
        yield b"token="
        await asyncio.Event().wait()

    headers = {"content-type": guard.FORM, "origin": f"http://{HOST}"}
    assert (await Visitor(rig).client.post("/enter", content=slowly(), headers=headers)).status_code == 408


async def test_leaving_ends_the_session(rig) -> None:
    visitor = Visitor(rig)
    form = {"form_token": visitor.sign_in()}
    token = visitor.client.cookies[COOKIE]
    assert (await visitor.post("/leave", form)).status_code == 200

    assert rig.window.sessions.find(token) is None


async def test_one_look_serves_all_who_watch(rig, monkeypatch) -> None:
    """However many ask for a part, it is written once for each look."""
    made = []
    monkeypatch.setattr(
        "broker.console.pages.console_pages.render", lambda name, **_: made.append(name) or b"x"
    )
    visitors = [Visitor(rig) for _ in range(5)]
    for visitor in visitors:
        visitor.sign_in()
        assert (await visitor.get("/part/flow")).status_code == 200
    assert made == ["_flow.html"]
    rig.look()
    await visitors[0].get("/part/flow")
    assert made == ["_flow.html"] * 2


async def streamed(rig: Rig, session: str, count: int, *, lasts=lambda: True) -> list[bytes]:
    said = []
    stream = rig.window.streams.follow(session, lasts)
    async for each in stream:
        said.append(each)
        if len(said) == count:
            break
    await stream.aclose()
    return said


async def test_a_stream_says_that_there_is_a_look_and_no_more(rig) -> None:
    """Its number alone, once for each; what there is to see is asked for."""
    stream = rig.window.streams.follow("one", lambda: True)
    said = [await anext(stream), await anext(stream)]
    following = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    rig.look()
    said.append(await following)
    await stream.aclose()

    assert said == [b"retry: 3000\n\n", b"event: look\ndata: 1\n\n", b"event: look\ndata: 2\n\n"]
    assert len(rig.window.streams) == 0


async def test_streams_are_bounded_and_end_with_their_session(rig) -> None:
    """So many of a session and in all; one whose session is over says nothing more."""
    streams = rig.window.streams
    opened = []
    for number in range(MOST_STREAMS):
        stream = streams.follow(f"session-{number // OF_SESSION}", lambda: True)
        await anext(stream)
        opened.append(stream)
    assert not streams.has_room("session-0") and not streams.has_room("a new one")
    await opened.pop().aclose()
    assert streams.has_room("a new one") and not streams.has_room("session-0")
    visitor = Visitor(rig)
    visitor.sign_in()
    await anext(streams.follow("x", lambda: True))
    assert (await visitor.get("/live")).status_code == 503
    for stream in opened:
        await stream.aclose()
    assert await streamed(rig, "over", 9, lasts=lambda: False) == [b"retry: 3000\n\n"]
    streams.stop()
    assert await streamed(rig, "stopped", 9) == [b"retry: 3000\n\n"]


async def test_before_the_first_look_it_says_so(tmp_path) -> None:
    visitor = Visitor(Rig(tmp_path, World()))
    visitor.sign_in()
    answer = await visitor.get("/")

    assert answer.status_code == 503 and "first look" in answer.text


async def test_what_is_asked_is_shown_as_text(rig) -> None:
    """A search, a link and a path of somebody who wants markup."""
    visitor = Visitor(rig)
    visitor.sign_in()
    for path in (f"/directory?of={MARKUP}", f"/lag?of={MARKUP}", "/enter/<script>1", "/directory/<script>"):
        text = (await visitor.get(path)).text
        assert not re.search("<script>|<img", text), path


def test_what_is_vendored_is_what_was_noted() -> None:
    """Each file of others is the one whose hash, version and licence stand beside it."""
    noted = (STATIC["console.css"].parent / "VENDORED.md").read_text()
    rows = re.findall(r"\| `([\w.]+)` \| ([\w. -]+) \| ([\w-]+) \| `([0-9a-f]{64})` \|", noted)

    assert {name for name, *_ in rows} == set(STATIC) - {"console.css", "console.js", "icon.svg"}
    for name, _, _, wanted in rows:
        assert __import__("hashlib").sha256(STATIC[name].read_bytes()).hexdigest() == wanted


@pytest.mark.parametrize(
    ("promise", "mutant"),
    [
        (
            test_a_stranger_sees_the_door_and_nothing_else,
            Mutant(console_window.signed_in, unchecked("session is None")),
        ),
        (
            test_only_its_own_names_lead_to_it,
            Mutant(guard.GuardedPages._is_ours, forced(True, "self._hosts")),
        ),
        (
            test_only_its_own_names_lead_to_it,
            Mutant(guard.GuardedPages._is_ours, forced(True, "len(named) == 1")),
        ),
        (
            test_a_form_comes_from_a_page_of_the_session,
            Mutant(form_pages._own_form, unchecked(guard.is_own_origin)),
        ),
        (
            test_a_form_comes_from_a_page_of_the_session,
            Mutant(form_pages._form_of, unchecked("session.made_form")),
        ),
        (test_a_form_is_bounded, Mutant(guard.read_form, unchecked("MAX_FORM"))),
        (
            test_streams_are_bounded_and_end_with_their_session,
            Mutant(live.Streams.has_room, returning("True")),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_each_guard_of_a_page_is_missed(promise, mutant, rig) -> None:
    fixtures = {"rig": rig}
    if "quarantined" in promise.__code__.co_varnames:
        row = {
            "number": 3,
            "t": rig.moment,
            "unit": "x",
            "partition": 0,
            "offset": 3,
            "reason": "E_CBOR",
            "size": 9,
            "submission": "00",
        }
        rig.window.looking._quarantine.append(row)
        rig.look()
        fixtures = {"quarantined": rig}
    await assert_missed(mutant, promise, **fixtures)


async def test_that_acting_is_asked_for_is_missed(quarantined) -> None:
    mutant = Mutant(console_window.BrowserSession.may_act, returning("True"))
    await assert_missed(mutant, test_whoever_watches_does_not_act, quarantined=quarantined)
