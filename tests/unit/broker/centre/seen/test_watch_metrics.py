"""The centre's own page of metrics: named as the others, few labels, and nothing on it that is not so any more."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import generate_latest

from broker.centre.progress import Reader
from broker.centre.seen import watching
from broker.centre.seen.alarm_book import AlarmBook
from broker.centre.seen.alarm_file import read_alarms
from broker.centre.seen.sight import ends_of, unit_rows, with_troubles
from broker.centre.seen.troubles import CODES
from broker.centre.seen.watch_metrics import WatchMetrics
from broker.centre.seen.watching import note_look, watch_port
from protocol.identifiers import Millis, UnitId
from runtime.cli.errors import BadInput
from runtime.kafka.ports import ReadingMark
from runtime.process.homes import CentreHome
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped
from tests.mutants.promises import assert_missed
from tests.sim.world import World
from tests.unit.broker.centre.seen.statuses import HELD, NOW, unit, well
from tests.unit.broker.metric_pages import check_conventions, check_with_promtool, labels_of

ENDING = [{"party": "unit-it", "place": "here", "until": NOW + 5_000, "state": "ending", "when": ""}]


def shown(metrics: WatchMetrics | None = None, **change: object) -> WatchMetrics:
    made = metrics or WatchMetrics.create()
    status = with_troubles(well(**change), AlarmBook())
    made.show(status)
    return made


@pytest.mark.parametrize("check", [check_conventions, check_with_promtool])
def test_the_page_follows_the_conventions(check) -> None:
    check(generate_latest(shown(quarantine=HELD, certificates=ENDING).registry))


def test_labels_are_units_keys_and_codes() -> None:
    """Nothing that Prometheus sets itself, nothing without an end."""
    seen = labels_of(generate_latest(shown(quarantine=HELD, certificates=ENDING).registry))
    assert seen == {
        "unit": {"fr", "it"}, "kind": {"unit"}, "party": {"fr", "unit-it here"},
        "code": {"quarantined", "certificate_ending"},
    }  # fmt: skip
    assert seen["code"] <= set(CODES)


def test_what_is_gone_is_shown_no_more() -> None:
    """A unit that left, a trouble that is over; without Kafka what was seen last of units is not shown as if it were now."""
    metrics = shown(quarantine=HELD)
    value = metrics.registry.get_sample_value
    assert value("contrada_centre_troubles", {"code": "quarantined"}) == 1
    shown(metrics, units=[unit("fr", outbox_lag=None), unit("no", suspended=True)])
    assert value("contrada_centre_troubles", {"code": "quarantined"}) is None
    assert value("contrada_centre_inbox_lag_records", {"unit": "it"}) is None
    assert value("contrada_centre_outbox_lag_records", {"unit": "fr"}) is None  # not known is no zero
    assert value("contrada_centre_unit_heard_timestamp_seconds", {"unit": "no"}) is None
    metrics.show(with_troubles({"moment": NOW, "kafka": {"reachable": False, "error": ""}}, AlarmBook()))
    assert value("contrada_centre_kafka_up") == 0
    assert value("contrada_centre_inbox_lag_records", {"unit": "fr"}) is None


def test_a_clock_within_what_clocks_may_is_right() -> None:
    """Else each machine would be off by a few milliseconds, for ever."""
    assert [
        shown(clock={"ahead": ahead, "error": None}).registry.get_sample_value(
            "contrada_centre_clock_off_seconds"
        )
        for ahead in (90_000, -200_000)
    ] == [0, -200]


def test_a_unit_is_heard_by_the_newest_of_its_marks(world: World) -> None:
    """What waits for it is added up; what routers have not said is not known."""
    mark = [ReadingMark(4, Millis(t), Millis(t)) for t in (5, 9)]
    readers = {
        ("inbox.it", 0): Reader("unit it", ("inbox.it", 0), 7, 4, mark[0]),
        ("inbox.it", 1): Reader("unit it", ("inbox.it", 1), 7, 4, mark[1]),
        ("receipts.it", 0): Reader("unit it", ("receipts.it", 0), 2, None),
        ("audit", 0): Reader("the ledger", ("audit", 0), 7, 4, mark[0]),
    }
    backlog = [
        {"unit": "it", "lag": 2},
        {"unit": "it", "lag": 1},
        {"unit": "fr", "lag": None},
        {"unit": "fr", "lag": 4},
    ]
    rows = {row["unit"]: row for row in unit_rows(world.directory.units(), readers, backlog)}
    assert rows["it"] == {
        "unit": "it", "suspended": False, "heard": 9, "outbox_lag": 3, "inbox_lag": 6, "receipts_lag": 2,
    }  # fmt: skip
    assert (rows[UnitId("fr")]["outbox_lag"], rows["fr"]["heard"]) == (None, None)


def test_a_key_without_an_end_has_no_row() -> None:
    """Nor has that of a unit that is suspended: it would be an alert that nobody can end."""
    keys = [
        {"kind": "root", "name": "root", "until": None},
        {"kind": "unit", "name": "fr", "until": NOW + 7, "state": "lasting"},
    ]
    keys.append({"kind": "unit", "name": "no", "until": NOW - 7, "state": "suspended"})
    assert ends_of(keys, Millis(NOW)) == [{"kind": "unit", "name": "fr", "until": NOW + 7, "left": 7}]


def test_a_look_is_noted_and_a_full_disk_stops_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarms of a look are in the book; where the disk does not take them the look goes on."""
    home = CentreHome(tmp_path)
    assert note_look(home, well(quarantine=HELD)) is not None
    assert [one.code for one in read_alarms(home).alarms.values()] == ["quarantined"]

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(watching, "change_alarms", full)
    assert note_look(home, well()) is None


@pytest.mark.parametrize(("line", "port"), [("", 9475), ("watch_port = 7\n", 7), ("watch_port = 0\n", 0)])
def test_the_port_is_the_settings_or_the_usual_one(tmp_path: Path, line: str, port: int) -> None:
    (tmp_path / "centre.toml").write_text(line)
    assert watch_port(CentreHome(tmp_path)) == port


@pytest.mark.parametrize("value", ["'9475'", "70000", "-1", "true", "1.5"])
def test_what_is_no_port_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "centre.toml").write_text(f"watch_port = {value}\n")
    with pytest.raises(BadInput, match=r"'watch_port' in .* is no port"):
        watch_port(CentreHome(tmp_path))


async def test_without_the_clearing_a_unit_stays_for_ever() -> None:
    await assert_missed(
        Mutant(WatchMetrics.show, dropped("several.clear")), test_what_is_gone_is_shown_no_more
    )
