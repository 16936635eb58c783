"""docs/demo.svg: what the demo prints on a terminal, drawn.

`python -m tests.docs.demo_picture` plays the demo once on a terminal of its own and writes the picture. Owns the
recording of a terminal, the drawing, and reading the drawn table back. The lines are the demo's own. Left out are the
line that each act prints when it is done, because the table names it again, and the last line, which says that it stops.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from html import escape, unescape
from pathlib import Path

from tests.docs.pages import ROOT

PICTURE = ROOT / "docs" / "demo.svg"
COLUMNS = 120
PROGRAM = (sys.executable, "-P", "-c", "from clients.cli.main import main; main()", "demo")

_CELL, _LINE, _LEFT, _TOP = 7.2, 18, 18, 58
_SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")
_DRAWN = re.compile(r'<text class="(\w+)" x="([\d.]+)" y="(\d+)"[^>]*>([^<]*)</text>')
_RULE = re.compile(r'<line [^>]*y2="(\d+)"/>')
_STYLE = """
  .window { fill: #1b1f27; stroke: #4a5261 } .bar { fill: #2a303b }
  text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #d5dae3; white-space: pre }
  .talk { fill: #8f9bb0 } .title { font-weight: bold; fill: #ffffff } .well { fill: #7ed491 } .failed { fill: #ff8f80 }
  .typed { fill: #ffffff; font-weight: bold } line { stroke: #4a5261 }"""


class Terminal:
    """A terminal of our own that writes down what a program prints on it."""

    def __init__(self, log: Path) -> None:
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        self._copying = threading.Thread(target=self._copy, args=(log,), daemon=True)
        self._copying.start()

    def _copy(self, log: Path) -> None:
        with log.open("ab") as out:
            while True:
                try:
                    data = os.read(self._master, 65536)
                except OSError:  # the last program that had it has ended
                    return
                out.write(data)
                out.flush()

    def close(self) -> None:
        """After the program has ended: all that it printed is in the log."""
        os.close(self.slave)
        self._copying.join(10)
        os.close(self._master)


def terminal_environment() -> dict[str, str]:
    """The environment of a program on such a terminal: colours are allowed, nothing else says how wide it is."""
    hidden = {"COLUMNS", "LINES", "NO_COLOR"}
    return {key: value for key, value in os.environ.items() if key not in hidden} | {"TERM": "xterm"}


def shown_lines(recorded: str) -> list[str]:
    """The lines of a recording that the picture shows."""
    lines = [_SEQUENCE.sub("", line).rstrip() for line in recorded.replace("\r", "").splitlines()]
    table = next(at for at, line in enumerate(lines) if line.lstrip().startswith("ACT "))
    end = next((at for at, line in enumerate(lines) if at > table and line in ("", "stopping")), len(lines))
    talk = [line for line in lines[:table] if line and not line.startswith(("ok  ", "FAIL"))]
    return [*talk, "", *lines[table:end]]


def drawn_lines(picture: str) -> list[str]:
    """The lines of a picture, as they stood on the terminal."""
    rows: dict[int, list[str]] = {}
    for _, x, y, text in _DRAWN.findall(picture):
        row = rows.setdefault(round((int(y) - _TOP) / _LINE), [])
        at = round((float(x) - _LEFT) / _CELL)
        row += " " * (at - len(row))
        row += unescape(text)
    for y in _RULE.findall(picture):
        rows[round((int(y) + 4 - _TOP) / _LINE)] = ["─"]
    return ["".join(rows.get(at, [])) for at in range(max(rows) + 1)][1:]  # not the command


def acts(lines: list[str]) -> list[tuple[str, ...]]:
    """The rows of the table, each cell in one piece; leaves are `#`, because their numbers differ from run to run."""
    head = next(at for at, line in enumerate(lines) if line.lstrip().startswith("ACT "))
    starts = [match.start() for match in re.finditer(r"\S+", lines[head])]
    rows: list[list[str]] = []
    for line in lines[head + 1 :]:
        if not line or line.lstrip().startswith("─"):
            continue
        cells = [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        if cells[-1]:
            rows.append(cells)
        else:
            rows[-1] = [f"{whole} {more}".strip() for whole, more in zip(rows[-1], cells, strict=True)]
    return [tuple(re.sub(r"\bleaf \d+", "leaf #", cell) for cell in row) for row in rows]


def talk(lines: list[str]) -> list[str]:
    """What is said before the table, with the port as `#`."""
    return [re.sub(r":\d+", ":#", line) for line in lines[: lines.index("")]]


def draw(lines: list[str]) -> str:
    """The picture of these lines below the command that was typed."""
    width, height = round(COLUMNS * _CELL + 2 * _LEFT), _TOP + (len(lines) + 1) * _LINE
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
        "<title>What the demo prints: eleven acts, what was expected of each and what was seen</title>",
        f"<style>{_STYLE}\n</style>",
        f'<rect class="window" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        f'<path class="bar" d="M1 32 V8 a7 7 0 0 1 7 -7 H{width - 8} a7 7 0 0 1 7 7 V32 Z"/>',
        *(f'<circle cx="{22 + 18 * at}" cy="17" r="5.5" fill="#5b6474"/>' for at in range(3)),
        _text("typed", 0, _TOP, "$ make demo"),
    ]
    table = lines.index("") if "" in lines else len(lines)
    for number, line in enumerate(lines, 1):
        y = _TOP + number * _LINE
        if line.lstrip().startswith("─"):
            out.append(f'<line x1="{_LEFT}" x2="{width - _LEFT}" y1="{y - 4}" y2="{y - 4}"/>')
            continue
        for run in re.finditer(r"\S+(?: \S+)*", line):
            kind = {"yes": "well", "no": "failed"}.get(run[0], "seen")
            kind = "talk" if number <= table else "title" if number == table + 2 else kind
            out.append(_text(kind, run.start(), y, run[0]))
    return "\n".join([*out, "</svg>", ""])


def _text(kind: str, column: int, y: int, text: str) -> str:
    place = f'x="{_LEFT + column * _CELL:.1f}" y="{y}" textLength="{len(text) * _CELL:.1f}"'
    return f'<text class="{kind}" {place}>{escape(text, quote=False)}</text>'


def main() -> int:
    """Play the demo and write the picture."""
    with tempfile.TemporaryDirectory(prefix="cd-") as name:
        log = Path(name) / "recorded"
        terminal = Terminal(log)
        command = [*PROGRAM, "--once", "--dir", f"{name}/demo"]
        screen = {"stdin": terminal.slave, "stdout": terminal.slave, "stderr": terminal.slave}
        ended = subprocess.run(
            command, cwd=ROOT, env=terminal_environment(), check=False, **screen
        ).returncode
        terminal.close()
        recorded = log.read_text(encoding="utf-8")
    if ended:
        sys.stderr.write(recorded)
        return ended
    PICTURE.write_text(draw(shown_lines(recorded)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
