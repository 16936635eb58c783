"""The demo's console: founded with the exchange, started with it, and opened by a link that is printed last.

It is another package's program: it is made, run and asked by its command line alone.
"""

from __future__ import annotations

from pathlib import Path

from clients.demo.processes import TETHERED, Processes, run_contrada
from runtime.cli.render import say

NAME = "whoever runs the demo"
MINUTES = 1440
"""How long the link can be used: somebody comes back to the terminal tomorrow."""


def console_in(centre: Path) -> Path:
    """Its settings, in the centre's home."""
    return centre / "console" / "console.toml"


def found_console_of(centre: Path, *, port: int, http_port: int) -> None:
    """Make the console of this centre."""
    run_contrada("--home", str(centre), "centre", "console", "init",
                 "--port", str(port), "--http-port", str(http_port))  # fmt: skip


def start_console(processes: Processes, centre: Path) -> None:
    """Start it, where there is one: a demo of an earlier release has none."""
    if console_in(centre).exists():
        processes.start("console", [*TETHERED, "--home", str(centre), "centre", "console", "run"])


def link_into(centre: Path) -> str:
    """A link that opens it once; it lets its holder act, as an officer of the centre would."""
    made = run_contrada("--home", str(centre), "centre", "console", "link", "--role", "act",
                        "--name", NAME, "--minutes", str(MINUTES))  # fmt: skip
    return str(made["link"])


def tell_console(centre: Path) -> None:
    """Say where it is, and how to come in."""
    if not console_in(centre).exists():
        return
    link = link_into(centre)
    say(f"console: {link.partition('/enter/')[0]}   come in, once: {link}")
