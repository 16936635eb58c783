"""The rules for Prometheus: valid, each tried both ways by promtool, each with a page that says what to do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from broker.centre.seen.watch_metrics import WatchMetrics
from broker.ledger.metrics import LedgerMetrics
from broker.router.metrics import RouterMetrics
from clients.daemon.metrics import UnitMetrics
from clients.witness.metrics import WitnessMetrics
from deploy.grafana.boards import board_of, text_of
from deploy.grafana.panels import BOARDS
from runtime.process.metrics import process_registry
from tests.docs.pages import ROOT, Page
from tests.unit.deploy.alert_cases import CASES, AlertCase, Series

RULES = ROOT / "deploy" / "prometheus"
ALERTS = (RULES / "alerts.yml").read_text(encoding="utf-8")
RECORDING = (RULES / "recording.yml").read_text(encoding="utf-8")


def promtool(*arguments: str) -> str:
    """What promtool says to this; fails where it does. Skips where it is missing."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed; Debian has it in the package 'prometheus'")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rule_names(text: str) -> list[str]:
    return re.findall(r"^ +- alert: (\w+)$", text, re.MULTILINE)


def test_prometheus_takes_the_settings_and_the_rules() -> None:
    """Syntax, and that the rule files named are there."""
    said = promtool("check", "config", str(RULES / "prometheus.yml"))
    assert said.count("SUCCESS") == 4


def _series(*parts: Series) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for part in parts for name, values in part.items()]


def _runbook(alert: str) -> str:
    (found,) = re.findall(rf"- alert: {alert}\n(?:.*\n)*?\s+runbook_url: (\S+)", ALERTS)
    return str(found)


def _test_of(case: AlertCase, series: list[dict[str, str]], *, fires: bool) -> dict[str, object]:
    annotations = {"summary": case.summary, "runbook_url": _runbook(case.alert)}
    expected = [{"exp_labels": case.labels, "exp_annotations": annotations}] if fires else []
    return {
        "name": f"{case.alert} {'fires' if fires else 'does not'}",
        "interval": "15s",
        "input_series": series,
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}],
    }


@pytest.mark.slow
def test_each_alert_fires_for_its_cause_and_not_for_the_near_miss(tmp_path: Path) -> None:
    """promtool plays both; labels and words are those that a person would be sent."""
    tests = [
        _test_of(case, _series(case.background, series), fires=fires)
        for case in CASES
        for fires, series in ((True, case.fires), (False, case.misses))
    ]
    rules = [str(RULES / "recording.yml"), str(RULES / "alerts.yml")]
    file = tmp_path / "cases.json"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": rules, "evaluation_interval": "15s", "tests": tests}))
    promtool("test", "rules", str(file))


def test_each_alert_has_its_cases() -> None:
    """One row each, in their order."""
    assert [case.alert for case in CASES] == rule_names(ALERTS)


def test_each_alert_leads_to_a_page() -> None:
    """The page and the section exist; somebody is woken or has a ticket, and reads one sentence."""
    rules = re.split(r"^ +- alert: ", ALERTS, flags=re.MULTILINE)[1:]
    assert len(rules) > 20
    for rule in rules:
        (link,) = re.findall(r"runbook_url: (\S+)", rule)
        assert re.search(r"labels: \{severity: (page|ticket)\}", rule), rule
        assert re.search(r'summary: "[^"]+"', rule), rule
        path, _, anchor = link.partition("#")
        assert (ROOT / path).is_file(), link
        assert not anchor or anchor in Page(ROOT / path).anchors(), link


def known_names() -> set[str]:
    """Every name that a page of ours has."""
    kinds = (LedgerMetrics, RouterMetrics, UnitMetrics, WatchMetrics, WitnessMetrics)
    registries = [process_registry(), *(kind.create().registry for kind in kinds)]
    return {sample for one in registries for sample in _names(one)}


RECORDED = set(re.findall(r"- record: (\S+)", RECORDING))


def test_each_metric_of_a_rule_exists() -> None:
    """And what a rule asks of another one is recorded."""
    known, recorded = known_names(), RECORDED
    text = "\n".join(line for line in (ALERTS + RECORDING).splitlines() if not line.lstrip().startswith("#"))
    named = set(re.findall(r"\bcontrada[:\w]*[:_]\w+\b", text)) - recorded
    named -= {name for name in named if name.startswith(("contrada_(",))}
    assert sorted(named - known) == []
    asked = text + "".join(text_of(board) for board in BOARDS)
    assert [name for name in recorded if asked.count(name) == 1] == []


def test_the_files_of_the_boards_are_those_of_the_code() -> None:
    """What is imported into Grafana is what was reviewed: `python -m deploy.grafana.boards` writes it."""
    there = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "deploy/grafana").glob("*.json")}
    assert there == {f"{board.uid}.json": text_of(board) for board in BOARDS}


def test_each_metric_of_a_board_exists() -> None:
    """Whatever a panel asks is on one of our pages, or recorded."""
    known = known_names() | RECORDED | {"up"}
    for board in BOARDS:
        for panel in board.panels:
            for ask, _ in panel.asks:
                names = set(
                    re.findall(r"\b(?:contrada[:_]|process_)[\w:]+\b(?!\()", re.sub(r'"[^"]*"', "", ask))
                )
                assert names <= known, (panel.title, names - known)


def test_no_two_panels_of_a_board_lie_on_each_other() -> None:
    """They fill rows of 24 columns."""
    for board in BOARDS:
        places = [panel["gridPos"] for panel in board_of(board)["panels"]]
        covered = [
            (x, y)
            for place in places
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(covered) == len(set(covered))
        assert max(x for x, _ in covered) == 23


def _names(registry: object) -> set[str]:
    found: set[str] = set()
    for family in registry.collect():  # type: ignore[attr-defined]
        found |= {f"{family.name}{end}" for end in ("", "_total", "_bucket", "_count", "_sum")}
    return found
