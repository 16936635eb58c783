"""Headless Chromium for the console's tests, driven by its own protocol over two pipes: no port, no library.

    what is needed of the DevTools protocol: open, click, type, evaluate, media, size, screenshot, requests, reports

Owns the process and the pipes. Debian's package `chromium` is taken where it is; a test without it skips and says so.
A library for it (playwright) is a wheel of 45 MB with another runtime inside: for a page without a build step these hundred
lines are less. Rules: its profile is in the test's own folder; it is ended by its process id, with all that it started.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import F_DUPFD_CLOEXEC, fcntl
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import GENEROUS, until

NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--disable-features=Translate,MediaRouter,OptimizationHints", "--hide-scrollbars", "--force-color-profile=srgb",
    "--font-render-hinting=none",
)  # fmt: skip

_PAGE = Path(__file__).with_name("watched.js")


def program() -> str:
    """Where it is; the test is skipped where it is not."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("Chromium is not here (Debian's package: chromium)")
    return found


class BrowserFault(AssertionError):
    """The browser says that something went wrong, or says nothing."""


class Browser:
    """One process, and the pipes to it."""

    def __init__(self, folder: Path) -> None:
        self._number = 0
        self._read, theirs = _pipe()
        taken, self._write = _pipe()
        log = os.fspath(folder / "chromium.log")
        actions = [
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, taken, 3),
            (os.POSIX_SPAWN_DUP2, theirs, 4),
        ]
        name = program()
        command = [name, *_ARGUMENTS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
        self.pid = os.posix_spawn(
            name, command, {**os.environ, "HOME": os.fspath(folder)}, file_actions=actions, setsid=True
        )
        os.close(taken)
        os.close(theirs)
        self._pending = bytearray()
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come meanwhile are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        end = time.monotonic() + GENEROUS
        while True:
            found = self._next(end - time.monotonic(), method)
            if found.get("id") != self._number:
                self.events.append(found)
            elif "error" in found:
                raise BrowserFault(f"{method}: {found['error']['message']}")
            else:
                return dict(found["result"])

    def hear(self) -> None:
        """Take the events that are there already."""
        while select.select([self._read], [], [], 0)[0]:
            self.events.append(self._next(GENEROUS, "an event"))

    def _next(self, within: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._pending:
            if not select.select([self._read], [], [], max(0, within))[0]:
                raise BrowserFault(f"no answer to {what}")
            data = os.read(self._read, 1 << 20)
            if not data:
                raise BrowserFault("Chromium has ended")
            self._pending += data
        message, _, rest = self._pending.partition(b"\0")
        self._pending = bytearray(rest)
        return dict(json.loads(message))

    def end(self) -> None:
        """End it, and everything that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._read)
        os.close(self._write)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, *, width: int, height: int, dark: bool) -> None:
        self.browser = browser
        self.width = width
        target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            self.ask(f"{domain}.enable")
        self.ask("Page.addScriptToEvaluateOnNewDocument", source=_PAGE.read_text(encoding="utf-8"))
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.prefer(dark=dark)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        return self.browser.ask(method, self.session, **params)

    def prefer(self, *, dark: bool) -> None:
        """What the person's system prefers."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def go(self, url: str) -> None:
        """Open an address, and wait until all of the page is there."""
        self.run("window.leaving = true")
        self.ask("Page.navigate", url=url)
        self.arrived()

    def arrived(self) -> None:
        """Wait for the next page."""
        until(
            lambda: self.run("document.readyState === 'complete' && !window.leaving"),
            what="a page",
            despite=(BrowserFault,),
        )

    def run(self, script: str) -> Any:
        """What a script comes to, in the page."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise BrowserFault(json.dumps(found["exceptionDetails"])[:2000])
        return found["result"].get("value")

    def until(self, script: str, what: str) -> Any:
        """Wait until a script comes to something that is true."""
        return until(lambda: self.run(script), what=what, despite=(BrowserFault,))

    def click(self, selector: str) -> None:
        """Click on what is there, and wait for the page that follows."""
        self.run("window.leaving = true")
        script = f"document.querySelector({json.dumps(selector)}).click()"
        # As a person: a page that is left without one is a complaint of the browser's.
        self.ask("Runtime.evaluate", expression=script, userGesture=True)
        self.arrived()

    def key(self, name: str, text: str = "") -> None:
        """Press a key."""
        code = {"Tab": 9, "Enter": 13, " ": 32}[name]
        for kind in ("keyDown", "keyUp"):
            said = {"text": text} if text and kind == "keyDown" else {}
            self.ask(
                "Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **said
            )

    def picture(self, path: Path) -> None:
        """All of the page, however long."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": self.width, "height": min(size["height"], 8000), "scale": 1}
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _said(self, method: str) -> list[dict[str, Any]]:
        self.browser.hear()
        return [
            event["params"]
            for event in self.browser.events
            if event.get("sessionId") == self.session and event["method"] == method
        ]

    def requested(self) -> list[str]:
        """Every address that the page has asked for."""
        return [event["request"]["url"] for event in self._said("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """What the browser had to complain of: its console, its security reports, errors of scripts."""
        found = [f"{one['entry']['level']}: {one['entry']['text']}" for one in self._said("Log.entryAdded")]
        found += [one["exceptionDetails"]["text"] for one in self._said("Runtime.exceptionThrown")]
        found += [json.dumps(one["issue"]) for one in self._said("Audits.issueAdded")]
        return found + list(self.run("window.violations ?? []"))


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser of the test's own."""
    folder.mkdir(parents=True, exist_ok=True)
    browser = Browser(folder)
    try:
        yield browser
    finally:
        browser.end()


def _pipe() -> tuple[int, int]:
    """Reading end and writing end, with numbers above those that the browser is given."""
    ends = os.pipe()
    high = [fcntl(end, F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]
