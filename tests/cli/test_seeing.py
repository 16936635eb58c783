"""The centre's alarms by command lines, and what `centre check` and `centre audit` refuse before they ask anybody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from broker.centre.audit_trail import RowFilter
from broker.centre.seen.alarm_file import change_alarms
from broker.centre.seen.troubles import Trouble
from clients.cli.unit_status import show_status
from protocol.identifiers import Millis
from runtime.cli.confirm import acting_user
from runtime.process.homes import CentreHome
from tests.cli.homes import world
from tests.cli.terminal import Seen, contrada
from tests.mutants.engine import Mutant
from tests.mutants.operations import forced
from tests.mutants.promises import assert_missed

SILENT = Trouble("unit_silent", "unit it", "not heard for 90 s", Millis(1_795_000_000_000))


@pytest.fixture
def home(tmp_path: Path) -> CentreHome:
    """A centre with two alarms."""
    (tmp_path / "root.cbor").write_bytes(world().root.encoded())
    (tmp_path / "centre.toml").write_text("kafka = '127.0.0.1:1'\nkafka_security = 'plain'\n")
    made = CentreHome(tmp_path)
    gone = Trouble("topic_missing", "inbox.it", "declared, and not in Kafka")
    change_alarms(made, lambda book: book.noted([SILENT, gone], now=Millis(1_795_000_100_000)))
    return made


def at(home: CentreHome, *arguments: str, exit_: int = 0) -> Seen:
    seen = contrada("--home", str(home.path), "centre", *arguments)
    assert seen.exit == exit_, seen
    return seen


def test_an_alarm_has_an_owner_and_an_end(home: CentreHome) -> None:
    """Listed with since when, acknowledged by somebody, closed; who and when stands beside it."""
    shown = at(home, "alarms", "ls")
    assert "2026-11-18T11:06:40Z" in shown.out and "unit_silent" in shown.out
    (done,) = json.loads(
        at(home, "alarms", "ack", "1", "--by", "J. Martin", "--note", "called", "--json").out
    )
    assert (done["state"], done["by"], done["note"]) == ("acknowledged", "J. Martin", "called")
    (done,) = json.loads(at(home, "alarms", "close", "1", "--json").out)
    assert (done["state"], done["by"]) == ("closed", acting_user())
    rows = json.loads(at(home, "alarms", "ls", "--state", "open", "--json").out)
    assert [row["id"] for row in rows] == [2]
    assert [json.loads(line)["id"] for line in at(home, "alarms", "ls", "--jsonl").out.splitlines()] == [1, 2]
    assert (
        "1 more" in at(home, "alarms", "ls", "--limit", "1").err
        or "older" in at(home, "alarms", "ls", "--limit", "1").err
    )


@pytest.mark.parametrize(
    ("arguments", "exit_"),
    [
        (("alarms", "ack"), 2), (("alarms", "ack", "zero"), 2), (("alarms", "ack", "0"), 2), (("alarms", "ack", "9"), 5),
        (("alarms", "close", "1", "--by", ""), 2), (("alarms", "close", "1", "--note", "two\nlines"), 2), (("alarms", "ls", "--state", "gone"), 2),
        (("check", "lags"), 2), (("check", "lag", "--lag", "5"), 2), (("check", "lag", "--lag", "1,x"), 2), (("check", "--form", "xml"), 2),
        (("audit", "--reason", "E_NOTHING_AT_ALL"), 2), (("audit", "--message", "x"), 2), (("top", "--sort", "age"), 2), (("top", "--most", "0"), 2),
        (("watch", "--port", "70000"), 2), (("watch", "--every", "soon"), 2),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(home: CentreHome, arguments: tuple[str, ...], exit_: int) -> None:
    """With the exit code of its kind, and nothing is changed by it."""
    before = home.alarms.read_bytes()
    at(home, *arguments, exit_=exit_)
    assert home.alarms.read_bytes() == before


def test_a_plugin_answers_without_kafka(home: CentreHome) -> None:
    """Kafka is critical, what rests on it unknown, and the exit code is the plugin's own."""
    assert at(home, "check", "kafka", "--form", "nagios", exit_=2).out.startswith(
        "CONTRADA CRITICAL - kafka: "
    )
    assert at(home, "check", "lag", "--form", "nagios", exit_=3).out.startswith("CONTRADA UNKNOWN - lag: ")
    home.pending.mkdir()  # a file is read there: an error of the system, and no verdict
    assert at(home, "check", "lag", "--form", "nagios", exit_=3).out.startswith("CONTRADA UNKNOWN")
    home.settings.write_text("kafka = 7\n")
    assert at(home, "check", "lag", "--form", "nagios", exit_=3).out.startswith("CONTRADA UNKNOWN - E_")


ROW = {
    "unit": "fr",
    "to": ["it"],
    "decision": "rejected",
    "t": 5,
    "id": "019aa5f2-7c1e",
    "reasons": [{"code": "E_DATA_BASIS", "unit": "it"}],
}


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ({"reason": "E_DATA_BASIS"}, True), ({"reason": "E_SCHEMA"}, False), ({"message": "019aa5f2"}, True), ({"message": "019aa5f3"}, False),
        ({"since": 5, "until": 6}, True), ({"since": 6}, False), ({"until": 5}, False), ({"unit": "it", "reason": "E_SCHEMA"}, False),
    ],
)  # fmt: skip
def test_the_trail_is_asked_by_reason_message_and_time(asked: dict[str, object], taken: bool) -> None:
    """All that is asked for must be so."""
    assert RowFilter(**asked).takes(ROW) is taken  # type: ignore[arg-type]


async def test_without_the_filter_every_row_is_of_this_reason() -> None:
    mutant = Mutant(
        RowFilter.takes,
        forced(True, "self.reason is None or any(one['code'] == self.reason for one in row['reasons'])"),
    )
    await assert_missed(
        mutant, test_the_trail_is_asked_by_reason_message_and_time, [{"reason": "E_SCHEMA"}, False]
    )


def test_an_officer_sees_the_next_deadline(capsys: pytest.CaptureFixture[str]) -> None:
    """How many requests wait, and until when the next one is to be answered; no line where none does."""
    well = {
        "unit": "fr",
        "ready": True,
        "checks": {},
        "alarms": [],
        "open_alarms": 0,
        "ledger": {"followed": False},
    }
    show_status(
        well
        | {"requests": {"waiting": 3, "urgent": 1, "near": 1, "overdue": 0, "next_due": 1_795_000_000_000}}
    )
    shown = capsys.readouterr().out
    assert (
        "requests   3 to answer, 1 of them urgent, 1 near their deadline, 0 overdue; the next by 2026-11-18T11:06:40Z"
        in shown
    )
    show_status(well | {"requests": {"waiting": 0, "urgent": 0, "near": 0, "overdue": 0, "next_due": None}})
    assert "requests" not in capsys.readouterr().out
