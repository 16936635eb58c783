"""The console as a process on a real Kafka, with a certificate of its own role, beside a router that decides."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from broker.console.home import ConsoleHome
from broker.console.people.links import ConsoleRole, Grant, make_link
from clients.demo.free_ports import free_port
from runtime.process.settings_text import toml_text
from tests.guarded import lines_as
from tests.integration.exchange import Exchange, present
from tests.waiting import ended, until


def started(exchange: Exchange, port: int, http_port: int) -> tuple[ConsoleHome, subprocess.Popen[bytes]]:
    """A console in a home of its own, as whom its certificate says."""
    home = ConsoleHome(exchange.directory / "console")
    home.path.mkdir(mode=0o700)
    root = str(exchange.directory / "root.pin")
    values = lines_as(exchange.bootstrap, "console") | {
        "root": root,
        "port": port,
        "http_port": http_port,
        "look_ms": 1000,
    }
    home.settings.write_text(toml_text(values))
    command = [sys.executable, "-P", "-c", "from clients.cli.main import main; main()"]
    log = (exchange.directory / "console.log").open("wb")
    process = subprocess.Popen(
        [*command, "--home", str(home.path), "centre", "console", "run"],
        stderr=log,
        stdout=log,
        cwd=Path.cwd(),
    )
    return home, process


def browse(home: ConsoleHome, address: str, http_port: int) -> None:
    """Come in, and see on each page what was decided."""
    token, _ = make_link(
        home, Grant(ConsoleRole.WATCH, "A. Costa"), minutes=5, moment=present(), entropy=os.urandom
    )
    with httpx.Client(base_url=address, headers={"origin": address}, follow_redirects=True) as browser:
        assert browser.post("/enter", data={"token": token}).status_code == 200

        def shows(path: str, *words: str) -> str:
            what = f"{words} on {path}"
            return until(
                lambda: browser.get(path).text, lambda text: all(word in text for word in words), what=what
            )

        shows("/decisions", "accepted", "rejected", "E_DATA_BASIS")
        shows("/", "Flow between units", "E_DATA_BASIS", "nz")
        assert "garbage" not in shows("/quarantine", "E_CBOR", "nothing waits")
        shows("/lag", "outbox.fr", "inbox.it", "routers")
        shows("/directory", "fr-customs")
        assert browser.get("/ledger").status_code == 200
    page = httpx.get(f"http://127.0.0.1:{http_port}/metrics").text
    assert "contrada_console_sessions 1.0" in page


async def test_the_console_shows_what_is_decided(exchange: Exchange) -> None:
    """With a role that reads: deliveries, refusals, quarantine and who reads what; it writes nothing, and ends when told."""
    world, port, http_port = exchange.world, free_port(), free_port()
    exchange.start_router()
    home, process = started(exchange, port, http_port)
    address = f"http://127.0.0.1:{port}"
    log = exchange.directory / "console.log"
    try:
        ready = f"http://127.0.0.1:{http_port}/readyz"
        until(lambda: httpx.get(ready).json()["ready"], what="the console", despite=(httpx.HTTPError,),
              alive=lambda: process.poll() is None or AssertionError(log.read_text()))  # fmt: skip
        await exchange.submit(
            "fr", world.compose("fr", ["it"]), world.compose("fr", ["nz"]), b"<script>garbage"
        )
        await exchange.decisions(1)
        await asyncio.to_thread(browse, home, address, http_port)
    finally:
        process.send_signal(signal.SIGTERM)
        ended(process)
    assert process.returncode == 0
    said = log.read_text()
    assert '"stopped"' in said and "crashed" not in said and "look_failed" not in said
