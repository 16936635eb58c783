"""A bundle: whatever is put wherever an installation keeps something, none of it is in the archive."""

from __future__ import annotations

import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from clients.cli.bundle import shown
from clients.cli.bundle.gathering import gather_bundle, last_lines, settings_of
from clients.cli.bundle.shown import shown_line, shown_metrics, shown_setting, shown_value
from runtime.cli.command import Invocation
from tests.cli.terminal import contrada
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced, returning
from tests.mutants.promises import assert_missed

SECRETS = (
    "Wanda-1984 correct horse",
    "three persons on deck",
    "6f9619ff8b86d011b42d00c04fc964ff6f9619ff8b86d011b42d00c04fc964ff",
    "AGE-SECRET-KEY-1QQPZRY9",
    "-----BEGIN PRIVATE KEY-----",
    "kafka://svc:hunter2@broker.example:9093",
    "J. Martin, Lyon",
    "Operation-Zugspitze",
)
"""A passphrase, content, a key, others of its kind, an address with a password, a person, a name."""


@contextmanager
def serving(pages: dict[str, str]) -> Iterator[int]:
    """Somebody who answers at a loopback port with these pages, whoever that is."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = pages.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()


def hostile_pages() -> dict[str, str]:
    """Each secret as a value, a key, a label, a name, in every place that a page of ours has."""
    samples = "".join(
        f'contrada_x_total{{reason="{one}",unit="{one}",code="{one}",what="{one}",secret="{one}"}} 1\n{one} 2\n# {one}\n'
        for one in SECRETS
    )
    checks = {f"check{at}": {"ok": True, "hint": one, "code": one, one: 1, "state": one, "more": [one, {"kind": one}]}
              for at, one in enumerate(SECRETS)}  # fmt: skip
    ready = {
        "ready": True,
        "checks": {"kafka": {"ok": True, "age_seconds": 1.5, "code": "E_UNAVAILABLE"}} | checks,
    }
    metrics = (
        f'contrada_unit_messages_queued 3\ncontrada_messages_refused_total{{reason="E_SCHEMA"}} 4\n{samples}'
    )
    return {"/readyz": json.dumps(ready), "/metrics": metrics}


def hostile_home(home: Path, port: int) -> Path:
    """A unit's home with each secret in every setting, file, name of a file and line of a log; its log."""
    texts = (
        "kafka",
        "kafka_security",
        "log_level",
        "unit",
        "secret",
        "passphrase",
        "kafka_key",
        "contact",
        "name",
        "origin",
    )
    for at, one in enumerate(SECRETS):
        (home / "conf.d").mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{name} = {json.dumps(one)}\n" for name in (*texts, f"mine{at}"))
        (home / "conf.d" / f"{at}-{one.replace('/', '')[:40]}.toml").write_text(lines)
        (home / f"{one.replace('/', '')[:40]}").write_text(one)
    (home / "unit.toml").write_text(f"unit = 'fr'\nhttp_port = {port}\nkafka = {json.dumps(SECRETS[5])}\n")
    for name in ("unit.secret", "root.cbor", "state.sqlite", "enrolment.cbor"):
        (home / name).write_text("\n".join(SECRETS))
    (home / "keys").mkdir()
    (home / "keys" / "identity.key").write_text(SECRETS[4])
    log = home / "unit.log"
    good = {
        "event": "decided",
        "level": "info",
        "timestamp": "2026-12-01T17:00:00.5Z",
        "offset": 7,
        "reasons": ["E_SCHEMA"],
    }
    rows = [good, *({"event": "alarm", **dict.fromkeys(("hint", "error", "path", "code", "state", "topic", "sender"), one), one: one,
                     "reasons": [one]} for one in SECRETS), *({"event": one} for one in SECRETS)]  # fmt: skip
    log.write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n".join(SECRETS))
    return log


def texts_in(packed: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        found = {entry.name: tar.extractfile(entry) for entry in tar.getmembers()}
        return {name: file.read().decode() for name, file in found.items() if file is not None}


def test_no_secret_is_in_it_wherever_it_was_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, drop-ins, environment, files, their names, logs, metrics, checks: what is needed is there, and no more."""
    for at, one in enumerate(SECRETS):
        monkeypatch.setenv(f"CONTRADA_UNIT_{'SECRET' if at else 'PASSPHRASE'}", one)
        monkeypatch.setenv(f"CONTRADA_UNIT_MINE{at}", one)
    home = tmp_path / "home"
    home.mkdir()
    with serving(hostile_pages()) as port:
        log = hostile_home(home, port)
        bundle = gather_bundle(Invocation(home=home), logs=[log], with_kafka=False)
    found = texts_in(bundle.packed())
    everything = "\n".join((*found, *found.values()))
    for one in SECRETS:
        assert one not in everything
        assert not [
            word for word in one.split() if len(word) > 5 and word in everything and word != "PRIVATE"
        ], one
    assert str(tmp_path) not in everything
    assert "hunter2" not in everything

    def part(name: str) -> str:
        return found[f"contrada-bundle/{name}"]

    assert json.loads(part("settings.json"))["unit.toml"][0]["settings"] == {
        "unit": "fr", "http_port": port, "kafka": "set, and not shown",
    }  # fmt: skip
    assert json.loads(part("ready-0.json"))["checks"]["kafka"] == {
        "ok": True, "age_seconds": 1.5, "code": "E_UNAVAILABLE",
    }  # fmt: skip
    assert 'contrada_messages_refused_total{reason="E_SCHEMA"} 4' in part("metrics-0.txt")
    assert '"offset": 7' in part("log-0.jsonl")
    assert json.loads(part("failed.json")) == {"status.json": "DaemonUnreachable"}


def test_the_command_writes_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    """And not over another."""
    home, out = tmp_path / "home", tmp_path / "bundle.tgz"
    home.mkdir()
    (home / "unit.toml").write_text("unit = 'fr'\nkafka = '127.0.0.1:1'\n")
    line = ("--home", str(home), "debug", "bundle", "--out", str(out), "--no-kafka")
    seen = contrada(*line, "--json")
    assert seen.exit == 0, seen.err
    assert {row["part"] for row in json.loads(seen.out)} >= {
        "about.txt",
        "settings.json",
        "versions.json",
        "status.json",
    }
    assert out.stat().st_mode & 0o777 == 0o600
    assert contrada(*line).exit == 9


def test_a_log_is_read_from_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a log of gigabytes the last lines; a line that was cut is left out."""
    log = tmp_path / "log"
    log.write_text(
        "".join(json.dumps({"event": "looked", "count": number}) + "\n" for number in range(50_000))
    )
    lines = last_lines(log).splitlines()
    assert len(lines) == 1_001
    assert json.loads(lines[-2])["count"] == 49_999


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "7", '{"event": 7}', '{"event": "Two Words"}', "[" * 100_000]
)
def test_what_is_no_line_of_ours_is_left_out(line: str) -> None:
    assert shown_line(line) is None


def test_deep_and_wide_answers_are_bounded() -> None:
    """Whoever answers: no recursion without end, no list without end."""
    deep: object = 1
    for _ in range(5_000):
        deep = {"a": deep}
    assert json.dumps(shown_value(deep)).count("a") < 20
    assert len(shown_value([1] * 100_000)) == shown.MOST  # type: ignore[arg-type]
    assert len(list(shown_metrics("contrada_x 1\n" * 100_000))) == 20_000


def test_where_a_setting_stands_is_told(tmp_path: Path) -> None:
    """The file, then each drop-in in its order, then the names of variables that the program knows."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "unit.toml").write_text("http_port = 1\nlog_level = 'info'\n")
    (tmp_path / "conf.d" / "10.toml").write_text("http_port = 2\nmine = 3\n")
    found = settings_of(tmp_path, {"CONTRADA_UNIT_HTTP_PORT": "4", "CONTRADA_UNIT_MINE": "x", "HOME": "/"})
    assert found == {
        "unit.toml": [
            {"settings": {"http_port": 1, "log_level": "info"}, "unknown": 0},
            {"settings": {"http_port": 2}, "unknown": 1},
        ],
        "environment": ["CONTRADA_UNIT_HTTP_PORT"],
        "other_variables": 1,
    }


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(shown_setting, returning("value")),
        Mutant(shown_value, returning("value")),
        Mutant(shown_line, returning("line")),
        Mutant(shown_metrics, returning("page.splitlines()")),
        Mutant(shown._labels, forced(True, "form is not None and form.fullmatch(value)")),
    ],
    ids=["settings", "checks", "logs", "metrics", "labels"],
)
async def test_without_the_list_a_secret_is_in_it(
    mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each list by itself keeps something out."""
    await assert_missed(
        mutant, test_no_secret_is_in_it_wherever_it_was_put, tmp_path=tmp_path, monkeypatch=monkeypatch
    )
    assert os.environ
